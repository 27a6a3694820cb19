/* Grouped convolution on NEON. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

/* 14 + 3 + 1 of 32 registers: more pixels would load no less, and images of 28 and 56 cut evenly. */
#define SLIDE_MAX 14
#define SLIDE_QUADS 12 /* 13 spill */
#include "kernels/body/slide_tiles.inc"

/* Sums, weights and four scalars under way: 22 of 32 registers and 25. */
#define WIDE_2 8
#define WIDE_3 6
#include "kernels/body/wide_tiles.inc"

#include "kernels/body/grouped_weights_tiles.inc"
#include "kernels/body/grouped_weights_wide_tiles.inc"

const struct cincel_grouped_row cincel_grouped_neon[CINCEL_GROUPED_COUNT] = {
    {"grouped_slide_14x4_neon", 14, 4, 0, slide, grouped_weights},
    {"grouped_slide_quads_12x4_neon", 12, 4, 1, slide_quads, grouped_quads_weights},
    {"grouped_wide_8x8_neon", 8, 8, 0, wide_2, grouped_wide_weights},
    {"grouped_wide_6x12_neon", 6, 12, 0, wide_3, NULL},
};
