/* Peaks: kernels/body/probe.inc on this ISA's registers. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

#define CHAINS 12 /* + 1 operand = 13 of 16 registers */
#include "kernels/body/probe.inc"

const struct cincel_probe_row cincel_probe_avx2 = {
    .name = "probe_" CINCEL_ISA_STRING,
    .fma = probe_fma,
    .read = probe_read,
    .triad = probe_triad,
};
