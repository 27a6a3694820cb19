/* Outer-product tiles of AVX2. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

/* 12 accumulators + 2 dy + 1 broadcast = 15 of 16 registers */
#define NAME outer_6x16
#define MR 6
#define NV 2
#include "kernels/body/outer.inc"

#define NAME outer_4x16
#define MR 4
#define NV 2
#include "kernels/body/outer.inc"

#define NAME outer_1x16
#define MR 1
#define NV 2
#include "kernels/body/outer.inc"

const struct cincel_outer_row cincel_outer_avx2[CINCEL_OUTER_COUNT] = {
    {"outer_6x16_avx2", 6, 16, outer_6x16},
    {"outer_4x16_avx2", 4, 16, outer_4x16},
    {"outer_1x16_avx2", 1, 16, outer_1x16},
};
