/* A square block of neon registers, turned: for packing and for layouts. */
#ifndef CINCEL_KERNELS_TRANSPOSE_H
#define CINCEL_KERNELS_TRANSPOSE_H

#include "kernels/neon/vec.h"

/* 4x4 in place: pairs, then halves. */
VEC_FN void vec_transpose(vec r[VEC_LEN])
{
    const float32x4x2_t t01 = vtrnq_f32(r[0], r[1]), t23 = vtrnq_f32(r[2], r[3]);
    r[0] = vcombine_f32(vget_low_f32(t01.val[0]), vget_low_f32(t23.val[0]));
    r[1] = vcombine_f32(vget_low_f32(t01.val[1]), vget_low_f32(t23.val[1]));
    r[2] = vcombine_f32(vget_high_f32(t01.val[0]), vget_high_f32(t23.val[0]));
    r[3] = vcombine_f32(vget_high_f32(t01.val[1]), vget_high_f32(t23.val[1]));
}

#endif
