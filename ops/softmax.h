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

/*
 * For drivers of softmax rows: how row number `row` travels, by way of `block` if it goes past the caches,
 * and whether rows of these may, from the kernel (a block has CINCEL_SOFTMAX_BLOCK floats: two such rows stay
 * in any L1).
 */
enum { CINCEL_SOFTMAX_BLOCK = 4096 };
struct cincel_softmax_flow cincel_softmax_flow(size_t rows, size_t cols, size_t row, float *block);
bool cincel_softmax_streams(const struct cincel_crew *crew, const float *out, size_t rows, size_t cols);

#endif
