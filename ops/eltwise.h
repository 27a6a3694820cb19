/*
 * Whole-tensor element-wise operations on a team: what stands behind
 * the public calls of the same names (include/cincel/cincel.h has the formulas). Arguments are checked
 * by the caller; nothing here allocates. Small tensors stay on the calling thread: see eltwise.c.
 */
#ifndef CINCEL_OPS_ELTWISE_H
#define CINCEL_OPS_ELTWISE_H

#include "ops/crew.h"

void cincel_eltwise_act_forward(const struct cincel_crew *crew, cincel_activation act, float alpha,
                                const float *x, float *y, size_t count);
/* `at` is what the derivative is taken from: cincel_activation_needs_input(act) ? x : y */
void cincel_eltwise_act_backward(const struct cincel_crew *crew, cincel_activation act, float alpha,
                                 const float *at, const float *dy, float *dx, size_t count);
void cincel_eltwise_math(const struct cincel_crew *crew, cincel_math f, const float *x, float *y,
                         size_t count);

/* out may be x or y */
void cincel_eltwise_add_scaled(const struct cincel_crew *crew, float a, const float *x, float b,
                               const float *y, float *out, size_t count);

#endif
