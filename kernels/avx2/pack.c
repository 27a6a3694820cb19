/* Packing of AVX2. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/transpose.h"

#include "kernels/body/pack.inc"

const struct cincel_pack_row cincel_pack_avx2 = {"pack_avx2",      pack_transpose, pack_copy,
                                                 pack_untranspose, pack_split,     pack_blocks};
