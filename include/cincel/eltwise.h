/* cincel: element-wise operations. Conventions: cincel.h. */
#ifndef CINCEL_ELTWISE_H
#define CINCEL_ELTWISE_H

#include "cincel/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Whole-tensor operations over `count` floats (0 is allowed) on the context's threads; no plan, no workspace.
 * Any number of threads may make these calls on one context at once. `y` may be `x`, `dx` may be `dy`,
 * exactly; partial overlap is not allowed. A NULL pointer or a parameter out of range is
 * CINCEL_INVALID_ARGUMENT.
 */

/*
 * y[i] = act(x[i]); the formulas stand with cincel_activation. `alpha` belongs to LEAKY_RELU and ELU, which
 * refuse it unless it is finite and > 0, and is ignored elsewhere.
 */
CINCEL_API cincel_status cincel_activation_forward(cincel_context *ctx, cincel_activation act, float alpha,
                                                   const float *x, float *y, size_t count);
/*
 * dx[i] = dy[i] · act'(x[i]). GELU, GELU_TANH and SILU read x, the others y (NONE neither); the one that is
 * not read may be NULL. dx may also be the one that is.
 */
CINCEL_API cincel_status cincel_activation_backward(cincel_context *ctx, cincel_activation act, float alpha,
                                                    const float *x, const float *y, const float *dy,
                                                    float *dx, size_t count);

/* Functions of cincel_math_apply. */
typedef enum cincel_math {
    CINCEL_MATH_EXP,
    CINCEL_MATH_LOG, /* natural */
    CINCEL_MATH_TANH,
    CINCEL_MATH_SIGMOID, /* 1 / (1 + e^-x) */
    CINCEL_MATH_EXPM1,   /* e^x - 1 */
    CINCEL_MATH_PHI      /* the standard normal distribution function: erf(x) = 2 PHI(x sqrt(2)) - 1 */
} cincel_math;

/* y[i] = f(x[i]), ≤ 2.5 ULP; infinities, NaN, zeros and denormal results as in C's math library
   (denormals are flushed where the hardware flushes them). */
CINCEL_API cincel_status cincel_math_apply(cincel_context *ctx, cincel_math f, const float *x, float *y,
                                           size_t count);

/* out[i] = a · x[i] + b · y[i], a and b finite; out may be x or y. Sums of residual branches, averages. */
CINCEL_API cincel_status cincel_add_scaled(cincel_context *ctx, float a, const float *x, float b,
                                           const float *y, float *out, size_t count);

/*
 * Matrices side by side, along the last dimension (the channels of NHWC tensors, rows = n · h · w): row r of
 * `whole` is row r of parts[0], of parts[1], …; parts[i] is [rows][cols[i]]. All sizes ≥ 1; parts and whole
 * must not overlap. Each is the other's backward pass.
 */
CINCEL_API cincel_status cincel_concat(cincel_context *ctx, const float *const *parts, const size_t *cols,
                                       size_t count, size_t rows, float *whole);
CINCEL_API cincel_status cincel_split(cincel_context *ctx, const float *whole, const size_t *cols,
                                      size_t count, size_t rows, float *const *parts);

/*
 * Inverted dropout (Srivastava et al., 2014): y[i] = 0 with probability p, else x[i] / (1 − p); 0 ≤ p < 1.
 * Both with p rounded to a multiple of 2^-16 (at most 1 − 2^-16): an element takes 16 random bits. What is
 * dropped is a function of (p, seed, stream, i) alone, by Philox4x32-10 (Salmon et al., 2011): no mask is
 * kept, and the same call on dy gives dx. `stream` tells layers and steps apart. y may be x; a dropped NaN is
 * 0.
 */
CINCEL_API cincel_status cincel_dropout(cincel_context *ctx, float p, uint64_t seed, uint64_t stream,
                                        const float *x, float *y, size_t count);

#ifdef __cplusplus
}
#endif
#endif
