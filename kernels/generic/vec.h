/*
 * The vector operations on which kernels/body/ is written; four lanes of GNU C's
 * vector extension, which gcc and clang lower to whatever the baseline has. Every ISA folder has a vec.h with
 * the same names and meanings:
 *
 *   vec_load / vec_store      VEC_LEN floats, no alignment required
 *   vec_load_n / vec_store_n  the first n (0 … VEC_LEN) only; the other lanes load as 0, memory past
 *                             them is not touched
 *   vec_fma(a, b, c)          a·b + c: one rounding, except here in generic (never fmaf: a library
 *                             call where the hardware has none); vec_fnma(a, b, c): c − a·b alike
 *   vec_splat                 one scalar as the multiplier of a row of a tile: a full register on x86,
 *                             a scalar on NEON, whose FMA takes a lane
 *   vec_fma_to(&c, a, b)      c = a·b + c of a splat a, in c's own register however far the loop around it is
 *                             unrolled: VEC_STEPS steps of a tile at a time, 1 where nothing is gained
 *   vec_fma_into(&c, a, b)    the same of a vector a
 *   vec_fence()               nothing; on NEON the compiler moves no load across it (body/gemm.inc)
 *   vec_pin(&a)               nothing; on AVX2 a is loaded once, where the compiler would take it from memory
 *                             at every use
 *   vec_sqrt(a)               rounded to nearest, as IEEE 754 has it
 *   vec_relu(a)               max(a, 0), NaN stays NaN
 *   vec_min / vec_max(a, b)   a < b ? a : b and a > b ? a : b: exactly that, so b where either is NaN
 *                             and where the zeros differ in sign
 *   vec_sum(a)                all lanes by the tree l + (l + VEC_LEN/2), then half as many, …
 *   vec_spread_0 … _3(a)      of each four lanes the first (… fourth) in all four
 *   vec_gt, vec_is_nan, vec_int_eq   lane masks; vec_gt is false where either is NaN
 *   vec_select(m, a, b)       m ? a : b, lane by lane; vec_keep(m, a) is m ? a : 0
 *   vec_bits / vec_from_bits  the same bits as 32-bit integer lanes and back
 *   vec_to_int(a)             rounded to nearest, ties to even; |a| < 2^22, else anything
 *   vec_int_shl / _shr        by a constant; _shr carries the sign
 *   vec_load_bytes            VEC_LEN bytes, each widened to a lane; vec_store_bytes: the low byte of
 *                             each lane; vec_store_bytes_x4: 4·VEC_LEN bytes from four registers
 *   vec_int_mul_even(a, b)    the 64-bit products of the even lanes, each over its pair of lanes
 *   vec_int_odd(a)            odd lanes to the even ones below; the odd ones become 0
 *   vec_int_pair(a, b)        even lanes of a, and even lanes of b in the odd ones
 *   vec_int_zip_low / _high   of each four lanes the low (high) two of a, then those of b
 *   vec_wide                  VEC_LEN sums in double precision; vec_wide_add(s, a) adds lane by lane
 *   vec_stream(p, a)          a store past the caches where the ISA has one (VEC_STREAMS); p on a
 *                             multiple of the register's size. vec_stream_fence() before others read
 */
#ifndef CINCEL_KERNELS_VEC_H
#define CINCEL_KERNELS_VEC_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CINCEL_ISA_NAME generic
#define CINCEL_ISA_STRING "generic"
#define VEC_LEN 4
#define VEC_STEPS 1
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
VEC_FN vec vec_sqrt(vec a) { return (vec){sqrtf(a[0]), sqrtf(a[1]), sqrtf(a[2]), sqrtf(a[3])}; }
VEC_FN vec vec_fma(vec a, vec b, vec c) { return a * b + c; }
VEC_FN vec vec_spread_0(vec a) { return vec_set1(a[0]); }
VEC_FN vec vec_spread_1(vec a) { return vec_set1(a[1]); }
VEC_FN vec vec_spread_2(vec a) { return vec_set1(a[2]); }
VEC_FN vec vec_spread_3(vec a) { return vec_set1(a[3]); }
VEC_FN vec vec_fnma(vec a, vec b, vec c) { return c - a * b; }
VEC_FN float vec_sum(vec a) { return (a[0] + a[2]) + (a[1] + a[3]); }
/* 0 > NaN is false: NaN passes */
VEC_FN vec vec_relu(vec a) { return (vec)((vec_int)a & ~(vec_int)(vec_zero() > a)); }
VEC_FN vec_splat vec_splat_load(const float *p) { return *p; }
VEC_FN void vec_fence(void) {}
VEC_FN void vec_pin(vec *a) { (void)a; }
VEC_FN vec vec_fma_splat(vec_splat a, vec b, vec c) { return vec_set1(a) * b + c; }
VEC_FN void vec_fma_to(vec *sum, vec_splat a, vec b) { *sum = vec_fma_splat(a, b, *sum); }
VEC_FN void vec_fma_into(vec *sum, vec a, vec b) { *sum = vec_fma(a, b, *sum); }

typedef vec_int vec_mask;
typedef uint32_t vec_uint __attribute__((vector_size(16)));

#define VEC_STREAMS 0

