/*
 * The vector operations on which kernels/body/ is written; four lanes of GNU C's
 * vector extension, which gcc and clang lower to whatever the baseline has. Every ISA folder has a vec.h with
 * the same names and meanings:
 *
 *   vec_load / vec_store      VEC_LEN floats, no alignment required
 *   vec_load_n / vec_store_n  the first n (0 … VEC_LEN) only; the other lanes load as 0, memory past
 *                             them is not touched
 *   vec_fma(a, b, c)          a·b + c: one rounding, except here in generic (never fmaf: a library
 *                             call where the hardware has none)
 *   vec_splat                 one scalar as the multiplier of a row of a tile: a full register on x86,
 *                             a scalar on NEON, whose FMA takes a lane
 *   vec_fence()               nothing; on NEON the compiler moves no load across it (body/gemm.inc)
 *   vec_relu(a)               max(a, 0), NaN stays NaN
 */
#ifndef CINCEL_KERNELS_VEC_H
#define CINCEL_KERNELS_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CINCEL_ISA_NAME generic
#define CINCEL_ISA_STRING "generic"
#define VEC_LEN 4
#define VEC_FN static inline __attribute__((always_inline, unused))

typedef float vec __attribute__((vector_size(16), aligned(16)));
typedef int32_t vec_int __attribute__((vector_size(16)));
typedef float vec_splat;

VEC_FN vec vec_set1(float s) { return (vec){s, s, s, s}; }
VEC_FN vec vec_zero(void) { return vec_set1(0.0f); }
VEC_FN vec vec_load(const float *p)
{
    vec r;
    memcpy(&r, p, sizeof r);
    return r;
}
VEC_FN void vec_store(float *p, vec a) { memcpy(p, &a, sizeof a); }
VEC_FN vec vec_load_n(const float *p, int n)
{
    vec r = vec_zero();
    for (int i = 0; i < n; i++) r[i] = p[i];
    return r;
}
VEC_FN void vec_store_n(float *p, vec a, int n)
{
    for (int i = 0; i < n; i++) p[i] = a[i];
}
VEC_FN vec vec_add(vec a, vec b) { return a + b; }
VEC_FN vec vec_sub(vec a, vec b) { return a - b; }
VEC_FN vec vec_mul(vec a, vec b) { return a * b; }
VEC_FN vec vec_div(vec a, vec b) { return a / b; }
VEC_FN vec vec_fma(vec a, vec b, vec c) { return a * b + c; }
/* 0 > NaN is false: NaN passes */
VEC_FN vec vec_relu(vec a) { return (vec)((vec_int)a & ~(vec_int)(vec_zero() > a)); }
VEC_FN vec_splat vec_splat_load(const float *p) { return *p; }
VEC_FN void vec_fence(void) {}
VEC_FN vec vec_fma_splat(vec_splat a, vec b, vec c) { return vec_set1(a) * b + c; }

#endif
