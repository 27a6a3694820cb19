/* gemm tiles of AVX2. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

#include "kernels/body/edge.inc"

/* 12 accumulators + 2 B + 1 broadcast = 15 of 16 registers */
#define NAME gemm_6x16
#define MR 6
#define NV 2
#include "kernels/body/gemm.inc"

#define NAME gemm_4x16
#define MR 4
#define NV 2
#include "kernels/body/gemm.inc"

#define NAME gemm_1x16
#define MR 1
#define NV 2
#include "kernels/body/gemm.inc"

const struct cincel_gemm_row cincel_gemm_avx2[CINCEL_GEMM_COUNT] = {
    {"gemm_6x16_avx2", 6, 16, gemm_6x16},
    {"gemm_4x16_avx2", 4, 16, gemm_4x16},
    {"gemm_1x16_avx2", 1, 16, gemm_1x16},
};
