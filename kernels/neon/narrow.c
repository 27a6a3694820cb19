/* Tiles of convolution with few outputs of NEON: four registers hold 16 chains: 24 accumulators of 32
 * registers. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

#define NAME narrow_6x1
#define MR 6
#define NV 1
#include "kernels/body/narrow.inc"

#define NAME narrow_3x2
#define MR 3
#define NV 2
#include "kernels/body/narrow.inc"

#define NAME narrow_2x3
#define MR 2
#define NV 3
#include "kernels/body/narrow.inc"

const struct cincel_narrow_row cincel_narrow_neon[CINCEL_NARROW_COUNT] = {
    {"narrow_6x1_neon", 6, 1, narrow_6x1},
    {"narrow_3x2_neon", 3, 2, narrow_3x2},
    {"narrow_2x3_neon", 2, 3, narrow_2x3},
};
