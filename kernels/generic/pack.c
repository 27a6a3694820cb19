/* Packing of the baseline. */
#include "kernels/generic/rows.h"
#include "kernels/generic/vec.h"

VEC_FN void vec_transpose(vec r[VEC_LEN])
{
    vec t[VEC_LEN];
#pragma GCC unroll 4
    for (int i = 0; i < VEC_LEN; i++) t[i] = (vec){r[0][i], r[1][i], r[2][i], r[3][i]};
#pragma GCC unroll 4
    for (int i = 0; i < VEC_LEN; i++) r[i] = t[i];
}

#include "kernels/body/pack.inc"

const struct cincel_pack_row cincel_pack_generic = {"pack_generic", pack_transpose, pack_copy,
                                                    pack_untranspose, pack_split};
