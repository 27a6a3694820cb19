/* Winograd transforms of generic. */
#include "kernels/generic/rows.h"
#include "kernels/generic/vec.h"

#define WINOGRAD_ROWS cincel_winograd_generic
#define WINOGRAD_ISA "generic"
#include "kernels/body/winograd_schemes.inc"
