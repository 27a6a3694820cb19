/* AVX2 + FMA: eight lanes, sixteen registers. Meanings: kernels/generic/vec.h. */
#ifndef CINCEL_KERNELS_VEC_H
#define CINCEL_KERNELS_VEC_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define CINCEL_ISA_NAME avx2
#define CINCEL_ISA_STRING "avx2"
#define VEC_LEN 8
#define VEC_STEPS 4
#define VEC_FN static inline __attribute__((always_inline, unused))

typedef __m256 vec;
typedef __m256 vec_splat;

/* Lanes 0 … n−1 all ones: a window on eight ones followed by eight zeros. */
VEC_FN __m256i vec_head_mask(int n)
{
    static const int32_t window[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
    return _mm256_loadu_si256((const __m256i *)(window + 8 - n));
}

VEC_FN vec vec_set1(float s) { return _mm256_set1_ps(s); }
VEC_FN vec vec_zero(void) { return _mm256_setzero_ps(); }
VEC_FN vec vec_load(const float *p) { return _mm256_loadu_ps(p); }
VEC_FN void vec_store(float *p, vec a) { _mm256_storeu_ps(p, a); }
VEC_FN vec vec_load_n(const float *p, int n) { return _mm256_maskload_ps(p, vec_head_mask(n)); }
/* A masked store is some 20 cycles of microcode on Zen: not for whole vectors, halves and nothing. */
VEC_FN void vec_store_n(float *p, vec a, int n)
{
    if (n >= 8)
        _mm256_storeu_ps(p, a);
    else if (n == 4)
        _mm_storeu_ps(p, _mm256_castps256_ps128(a));
    else if (n > 0)
        _mm256_maskstore_ps(p, vec_head_mask(n), a);
}
VEC_FN vec vec_add(vec a, vec b) { return _mm256_add_ps(a, b); }
VEC_FN vec vec_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
VEC_FN vec vec_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
VEC_FN vec vec_div(vec a, vec b) { return _mm256_div_ps(a, b); }
VEC_FN vec vec_sqrt(vec a) { return _mm256_sqrt_ps(a); }
VEC_FN vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
VEC_FN vec vec_spread_0(vec a) { return _mm256_permute_ps(a, 0x0); }
VEC_FN vec vec_spread_1(vec a) { return _mm256_permute_ps(a, 0x55); }
VEC_FN vec vec_spread_2(vec a) { return _mm256_permute_ps(a, 0xaa); }
VEC_FN vec vec_spread_3(vec a) { return _mm256_permute_ps(a, 0xff); }
VEC_FN vec vec_fnma(vec a, vec b, vec c) { return _mm256_fnmadd_ps(a, b, c); }
VEC_FN float vec_sum(vec a)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
/* maxps returns its second operand where either is NaN: the order matters */
VEC_FN vec vec_relu(vec a) { return _mm256_max_ps(_mm256_setzero_ps(), a); }
VEC_FN vec_splat vec_splat_load(const float *p) { return _mm256_broadcast_ss(p); }
VEC_FN void vec_fence(void) {}
VEC_FN void vec_pin(vec *a) { __asm__("" : "+x"(*a)); }
VEC_FN vec vec_fma_splat(vec_splat a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
/* Written out because gcc, where it sees several steps, sums into other registers and spills. */
VEC_FN void vec_fma_to(vec *sum, vec_splat a, vec b)
{
    __asm__("vfmadd231ps %2, %1, %0" : "+x"(*sum) : "x"(a), "x"(b));
}
VEC_FN void vec_fma_into(vec *sum, vec a, vec b) { vec_fma_to(sum, a, b); }

typedef __m256i vec_int;
typedef __m256 vec_mask;

#define VEC_STREAMS 1

VEC_FN vec_int vec_int_set1(int32_t s) { return _mm256_set1_epi32(s); }
VEC_FN vec_int vec_int_add(vec_int a, vec_int b) { return _mm256_add_epi32(a, b); }
VEC_FN vec_int vec_int_sub(vec_int a, vec_int b) { return _mm256_sub_epi32(a, b); }
VEC_FN vec_int vec_int_and(vec_int a, vec_int b) { return _mm256_and_si256(a, b); }
VEC_FN vec_int vec_int_or(vec_int a, vec_int b) { return _mm256_or_si256(a, b); }
VEC_FN vec_int vec_int_shl(vec_int a, int n) { return _mm256_slli_epi32(a, n); }
VEC_FN vec_int vec_int_shr(vec_int a, int n) { return _mm256_srai_epi32(a, n); }
VEC_FN vec_int vec_bits(vec a) { return _mm256_castps_si256(a); }
VEC_FN vec vec_from_bits(vec_int a) { return _mm256_castsi256_ps(a); }
VEC_FN vec_int vec_to_int(vec a) { return _mm256_cvtps_epi32(a); }
VEC_FN vec vec_from_int(vec_int a) { return _mm256_cvtepi32_ps(a); }

VEC_FN vec_mask vec_gt(vec a, vec b) { return _mm256_cmp_ps(a, b, _CMP_GT_OQ); }
VEC_FN vec_mask vec_is_nan(vec a) { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
VEC_FN vec_mask vec_int_eq(vec_int a, vec_int b) { return _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b)); }
VEC_FN vec_mask vec_mask_or(vec_mask a, vec_mask b) { return _mm256_or_ps(a, b); }
VEC_FN vec_mask vec_mask_andnot(vec_mask a, vec_mask b) { return _mm256_andnot_ps(b, a); }
VEC_FN int vec_mask_any(vec_mask m) { return _mm256_movemask_ps(m) != 0; }
VEC_FN vec vec_select(vec_mask m, vec a, vec b) { return _mm256_blendv_ps(b, a, m); }
VEC_FN vec_int vec_int_select(vec_mask m, vec_int a, vec_int b)
{
    return _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(b), _mm256_castsi256_ps(a), m));
}
VEC_FN vec vec_keep(vec_mask m, vec a) { return _mm256_and_ps(m, a); }
VEC_FN vec vec_min(vec a, vec b) { return _mm256_min_ps(a, b); }
VEC_FN vec vec_max(vec a, vec b) { return _mm256_max_ps(a, b); }

