/* Pooling: kernels/body/pool.inc on this ISA's registers. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

#include "kernels/body/pool.inc"

const struct cincel_pool_row cincel_pool_avx512 = {
    .name = "pool_" CINCEL_ISA_STRING,
    .streams = VEC_STREAMS,
    .max_forward = pool_max_forward,
    .avg_forward = pool_avg_forward,
    .max_backward = pool_max_backward,
    .avg_backward = pool_avg_backward,
};
