/* The row arrays of this folder, for isa.c alone to collect. */
#ifndef CINCEL_KERNELS_AVX512_ROWS_H
#define CINCEL_KERNELS_AVX512_ROWS_H

#include "kernels/kernel.h"

enum {
    CINCEL_GEMM_COUNT = 26,
    CINCEL_OUTER_COUNT = 21,
    CINCEL_WINOGRAD_COUNT = 13,
    CINCEL_FEWCHAN_COUNT = 4,
    CINCEL_NARROW_COUNT = 3,
    CINCEL_GROUPED_COUNT = 4
};

extern const struct cincel_gemm_row cincel_gemm_avx512[CINCEL_GEMM_COUNT];
extern const struct cincel_outer_row cincel_outer_avx512[CINCEL_OUTER_COUNT];
extern const struct cincel_fewchan_row cincel_fewchan_avx512[CINCEL_FEWCHAN_COUNT];
extern const struct cincel_narrow_row cincel_narrow_avx512[CINCEL_NARROW_COUNT];
extern const struct cincel_grouped_row cincel_grouped_avx512[CINCEL_GROUPED_COUNT];
extern const struct cincel_depthwise_row cincel_depthwise_avx512;
extern const struct cincel_gemv_row cincel_gemv_avx512;
extern const struct cincel_pack_row cincel_pack_avx512;
extern const struct cincel_layout_row cincel_layout_avx512;
extern const struct cincel_pool_row cincel_pool_avx512;
extern const struct cincel_vector_row cincel_vector_avx512;
extern const struct cincel_softmax_row cincel_softmax_avx512;
extern const struct cincel_loss_row cincel_loss_avx512;
extern const struct cincel_dropout_row cincel_dropout_avx512;
extern const struct cincel_norm_row cincel_norm_avx512;
extern const struct cincel_cell_row cincel_cell_avx512;
extern const struct cincel_winograd_row cincel_winograd_avx512[CINCEL_WINOGRAD_COUNT];
extern const struct cincel_probe_row cincel_probe_avx512;

#endif
