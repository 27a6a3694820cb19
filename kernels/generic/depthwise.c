/* Depthwise convolution on the baseline. */
#include "kernels/generic/rows.h"
#include "kernels/generic/vec.h"

/* 16 registers of SSE2: as AVX2. */
#define DEPTHWISE_LOW_MR 4
#define DEPTHWISE_LOW_NV 2
#define DEPTHWISE_HIGH_MR 7
#define DEPTHWISE_HIGH_NV 1
#include "kernels/body/depthwise.inc"

const struct cincel_depthwise_row cincel_depthwise_generic = {
    .name = "depthwise_generic",
    .gather = depthwise_gather,
    .weights = depthwise_weights,
};
