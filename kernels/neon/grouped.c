/* Grouped convolution on NEON. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

#define NAME grouped_8x8
#define MR 8
#define NV 2
#include "kernels/body/grouped.inc"

#define NAME grouped_7x8
#define MR 7
#define NV 2
#include "kernels/body/grouped.inc"

#define NAME grouped_14x4
#define MR 14
#define NV 1
#include "kernels/body/grouped.inc"

#define NAME grouped_7x4
#define MR 7
#define NV 1
#include "kernels/body/grouped.inc"

/* 7 accumulators + 4 b + a pixel + its spread channel */
#define NAME grouped_quads_7x4
#define MR 7
#include "kernels/body/grouped_quads.inc"

#include "kernels/body/grouped_weights_tiles.inc"

const struct cincel_grouped_row cincel_grouped_neon[CINCEL_GROUPED_COUNT] = {
    {"grouped_8x8_neon", 8, 8, 0, grouped_8x8, NULL},
    {"grouped_7x8_neon", 7, 8, 0, grouped_7x8, NULL},
    {"grouped_14x4_neon", 14, 4, 0, grouped_14x4, grouped_weights},
    {"grouped_7x4_neon", 7, 4, 0, grouped_7x4, NULL},
    {"grouped_quads_7x4_neon", 7, 4, 1, grouped_quads_7x4, grouped_quads_weights},
};
