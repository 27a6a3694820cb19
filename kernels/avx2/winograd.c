/* Winograd transforms of AVX2. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

#define WINOGRAD_ROWS cincel_winograd_avx2
#define WINOGRAD_ISA "avx2"
#include "kernels/body/winograd_schemes.inc"
