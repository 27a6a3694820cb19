/* What the avx512 folder offers: the one external symbol besides its row arrays. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

const struct cincel_isa cincel_isa_avx512 = {
    .name = "avx512",
    .needs = CINCEL_CPU_AVX2 | CINCEL_CPU_FMA | CINCEL_CPU_AVX512F | CINCEL_CPU_AVX512BW |
             CINCEL_CPU_AVX512DQ | CINCEL_CPU_AVX512VL,
    .vector_floats = VEC_LEN,
    .has_fma = 1,
    .gemm = cincel_gemm_avx512,
    .gemm_count = CINCEL_GEMM_COUNT,
    .outer = cincel_outer_avx512,
    .outer_count = CINCEL_OUTER_COUNT,
    .winograd = cincel_winograd_avx512,
    .winograd_count = CINCEL_WINOGRAD_COUNT,
    .fewchan = cincel_fewchan_avx512,
    .fewchan_count = CINCEL_FEWCHAN_COUNT,
    .narrow = cincel_narrow_avx512,
    .narrow_count = CINCEL_NARROW_COUNT,
    .grouped = cincel_grouped_avx512,
    .grouped_count = CINCEL_GROUPED_COUNT,
    .depthwise = &cincel_depthwise_avx512,
    .gemv = &cincel_gemv_avx512,
    .pack = &cincel_pack_avx512,
    .layout = &cincel_layout_avx512,
    .pool = &cincel_pool_avx512,
    .vector = &cincel_vector_avx512,
    .softmax = &cincel_softmax_avx512,
    .loss = &cincel_loss_avx512,
    .dropout = &cincel_dropout_avx512,
    .norm = &cincel_norm_avx512,
    .cell = &cincel_cell_avx512,
    .probe = &cincel_probe_avx512,
};
