/* gemm tiles of the baseline. */
#include "kernels/generic/rows.h"
#include "kernels/generic/vec.h"

#include "kernels/body/edge.inc"

/* 8 accumulators + 2 B + 1 broadcast + 1 product = 12 of SSE2's 16 registers */
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

/* The tiles that bear the load, down a strip. */
#define NAME strip_4x8
#define MR 4
#define NV 2
#include "kernels/body/strip.inc"

const struct cincel_gemm_row cincel_gemm_generic[CINCEL_GEMM_COUNT] = {
    {"gemm_4x8_generic", 4, 8, gemm_4x8, strip_4x8},
    {"gemm_2x8_generic", 2, 8, gemm_2x8, NULL},
    {"gemm_1x8_generic", 1, 8, gemm_1x8, NULL},
};
