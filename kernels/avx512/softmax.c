/* Softmax: kernels/body/softmax.inc on this ISA's registers. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

#include "kernels/body/softmax.inc"

const struct cincel_softmax_row cincel_softmax_avx512 = {
    .name = "softmax_" CINCEL_ISA_STRING,
    .run = softmax_run,
    .log_run = softmax_log_run,
    .backward = softmax_backward,
    .log_backward = softmax_log_backward,
    .is_first_max = softmax_is_first_max,
    .dot = softmax_dot,
};
