/* Losses with their gradients on a team: what stands behind the public calls of the same names
   (include/cincel/loss.h has the formulas). Nothing here allocates. */
#ifndef CINCEL_OPS_LOSS_H
#define CINCEL_OPS_LOSS_H

#include "ops/crew.h"

/*
 * Loss, hits and dx as the public call states them; each of the three may be NULL, and dx may be x.
 * rows, cols ≥ 1, label_smoothing in 0 … 1. Class weights and labels are checked before anything is written.
 */
cincel_status cincel_cross_entropy_rows(const struct cincel_crew *crew, const cincel_cross_entropy_desc *d,
                                        const float *x, const int32_t *labels, double *loss, size_t *hits,
                                        float *dx);

/* Mean loss of `count` ≥ 1 elements and its gradient; `loss` and `dx` may be NULL, dx may be x or target. */
void cincel_loss_elements(const struct cincel_crew *crew, cincel_loss_kind kind, float delta, const float *x,
                          const float *target, size_t count, double *loss, float *dx);

#endif
