#!/bin/sh
# rooms.sh SOURCE_DIR: no room includes a higher one, and what has one home stands there only:
# intrinsics, OpenMP, machine flags.
set -u
cd "$1" || exit 1
code='--include=*.c --include=*.h --include=*.inc'

# Each part prints what breaks a rule, and nothing otherwise.
# shellcheck disable=SC2086 # $code is a list
upward_includes() {
    higher=
    for room in cli train plan tune ops kernels core; do
        [ -z "$higher" ] || grep -rnE $code "^ *# *include +\"(${higher})/" "$room"
        higher=${higher:+$higher|}$room
    done
    grep -rnE $code '# *include ["<]cincel/train\.h' plan tune ops kernels core
}
# shellcheck disable=SC2086
strayed_intrinsics() {
    grep -rnE $code '# *include <([a-z0-9]*mmintrin|x86intrin|arm_neon|cpuid|sys/auxv|asm/hwcap)\.h>' \
        cli train plan tune ops core kernels |
        grep -vE '^(kernels/[a-z0-9]+/vec\.h|core/(cpu|fpmode)\.c):'
}
# shellcheck disable=SC2086
strayed_openmp() {
    grep -rnE $code '# *pragma +omp|# *include <omp\.h>' cli train plan tune ops core kernels |
        grep -v '^core/parallel\.c:'
}
machine_flags() {
    grep -nE -- '-m(avx|fma|sse|arch|cpu|tune)' CMakeLists.txt ./*/CMakeLists.txt
}

found=$(upward_includes; strayed_intrinsics; strayed_openmp; machine_flags)
[ -z "$found" ] || { printf 'Against the rules of docs/architecture.md:\n%s\n' "$found"; exit 1; }
