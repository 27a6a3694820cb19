/*
 * The oracle: every operator in double precision by plain loops, obviously right and slow. Tests
 * compare whole tensors; the tuner's check compares a few sampled elements of a candidate's output.
 */
#ifndef CINCEL_OPS_REFERENCE_H
#define CINCEL_OPS_REFERENCE_H

#include "ops/algo.h"

/* Elements of the tensor the problem's pass writes: y, dx or dw. */
size_t cincel_reference_size(const struct cincel_problem *p);

/*
 * out[i] = element index[i] of the tensor the convolution's pass writes (y, dx or dw), i < count;
 * index NULL: elements 0 … count−1. Inputs are read from `t`; where the descriptor accumulates, the
 * sum starts from what t->dx or t->dw hold, so call it before the pass overwrites them.
 */
void cincel_reference_conv(const struct cincel_problem *p, const struct cincel_tensors *t,
                           const size_t *index, size_t count, double *out);

/* The same for the bias gradient: element index[i] of db, from t->dy, t->y_in and (accumulate) t->db. */
void cincel_reference_conv_bias(const struct cincel_problem *p, const struct cincel_tensors *t,
                                const size_t *index, size_t count, double *out);

/* Maximum and its cell number kh·KW + kw; `argmax` may be NULL. Exact: compare with ==. */
void cincel_reference_maxpool_forward(const struct cincel_problem *p, const struct cincel_tensors *t,
                                      const size_t *index, size_t count, float *out, int32_t *argmax);
void cincel_reference_avgpool_forward(const struct cincel_problem *p, const struct cincel_tensors *t,
                                      const size_t *index, size_t count, double *out);

/* dx from t->dy and, of a maximum, t->argmax_in, plus t->dx where the descriptor accumulates. */
void cincel_reference_pool_backward(const struct cincel_problem *p, const struct cincel_tensors *t,
                                    const size_t *index, size_t count, double *out);

/* act(z), and dy · act' taken at `at`: z or y as cincel_activation_needs_input() says. */
double cincel_reference_act(cincel_activation act, double alpha, double z);
double cincel_reference_act_gradient(cincel_activation act, double alpha, double at, double dy);

#endif
