/* cincel: softmax and losses. Conventions: cincel.h. */
#ifndef CINCEL_LOSS_H
#define CINCEL_LOSS_H

#include "cincel/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y[r][i] = exp(x[r][i] − max_r) / Σ_j exp(x[r][j] − max_r), over `rows` rows of `cols` */
CINCEL_API cincel_status cincel_softmax_forward(cincel_context *ctx, const float *x, float *y, size_t rows,
                                                size_t cols);

/*
 * Mean over rows of −log softmax(x)[label] (Goodfellow et al., 2016, §6.2.2.3), by log-sum-exp.
 *   *loss   the mean (may be NULL); dx [rows][cols] (may be NULL) = (softmax(x) − onehot) / rows
 *   *hits   rows whose largest logit is the label's (may be NULL)
 * A label outside 0 … cols−1 is an error naming row and label; nothing is written then.
 */
CINCEL_API cincel_status cincel_softmax_cross_entropy(cincel_context *ctx, const float *x,
                                                      const int32_t *labels, size_t rows, size_t cols,
                                                      double *loss, size_t *hits, float *dx);

#ifdef __cplusplus
}
#endif
#endif
