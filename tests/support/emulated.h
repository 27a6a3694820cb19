/* AVX-512 where the CPU has none: its kernels compiled with emulate_avx512.h. */
#ifndef CINCEL_TESTS_SUPPORT_EMULATED_H
#define CINCEL_TESTS_SUPPORT_EMULATED_H

#include "kernels/kernel.h"

/* NULL where it is not needed (the CPU has AVX-512), not built, its own base, AVX2, is missing, or an
   emulator already runs the test ($CINCEL_TEST_EMULATOR). */
const struct cincel_isa *test_emulated_avx512(uint32_t cpu_features);

#endif
