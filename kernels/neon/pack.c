/* Packing of NEON. */
#include "kernels/neon/rows.h"
#include "kernels/neon/transpose.h"

#include "kernels/body/pack.inc"

const struct cincel_pack_row cincel_pack_neon = {"pack_neon",      pack_transpose, pack_copy,
                                                 pack_untranspose, pack_split,     pack_blocks};
