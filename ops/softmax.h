/* Softmax and log-softmax of rows on a team, and their gradients: what stands behind the public calls of
   the same names (include/cincel/loss.h). Arguments are checked by the caller; nothing here allocates. */
#ifndef CINCEL_OPS_SOFTMAX_H
#define CINCEL_OPS_SOFTMAX_H

#include "ops/crew.h"

/* y may be x */
void cincel_softmax_rows(const struct cincel_crew *crew, const float *x, float *y, size_t rows, size_t cols);
void cincel_log_softmax_rows(const struct cincel_crew *crew, const float *x, float *y, size_t rows,
                             size_t cols);
/* dx may be y or dy */
void cincel_softmax_rows_backward(const struct cincel_crew *crew, const float *y, const float *dy, float *dx,
                                  size_t rows, size_t cols);
void cincel_log_softmax_rows_backward(const struct cincel_crew *crew, const float *y, const float *dy,
                                      float *dx, size_t rows, size_t cols);

#endif
