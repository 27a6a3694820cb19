/* Depthwise convolution on AVX-512. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

#include "kernels/body/depthwise.inc"

const struct cincel_depthwise_row cincel_depthwise_avx512 = {
    .name = "depthwise_avx512",
    .gather = depthwise_gather,
    .weights = depthwise_weights,
};
