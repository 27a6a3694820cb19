/* Depthwise convolution on NEON. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

/* 32 registers: with 7 columns of weights 14 + 14 + 2. */
#define DEPTHWISE_LOW_MR 7
#define DEPTHWISE_LOW_NV 2
#define DEPTHWISE_HIGH_MR 7
#define DEPTHWISE_HIGH_NV 2
#include "kernels/body/depthwise.inc"

const struct cincel_depthwise_row cincel_depthwise_neon = {
    .name = "depthwise_neon",
    .gather = depthwise_gather,
    .weights = depthwise_weights,
};
