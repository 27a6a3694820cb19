/* Winograd transforms of AVX-512. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

#include "kernels/body/winograd_points.inc"

#define NAME winograd_2
#define M 2
#define PAIRS 1
#include "kernels/body/winograd.inc"

#define NAME winograd_4
#define M 4
#define PAIRS 2
#include "kernels/body/winograd.inc"

const struct cincel_winograd_row cincel_winograd_avx512[CINCEL_WINOGRAD_COUNT] = {
    {"winograd_2x2_3x3_avx512", 2, 3, winograd_2_input, winograd_2_output, winograd_2_weights,
     winograd_2_gradient, winograd_2_weights_gradient},
    {"winograd_4x4_3x3_avx512", 4, 3, winograd_4_input, winograd_4_output, winograd_4_weights,
     winograd_4_gradient, winograd_4_weights_gradient},
};
