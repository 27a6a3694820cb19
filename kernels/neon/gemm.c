/* gemm tiles of NEON. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

#include "kernels/body/edge.inc"

/* 24 accumulators + 3 B + 4 scalars = 31 of 32 registers: 24 FMAs for 11 loads */
#define NAME gemm_8x12
#define MR 8
#define NV 3
#include "kernels/body/gemm.inc"

#define NAME gemm_6x12
#define MR 6
#define NV 3
#include "kernels/body/gemm.inc"

#define NAME gemm_4x12
#define MR 4
#define NV 3
#include "kernels/body/gemm.inc"

#define NAME gemm_2x12
#define MR 2
#define NV 3
#include "kernels/body/gemm.inc"

#define NAME gemm_1x12
#define MR 1
#define NV 3
#include "kernels/body/gemm.inc"

/* 24 accumulators + 2 B + 4 scalars = 30 of 32 */
#define NAME gemm_12x8
#define MR 12
#define NV 2
#include "kernels/body/gemm.inc"

#define NAME gemm_8x8
#define MR 8
#define NV 2
#include "kernels/body/gemm.inc"

#define NAME gemm_4x8
#define MR 4
#define NV 2
#include "kernels/body/gemm.inc"

#define NAME gemm_2x8
#define MR 2
#define NV 2
#include "kernels/body/gemm.inc"

#define NAME gemm_1x8
#define MR 1
#define NV 2
#include "kernels/body/gemm.inc"

/* 24 accumulators + 4 B + 4 scalars = 32 of 32 */
#define NAME gemm_6x16
#define MR 6
#define NV 4
#include "kernels/body/gemm.inc"

#define NAME gemm_5x16
#define MR 5
#define NV 4
#include "kernels/body/gemm.inc"

#define NAME gemm_4x16
#define MR 4
#define NV 4
#include "kernels/body/gemm.inc"

#define NAME gemm_2x16
#define MR 2
#define NV 4
#include "kernels/body/gemm.inc"

#define NAME gemm_1x16
#define MR 1
#define NV 4
#include "kernels/body/gemm.inc"

/* The tiles that bear the load, down a strip. */
#define NAME strip_8x12
#define MR 8
#define NV 3
#include "kernels/body/strip.inc"

#define NAME strip_12x8
#define MR 12
#define NV 2
#include "kernels/body/strip.inc"

#define NAME strip_8x8
#define MR 8
#define NV 2
#include "kernels/body/strip.inc"

#define NAME strip_6x16
#define MR 6
#define NV 4
#include "kernels/body/strip.inc"

const struct cincel_gemm_row cincel_gemm_neon[CINCEL_GEMM_COUNT] = {
    {"gemm_8x12_neon", 8, 12, gemm_8x12, strip_8x12}, {"gemm_6x12_neon", 6, 12, gemm_6x12, NULL},
    {"gemm_4x12_neon", 4, 12, gemm_4x12, NULL},       {"gemm_2x12_neon", 2, 12, gemm_2x12, NULL},
    {"gemm_1x12_neon", 1, 12, gemm_1x12, NULL},       {"gemm_12x8_neon", 12, 8, gemm_12x8, strip_12x8},
    {"gemm_8x8_neon", 8, 8, gemm_8x8, strip_8x8},     {"gemm_4x8_neon", 4, 8, gemm_4x8, NULL},
    {"gemm_2x8_neon", 2, 8, gemm_2x8, NULL},          {"gemm_1x8_neon", 1, 8, gemm_1x8, NULL},
    {"gemm_6x16_neon", 6, 16, gemm_6x16, strip_6x16}, {"gemm_5x16_neon", 5, 16, gemm_5x16, NULL},
    {"gemm_4x16_neon", 4, 16, gemm_4x16, NULL},       {"gemm_2x16_neon", 2, 16, gemm_2x16, NULL},
    {"gemm_1x16_neon", 1, 16, gemm_1x16, NULL},
};
