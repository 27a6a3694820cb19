/*
 * AVX-512 intrinsics on a machine with AVX2 only, so that every test of kernels/avx512 runs everywhere: the
 * folder's unchanged sources are compiled with `-include` of this header (tests/CMakeLists.txt). SIMDe has
 * most of them; what 0.7.4 lacks stands here, one lane at a time, as Intel's guide defines it.
 */
#ifndef CINCEL_TESTS_SUPPORT_EMULATE_AVX512_H
#define CINCEL_TESTS_SUPPORT_EMULATE_AVX512_H

#include <immintrin.h>
#include <string.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#define EMULATE static inline __attribute__((unused))

union emulated {
    simde__m512 ps;
    simde__m512i si;
    simde__m512d pd;
    __m256d half_d[2];
    __m256 half[2];
    __m256i half_i[2];
    float f[16];
    int32_t i[16];
    uint8_t bytes[64];
};

/* Masked-off lanes are not touched in memory. */
EMULATE simde__m512 emulated_maskz_loadu_ps(__mmask16 m, const void *p)
{
    union emulated r = {.f = {0}};
    for (int i = 0; i < 16; i++)
        if (m >> i & 1) r.f[i] = ((const float *)p)[i];
    return r.ps;
}

EMULATE void emulated_mask_storeu_ps(void *p, __mmask16 m, simde__m512 a)
{
    const union emulated v = {.ps = a};
    for (int i = 0; i < 16; i++)
        if (m >> i & 1) ((float *)p)[i] = v.f[i];
}

EMULATE __m128i emulated_maskz_loadu_epi8(__mmask16 m, const void *p)
{
    uint8_t r[16] = {0};
    for (int i = 0; i < 16; i++)
        if (m >> i & 1) r[i] = ((const uint8_t *)p)[i];
    return _mm_loadu_si128((const __m128i *)r);
}

EMULATE void emulated_mask_storeu_epi8(void *p, __mmask16 m, __m128i a)
{
    uint8_t v[16];
    memcpy(v, &a, sizeof v);
    for (int i = 0; i < 16; i++)
        if (m >> i & 1) ((uint8_t *)p)[i] = v[i];
}

EMULATE void emulated_stream_ps(void *p, simde__m512 a)
{
    const union emulated v = {.ps = a};
    _mm256_stream_ps((float *)p, v.half[0]);
    _mm256_stream_ps((float *)p + 8, v.half[1]);
}

EMULATE simde__m512 emulated_shuffle_f32x4(simde__m512 a, simde__m512 b, int imm)
{
    const union emulated from[2] = {{.ps = a}, {.ps = b}};
    union emulated r;
    for (int lane = 0; lane < 4; lane++)
        memcpy(r.f + 4 * lane, from[lane / 2].f + 4 * (imm >> 2 * lane & 3), 16);
    return r.ps;
}

EMULATE simde__m512i emulated_srai_epi32(simde__m512i a, unsigned n)
{
    union emulated v = {.si = a};
    for (int i = 0; i < 16; i++) v.i[i] >>= n < 31 ? n : 31;
    return v.si;
}

EMULATE simde__m512i emulated_cvtps_epi32(simde__m512 a)
{
    const union emulated v = {.ps = a};
    union emulated r;
    for (int h = 0; h < 2; h++) r.half_i[h] = _mm256_cvtps_epi32(v.half[h]);
    return r.si;
}

EMULATE simde__m512 emulated_cvtepi32_ps(simde__m512i a)
{
    const union emulated v = {.si = a};
    union emulated r;
    for (int h = 0; h < 2; h++) r.half[h] = _mm256_cvtepi32_ps(v.half_i[h]);
    return r.ps;
}

EMULATE simde__m512d emulated_cvtps_pd(__m256 a)
{
    union emulated r;
    r.half_d[0] = _mm256_cvtps_pd(_mm256_castps256_ps128(a));
    r.half_d[1] = _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
    return r.pd;
}

EMULATE simde__m512i emulated_cvtepu8_epi32(__m128i a)
{
    union emulated r;
    r.half_i[0] = _mm256_cvtepu8_epi32(a);
    r.half_i[1] = _mm256_cvtepu8_epi32(_mm_srli_si128(a, 8));
    return r.si;
}

EMULATE __m128i emulated_cvtepi32_epi8(simde__m512i a)
{
    const union emulated v = {.si = a};
    uint8_t r[16];
    for (int i = 0; i < 16; i++) r[i] = (uint8_t)v.i[i];
    return _mm_loadu_si128((const __m128i *)r);
}

#undef _mm512_maskz_loadu_ps
#undef _mm512_mask_storeu_ps
#undef _mm_maskz_loadu_epi8
#undef _mm_mask_storeu_epi8
#undef _mm512_stream_ps
#undef _mm512_shuffle_f32x4
#undef _mm512_srai_epi32
#undef _mm512_cvtps_epi32
#undef _mm512_cvtepi32_ps
#undef _mm512_cvtps_pd
#undef _mm512_cvtepu8_epi32
#undef _mm512_cvtepi32_epi8
#define _mm512_maskz_loadu_ps emulated_maskz_loadu_ps
#define _mm512_mask_storeu_ps emulated_mask_storeu_ps
#define _mm_maskz_loadu_epi8 emulated_maskz_loadu_epi8
#define _mm_mask_storeu_epi8 emulated_mask_storeu_epi8
#define _mm512_stream_ps emulated_stream_ps
#define _mm512_shuffle_f32x4 emulated_shuffle_f32x4
#define _mm512_srai_epi32 emulated_srai_epi32
#define _mm512_cvtps_epi32 emulated_cvtps_epi32
#define _mm512_cvtepi32_ps emulated_cvtepi32_ps
#define _mm512_cvtps_pd emulated_cvtps_pd
#define _mm512_cvtepu8_epi32 emulated_cvtepu8_epi32
#define _mm512_cvtepi32_epi8 emulated_cvtepi32_epi8

#endif
