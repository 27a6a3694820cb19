/* gemm tiles of AVX2. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

#include "kernels/body/edge.inc"

/* 12 accumulators + 2 B + 1 broadcast = 15 of 16 registers */
#define NAME gemm_6x16
#define MR 6
#define NV 2
#include "kernels/body/gemm.inc"

#define NAME gemm_5x16
#define MR 5
#define NV 2
#include "kernels/body/gemm.inc"

#define NAME gemm_4x16
#define MR 4
#define NV 2
#include "kernels/body/gemm.inc"

#define NAME gemm_3x16
#define MR 3
#define NV 2
#include "kernels/body/gemm.inc"

#define NAME gemm_2x16
#define MR 2
#define NV 2
#include "kernels/body/gemm.inc"

#define NAME gemm_1x16
#define MR 1
#define NV 2
#include "kernels/body/gemm.inc"

/* 12 accumulators + 3 B + 1 broadcast = 16 of 16 */
#define NAME gemm_4x24
#define MR 4
#define NV 3
#include "kernels/body/gemm.inc"

#define NAME gemm_3x24
#define MR 3
#define NV 3
#include "kernels/body/gemm.inc"

#define NAME gemm_2x24
#define MR 2
#define NV 3
#include "kernels/body/gemm.inc"

#define NAME gemm_1x24
#define MR 1
#define NV 3
#include "kernels/body/gemm.inc"

/* few columns: 12 accumulators, one B; bound by the load ports, 13 loads for 12 FMAs */
#define NAME gemm_12x8
#define MR 12
#define NV 1
#include "kernels/body/gemm.inc"

#define NAME gemm_8x8
#define MR 8
#define NV 1
#include "kernels/body/gemm.inc"

#define NAME gemm_4x8
#define MR 4
#define NV 1
#include "kernels/body/gemm.inc"

#define NAME gemm_2x8
#define MR 2
#define NV 1
#include "kernels/body/gemm.inc"

#define NAME gemm_1x8
#define MR 1
#define NV 1
#include "kernels/body/gemm.inc"

/* few rows: the wider, the more chains hide the latency of an FMA (3x32 spills in clang) */
#define NAME gemm_2x32
#define MR 2
#define NV 4
#include "kernels/body/gemm.inc"

#define NAME gemm_1x32
#define MR 1
#define NV 4
#include "kernels/body/gemm.inc"

/* one row: eight chains, as many as two FMAs a cycle with a latency of four need */
#define NAME gemm_1x64
#define MR 1
#define NV 8
#include "kernels/body/gemm.inc"

/* The tiles that bear the load, down a strip. */
#define NAME strip_6x16
#define MR 6
#define NV 2
#include "kernels/body/strip.inc"

/* ten rows: the outputs of a classifier of ten classes */
#define NAME strip_5x16
#define MR 5
#define NV 2
#include "kernels/body/strip.inc"

#define NAME strip_4x24
#define MR 4
#define NV 3
#include "kernels/body/strip.inc"

#define NAME strip_12x8
#define MR 12
#define NV 1
#include "kernels/body/strip.inc"

const struct cincel_gemm_row cincel_gemm_avx2[CINCEL_GEMM_COUNT] = {
    {"gemm_6x16_avx2", 6, 16, gemm_6x16, strip_6x16}, {"gemm_5x16_avx2", 5, 16, gemm_5x16, strip_5x16},
    {"gemm_4x16_avx2", 4, 16, gemm_4x16, NULL},       {"gemm_3x16_avx2", 3, 16, gemm_3x16, NULL},
    {"gemm_2x16_avx2", 2, 16, gemm_2x16, NULL},       {"gemm_1x16_avx2", 1, 16, gemm_1x16, NULL},
    {"gemm_4x24_avx2", 4, 24, gemm_4x24, strip_4x24}, {"gemm_3x24_avx2", 3, 24, gemm_3x24, NULL},
    {"gemm_2x24_avx2", 2, 24, gemm_2x24, NULL},       {"gemm_1x24_avx2", 1, 24, gemm_1x24, NULL},
    {"gemm_12x8_avx2", 12, 8, gemm_12x8, strip_12x8}, {"gemm_8x8_avx2", 8, 8, gemm_8x8, NULL},
    {"gemm_4x8_avx2", 4, 8, gemm_4x8, NULL},          {"gemm_2x8_avx2", 2, 8, gemm_2x8, NULL},
    {"gemm_1x8_avx2", 1, 8, gemm_1x8, NULL},          {"gemm_2x32_avx2", 2, 32, gemm_2x32, NULL},
    {"gemm_1x32_avx2", 1, 32, gemm_1x32, NULL},       {"gemm_1x64_avx2", 1, 64, gemm_1x64, NULL},
};
