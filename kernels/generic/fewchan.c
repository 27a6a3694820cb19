/* Tiles of few-channel convolution of generic C: the shapes of the strips in gemm.c, for the same reasons. */
#include "kernels/generic/rows.h"
#include "kernels/generic/vec.h"

#define NAME fewchan_run_4x8
#define MR 4
#define NV 2
#include "kernels/body/fewchan_run.inc"
#define NAME fewchan_4x8
#define MR 4
#define NV 2
#define RUN fewchan_run_4x8
#include "kernels/body/fewchan.inc"

const struct cincel_fewchan_row cincel_fewchan_generic[CINCEL_FEWCHAN_COUNT] = {
    {"fewchan_4x8_generic", 4, 8, fewchan_4x8},
};
