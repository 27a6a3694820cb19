#include "tests/support/emulated.h"

#include <stdlib.h>

#ifdef CINCEL_TEST_EMULATED_AVX512

extern const struct cincel_isa cincel_isa_avx512_emulated;

const struct cincel_isa *test_emulated_avx512(uint32_t cpu_features)
{
    if (getenv("CINCEL_TEST_EMULATOR")) return NULL; /* emulation in emulation takes minutes */
    const uint32_t base = CINCEL_CPU_AVX2 | CINCEL_CPU_FMA;
    const int native = (cincel_isa_avx512_emulated.needs & ~cpu_features) == 0;
    return !native && (base & ~cpu_features) == 0 ? &cincel_isa_avx512_emulated : NULL;
}

#else

const struct cincel_isa *test_emulated_avx512(uint32_t cpu_features)
{
    (void)cpu_features;
    return NULL;
}

#endif
