/* cincel: softmax and losses. Conventions: cincel.h. */
#ifndef CINCEL_LOSS_H
#define CINCEL_LOSS_H

#include "cincel/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Operations on the context's threads; no plan, no workspace. Results are the same for any number of
 * threads. Outputs may be the inputs named with them, exactly; partial overlap is not allowed. Sizes of 0 and
 * NULL pointers, where not stated otherwise, are errors.
 */

/* ----------------------------------------------------------------------------------- softmax -- */

/* y[r][i] = exp(x[r][i] − max_r) / Σ_j exp(x[r][j] − max_r), over `rows` rows of `cols` (Goodfellow et al.,
   2016, §6.2.2.3). y may be x. */
CINCEL_API cincel_status cincel_softmax_forward(cincel_context *ctx, const float *x, float *y, size_t rows,
                                                size_t cols);
/* dx = y · (dy − Σ_j y_j dy_j), from the output y. dx may be y or dy. */
CINCEL_API cincel_status cincel_softmax_backward(cincel_context *ctx, const float *y, const float *dy,
                                                 float *dx, size_t rows, size_t cols);

/* y[r][i] = x[r][i] − max_r − log Σ_j exp(x[r][j] − max_r). y may be x. */
CINCEL_API cincel_status cincel_log_softmax_forward(cincel_context *ctx, const float *x, float *y,
                                                    size_t rows, size_t cols);
/* dx = dy − e^y Σ_j dy_j, from the output y. dx may be y or dy. */
CINCEL_API cincel_status cincel_log_softmax_backward(cincel_context *ctx, const float *y, const float *dy,
                                                     float *dx, size_t rows, size_t cols);

/* ----------------------------------------------------------------------------- cross-entropy -- */

/* Of `rows` rows of logits over `cols` classes. */
typedef struct cincel_cross_entropy_desc {
    size_t size;
    size_t rows, cols;
    float label_smoothing;      /* 0 … 1: this share of the target is spread evenly over all classes
                                   (Szegedy et al., 2016, §7) */
    int32_t ignore_index;       /* rows with this label count for nothing; default −100 */
    const float *class_weights; /* [cols], finite, ≥ 0; NULL: all 1 */
} cincel_cross_entropy_desc;
#define CINCEL_CROSS_ENTROPY_DESC_INIT                            \
    {                                                             \
        sizeof(cincel_cross_entropy_desc), 0, 0, 0.0f, -100, NULL \
    }

/*
 * As torch.nn.functional.cross_entropy with reduction "mean" defines it: with p = softmax(x), s the
 * smoothing, w the class weights,
 *   loss = Σ_r ((1 − s) w[y_r] (−log p[r][y_r]) + s / cols Σ_j w[j] (−log p[r][j])) / Σ_r w[y_r]
 * over the rows r whose label y_r is not ignore_index. Where these weigh nothing in all, the loss is NaN and
 * dx is 0. Each of the three outputs may be NULL:
 *
 *   *loss   computed by log-sum-exp, summed in double
 *   *hits   rows, ignored ones aside, where the first of the largest logits is the label's (none with a NaN)
 *   dx      [rows][cols], the gradient of the loss; 0 in ignored rows; may be x
 *
 * A label that is neither in 0 … cols−1 nor ignore_index is an error naming row and label; nothing is written
 * then.
 */
CINCEL_API cincel_status cincel_cross_entropy(cincel_context *ctx, const cincel_cross_entropy_desc *d,
                                              const float *x, const int32_t *labels, double *loss,
                                              size_t *hits, float *dx);

/* ------------------------------------------------------------------- element-wise losses -- */

/* Per element, with d = x − target; as PyTorch defines them. */
typedef enum cincel_loss_kind {
    CINCEL_LOSS_BCE_LOGITS = 0, /* max(x, 0) − x target + log(1 + e^−|x|): cross-entropy of sigmoid(x) with a
                                   target in 0 … 1; derivative sigmoid(x) − target */
    CINCEL_LOSS_MSE,            /* d²; 2 d */
    CINCEL_LOSS_L1,             /* |d|; the sign of d, 0 where d is 0 */
    CINCEL_LOSS_HUBER /* |d| ≤ delta ? d² / 2 : delta (|d| − delta / 2) (Huber, 1964); d cut to ±delta */
} cincel_loss_kind;

/*
 * The mean over `count` ≥ 1 elements, and its gradient dx = derivative / count. `delta` matters to HUBER
 * alone, where it must be finite and > 0. *loss, summed in double, and dx may each be NULL; dx may be x or
 * target.
 */
CINCEL_API cincel_status cincel_loss(cincel_context *ctx, cincel_loss_kind kind, float delta, const float *x,
                                     const float *target, size_t count, double *loss, float *dx);

#ifdef __cplusplus
}
#endif
#endif
