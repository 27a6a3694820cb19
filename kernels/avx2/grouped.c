/* Grouped convolution on AVX2. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

/* Sums, three weights and a broadcast: 16 of 16 registers. */
#define SLIDE_MAX 12
#define SLIDE_QUADS 10 /* 12 spill */
#include "kernels/body/slide_tiles.inc"

/* Sums, weights and a broadcast: 15 of 16 registers and 16. */
#define WIDE_2 6
#define WIDE_3 4
#include "kernels/body/wide_tiles.inc"

#include "kernels/body/grouped_weights_tiles.inc"
#include "kernels/body/grouped_weights_wide_tiles.inc"

const struct cincel_grouped_row cincel_grouped_avx2[CINCEL_GROUPED_COUNT] = {
    {"grouped_slide_12x8_avx2", 12, 8, 0, slide, grouped_weights},
    {"grouped_slide_quads_10x8_avx2", 10, 8, 1, slide_quads, grouped_quads_weights},
    {"grouped_wide_6x16_avx2", 6, 16, 0, wide_2, grouped_wide_weights},
    {"grouped_wide_4x24_avx2", 4, 24, 0, wide_3, NULL},
};
