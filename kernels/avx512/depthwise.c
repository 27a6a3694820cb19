/* Depthwise convolution on AVX-512. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

/* A line of 7 pixels, as images of 7·2^k are common. */
#define DEPTHWISE_LOW_MR 7
#define DEPTHWISE_LOW_NV 1
#define DEPTHWISE_HIGH_MR 7
#define DEPTHWISE_HIGH_NV 1
#include "kernels/body/depthwise.inc"

const struct cincel_depthwise_row cincel_depthwise_avx512 = {
    .name = "depthwise_avx512",
    .gather = depthwise_gather,
    .weights = depthwise_weights,
};
