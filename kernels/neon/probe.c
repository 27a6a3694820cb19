/* Peaks: kernels/body/probe.inc on this ISA's registers. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

#define CHAINS 24 /* + 1 operand = 25 of 32 registers */
#include "kernels/body/probe.inc"

const struct cincel_probe_row cincel_probe_neon = {
    .name = "probe_" CINCEL_ISA_STRING,
    .fma = probe_fma,
    .read = probe_read,
    .triad = probe_triad,
};
