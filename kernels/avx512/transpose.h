/* A square block of avx512 registers, turned: for packing and for layouts. */
#ifndef CINCEL_KERNELS_TRANSPOSE_H
#define CINCEL_KERNELS_TRANSPOSE_H

#include "kernels/avx512/vec.h"

/* 16x16 in place: pairs, quads, then 128-bit lanes at distance two and one (eight and four rows). */
VEC_FN void vec_transpose(vec r[VEC_LEN])
{
    vec t[16], u[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        u[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        u[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
        u[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        u[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    /* u[4·g + c], lane l: rows 4·g … 4·g + 3 of column 4·l + c */
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        const vec even01 = _mm512_shuffle_f32x4(u[c], u[c + 4], 0x88);
        const vec odd01 = _mm512_shuffle_f32x4(u[c], u[c + 4], 0xdd);
        const vec even23 = _mm512_shuffle_f32x4(u[c + 8], u[c + 12], 0x88);
        const vec odd23 = _mm512_shuffle_f32x4(u[c + 8], u[c + 12], 0xdd);
        r[c] = _mm512_shuffle_f32x4(even01, even23, 0x88);
        r[c + 4] = _mm512_shuffle_f32x4(odd01, odd23, 0x88);
        r[c + 8] = _mm512_shuffle_f32x4(even01, even23, 0xdd);
        r[c + 12] = _mm512_shuffle_f32x4(odd01, odd23, 0xdd);
    }
}

#endif
