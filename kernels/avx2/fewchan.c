/* Tiles of few-channel convolution of AVX2: the shapes of the strips in gemm.c, for the same reasons. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

#define NAME fewchan_run_6x16
#define MR 6
#define NV 2
#include "kernels/body/fewchan_run.inc"
#define NAME fewchan_6x16
#define MR 6
#define NV 2
#define RUN fewchan_run_6x16
#include "kernels/body/fewchan.inc"

#define NAME fewchan_run_4x24
#define MR 4
#define NV 3
#include "kernels/body/fewchan_run.inc"
#define NAME fewchan_4x24
#define MR 4
#define NV 3
#define RUN fewchan_run_4x24
#include "kernels/body/fewchan.inc"

#define NAME fewchan_run_12x8
#define MR 12
#define NV 1
#include "kernels/body/fewchan_run.inc"
#define NAME fewchan_12x8
#define MR 12
#define NV 1
#define RUN fewchan_run_12x8
#include "kernels/body/fewchan.inc"

const struct cincel_fewchan_row cincel_fewchan_avx2[CINCEL_FEWCHAN_COUNT] = {
    {"fewchan_6x16_avx2", 6, 16, fewchan_6x16},
    {"fewchan_4x24_avx2", 4, 24, fewchan_4x24},
    {"fewchan_12x8_avx2", 12, 8, fewchan_12x8},
};
