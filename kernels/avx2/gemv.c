/* A matrix and one vector on AVX2. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

#include "kernels/body/gemv.inc"

const struct cincel_gemv_row cincel_gemv_avx2 = {
    .name = "gemv_avx2",
    .dots = gemv_dots,
    .combine = gemv_combine,
};
