/* gemm tiles of AVX-512. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

#include "kernels/body/edge.inc"

/* 28 accumulators + 2 B + 1 broadcast = 31 of 32 registers; 12 rows where 14 lines meet in one L1 set */
#define NAME gemm_14x32
#define MR 14
#define NV 2
#include "kernels/body/gemm.inc"

#define NAME gemm_12x32
#define MR 12
#define NV 2
#include "kernels/body/gemm.inc"

#define NAME gemm_8x32
#define MR 8
#define NV 2
#include "kernels/body/gemm.inc"

#define NAME gemm_6x32
#define MR 6
#define NV 2
#include "kernels/body/gemm.inc"

#define NAME gemm_4x32
#define MR 4
#define NV 2
#include "kernels/body/gemm.inc"

#define NAME gemm_2x32
#define MR 2
#define NV 2
#include "kernels/body/gemm.inc"

#define NAME gemm_1x32
#define MR 1
#define NV 2
#include "kernels/body/gemm.inc"

/* 27 accumulators + 3 B + 1 broadcast = 31 of 32 */
#define NAME gemm_9x48
#define MR 9
#define NV 3
#include "kernels/body/gemm.inc"

#define NAME gemm_8x48
#define MR 8
#define NV 3
#include "kernels/body/gemm.inc"

#define NAME gemm_6x48
#define MR 6
#define NV 3
#include "kernels/body/gemm.inc"

#define NAME gemm_4x48
#define MR 4
#define NV 3
#include "kernels/body/gemm.inc"

#define NAME gemm_2x48
#define MR 2
#define NV 3
#include "kernels/body/gemm.inc"

#define NAME gemm_1x48
#define MR 1
#define NV 3
#include "kernels/body/gemm.inc"

/* 24 accumulators + 4 B + 1 broadcast = 29 of 32; the four gates of a recurrent cell */
#define NAME gemm_6x64
#define MR 6
#define NV 4
#include "kernels/body/gemm.inc"

#define NAME gemm_5x64
#define MR 5
#define NV 4
#include "kernels/body/gemm.inc"

#define NAME gemm_4x64
#define MR 4
#define NV 4
#include "kernels/body/gemm.inc"

#define NAME gemm_3x64
#define MR 3
#define NV 4
#include "kernels/body/gemm.inc"

#define NAME gemm_2x64
#define MR 2
#define NV 4
#include "kernels/body/gemm.inc"

#define NAME gemm_1x64
#define MR 1
#define NV 4
#include "kernels/body/gemm.inc"

/* few columns */
#define NAME gemm_14x16
#define MR 14
#define NV 1
#include "kernels/body/gemm.inc"

#define NAME gemm_12x16
#define MR 12
#define NV 1
#include "kernels/body/gemm.inc"

#define NAME gemm_8x16
#define MR 8
#define NV 1
#include "kernels/body/gemm.inc"

#define NAME gemm_4x16
#define MR 4
#define NV 1
#include "kernels/body/gemm.inc"

#define NAME gemm_2x16
#define MR 2
#define NV 1
#include "kernels/body/gemm.inc"

#define NAME gemm_1x16
#define MR 1
#define NV 1
#include "kernels/body/gemm.inc"

/* one row: eight chains, as many as two FMAs a cycle with a latency of four need */
#define NAME gemm_1x128
#define MR 1
#define NV 8
#include "kernels/body/gemm.inc"

/* The tiles that bear the load, down a strip. */
#define NAME strip_14x32
#define MR 14
#define NV 2
#include "kernels/body/strip.inc"

#define NAME strip_12x32
#define MR 12
#define NV 2
#include "kernels/body/strip.inc"

#define NAME strip_9x48
#define MR 9
#define NV 3
#include "kernels/body/strip.inc"

#define NAME strip_6x64
#define MR 6
#define NV 4
#include "kernels/body/strip.inc"

#define NAME strip_14x16
#define MR 14
#define NV 1
#include "kernels/body/strip.inc"

const struct cincel_gemm_row cincel_gemm_avx512[CINCEL_GEMM_COUNT] = {
    {"gemm_14x32_avx512", 14, 32, gemm_14x32, strip_14x32},
    {"gemm_12x32_avx512", 12, 32, gemm_12x32, strip_12x32},
    {"gemm_8x32_avx512", 8, 32, gemm_8x32, NULL},
    {"gemm_6x32_avx512", 6, 32, gemm_6x32, NULL},
    {"gemm_4x32_avx512", 4, 32, gemm_4x32, NULL},
    {"gemm_2x32_avx512", 2, 32, gemm_2x32, NULL},
    {"gemm_1x32_avx512", 1, 32, gemm_1x32, NULL},
    {"gemm_9x48_avx512", 9, 48, gemm_9x48, strip_9x48},
    {"gemm_8x48_avx512", 8, 48, gemm_8x48, NULL},
    {"gemm_6x48_avx512", 6, 48, gemm_6x48, NULL},
    {"gemm_4x48_avx512", 4, 48, gemm_4x48, NULL},
    {"gemm_2x48_avx512", 2, 48, gemm_2x48, NULL},
    {"gemm_1x48_avx512", 1, 48, gemm_1x48, NULL},
    {"gemm_6x64_avx512", 6, 64, gemm_6x64, strip_6x64},
    {"gemm_5x64_avx512", 5, 64, gemm_5x64, NULL},
    {"gemm_4x64_avx512", 4, 64, gemm_4x64, NULL},
    {"gemm_3x64_avx512", 3, 64, gemm_3x64, NULL},
    {"gemm_2x64_avx512", 2, 64, gemm_2x64, NULL},
    {"gemm_1x64_avx512", 1, 64, gemm_1x64, NULL},
    {"gemm_14x16_avx512", 14, 16, gemm_14x16, strip_14x16},
    {"gemm_12x16_avx512", 12, 16, gemm_12x16, NULL},
    {"gemm_8x16_avx512", 8, 16, gemm_8x16, NULL},
    {"gemm_4x16_avx512", 4, 16, gemm_4x16, NULL},
    {"gemm_2x16_avx512", 2, 16, gemm_2x16, NULL},
    {"gemm_1x16_avx512", 1, 16, gemm_1x16, NULL},
    {"gemm_1x128_avx512", 1, 128, gemm_1x128, NULL},
};
