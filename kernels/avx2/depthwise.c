/* Depthwise convolution on AVX2. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

#include "kernels/body/depthwise.inc"

const struct cincel_depthwise_row cincel_depthwise_avx2 = {
    .name = "depthwise_avx2",
    .gather = depthwise_gather,
    .weights = depthwise_weights,
};
