/* Packing of the baseline. */
#include "kernels/generic/rows.h"
#include "kernels/generic/transpose.h"

#include "kernels/body/pack.inc"

const struct cincel_pack_row cincel_pack_generic = {"pack_generic",   pack_transpose, pack_copy,
                                                    pack_untranspose, pack_split,     pack_blocks};
