/* Grouped convolution on NEON. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

/* 14 + 3 + 1 of 32 registers: more pixels would load no less, and images of 28 and 56 cut evenly. */
#define SLIDE_MAX 14
#define SLIDE_QUADS 12 /* 13 spill */
#include "kernels/body/slide_tiles.inc"

#include "kernels/body/grouped_weights_tiles.inc"

const struct cincel_grouped_row cincel_grouped_neon[CINCEL_GROUPED_COUNT] = {
    {"grouped_slide_14x4_neon", 14, 4, 0, slide, grouped_weights},
    {"grouped_slide_quads_12x4_neon", 12, 4, 1, slide_quads, grouped_quads_weights},
};
