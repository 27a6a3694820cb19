/* Outer-product tiles of the baseline. */
#include "kernels/generic/rows.h"
#include "kernels/generic/vec.h"

/* 8 accumulators + 2 dy + 1 broadcast + 1 product = 12 of SSE2's 16 registers */
#define NAME outer_4x8
#define MR 4
#define NV 2
#include "kernels/body/outer.inc"

#define NAME outer_2x8
#define MR 2
#define NV 2
#include "kernels/body/outer.inc"

#define NAME outer_1x8
#define MR 1
#define NV 2
#include "kernels/body/outer.inc"

const struct cincel_outer_row cincel_outer_generic[CINCEL_OUTER_COUNT] = {
    {"outer_4x8_generic", 4, 8, outer_4x8},
    {"outer_2x8_generic", 2, 8, outer_2x8},
    {"outer_1x8_generic", 1, 8, outer_1x8},
};
