/* cincel: normalisation over a batch (batch norm) or over a row (layer norm). Conventions: cincel.h. */
#ifndef CINCEL_NORM_H
#define CINCEL_NORM_H

#include "cincel/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Whole-tensor operations on the context's threads; no plan. Any number of threads may make these calls on
 * one context at once, each with its own workspace. Results have the same bits for any number of threads.
 *
 * Statistics are taken about a value near the mean and merged in double (Chan, Golub & LeVeque, 1983), never
 * as E[x²] − E[x]²: the spread of data far from zero is as exact as that of data around it.
 *
 * Errors are CINCEL_INVALID_ARGUMENT and name the field: a NULL pointer that is not said to be optional,
 * a size of 0 or whose product overflows, eps or momentum out of range, a workspace that is not aligned.
 */

/* ---------------------------------------------------------------------------------- batch norm -- */

/*
 * Batch normalisation (Ioffe & Szegedy, 2015), PyTorch's definitions. For x [rows][channels], an NHWC tensor
 * with rows = n·h·w or the output of a fully connected layer with rows = n, and each channel c:
 *
 *   mean[c] = Σ_r x[r][c] / rows              var[c] = Σ_r (x[r][c] − mean[c])² / rows   (biased)
 *   inv_std[c] = 1 / sqrt(var[c] + eps)
 *   y[r][c] = (x[r][c] − mean[c]) · inv_std[c] · gamma[c] + beta[c]
 *
 * gamma and beta [channels] may be NULL: 1 and 0.
 */
typedef struct cincel_batch_norm_desc {
    size_t size;
    size_t rows; /* n·h·w; cincel_batch_norm_fold ignores it */
    size_t channels;
    float eps;      /* > 0, added to the variance */
    float momentum; /* 0 … 1, the weight of this batch in the running statistics; 1/k in the k-th call gives
                       their plain average */
} cincel_batch_norm_desc;
#define CINCEL_BATCH_NORM_DESC_INIT                       \
    {                                                     \
        sizeof(cincel_batch_norm_desc), 0, 0, 1e-5f, 0.1f \
    }

/* Bytes of workspace for _train and _backward; 0 where the descriptor is wrong (those calls say how). */
CINCEL_API size_t cincel_batch_norm_workspace_size(const cincel_batch_norm_desc *d);

/*
 * Normalises with the statistics of this batch, rows ≥ 2, and returns them for the backward pass: mean and
 * inv_std [channels]. running_mean and running_var [channels], NULL or both given, become
 *   running_mean = (1 − momentum) · running_mean + momentum · mean
 *   running_var  = (1 − momentum) · running_var  + momentum · Σ (x − mean)² / (rows − 1)   (unbiased)
 * y may be x where no backward pass follows.
 */
CINCEL_API cincel_status cincel_batch_norm_train(cincel_context *ctx, const cincel_batch_norm_desc *d,
                                                 const float *x, const float *gamma, const float *beta,
                                                 float *running_mean, float *running_var, float *y,
                                                 float *mean, float *inv_std, void *ws);

/* Normalises with running statistics: y = (x − mean) / sqrt(var + eps) · gamma + beta. y may be x. A var
   below −eps gives NaN. */
CINCEL_API cincel_status cincel_batch_norm_infer(cincel_context *ctx, const cincel_batch_norm_desc *d,
                                                 const float *x, const float *gamma, const float *beta,
                                                 const float *running_mean, const float *running_var,
                                                 float *y);

/*
 * Gradients of _train, whose x, gamma, mean and inv_std it takes; x̂ = (x − mean) · inv_std.
 *   dbeta[c]  = Σ_r dy[r][c]             dgamma[c] = Σ_r dy[r][c] · x̂[r][c]
 *   dx[r][c]  = gamma[c] · inv_std[c] · (dy[r][c] − dbeta[c]/rows − x̂[r][c] · dgamma[c]/rows)
 * dgamma and dbeta may be NULL; dx may be dy. The gradient flows through mean and var, as it does in
 * training.
 */
CINCEL_API cincel_status cincel_batch_norm_backward(cincel_context *ctx, const cincel_batch_norm_desc *d,
                                                    const float *x, const float *dy, const float *gamma,
                                                    const float *mean, const float *inv_std, float *dx,
                                                    float *dgamma, float *dbeta, void *ws);

/*
 * Folds _infer into the convolution or fully connected layer before it, whose outputs are d->channels:
 *   w_out[c][…] = w[c][…] · s[c]                           s[c] = gamma[c] / sqrt(running_var[c] + eps)
 *   bias_out[c] = beta[c] + (bias[c] − running_mean[c]) · s[c]
 * `inner` weights belong to each output: kh·kw·ic/groups in both layouts (OHWI, OIHW), or `in`. bias may be
 * NULL (0), w_out may be w, bias_out may be bias. Runs on the calling thread.
 */
CINCEL_API cincel_status cincel_batch_norm_fold(const cincel_batch_norm_desc *d, const float *gamma,
                                                const float *beta, const float *running_mean,
                                                const float *running_var, size_t inner, const float *w,
                                                const float *bias, float *w_out, float *bias_out);

/* ---------------------------------------------------------------------------------- layer norm -- */

/*
 * Layer normalisation (Ba, Kiros & Hinton, 2016), PyTorch's definitions. For each row r of x [rows][cols]:
 *
 *   mean[r] = Σ_j x[r][j] / cols             var[r] = Σ_j (x[r][j] − mean[r])² / cols
 *   inv_std[r] = 1 / sqrt(var[r] + eps)
 *   y[r][j] = (x[r][j] − mean[r]) · inv_std[r] · gamma[j] + beta[j]
 */
typedef struct cincel_layer_norm_desc {
    size_t size;
    size_t rows, cols;
    float eps; /* > 0, added to the variance */
} cincel_layer_norm_desc;
#define CINCEL_LAYER_NORM_DESC_INIT                 \
    {                                               \
        sizeof(cincel_layer_norm_desc), 0, 0, 1e-5f \
    }

/* gamma and beta [cols] may both be NULL: 1 and 0. mean and inv_std [rows] are what the backward pass takes,
   and may both be NULL where none follows. y may be x where none follows. */
CINCEL_API cincel_status cincel_layer_norm_forward(cincel_context *ctx, const cincel_layer_norm_desc *d,
                                                   const float *x, const float *gamma, const float *beta,
                                                   float *y, float *mean, float *inv_std);

/* Bytes of workspace for _backward; 0 where the descriptor is wrong. */
CINCEL_API size_t cincel_layer_norm_workspace_size(const cincel_layer_norm_desc *d);

/*
 * Gradients of _forward, whose x, gamma (NULL: 1), mean and inv_std it takes; g = dy · gamma:
 *   dbeta[j]  = Σ_r dy[r][j]             dgamma[j] = Σ_r dy[r][j] · x̂[r][j]
 *   dx[r][j]  = inv_std[r] · (g[r][j] − Σ_j g[r][j]/cols − x̂[r][j] · Σ_j g[r][j] x̂[r][j]/cols)
 * dgamma and dbeta may be NULL; dx may be dy.
 */
CINCEL_API cincel_status cincel_layer_norm_backward(cincel_context *ctx, const cincel_layer_norm_desc *d,
                                                    const float *x, const float *dy, const float *gamma,
                                                    const float *mean, const float *inv_std, float *dx,
                                                    float *dgamma, float *dbeta, void *ws);

#ifdef __cplusplus
}
#endif
#endif
