/* Grouped convolution on AVX2. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

/* 14 accumulators + 1 b + 1 broadcast = 16 of 16; 15 loads for 14 FMAs */
#define NAME grouped_14x8
#define MR 14
#define NV 1
#include "kernels/body/grouped.inc"

/* narrow images: 7 chains where 8 would fill both multipliers */
#define NAME grouped_7x8
#define MR 7
#define NV 1
#include "kernels/body/grouped.inc"

/* 12 accumulators + 2 b + 1 broadcast = 15 of 16 */
#define NAME grouped_6x16
#define MR 6
#define NV 2
#include "kernels/body/grouped.inc"

/* 7 accumulators + 4 b + a pixel + its spread channel */
#define NAME grouped_quads_7x8
#define MR 7
#include "kernels/body/grouped_quads.inc"

#include "kernels/body/grouped_weights_tiles.inc"

const struct cincel_grouped_row cincel_grouped_avx2[CINCEL_GROUPED_COUNT] = {
    {"grouped_14x8_avx2", 14, 8, 0, grouped_14x8, grouped_weights},
    {"grouped_7x8_avx2", 7, 8, 0, grouped_7x8, NULL},
    {"grouped_6x16_avx2", 6, 16, 0, grouped_6x16, NULL},
    {"grouped_quads_7x8_avx2", 7, 8, 1, grouped_quads_7x8, grouped_quads_weights},
};
