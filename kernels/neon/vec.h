/* aarch64 Advanced SIMD: four lanes, thirty-two registers. Meanings: kernels/generic/vec.h. */
#ifndef CINCEL_KERNELS_VEC_H
#define CINCEL_KERNELS_VEC_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CINCEL_ISA_NAME neon
#define CINCEL_ISA_STRING "neon"
#define VEC_LEN 4
#define VEC_STEPS 1
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
VEC_FN vec vec_sqrt(vec a) { return vsqrtq_f32(a); }
VEC_FN vec vec_fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
VEC_FN vec vec_spread_0(vec a) { return vdupq_laneq_f32(a, 0); }
VEC_FN vec vec_spread_1(vec a) { return vdupq_laneq_f32(a, 1); }
VEC_FN vec vec_spread_2(vec a) { return vdupq_laneq_f32(a, 2); }
VEC_FN vec vec_spread_3(vec a) { return vdupq_laneq_f32(a, 3); }
VEC_FN vec vec_fnma(vec a, vec b, vec c) { return vfmsq_f32(c, a, b); }
VEC_FN float vec_sum(vec a)
{
    const float32x2_t s = vadd_f32(vget_low_f32(a), vget_high_f32(a));
    return vget_lane_f32(s, 0) + vget_lane_f32(s, 1);
}
VEC_FN vec vec_relu(vec a) { return vmaxq_f32(a, vec_zero()); }
VEC_FN vec_splat vec_splat_load(const float *p)
{
    float s = *p;
    __asm__("" : "+w"(s)); /* or clang makes it an ld1r after all */
    return s;
}
VEC_FN void vec_pin(vec *a) { (void)a; }
VEC_FN void vec_fence(void) { __asm__ volatile("" ::: "memory"); }
VEC_FN vec vec_fma_splat(vec_splat a, vec b, vec c) { return vfmaq_n_f32(c, b, a); }
VEC_FN void vec_fma_to(vec *sum, vec_splat a, vec b) { *sum = vec_fma_splat(a, b, *sum); }
VEC_FN void vec_fma_into(vec *sum, vec a, vec b) { *sum = vec_fma(a, b, *sum); }

typedef int32x4_t vec_int;
typedef uint32x4_t vec_mask;

#define VEC_STREAMS 0 /* STNP is a hint that cores of today ignore */

VEC_FN vec_int vec_int_set1(int32_t s) { return vdupq_n_s32(s); }
VEC_FN vec_int vec_int_add(vec_int a, vec_int b) { return vaddq_s32(a, b); }
VEC_FN vec_int vec_int_sub(vec_int a, vec_int b) { return vsubq_s32(a, b); }
VEC_FN vec_int vec_int_and(vec_int a, vec_int b) { return vandq_s32(a, b); }
VEC_FN vec_int vec_int_or(vec_int a, vec_int b) { return vorrq_s32(a, b); }
VEC_FN vec_int vec_int_shl(vec_int a, int n) { return vshlq_s32(a, vdupq_n_s32(n)); }
VEC_FN vec_int vec_int_shr(vec_int a, int n) { return vshlq_s32(a, vdupq_n_s32(-n)); }
VEC_FN vec_int vec_bits(vec a) { return vreinterpretq_s32_f32(a); }
VEC_FN vec vec_from_bits(vec_int a) { return vreinterpretq_f32_s32(a); }
VEC_FN vec_int vec_to_int(vec a) { return vcvtnq_s32_f32(a); }
VEC_FN vec vec_from_int(vec_int a) { return vcvtq_f32_s32(a); }

