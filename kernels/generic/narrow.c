/* Tiles of convolution with few outputs of any CPU: four registers hold 16 chains: 12 accumulators at most.
 */
#include "kernels/generic/rows.h"
#include "kernels/generic/vec.h"

#define NAME narrow_3x1
#define MR 3
#define NV 1
#include "kernels/body/narrow.inc"

#define NAME narrow_1x2
#define MR 1
#define NV 2
#include "kernels/body/narrow.inc"

#define NAME narrow_1x3
#define MR 1
#define NV 3
#include "kernels/body/narrow.inc"

const struct cincel_narrow_row cincel_narrow_generic[CINCEL_NARROW_COUNT] = {
    {"narrow_3x1_generic", 3, 1, narrow_3x1},
    {"narrow_1x2_generic", 1, 2, narrow_1x2},
    {"narrow_1x3_generic", 1, 3, narrow_1x3},
};
