/* AVX-512 F/BW/DQ/VL: sixteen lanes, thirty-two registers. Meanings: kernels/generic/vec.h. */
#ifndef CINCEL_KERNELS_VEC_H
#define CINCEL_KERNELS_VEC_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define CINCEL_ISA_NAME avx512
#define CINCEL_ISA_STRING "avx512"
#define VEC_LEN 16
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
VEC_FN vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
/* maxps returns its second operand where either is NaN: the order matters */
VEC_FN vec vec_relu(vec a) { return _mm512_max_ps(_mm512_setzero_ps(), a); }
VEC_FN vec_splat vec_splat_load(const float *p) { return _mm512_set1_ps(*p); }
VEC_FN void vec_fence(void) {}
VEC_FN vec vec_fma_splat(vec_splat a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }

#endif
