/* A square block of generic registers, turned: for packing and for layouts. */
#ifndef CINCEL_KERNELS_TRANSPOSE_H
#define CINCEL_KERNELS_TRANSPOSE_H

#include "kernels/generic/vec.h"

VEC_FN void vec_transpose(vec r[VEC_LEN])
{
    vec t[VEC_LEN];
#pragma GCC unroll 4
    for (int i = 0; i < VEC_LEN; i++) t[i] = (vec){r[0][i], r[1][i], r[2][i], r[3][i]};
#pragma GCC unroll 4
    for (int i = 0; i < VEC_LEN; i++) r[i] = t[i];
}

#endif
