/* AVX2 + FMA: eight lanes, sixteen registers. Meanings: kernels/generic/vec.h. */
#ifndef CINCEL_KERNELS_VEC_H
#define CINCEL_KERNELS_VEC_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define CINCEL_ISA_NAME avx2
#define CINCEL_ISA_STRING "avx2"
#define VEC_LEN 8
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
VEC_FN void vec_store_n(float *p, vec a, int n) { _mm256_maskstore_ps(p, vec_head_mask(n), a); }
VEC_FN vec vec_add(vec a, vec b) { return _mm256_add_ps(a, b); }
VEC_FN vec vec_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
VEC_FN vec vec_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
VEC_FN vec vec_div(vec a, vec b) { return _mm256_div_ps(a, b); }
VEC_FN vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
/* maxps returns its second operand where either is NaN: the order matters */
VEC_FN vec vec_relu(vec a) { return _mm256_max_ps(_mm256_setzero_ps(), a); }
VEC_FN vec_splat vec_splat_load(const float *p) { return _mm256_broadcast_ss(p); }
VEC_FN void vec_fence(void) {}
VEC_FN vec vec_fma_splat(vec_splat a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }

#endif
