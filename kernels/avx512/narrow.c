/* Tiles of convolution with few outputs of AVX-512: one register holds 16 chains: 12 to 24 accumulators of 32
 * registers. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

#define NAME narrow_12x1
#define MR 12
#define NV 1
#include "kernels/body/narrow.inc"

#define NAME narrow_10x2
#define MR 10
#define NV 2
#include "kernels/body/narrow.inc"

#define NAME narrow_8x3
#define MR 8
#define NV 3
#include "kernels/body/narrow.inc"

const struct cincel_narrow_row cincel_narrow_avx512[CINCEL_NARROW_COUNT] = {
    {"narrow_12x1_avx512", 12, 1, narrow_12x1},
    {"narrow_10x2_avx512", 10, 2, narrow_10x2},
    {"narrow_8x3_avx512", 8, 3, narrow_8x3},
};
