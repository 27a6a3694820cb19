/* Pooling: kernels/body/pool.inc on this ISA's registers. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

#include "kernels/body/pool.inc"

const struct cincel_pool_row cincel_pool_neon = {
    .name = "pool_" CINCEL_ISA_STRING,
    .streams = VEC_STREAMS,
    .max_forward = pool_max_forward,
    .avg_forward = pool_avg_forward,
    .max_backward = pool_max_backward,
    .avg_backward = pool_avg_backward,
};
