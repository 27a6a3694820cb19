/* Tiles of few-channel convolution of NEON: the shapes of the strips in gemm.c, for the same reasons. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

#define NAME fewchan_run_8x12
#define MR 8
#define NV 3
#include "kernels/body/fewchan_run.inc"
#define NAME fewchan_8x12
#define MR 8
#define NV 3
#define RUN fewchan_run_8x12
#include "kernels/body/fewchan.inc"

#define NAME fewchan_run_12x8
#define MR 12
#define NV 2
#include "kernels/body/fewchan_run.inc"
#define NAME fewchan_12x8
#define MR 12
#define NV 2
#define RUN fewchan_run_12x8
#include "kernels/body/fewchan.inc"

#define NAME fewchan_run_6x16
#define MR 6
#define NV 4
#include "kernels/body/fewchan_run.inc"
#define NAME fewchan_6x16
#define MR 6
#define NV 4
#define RUN fewchan_run_6x16
#include "kernels/body/fewchan.inc"

const struct cincel_fewchan_row cincel_fewchan_neon[CINCEL_FEWCHAN_COUNT] = {
    {"fewchan_8x12_neon", 8, 12, fewchan_8x12},
    {"fewchan_12x8_neon", 12, 8, fewchan_12x8},
    {"fewchan_6x16_neon", 6, 16, fewchan_6x16},
};
