# Cross-compiles for aarch64 Linux with Debian's gcc; programs run under qemu-aarch64.
# Libraries that Debian's cross compiler does not bring (jansson, zlib, cmocka) come from a sysroot that
# scripts/aarch64-sysroot fills; without them configure with CINCEL_BUILD_TRAIN=OFF, CINCEL_BUILD_TESTS=OFF.
# The emulated CPU is chosen at run time: QEMU_CPU=cortex-a72 ctest --preset aarch64
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)

set(CINCEL_AARCH64_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../build/aarch64-sysroot
  CACHE PATH "Libraries for aarch64 (scripts/aarch64-sysroot)")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES CINCEL_AARCH64_SYSROOT)
get_filename_component(sysroot ${CINCEL_AARCH64_SYSROOT} ABSOLUTE)

# Not CMAKE_SYSROOT: the C library stays the cross compiler's.
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu ${sysroot})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
# Without these pkg-config would find the libraries of the build machine.
set(ENV{PKG_CONFIG_LIBDIR} ${sysroot}/usr/lib/aarch64-linux-gnu/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${sysroot})
set(ENV{PKG_CONFIG_PATH} "")
