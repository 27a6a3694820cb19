#!/bin/sh
# consumer.sh BUILD_DIR CONSUMER_DIR: installs into a scratch prefix, then builds and runs the consumer
# programs against it with find_package and with pkg-config. Environment: CC, CXX, CMAKE, GENERATOR.
set -eu
build=$1 source=$2
work=$build/consumer-test
prefix=$work/prefix
rm -rf "$work"
mkdir -p "$work"

"$CMAKE" --install "$build" --prefix "$prefix" >"$work/install.log"
moved=$work/moved # an installed tree must work wherever it is put
mv "$prefix" "$moved"

"$CMAKE" -G "$GENERATOR" -S "$source" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$moved" \
    -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" >"$work/configure.log" 2>&1 ||
    { cat "$work/configure.log"; exit 1; }
"$CMAKE" --build "$work/cmake" >"$work/build.log" || { cat "$work/build.log"; exit 1; }
for program in "$work"/cmake/use-*; do
    "$program"
done

PKG_CONFIG_PATH=$(dirname "$(find "$moved" -name cincel.pc)")
export PKG_CONFIG_PATH
libdir=$(pkg-config --variable=libdir cincel)
warn="-Wall -Wextra -Werror"
# Unquoted on purpose: lists of flags.
# shellcheck disable=SC2046,SC2086
{
    "$CC" -std=c11 $warn "$source/core.c" $(pkg-config --cflags --libs cincel) -o "$work/pc-core"
    "$CXX" -std=c++17 $warn "$source/core.cpp" $(pkg-config --cflags --libs cincel) -o "$work/pc-core-cxx"
    "$CC" -std=c11 $warn "$source/core.c" $(pkg-config --cflags cincel) "$libdir/libcincel.a" \
        $(pkg-config --static --libs cincel | sed 's/-lcincel //') -o "$work/pc-core-static"
}
programs="pc-core pc-core-cxx pc-core-static"
if pkg-config --exists cincel-train; then
    # shellcheck disable=SC2046,SC2086
    "$CC" -std=c11 $warn "$source/train.c" $(pkg-config --cflags --libs cincel-train) -o "$work/pc-train"
    programs="$programs pc-train"
fi
for program in $programs; do
    LD_LIBRARY_PATH=$libdir "$work/$program"
done
