/* The row arrays of this folder, for isa.c alone to collect. */
#ifndef CINCEL_KERNELS_GENERIC_ROWS_H
#define CINCEL_KERNELS_GENERIC_ROWS_H

#include "kernels/kernel.h"

enum {
    CINCEL_GEMM_COUNT = 3,
    CINCEL_OUTER_COUNT = 3,
    CINCEL_WINOGRAD_COUNT = 13,
    CINCEL_FEWCHAN_COUNT = 1,
    CINCEL_NARROW_COUNT = 3,
    CINCEL_GROUPED_COUNT = 4
};

extern const struct cincel_gemm_row cincel_gemm_generic[CINCEL_GEMM_COUNT];
extern const struct cincel_outer_row cincel_outer_generic[CINCEL_OUTER_COUNT];
extern const struct cincel_fewchan_row cincel_fewchan_generic[CINCEL_FEWCHAN_COUNT];
extern const struct cincel_narrow_row cincel_narrow_generic[CINCEL_NARROW_COUNT];
extern const struct cincel_grouped_row cincel_grouped_generic[CINCEL_GROUPED_COUNT];
extern const struct cincel_depthwise_row cincel_depthwise_generic;
extern const struct cincel_gemv_row cincel_gemv_generic;
extern const struct cincel_pack_row cincel_pack_generic;
extern const struct cincel_layout_row cincel_layout_generic;
extern const struct cincel_pool_row cincel_pool_generic;
extern const struct cincel_vector_row cincel_vector_generic;
extern const struct cincel_softmax_row cincel_softmax_generic;
extern const struct cincel_loss_row cincel_loss_generic;
extern const struct cincel_dropout_row cincel_dropout_generic;
extern const struct cincel_norm_row cincel_norm_generic;
extern const struct cincel_cell_row cincel_cell_generic;
extern const struct cincel_winograd_row cincel_winograd_generic[CINCEL_WINOGRAD_COUNT];
extern const struct cincel_probe_row cincel_probe_generic;

#endif
