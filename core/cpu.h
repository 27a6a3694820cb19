/* What the CPU can do, asked of the CPU (and of the OS: saved register state), once. */
#ifndef CINCEL_CORE_CPU_H
#define CINCEL_CORE_CPU_H

#include <stddef.h>
#include <stdint.h>

/* One bit a feature; a kernel folder's `needs` is an or of these and equals its compile flags. */
enum cincel_cpu_feature {
    CINCEL_CPU_AVX2 = 1u << 0, /* with ymm state saved by the OS: XCR0 & 0x6 */
    CINCEL_CPU_FMA = 1u << 1,
    CINCEL_CPU_AVX512F = 1u << 2, /* this and below with zmm and mask state: XCR0 & 0xe6 */
    CINCEL_CPU_AVX512BW = 1u << 3,
    CINCEL_CPU_AVX512DQ = 1u << 4,
    CINCEL_CPU_AVX512VL = 1u << 5,
    CINCEL_CPU_NEON = 1u << 6 /* aarch64 Advanced SIMD */
};

struct cincel_cpu {
    uint32_t features;
    char vendor[16]; /* "amd", "intel", "arm", "apple", …: lower case, fit for a file name */
    char name[64];   /* marketing name, or "" */
    unsigned family, model, stepping; /* x86, extended fields folded in */
    uint32_t midr;                    /* ARM: of the fastest kind, variant and revision cleared; else 0 */
};

void cincel_cpu_detect(struct cincel_cpu *out);

/* "avx2 fma", in bit order; always terminated, truncated to `size`. */
void cincel_cpu_feature_names(uint32_t features, char *out, size_t size);

#endif
