/* What the generic folder offers: the one external symbol besides its row arrays. */
#include "kernels/generic/rows.h"
#include "kernels/generic/vec.h"

const struct cincel_isa cincel_isa_generic = {
    .name = "generic",
    .needs = 0,
    .vector_floats = VEC_LEN,
    .has_fma = 0,
    .gemm = cincel_gemm_generic,
    .gemm_count = CINCEL_GEMM_COUNT,
    .outer = cincel_outer_generic,
    .outer_count = CINCEL_OUTER_COUNT,
    .winograd = cincel_winograd_generic,
    .winograd_count = CINCEL_WINOGRAD_COUNT,
    .fewchan = cincel_fewchan_generic,
    .fewchan_count = CINCEL_FEWCHAN_COUNT,
    .narrow = cincel_narrow_generic,
    .narrow_count = CINCEL_NARROW_COUNT,
    .grouped = cincel_grouped_generic,
    .grouped_count = CINCEL_GROUPED_COUNT,
    .depthwise = &cincel_depthwise_generic,
    .gemv = &cincel_gemv_generic,
    .pack = &cincel_pack_generic,
    .layout = &cincel_layout_generic,
    .pool = &cincel_pool_generic,
    .vector = &cincel_vector_generic,
    .softmax = &cincel_softmax_generic,
    .loss = &cincel_loss_generic,
    .dropout = &cincel_dropout_generic,
    .norm = &cincel_norm_generic,
    .cell = &cincel_cell_generic,
    .probe = &cincel_probe_generic,
};
