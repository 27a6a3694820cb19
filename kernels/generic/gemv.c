/* A matrix and one vector on the baseline. */
#include "kernels/generic/rows.h"
#include "kernels/generic/vec.h"

#include "kernels/body/gemv.inc"

const struct cincel_gemv_row cincel_gemv_generic = {
    .name = "gemv_generic",
    .dots = gemv_dots,
    .combine = gemv_combine,
};
