/* AVX-512 F/BW/DQ/VL: sixteen lanes, thirty-two registers. Meanings: kernels/generic/vec.h. */
#ifndef CINCEL_KERNELS_VEC_H
#define CINCEL_KERNELS_VEC_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define CINCEL_ISA_NAME avx512
#define CINCEL_ISA_STRING "avx512"
#define VEC_LEN 16
#define VEC_STEPS 1
#define VEC_FN static inline __attribute__((always_inline, unused))

typedef __m512 vec;
typedef __m512 vec_splat;

VEC_FN __mmask16 vec_head_mask(int n) { return (__mmask16)((1u << n) - 1u); }

VEC_FN vec vec_set1(float s) { return _mm512_set1_ps(s); }
VEC_FN vec vec_zero(void) { return _mm512_setzero_ps(); }
VEC_FN vec vec_load(const float *p) { return _mm512_loadu_ps(p); }
VEC_FN void vec_store(float *p, vec a) { _mm512_storeu_ps(p, a); }
VEC_FN vec vec_load_n(const float *p, int n) { return _mm512_maskz_loadu_ps(vec_head_mask(n), p); }
VEC_FN void vec_store_n(float *p, vec a, int n) { _mm512_mask_storeu_ps(p, vec_head_mask(n), a); }
VEC_FN vec vec_add(vec a, vec b) { return _mm512_add_ps(a, b); }
VEC_FN vec vec_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
VEC_FN vec vec_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
VEC_FN vec vec_div(vec a, vec b) { return _mm512_div_ps(a, b); }
VEC_FN vec vec_sqrt(vec a) { return _mm512_sqrt_ps(a); }
VEC_FN vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
VEC_FN vec vec_spread_0(vec a) { return _mm512_shuffle_ps(a, a, 0x0); }
VEC_FN vec vec_spread_1(vec a) { return _mm512_shuffle_ps(a, a, 0x55); }
VEC_FN vec vec_spread_2(vec a) { return _mm512_shuffle_ps(a, a, 0xaa); }
VEC_FN vec vec_spread_3(vec a) { return _mm512_shuffle_ps(a, a, 0xff); }
VEC_FN vec vec_fnma(vec a, vec b, vec c) { return _mm512_fnmadd_ps(a, b, c); }
VEC_FN float vec_sum(vec a)
{
    const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1));
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(a), high);
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
/* maxps returns its second operand where either is NaN: the order matters */
VEC_FN vec vec_relu(vec a) { return _mm512_max_ps(_mm512_setzero_ps(), a); }
VEC_FN vec_splat vec_splat_load(const float *p) { return _mm512_set1_ps(*p); }
VEC_FN void vec_fence(void) {}
VEC_FN void vec_pin(vec *a) { (void)a; }
VEC_FN vec vec_fma_splat(vec_splat a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
VEC_FN void vec_fma_to(vec *sum, vec_splat a, vec b) { *sum = vec_fma_splat(a, b, *sum); }
VEC_FN void vec_fma_into(vec *sum, vec a, vec b) { *sum = vec_fma(a, b, *sum); }

typedef __m512i vec_int;
typedef __mmask16 vec_mask;

#define VEC_STREAMS 1

VEC_FN vec_int vec_int_set1(int32_t s) { return _mm512_set1_epi32(s); }
VEC_FN vec_int vec_int_add(vec_int a, vec_int b) { return _mm512_add_epi32(a, b); }
VEC_FN vec_int vec_int_sub(vec_int a, vec_int b) { return _mm512_sub_epi32(a, b); }
VEC_FN vec_int vec_int_and(vec_int a, vec_int b) { return _mm512_and_si512(a, b); }
VEC_FN vec_int vec_int_or(vec_int a, vec_int b) { return _mm512_or_si512(a, b); }
VEC_FN vec_int vec_int_shl(vec_int a, int n) { return _mm512_slli_epi32(a, (unsigned)n); }
VEC_FN vec_int vec_int_shr(vec_int a, int n) { return _mm512_srai_epi32(a, (unsigned)n); }
VEC_FN vec_int vec_bits(vec a) { return _mm512_castps_si512(a); }
VEC_FN vec vec_from_bits(vec_int a) { return _mm512_castsi512_ps(a); }
VEC_FN vec_int vec_to_int(vec a) { return _mm512_cvtps_epi32(a); }
VEC_FN vec vec_from_int(vec_int a) { return _mm512_cvtepi32_ps(a); }

VEC_FN vec_mask vec_gt(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
VEC_FN vec_mask vec_is_nan(vec a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
VEC_FN vec_mask vec_int_eq(vec_int a, vec_int b) { return _mm512_cmpeq_epi32_mask(a, b); }
VEC_FN vec_mask vec_mask_or(vec_mask a, vec_mask b) { return (vec_mask)(a | b); }
VEC_FN vec_mask vec_mask_andnot(vec_mask a, vec_mask b) { return (vec_mask)(a & ~b); }
VEC_FN int vec_mask_any(vec_mask m) { return m != 0; }
VEC_FN vec vec_select(vec_mask m, vec a, vec b) { return _mm512_mask_blend_ps(m, b, a); }
VEC_FN vec_int vec_int_select(vec_mask m, vec_int a, vec_int b) { return _mm512_mask_blend_epi32(m, b, a); }
VEC_FN vec vec_keep(vec_mask m, vec a) { return _mm512_maskz_mov_ps(m, a); }
VEC_FN vec vec_min(vec a, vec b) { return _mm512_min_ps(a, b); }
VEC_FN vec vec_max(vec a, vec b) { return _mm512_max_ps(a, b); }

VEC_FN vec_int vec_load_bytes(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}
VEC_FN vec_int vec_load_bytes_n(const uint8_t *p, int n)
{
    return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(vec_head_mask(n), p));
}
VEC_FN void vec_store_bytes(uint8_t *p, vec_int a)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(a));
}
VEC_FN void vec_store_bytes_n(uint8_t *p, vec_int a, int n)
{
    _mm_mask_storeu_epi8(p, vec_head_mask(n), _mm512_cvtepi32_epi8(a));
}
VEC_FN void vec_store_bytes_x4(uint8_t *p, const vec_int a[4])
{
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) vec_store_bytes(p + 16 * v, a[v]);
}
VEC_FN void vec_stream(float *p, vec a) { _mm512_stream_ps(p, a); }
VEC_FN void vec_stream_fence(void) { _mm_sfence(); }

