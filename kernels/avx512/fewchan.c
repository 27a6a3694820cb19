/* Tiles of few-channel convolution of AVX-512: the shapes of the strips in gemm.c, for the same reasons. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

#define NAME fewchan_run_14x32
#define MR 14
#define NV 2
#include "kernels/body/fewchan_run.inc"
#define NAME fewchan_14x32
#define MR 14
#define NV 2
#define RUN fewchan_run_14x32
#include "kernels/body/fewchan.inc"

#define NAME fewchan_run_9x48
#define MR 9
#define NV 3
#include "kernels/body/fewchan_run.inc"
#define NAME fewchan_9x48
#define MR 9
#define NV 3
#define RUN fewchan_run_9x48
#include "kernels/body/fewchan.inc"

#define NAME fewchan_run_6x64
#define MR 6
#define NV 4
#include "kernels/body/fewchan_run.inc"
#define NAME fewchan_6x64
#define MR 6
#define NV 4
#define RUN fewchan_run_6x64
#include "kernels/body/fewchan.inc"

#define NAME fewchan_run_14x16
#define MR 14
#define NV 1
#include "kernels/body/fewchan_run.inc"
#define NAME fewchan_14x16
#define MR 14
#define NV 1
#define RUN fewchan_run_14x16
#include "kernels/body/fewchan.inc"

const struct cincel_fewchan_row cincel_fewchan_avx512[CINCEL_FEWCHAN_COUNT] = {
    {"fewchan_14x32_avx512", 14, 32, fewchan_14x32},
    {"fewchan_9x48_avx512", 9, 48, fewchan_9x48},
    {"fewchan_6x64_avx512", 6, 64, fewchan_6x64},
    {"fewchan_14x16_avx512", 14, 16, fewchan_14x16},
};
