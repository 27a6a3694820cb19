/* Tiles of convolution with few outputs of AVX2: two registers hold 16 chains: 12 accumulators, at most 4
 * more for x and w. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

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

const struct cincel_narrow_row cincel_narrow_avx2[CINCEL_NARROW_COUNT] = {
    {"narrow_6x1_avx2", 6, 1, narrow_6x1},
    {"narrow_3x2_avx2", 3, 2, narrow_3x2},
    {"narrow_2x3_avx2", 2, 3, narrow_2x3},
};
