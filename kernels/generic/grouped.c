/* Grouped convolution on any CPU. */
#include "kernels/generic/rows.h"
#include "kernels/generic/vec.h"

#define NAME grouped_4x4
#define MR 4
#define NV 1
#include "kernels/body/grouped.inc"

#define NAME grouped_4x8
#define MR 4
#define NV 2
#include "kernels/body/grouped.inc"

/* 4 accumulators + 4 b + a pixel + its spread channel */
#define NAME grouped_quads_4x4
#define MR 4
#include "kernels/body/grouped_quads.inc"

#include "kernels/body/grouped_weights_tiles.inc"

const struct cincel_grouped_row cincel_grouped_generic[CINCEL_GROUPED_COUNT] = {
    {"grouped_4x4_generic", 4, 4, 0, grouped_4x4, grouped_weights},
    {"grouped_4x8_generic", 4, 8, 0, grouped_4x8, NULL},
    {"grouped_quads_4x4_generic", 4, 4, 1, grouped_quads_4x4, grouped_quads_weights},
};
