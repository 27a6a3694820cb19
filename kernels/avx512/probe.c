/* Peaks: kernels/body/probe.inc on this ISA's registers. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

#define CHAINS 16 /* + 1 operand = 17 of 32 registers */
#include "kernels/body/probe.inc"

const struct cincel_probe_row cincel_probe_avx512 = {
    .name = "probe_" CINCEL_ISA_STRING,
    .fma = probe_fma,
    .read = probe_read,
    .triad = probe_triad,
};
