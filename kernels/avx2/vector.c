/* Element-wise operations and vector math: kernels/body/vector.inc on this ISA's registers. */
#include <string.h>

#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

#include "kernels/body/vector.inc"

const struct cincel_vector_row cincel_vector_avx2 = {
    .name = "vector_" CINCEL_ISA_STRING,
    .exp = vector_exp,
    .log = vector_log,
    .tanh = vector_tanh,
    .sigmoid = vector_sigmoid,
    .expm1 = vector_expm1,
    .phi = vector_phi,
    .act_forward = vector_act_forward,
    .act_backward = vector_act_backward,
    .column_sum = vector_column_sum,
    .add = vector_add,
    .add_scaled = vector_add_scaled,
    .copy_rows = vector_copy_rows,
    .stream = vector_stream,
    .act_stream = vector_act_stream,
    .act_backward_stream = vector_act_backward_stream,
    .fence = vector_fence,
    .sgd = vector_sgd,
    .adam = vector_adam,
};
