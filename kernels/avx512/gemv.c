/* A matrix and one vector on AVX-512. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

#include "kernels/body/gemv.inc"

const struct cincel_gemv_row cincel_gemv_avx512 = {
    .name = "gemv_avx512",
    .dots = gemv_dots,
    .combine = gemv_combine,
};
