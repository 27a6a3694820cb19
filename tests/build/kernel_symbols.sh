#!/bin/sh
# kernel_symbols.sh ISA OBJECT…: the objects define no function with external linkage, and all their
# external data is called cincel_<something>_<ISA>. Environment: NM.
set -eu
isa=$1
shift
[ $# -gt 0 ] || { echo "no objects given for $isa"; exit 1; }
bad=$("${NM:-nm}" --extern-only --defined-only "$@" |
    awk -v isa="$isa" 'NF == 3 && ($2 !~ /^[BCDGRS]$/ || $3 !~ "^cincel_[a-z0-9_]*" isa "$") { print $2, $3 }')
[ -z "$bad" ] || { printf 'external symbols that are not data of %s:\n%s\n' "$isa" "$bad"; exit 1; }
"${NM:-nm}" --extern-only --defined-only "$@" | grep -q " cincel_isa_$isa\$" || {
    echo "cincel_isa_$isa is missing"
    exit 1
}
echo "$#  objects of $isa: only data is external"
