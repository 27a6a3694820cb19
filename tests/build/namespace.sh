#!/bin/sh
# namespace.sh ARCHIVE…: everything a static library offers the linker begins with cincel_, for no
# visibility keeps another name from colliding with one of the program's own. Environment: NM.
set -eu
for archive in "$@"; do
    names=$("${NM:-nm}" --extern-only --defined-only "$archive" | awk 'NF == 3 { print $3 }')
    [ -n "$names" ] || { echo "$archive defines no symbol"; exit 1; }
    bad=$(echo "$names" | grep -v '^cincel_' || true)
    [ -z "$bad" ] || { printf 'names without cincel_ in %s:\n%s\n' "$archive" "$bad"; exit 1; }
done
echo "$# archives: all names begin with cincel_"
