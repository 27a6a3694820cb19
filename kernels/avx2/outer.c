/* Outer-product tiles of AVX2. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

/* 12 accumulators + 2 dy + 1 broadcast = 15 of 16 registers */
#define NAME outer_6x16
#define MR 6
#define NV 2
#include "kernels/body/outer.inc"

#define NAME outer_5x16
#define MR 5
#define NV 2
#include "kernels/body/outer.inc"

#define NAME outer_4x16
#define MR 4
#define NV 2
#include "kernels/body/outer.inc"

#define NAME outer_3x16
#define MR 3
#define NV 2
#include "kernels/body/outer.inc"

#define NAME outer_2x16
#define MR 2
#define NV 2
#include "kernels/body/outer.inc"

#define NAME outer_1x16
#define MR 1
#define NV 2
#include "kernels/body/outer.inc"

/* 12 accumulators + 3 dy + 1 broadcast = 16 of 16 */
#define NAME outer_4x24
#define MR 4
#define NV 3
#include "kernels/body/outer.inc"

#define NAME outer_2x24
#define MR 2
#define NV 3
#include "kernels/body/outer.inc"

#define NAME outer_1x24
#define MR 1
#define NV 3
#include "kernels/body/outer.inc"

/* few channels, such as the taps of one kernel row over one channel: 12 accumulators + 3 x + 1 dy = 16 of 16
 */
#define NAME outer_3x32
#define MR 3
#define NV 4
#include "kernels/body/outer.inc"

#define NAME outer_2x32
#define MR 2
#define NV 4
#include "kernels/body/outer.inc"

#define NAME outer_1x32
#define MR 1
#define NV 4
#include "kernels/body/outer.inc"

/* few columns: 12 accumulators, one dy; bound by the load ports, 13 loads for 12 FMAs */
#define NAME outer_12x8
#define MR 12
#define NV 1
#include "kernels/body/outer.inc"

#define NAME outer_8x8
#define MR 8
#define NV 1
#include "kernels/body/outer.inc"

/* five taps of one channel: 4 + 1 would wait for their latency twice */
#define NAME outer_5x8
#define MR 5
#define NV 1
#include "kernels/body/outer.inc"

#define NAME outer_4x8
#define MR 4
#define NV 1
#include "kernels/body/outer.inc"

#define NAME outer_2x8
#define MR 2
#define NV 1
#include "kernels/body/outer.inc"

#define NAME outer_1x8
#define MR 1
#define NV 1
#include "kernels/body/outer.inc"

const struct cincel_outer_row cincel_outer_avx2[CINCEL_OUTER_COUNT] = {
    {"outer_6x16_avx2", 6, 16, outer_6x16}, {"outer_5x16_avx2", 5, 16, outer_5x16},
    {"outer_4x16_avx2", 4, 16, outer_4x16}, {"outer_3x16_avx2", 3, 16, outer_3x16},
    {"outer_2x16_avx2", 2, 16, outer_2x16}, {"outer_1x16_avx2", 1, 16, outer_1x16},
    {"outer_4x24_avx2", 4, 24, outer_4x24}, {"outer_2x24_avx2", 2, 24, outer_2x24},
    {"outer_1x24_avx2", 1, 24, outer_1x24}, {"outer_3x32_avx2", 3, 32, outer_3x32},
    {"outer_2x32_avx2", 2, 32, outer_2x32}, {"outer_1x32_avx2", 1, 32, outer_1x32},
    {"outer_12x8_avx2", 12, 8, outer_12x8}, {"outer_8x8_avx2", 8, 8, outer_8x8},
    {"outer_5x8_avx2", 5, 8, outer_5x8},    {"outer_4x8_avx2", 4, 8, outer_4x8},
    {"outer_2x8_avx2", 2, 8, outer_2x8},    {"outer_1x8_avx2", 1, 8, outer_1x8},
};
