/* Normalisation: kernels/body/norm.inc and norm_short.inc on this ISA's registers. */
#include <string.h>

#include "kernels/avx2/rows.h"
#include "kernels/avx2/transpose.h"

#include "kernels/body/norm.inc"
#include "kernels/body/norm_short.inc"

const struct cincel_norm_row cincel_norm_avx2 = {
    .name = "norm_" CINCEL_ISA_STRING,
    .moments = norm_moments,
    .scale = norm_scale,
    .gradient_sums = norm_gradient_sums,
    .gradient = norm_gradient,
    .fence = norm_fence,
    .row_moments = norm_row_moments,
    .row_scale = norm_row_scale,
    .row_gradient_sums = norm_row_gradient_sums,
    .row_gradient = norm_row_gradient,
    .short_forward = norm_short_forward,
    .short_backward = norm_short_backward,
};
