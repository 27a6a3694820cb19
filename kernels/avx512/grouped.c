/* Grouped convolution on AVX-512. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

/* 28 accumulators + 1 b + 1 broadcast = 30 of 32 */
#define NAME grouped_28x16
#define MR 28
#define NV 1
#include "kernels/body/grouped.inc"

#define NAME grouped_14x16
#define MR 14
#define NV 1
#include "kernels/body/grouped.inc"

#define NAME grouped_7x16
#define MR 7
#define NV 1
#include "kernels/body/grouped.inc"

#define NAME grouped_14x32
#define MR 14
#define NV 2
#include "kernels/body/grouped.inc"

/* 14 accumulators + 4 b + a pixel + its spread channel */
#define NAME grouped_quads_14x16
#define MR 14
#include "kernels/body/grouped_quads.inc"

#include "kernels/body/grouped_weights_tiles.inc"

const struct cincel_grouped_row cincel_grouped_avx512[CINCEL_GROUPED_COUNT] = {
    {"grouped_28x16_avx512", 28, 16, 0, grouped_28x16, grouped_weights},
    {"grouped_14x16_avx512", 14, 16, 0, grouped_14x16, NULL},
    {"grouped_7x16_avx512", 7, 16, 0, grouped_7x16, NULL},
    {"grouped_14x32_avx512", 14, 32, 0, grouped_14x32, NULL},
    {"grouped_quads_14x16_avx512", 14, 16, 1, grouped_quads_14x16, grouped_quads_weights},
};
