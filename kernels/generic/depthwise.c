/* Depthwise convolution on the baseline. */
#include "kernels/generic/rows.h"
#include "kernels/generic/vec.h"

#include "kernels/body/depthwise.inc"

const struct cincel_depthwise_row cincel_depthwise_generic = {
    .name = "depthwise_generic",
    .gather = depthwise_gather,
    .weights = depthwise_weights,
};
