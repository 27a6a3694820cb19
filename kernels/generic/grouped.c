/* Grouped convolution on any CPU. */
#include "kernels/generic/rows.h"
#include "kernels/generic/vec.h"

/* Sums, three weights, a scalar and a product: 13 of SSE's 16 registers. */
#define SLIDE_MAX 8
#define SLIDE_QUADS 8
#include "kernels/body/slide_tiles.inc"

/* Sums, a vector of weights, a product: 12 of 16 registers and 13. */
#define WIDE_2 4
#define WIDE_3 3
#include "kernels/body/wide_tiles.inc"

#include "kernels/body/grouped_weights_tiles.inc"
#include "kernels/body/grouped_weights_wide_tiles.inc"

const struct cincel_grouped_row cincel_grouped_generic[CINCEL_GROUPED_COUNT] = {
    {"grouped_slide_8x4_generic", 8, 4, 0, slide, grouped_weights},
    {"grouped_slide_quads_8x4_generic", 8, 4, 1, slide_quads, grouped_quads_weights},
    {"grouped_wide_4x8_generic", 4, 8, 0, wide_2, grouped_wide_weights},
    {"grouped_wide_3x12_generic", 3, 12, 0, wide_3, NULL},
};
