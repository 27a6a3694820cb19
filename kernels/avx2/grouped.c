/* Grouped convolution on AVX2. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

/* Sums, three weights and a broadcast: 16 of 16 registers. */
#define SLIDE_MAX 12
#define SLIDE_QUADS 10 /* 12 spill */
#include "kernels/body/slide_tiles.inc"

#include "kernels/body/grouped_weights_tiles.inc"

const struct cincel_grouped_row cincel_grouped_avx2[CINCEL_GROUPED_COUNT] = {
    {"grouped_slide_12x8_avx2", 12, 8, 0, slide, grouped_weights},
    {"grouped_slide_quads_10x8_avx2", 10, 8, 1, slide_quads, grouped_quads_weights},
};