VEC_FN vec_int vec_load_bytes(const uint8_t *p)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
}
VEC_FN vec_int vec_load_bytes_n(const uint8_t *p, int n)
{
    uint8_t bytes[8] = {0};
    for (int i = 0; i < n; i++) bytes[i] = p[i];
    return vec_load_bytes(bytes);
}
VEC_FN void vec_store_bytes(uint8_t *p, vec_int a)
{
    const __m256i words = _mm256_packs_epi32(a, a);
    const __m256i packed = _mm256_packus_epi16(words, words); /* in each half, 4 bytes of its 4 lanes */
    const __m128i low = _mm256_castsi256_si128(packed), high = _mm256_extracti128_si256(packed, 1);
    _mm_storel_epi64((__m128i *)p, _mm_unpacklo_epi32(low, high));
}
VEC_FN void vec_store_bytes_n(uint8_t *p, vec_int a, int n)
{
    uint8_t bytes[8];
    vec_store_bytes(bytes, a);
    for (int i = 0; i < n; i++) p[i] = bytes[i];
}
/* The packs work in 128-bit halves; the permutation puts the groups of four back in order. */
VEC_FN void vec_store_bytes_x4(uint8_t *p, const vec_int a[4])
{
    const __m256i packed =
        _mm256_packus_epi16(_mm256_packs_epi32(a[0], a[1]), _mm256_packs_epi32(a[2], a[3]));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256((__m256i *)p, _mm256_permutevar8x32_epi32(packed, order));
}
VEC_FN void vec_stream(float *p, vec a) { _mm256_stream_ps(p, a); }
VEC_FN void vec_stream_fence(void) { _mm_sfence(); }

typedef struct {
    __m256d low, high;
} vec_wide;

VEC_FN vec_int vec_int_xor(vec_int a, vec_int b) { return _mm256_xor_si256(a, b); }
VEC_FN vec_mask vec_int_gt(vec_int a, vec_int b) { return _mm256_castsi256_ps(_mm256_cmpgt_epi32(a, b)); }
VEC_FN vec_int vec_int_mul_even(vec_int a, vec_int b) { return _mm256_mul_epu32(a, b); }
VEC_FN vec_int vec_int_odd(vec_int a) { return _mm256_srli_epi64(a, 32); }
VEC_FN vec_int vec_int_pair(vec_int a, vec_int b)
{
    return _mm256_blend_epi32(a, _mm256_slli_epi64(b, 32), 0xaa);
}
VEC_FN vec_int vec_int_zip_low(vec_int a, vec_int b) { return _mm256_unpacklo_epi64(a, b); }
VEC_FN vec_int vec_int_zip_high(vec_int a, vec_int b) { return _mm256_unpackhi_epi64(a, b); }

VEC_FN vec_wide vec_wide_zero(void) { return (vec_wide){_mm256_setzero_pd(), _mm256_setzero_pd()}; }
VEC_FN vec_wide vec_wide_add(vec_wide s, vec a)
{
    return (vec_wide){_mm256_add_pd(s.low, _mm256_cvtps_pd(_mm256_castps256_ps128(a))),
                      _mm256_add_pd(s.high, _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)))};
}
VEC_FN void vec_wide_store(double *p, vec_wide s)
{
    _mm256_storeu_pd(p, s.low);
    _mm256_storeu_pd(p + 4, s.high);
}

#endif
