/* Outer-product tiles of NEON. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

/* 24 accumulators + 3 dy + 4 scalars = 31 of 32 registers: 24 FMAs for 11 loads */
#define NAME outer_8x12
#define MR 8
#define NV 3
#include "kernels/body/outer.inc"

#define NAME outer_4x12
#define MR 4
#define NV 3
#include "kernels/body/outer.inc"

#define NAME outer_2x12
#define MR 2
#define NV 3
#include "kernels/body/outer.inc"

#define NAME outer_1x12
#define MR 1
#define NV 3
#include "kernels/body/outer.inc"

/* 24 accumulators + 2 dy + 4 scalars = 30 of 32 */
#define NAME outer_12x8
#define MR 12
#define NV 2
#include "kernels/body/outer.inc"

#define NAME outer_8x8
#define MR 8
#define NV 2
#include "kernels/body/outer.inc"

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

/* 24 accumulators + 4 dy + 4 scalars = 32 of 32 */
#define NAME outer_6x16
#define MR 6
#define NV 4
#include "kernels/body/outer.inc"

#define NAME outer_4x16
#define MR 4
#define NV 4
#include "kernels/body/outer.inc"

#define NAME outer_2x16
#define MR 2
#define NV 4
#include "kernels/body/outer.inc"

#define NAME outer_1x16
#define MR 1
#define NV 4
#include "kernels/body/outer.inc"

const struct cincel_outer_row cincel_outer_neon[CINCEL_OUTER_COUNT] = {
    {"outer_8x12_neon", 8, 12, outer_8x12}, {"outer_4x12_neon", 4, 12, outer_4x12},
    {"outer_2x12_neon", 2, 12, outer_2x12}, {"outer_1x12_neon", 1, 12, outer_1x12},
    {"outer_12x8_neon", 12, 8, outer_12x8}, {"outer_8x8_neon", 8, 8, outer_8x8},
    {"outer_4x8_neon", 4, 8, outer_4x8},    {"outer_2x8_neon", 2, 8, outer_2x8},
    {"outer_1x8_neon", 1, 8, outer_1x8},    {"outer_6x16_neon", 6, 16, outer_6x16},
    {"outer_4x16_neon", 4, 16, outer_4x16}, {"outer_2x16_neon", 2, 16, outer_2x16},
    {"outer_1x16_neon", 1, 16, outer_1x16},
};
