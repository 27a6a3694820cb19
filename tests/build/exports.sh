#!/bin/sh
# exports.sh LIBRARY SOURCE_DIR HEADER…: the symbols LIBRARY exports are those the headers declare with
# default visibility. Environment: CC, NM.
set -eu
library=$1 source=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One declaration a line, comments gone; the name stands before the first parenthesis after the attribute.
# A header included by these declares another library's functions: the line markers tell them apart.
for header in "$@"; do
    "${CC:-cc}" -E -I"$source" -I"$source/include" -include "$source/$header" -x c /dev/null |
        awk -v header="/$header\"" '/^# [0-9]+ "/ { ours = index($0, header) > 0; next } ours'
done |
    tr '\n' ' ' | tr ';{}' '\n\n\n' |
    sed -n 's/.*visibility("default")))//p' | sed 's/__attribute__((.*//; s/ *(.*//; s/.*[^A-Za-z0-9_]//' |
    sort -u >"$work/declared"
"${NM:-nm}" -D --defined-only "$library" | awk '{ print $3 }' | sed 's/@.*//' | sort -u >"$work/exported"

[ -s "$work/declared" ] || { echo "exports: no declaration found in $*"; exit 1; }
diff "$work/declared" "$work/exported" >"$work/diff" || {
    sed -n 's/^< /declared, not exported: /p; s/^> /exported, not declared: /p' "$work/diff"
    exit 1
}
echo "$(wc -l <"$work/declared") symbols exported, all of them declared in $*"