typedef struct {
    __m512d low, high;
} vec_wide;

VEC_FN vec_int vec_int_xor(vec_int a, vec_int b) { return _mm512_xor_si512(a, b); }
VEC_FN vec_mask vec_int_gt(vec_int a, vec_int b) { return _mm512_cmpgt_epi32_mask(a, b); }
VEC_FN vec_int vec_int_mul_even(vec_int a, vec_int b) { return _mm512_mul_epu32(a, b); }
VEC_FN vec_int vec_int_odd(vec_int a) { return _mm512_srli_epi64(a, 32); }
VEC_FN vec_int vec_int_pair(vec_int a, vec_int b)
{
    return _mm512_mask_blend_epi32(0xaaaa, a, _mm512_slli_epi64(b, 32));
}
VEC_FN vec_int vec_int_zip_low(vec_int a, vec_int b) { return _mm512_unpacklo_epi64(a, b); }
VEC_FN vec_int vec_int_zip_high(vec_int a, vec_int b) { return _mm512_unpackhi_epi64(a, b); }

VEC_FN vec_wide vec_wide_zero(void) { return (vec_wide){_mm512_setzero_pd(), _mm512_setzero_pd()}; }
VEC_FN vec_wide vec_wide_add(vec_wide s, vec a)
{
    const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1));
    return (vec_wide){_mm512_add_pd(s.low, _mm512_cvtps_pd(_mm512_castps512_ps256(a))),
                      _mm512_add_pd(s.high, _mm512_cvtps_pd(high))};
}
VEC_FN void vec_wide_store(double *p, vec_wide s)
{
    _mm512_storeu_pd(p, s.low);
    _mm512_storeu_pd(p + 8, s.high);
}

#endif
