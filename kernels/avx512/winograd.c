/* Winograd transforms of AVX-512. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

#define WINOGRAD_ROWS cincel_winograd_avx512
#define WINOGRAD_ISA "avx512"
#include "kernels/body/winograd_schemes.inc"
