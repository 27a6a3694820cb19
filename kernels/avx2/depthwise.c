/* Depthwise convolution on AVX2. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

/* 16 registers: with 3 columns of weights a whole line of 4 pixels, with more half a line of 7. */
#define DEPTHWISE_LOW_MR 4
#define DEPTHWISE_LOW_NV 2
#define DEPTHWISE_HIGH_MR 7
#define DEPTHWISE_HIGH_NV 1
#include "kernels/body/depthwise.inc"

const struct cincel_depthwise_row cincel_depthwise_avx2 = {
    .name = "depthwise_avx2",
    .gather = depthwise_gather,
    .weights = depthwise_weights,
};
