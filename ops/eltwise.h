/*
 * Whole-tensor element-wise operations, softmax and the optimizer step on a team: what stands behind
 * the public calls of the same names (include/cincel/cincel.h has the formulas). Arguments are checked
 * by the caller; nothing here allocates. Small tensors stay on the calling thread: see eltwise.c.
 */
#ifndef CINCEL_OPS_ELTWISE_H
#define CINCEL_OPS_ELTWISE_H

#include "core/parallel.h"
#include "kernels/kernel.h"

/* Where an operation runs: at most `threads` of the team, with this ISA's kernels. */
struct cincel_crew {
    struct cincel_team *team;
    int threads;
    const struct cincel_isa *isa;
};

void cincel_eltwise_act_forward(const struct cincel_crew *crew, cincel_activation act, const float *x,
                                float *y, size_t count);
void cincel_eltwise_act_backward(const struct cincel_crew *crew, cincel_activation act, const float *y,
                                 const float *dy, float *dx, size_t count);
void cincel_eltwise_math(const struct cincel_crew *crew, cincel_math f, const float *x, float *y,
                         size_t count);
void cincel_eltwise_sgd(const struct cincel_crew *crew, float *w, const float *dw, float *v, size_t count,
                        float lr, float momentum, float weight_decay);

/* y may be x */
void cincel_softmax_rows(const struct cincel_crew *crew, const float *x, float *y, size_t rows, size_t cols);

/*
 * Loss, hits and dx as cincel_softmax_cross_entropy states them; each of the three may be NULL, and dx
 * may be x. rows, cols ≥ 1. All labels are checked before anything is written. A row is a hit where
 * the first of its largest logits is the label's; a row with a NaN may be none.
 */
cincel_status cincel_softmax_loss(const struct cincel_crew *crew, const float *x, const int32_t *labels,
                                  size_t rows, size_t cols, double *loss, size_t *hits, float *dx);

#endif
