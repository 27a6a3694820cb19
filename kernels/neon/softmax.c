/* Softmax: kernels/body/softmax.inc on this ISA's registers. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

#include "kernels/body/softmax.inc"

const struct cincel_softmax_row cincel_softmax_neon = {
    .name = "softmax_" CINCEL_ISA_STRING,
    .run = softmax_run,
    .log_run = softmax_log_run,
    .backward = softmax_backward,
    .log_backward = softmax_log_backward,
    .is_first_max = softmax_is_first_max,
    .dot = softmax_dot,
};
