/* Outer-product tiles of AVX-512. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

/* 28 accumulators + 2 dy + 1 broadcast = 31 of 32 registers; 12 rows where 14 lines meet in one L1 set */
#define NAME outer_14x32
#define MR 14
#define NV 2
#include "kernels/body/outer.inc"

#define NAME outer_12x32
#define MR 12
#define NV 2
#include "kernels/body/outer.inc"

#define NAME outer_8x32
#define MR 8
#define NV 2
#include "kernels/body/outer.inc"

#define NAME outer_4x32
#define MR 4
#define NV 2
#include "kernels/body/outer.inc"

#define NAME outer_2x32
#define MR 2
#define NV 2
#include "kernels/body/outer.inc"

#define NAME outer_1x32
#define MR 1
#define NV 2
#include "kernels/body/outer.inc"

/* 27 accumulators + 3 dy + 1 broadcast = 31 of 32 */
#define NAME outer_9x48
#define MR 9
#define NV 3
#include "kernels/body/outer.inc"

#define NAME outer_8x48
#define MR 8
#define NV 3
#include "kernels/body/outer.inc"

#define NAME outer_4x48
#define MR 4
#define NV 3
#include "kernels/body/outer.inc"

#define NAME outer_2x48
#define MR 2
#define NV 3
#include "kernels/body/outer.inc"

#define NAME outer_1x48
#define MR 1
#define NV 3
#include "kernels/body/outer.inc"

/* 24 accumulators + 4 dy + 1 broadcast = 29 of 32; the four gates of a recurrent cell */
#define NAME outer_6x64
#define MR 6
#define NV 4
#include "kernels/body/outer.inc"

#define NAME outer_4x64
#define MR 4
#define NV 4
#include "kernels/body/outer.inc"

#define NAME outer_2x64
#define MR 2
#define NV 4
#include "kernels/body/outer.inc"

#define NAME outer_1x64
#define MR 1
#define NV 4
#include "kernels/body/outer.inc"

/* few columns: 28 accumulators + 1 dy, the multipliers broadcast from memory */
#define NAME outer_28x16
#define MR 28
#define NV 1
#include "kernels/body/outer.inc"

#define NAME outer_16x16
#define MR 16
#define NV 1
#include "kernels/body/outer.inc"

#define NAME outer_8x16
#define MR 8
#define NV 1
#include "kernels/body/outer.inc"

#define NAME outer_4x16
#define MR 4
#define NV 1
#include "kernels/body/outer.inc"

#define NAME outer_2x16
#define MR 2
#define NV 1
#include "kernels/body/outer.inc"

#define NAME outer_1x16
#define MR 1
#define NV 1
#include "kernels/body/outer.inc"

const struct cincel_outer_row cincel_outer_avx512[CINCEL_OUTER_COUNT] = {
    {"outer_14x32_avx512", 14, 32, outer_14x32}, {"outer_12x32_avx512", 12, 32, outer_12x32},
    {"outer_8x32_avx512", 8, 32, outer_8x32},    {"outer_4x32_avx512", 4, 32, outer_4x32},
    {"outer_2x32_avx512", 2, 32, outer_2x32},    {"outer_1x32_avx512", 1, 32, outer_1x32},
    {"outer_9x48_avx512", 9, 48, outer_9x48},    {"outer_8x48_avx512", 8, 48, outer_8x48},
    {"outer_4x48_avx512", 4, 48, outer_4x48},    {"outer_2x48_avx512", 2, 48, outer_2x48},
    {"outer_1x48_avx512", 1, 48, outer_1x48},    {"outer_6x64_avx512", 6, 64, outer_6x64},
    {"outer_4x64_avx512", 4, 64, outer_4x64},    {"outer_2x64_avx512", 2, 64, outer_2x64},
    {"outer_1x64_avx512", 1, 64, outer_1x64},    {"outer_28x16_avx512", 28, 16, outer_28x16},
    {"outer_16x16_avx512", 16, 16, outer_16x16}, {"outer_8x16_avx512", 8, 16, outer_8x16},
    {"outer_4x16_avx512", 4, 16, outer_4x16},    {"outer_2x16_avx512", 2, 16, outer_2x16},
    {"outer_1x16_avx512", 1, 16, outer_1x16},
};
