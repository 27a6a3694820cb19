/* Winograd transforms of NEON. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

#define WINOGRAD_ROWS cincel_winograd_neon
#define WINOGRAD_ISA "neon"
#include "kernels/body/winograd_schemes.inc"
