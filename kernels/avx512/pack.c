/* Packing of AVX-512. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/transpose.h"

#include "kernels/body/pack.inc"

const struct cincel_pack_row cincel_pack_avx512 = {"pack_avx512",    pack_transpose, pack_copy,
                                                   pack_untranspose, pack_split,     pack_blocks};
