/* A matrix and one vector on NEON. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

#include "kernels/body/gemv.inc"

const struct cincel_gemv_row cincel_gemv_neon = {
    .name = "gemv_neon",
    .dots = gemv_dots,
    .combine = gemv_combine,
};
