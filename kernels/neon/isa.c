/* What the neon folder offers: the one external symbol besides its row arrays. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

const struct cincel_isa cincel_isa_neon = {
    .name = "neon",
    .needs = CINCEL_CPU_NEON,
    .vector_floats = VEC_LEN,
    .has_fma = 1,
    .gemm = cincel_gemm_neon,
    .gemm_count = CINCEL_GEMM_COUNT,
    .outer = cincel_outer_neon,
    .outer_count = CINCEL_OUTER_COUNT,
    .winograd = cincel_winograd_neon,
    .winograd_count = CINCEL_WINOGRAD_COUNT,
    .fewchan = cincel_fewchan_neon,
    .fewchan_count = CINCEL_FEWCHAN_COUNT,
    .narrow = cincel_narrow_neon,
    .narrow_count = CINCEL_NARROW_COUNT,
    .grouped = cincel_grouped_neon,
    .grouped_count = CINCEL_GROUPED_COUNT,
    .depthwise = &cincel_depthwise_neon,
    .gemv = &cincel_gemv_neon,
    .pack = &cincel_pack_neon,
    .layout = &cincel_layout_neon,
    .pool = &cincel_pool_neon,
    .vector = &cincel_vector_neon,
    .softmax = &cincel_softmax_neon,
    .loss = &cincel_loss_neon,
    .dropout = &cincel_dropout_neon,
    .norm = &cincel_norm_neon,
    .cell = &cincel_cell_neon,
    .probe = &cincel_probe_neon,
};
