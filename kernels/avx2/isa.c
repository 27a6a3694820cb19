/* What the avx2 folder offers: the one external symbol besides its row arrays. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

const struct cincel_isa cincel_isa_avx2 = {
    .name = "avx2",
    .needs = CINCEL_CPU_AVX2 | CINCEL_CPU_FMA,
    .vector_floats = VEC_LEN,
    .has_fma = 1,
    .gemm = cincel_gemm_avx2,
    .gemm_count = CINCEL_GEMM_COUNT,
    .outer = cincel_outer_avx2,
    .outer_count = CINCEL_OUTER_COUNT,
    .winograd = cincel_winograd_avx2,
    .winograd_count = CINCEL_WINOGRAD_COUNT,
    .fewchan = cincel_fewchan_avx2,
    .fewchan_count = CINCEL_FEWCHAN_COUNT,
    .narrow = cincel_narrow_avx2,
    .narrow_count = CINCEL_NARROW_COUNT,
    .grouped = cincel_grouped_avx2,
    .grouped_count = CINCEL_GROUPED_COUNT,
    .depthwise = &cincel_depthwise_avx2,
    .gemv = &cincel_gemv_avx2,
    .pack = &cincel_pack_avx2,
    .layout = &cincel_layout_avx2,
    .pool = &cincel_pool_avx2,
    .vector = &cincel_vector_avx2,
    .softmax = &cincel_softmax_avx2,
    .loss = &cincel_loss_avx2,
    .dropout = &cincel_dropout_avx2,
    .norm = &cincel_norm_avx2,
    .cell = &cincel_cell_avx2,
    .probe = &cincel_probe_avx2,
};
