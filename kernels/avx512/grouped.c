/* Grouped convolution on AVX-512. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

/* 14 + 3 + 1 of 32 registers: more pixels would load no less, and images of 28 and 56 cut evenly. */
#define SLIDE_MAX 14
#define SLIDE_QUADS 14
#include "kernels/body/slide_tiles.inc"

/* Sums, weights and a broadcast: 27 of 32 registers and 28. */
#define WIDE_2 12
#define WIDE_3 8
#include "kernels/body/wide_tiles.inc"

#include "kernels/body/grouped_weights_tiles.inc"

const struct cincel_grouped_row cincel_grouped_avx512[CINCEL_GROUPED_COUNT] = {
    {"grouped_slide_14x16_avx512", 14, 16, 0, slide, grouped_weights},
    {"grouped_slide_quads_14x16_avx512", 14, 16, 1, slide_quads, grouped_quads_weights},
    {"grouped_wide_12x32_avx512", 12, 32, 0, wide_2, NULL},
    {"grouped_wide_8x48_avx512", 8, 48, 0, wide_3, NULL},
};
