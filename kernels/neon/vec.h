/* aarch64 Advanced SIMD: four lanes, thirty-two registers. Meanings: kernels/generic/vec.h. */
#ifndef CINCEL_KERNELS_VEC_H
#define CINCEL_KERNELS_VEC_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#define CINCEL_ISA_NAME neon
#define CINCEL_ISA_STRING "neon"
#define VEC_LEN 4
#define VEC_FN static inline __attribute__((always_inline, unused))

typedef float32x4_t vec;
/* A scalar: `ldr s` + `fmla by element`, which needs only the load pipe (ld1r takes an FP pipe too). */
typedef float vec_splat;

VEC_FN vec vec_set1(float s) { return vdupq_n_f32(s); }
VEC_FN vec vec_zero(void) { return vdupq_n_f32(0.0f); }
VEC_FN vec vec_load(const float *p) { return vld1q_f32(p); }
VEC_FN void vec_store(float *p, vec a) { vst1q_f32(p, a); }
VEC_FN vec vec_load_n(const float *p, int n)
{
    vec r = vec_zero();
    switch (n) {
    case 4: return vld1q_f32(p);
    case 3: r = vld1q_lane_f32(p + 2, r, 2); /* fall through */
    case 2: return vcombine_f32(vld1_f32(p), vget_high_f32(r));
    case 1: return vld1q_lane_f32(p, r, 0);
    default: return r;
    }
}
VEC_FN void vec_store_n(float *p, vec a, int n)
{
    switch (n) {
    case 4: vst1q_f32(p, a); break;
    case 3: vst1q_lane_f32(p + 2, a, 2); /* fall through */
    case 2: vst1_f32(p, vget_low_f32(a)); break;
    case 1: vst1q_lane_f32(p, a, 0); break;
    default: break;
    }
}
VEC_FN vec vec_add(vec a, vec b) { return vaddq_f32(a, b); }
VEC_FN vec vec_sub(vec a, vec b) { return vsubq_f32(a, b); }
VEC_FN vec vec_mul(vec a, vec b) { return vmulq_f32(a, b); }
VEC_FN vec vec_div(vec a, vec b) { return vdivq_f32(a, b); }
VEC_FN vec vec_fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
VEC_FN vec vec_relu(vec a) { return vmaxq_f32(a, vec_zero()); }
VEC_FN vec_splat vec_splat_load(const float *p) { return *p; }
VEC_FN void vec_fence(void) { __asm__ volatile("" ::: "memory"); }
VEC_FN vec vec_fma_splat(vec_splat a, vec b, vec c) { return vfmaq_n_f32(c, b, a); }

#endif