VEC_FN vec_int vec_int_set1(int32_t s) { return (vec_int){s, s, s, s}; }
VEC_FN vec_int vec_int_add(vec_int a, vec_int b) { return (vec_int)((vec_uint)a + (vec_uint)b); }
VEC_FN vec_int vec_int_sub(vec_int a, vec_int b) { return (vec_int)((vec_uint)a - (vec_uint)b); }
VEC_FN vec_int vec_int_and(vec_int a, vec_int b) { return a & b; }
VEC_FN vec_int vec_int_or(vec_int a, vec_int b) { return a | b; }
VEC_FN vec_int vec_int_shl(vec_int a, int n) { return (vec_int)((vec_uint)a << n); }
VEC_FN vec_int vec_int_shr(vec_int a, int n) { return a >> n; }
VEC_FN vec_int vec_bits(vec a) { return (vec_int)a; }
VEC_FN vec vec_from_bits(vec_int a) { return (vec)a; }
/* adding 1.5·2^23 leaves the rounded integer in the low bits of the significand */
VEC_FN vec_int vec_to_int(vec a)
{
    const vec magic = vec_set1(12582912.0f);
    return vec_int_sub((vec_int)(a + magic), (vec_int)magic);
}
VEC_FN vec vec_from_int(vec_int a) { return __builtin_convertvector(a, vec); }

VEC_FN vec_mask vec_gt(vec a, vec b) { return (vec_mask)(a > b); }
VEC_FN vec_mask vec_is_nan(vec a) { return (vec_mask)(a != a); }
VEC_FN vec_mask vec_int_eq(vec_int a, vec_int b) { return (vec_mask)(a == b); }
VEC_FN vec_mask vec_mask_or(vec_mask a, vec_mask b) { return a | b; }
VEC_FN vec_mask vec_mask_andnot(vec_mask a, vec_mask b) { return a & ~b; }
VEC_FN int vec_mask_any(vec_mask m) { return (m[0] | m[1] | m[2] | m[3]) != 0; }
VEC_FN vec vec_select(vec_mask m, vec a, vec b) { return (vec)((m & (vec_int)a) | (~m & (vec_int)b)); }
VEC_FN vec_int vec_int_select(vec_mask m, vec_int a, vec_int b) { return (m & a) | (~m & b); }
VEC_FN vec vec_keep(vec_mask m, vec a) { return (vec)(m & (vec_int)a); }
VEC_FN vec vec_min(vec a, vec b) { return vec_select(vec_gt(b, a), a, b); }
VEC_FN vec vec_max(vec a, vec b) { return vec_select(vec_gt(a, b), a, b); }

VEC_FN vec_int vec_load_bytes_n(const uint8_t *p, int n)
{
    vec_int r = vec_int_set1(0);
    for (int i = 0; i < n; i++) r[i] = p[i];
    return r;
}
VEC_FN vec_int vec_load_bytes(const uint8_t *p) { return (vec_int){p[0], p[1], p[2], p[3]}; }
VEC_FN void vec_store_bytes_n(uint8_t *p, vec_int a, int n)
{
    for (int i = 0; i < n; i++) p[i] = (uint8_t)a[i];
}
VEC_FN void vec_store_bytes(uint8_t *p, vec_int a) { vec_store_bytes_n(p, a, VEC_LEN); }
VEC_FN void vec_store_bytes_x4(uint8_t *p, const vec_int a[4])
{
    for (int i = 0; i < 16; i++) p[i] = (uint8_t)a[i / 4][i % 4];
}
VEC_FN void vec_stream(float *p, vec a) { vec_store(p, a); }
VEC_FN void vec_stream_fence(void) {}

typedef uint64_t vec_long __attribute__((vector_size(16)));
typedef double vec_double __attribute__((vector_size(16)));
typedef struct {
    vec_double part[2];
} vec_wide;

VEC_FN vec_int vec_int_xor(vec_int a, vec_int b) { return a ^ b; }
VEC_FN vec_mask vec_int_gt(vec_int a, vec_int b) { return (vec_mask)(a > b); }
VEC_FN vec_int vec_int_mul_even(vec_int a, vec_int b)
{
    const vec_long word = {UINT32_MAX, UINT32_MAX};
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the even lane is the low word of its pair");
    return (vec_int)(((vec_long)a & word) * ((vec_long)b & word));
}
VEC_FN vec_int vec_int_odd(vec_int a) { return (vec_int)((vec_long)a >> 32); }
VEC_FN vec_int vec_int_pair(vec_int a, vec_int b) { return (vec_int){a[0], b[0], a[2], b[2]}; }
VEC_FN vec_int vec_int_zip_low(vec_int a, vec_int b) { return (vec_int){a[0], a[1], b[0], b[1]}; }
VEC_FN vec_int vec_int_zip_high(vec_int a, vec_int b) { return (vec_int){a[2], a[3], b[2], b[3]}; }

VEC_FN vec_wide vec_wide_zero(void) { return (vec_wide){{{0.0, 0.0}, {0.0, 0.0}}}; }
VEC_FN vec_wide vec_wide_add(vec_wide s, vec a)
{
    s.part[0] += (vec_double){(double)a[0], (double)a[1]};
    s.part[1] += (vec_double){(double)a[2], (double)a[3]};
    return s;
}
VEC_FN void vec_wide_store(double *p, vec_wide s) { memcpy(p, &s, sizeof s); }

#endif
