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

#endif
