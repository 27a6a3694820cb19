/* The row arrays of this folder, for isa.c alone to collect. */
#ifndef CINCEL_KERNELS_AVX2_ROWS_H
#define CINCEL_KERNELS_AVX2_ROWS_H

#include "kernels/kernel.h"

enum {
    CINCEL_GEMM_COUNT = 18,
    CINCEL_OUTER_COUNT = 18,
    CINCEL_WINOGRAD_COUNT = 13,
    CINCEL_FEWCHAN_COUNT = 3,
    CINCEL_NARROW_COUNT = 3,
    CINCEL_GROUPED_COUNT = 4
};

extern const struct cincel_gemm_row cincel_gemm_avx2[CINCEL_GEMM_COUNT];
extern const struct cincel_outer_row cincel_outer_avx2[CINCEL_OUTER_COUNT];
extern const struct cincel_fewchan_row cincel_fewchan_avx2[CINCEL_FEWCHAN_COUNT];
extern const struct cincel_narrow_row cincel_narrow_avx2[CINCEL_NARROW_COUNT];
extern const struct cincel_grouped_row cincel_grouped_avx2[CINCEL_GROUPED_COUNT];
extern const struct cincel_depthwise_row cincel_depthwise_avx2;
extern const struct cincel_gemv_row cincel_gemv_avx2;
extern const struct cincel_pack_row cincel_pack_avx2;
extern const struct cincel_layout_row cincel_layout_avx2;
extern const struct cincel_pool_row cincel_pool_avx2;
extern const struct cincel_vector_row cincel_vector_avx2;
extern const struct cincel_softmax_row cincel_softmax_avx2;
extern const struct cincel_loss_row cincel_loss_avx2;
extern const struct cincel_dropout_row cincel_dropout_avx2;
extern const struct cincel_norm_row cincel_norm_avx2;
extern const struct cincel_cell_row cincel_cell_avx2;
extern const struct cincel_winograd_row cincel_winograd_avx2[CINCEL_WINOGRAD_COUNT];
extern const struct cincel_probe_row cincel_probe_avx2;

#endif
