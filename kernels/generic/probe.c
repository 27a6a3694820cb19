/* Peaks: kernels/body/probe.inc on this ISA's registers. */
#include "kernels/generic/rows.h"
#include "kernels/generic/vec.h"

#define CHAINS 10 /* + 1 operand + 1 product = 12 of 16 registers */
#include "kernels/body/probe.inc"

const struct cincel_probe_row cincel_probe_generic = {
    .name = "probe_" CINCEL_ISA_STRING,
    .fma = probe_fma,
    .read = probe_read,
    .triad = probe_triad,
};
