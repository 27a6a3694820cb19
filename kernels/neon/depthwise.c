/* Depthwise convolution on NEON. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

#include "kernels/body/depthwise.inc"

const struct cincel_depthwise_row cincel_depthwise_neon = {
    .name = "depthwise_neon",
    .gather = depthwise_gather,
    .weights = depthwise_weights,
};