VEC_FN vec_mask vec_gt(vec a, vec b) { return vcgtq_f32(a, b); }
VEC_FN vec_mask vec_is_nan(vec a) { return vmvnq_u32(vceqq_f32(a, a)); }
VEC_FN vec_mask vec_int_eq(vec_int a, vec_int b) { return vceqq_s32(a, b); }
VEC_FN vec_mask vec_mask_or(vec_mask a, vec_mask b) { return vorrq_u32(a, b); }
VEC_FN vec_mask vec_mask_andnot(vec_mask a, vec_mask b) { return vbicq_u32(a, b); }
VEC_FN int vec_mask_any(vec_mask m) { return vmaxvq_u32(m) != 0; }
VEC_FN vec vec_select(vec_mask m, vec a, vec b) { return vbslq_f32(m, a, b); }
VEC_FN vec_int vec_int_select(vec_mask m, vec_int a, vec_int b) { return vbslq_s32(m, a, b); }
VEC_FN vec vec_keep(vec_mask m, vec a)
{
    return vreinterpretq_f32_u32(vandq_u32(m, vreinterpretq_u32_f32(a)));
}
/* FMIN and FMAX propagate NaN and order the zeros: not the meaning asked for */
VEC_FN vec vec_min(vec a, vec b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
VEC_FN vec vec_max(vec a, vec b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }

VEC_FN vec_int vec_load_bytes_n(const uint8_t *p, int n)
{
    uint8_t bytes[8] = {0};
    for (int i = 0; i < n; i++) bytes[i] = p[i];
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vld1_u8(bytes)))));
}
VEC_FN vec_int vec_load_bytes(const uint8_t *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof word);
    const uint8x8_t bytes = vreinterpret_u8_u32(vdup_n_u32(word));
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))));
}
VEC_FN void vec_store_bytes_n(uint8_t *p, vec_int a, int n)
{
    int32_t lanes[4];
    vst1q_s32(lanes, a);
    for (int i = 0; i < n; i++) p[i] = (uint8_t)lanes[i];
}
VEC_FN void vec_store_bytes(uint8_t *p, vec_int a)
{
    const uint16x4_t words = vmovn_u32(vreinterpretq_u32_s32(a));
    const uint8x8_t bytes = vmovn_u16(vcombine_u16(words, words));
    const uint32_t word = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
    memcpy(p, &word, sizeof word);
}
VEC_FN void vec_store_bytes_x4(uint8_t *p, const vec_int a[4])
{
    const uint16x8_t low = vuzp1q_u16(vreinterpretq_u16_s32(a[0]), vreinterpretq_u16_s32(a[1]));
    const uint16x8_t high = vuzp1q_u16(vreinterpretq_u16_s32(a[2]), vreinterpretq_u16_s32(a[3]));
    vst1q_u8(p, vuzp1q_u8(vreinterpretq_u8_u16(low), vreinterpretq_u8_u16(high)));
}
VEC_FN void vec_stream(float *p, vec a) { vec_store(p, a); }
VEC_FN void vec_stream_fence(void) {}

typedef struct {
    float64x2_t low, high;
} vec_wide;

VEC_FN vec_int vec_int_xor(vec_int a, vec_int b) { return veorq_s32(a, b); }
VEC_FN vec_mask vec_int_gt(vec_int a, vec_int b) { return vcgtq_s32(a, b); }
VEC_FN vec_int vec_int_mul_even(vec_int a, vec_int b)
{
    const uint32x2_t x = vmovn_u64(vreinterpretq_u64_s32(a)), y = vmovn_u64(vreinterpretq_u64_s32(b));
    return vreinterpretq_s32_u64(vmull_u32(x, y));
}
VEC_FN vec_int vec_int_odd(vec_int a)
{
    return vreinterpretq_s32_u64(vshrq_n_u64(vreinterpretq_u64_s32(a), 32));
}
VEC_FN vec_int vec_int_pair(vec_int a, vec_int b) { return vtrn1q_s32(a, b); }
VEC_FN vec_int vec_int_zip_low(vec_int a, vec_int b)
{
    return vreinterpretq_s32_s64(vzip1q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}
VEC_FN vec_int vec_int_zip_high(vec_int a, vec_int b)
{
    return vreinterpretq_s32_s64(vzip2q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

VEC_FN vec_wide vec_wide_zero(void) { return (vec_wide){vdupq_n_f64(0.0), vdupq_n_f64(0.0)}; }
VEC_FN vec_wide vec_wide_add(vec_wide s, vec a)
{
    return (vec_wide){vaddq_f64(s.low, vcvt_f64_f32(vget_low_f32(a))),
                      vaddq_f64(s.high, vcvt_high_f64_f32(a))};
}
VEC_FN void vec_wide_store(double *p, vec_wide s)
{
    vst1q_f64(p, s.low);
    vst1q_f64(p + 2, s.high);
}

#endif
