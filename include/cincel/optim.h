/* cincel: optimizers. Conventions: cincel.h. */
#ifndef CINCEL_OPTIM_H
#define CINCEL_OPTIM_H

#include <stdint.h>

#include "cincel/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One step of stochastic gradient descent with momentum and L2 weight decay, as PyTorch's
 * torch.optim.SGD defines it (Sutskever et al., 2013, in PyTorch's form):
 *   g = dw + weight_decay · w;   v = momentum · v + g;   w = w − lr · v
 * over `count` floats (0 is allowed) on the context's threads. w and v are updated in place and must not
 * overlap dw; v starts as zeros and belongs to the caller; it may be NULL when momentum is 0. Where dw is a
 * mean over a batch, lr is the step for the mean. A NULL pointer, or a factor that is not finite
 * or below 0, is CINCEL_INVALID_ARGUMENT. Results have the same bits for any number of threads.
 */
CINCEL_API cincel_status cincel_sgd_step(cincel_context *ctx, float *w, const float *dw, float *v,
                                         size_t count, float lr, float momentum, float weight_decay);

/*
 * How a step of Adam is made. The factors are doubles because 1 − beta is used as well as beta, and 1 − 0.999
 * in single precision is 1.3e-5 off.
 */
typedef struct cincel_adam_desc {
    size_t size;
    uint64_t step; /* from 1: how many steps there were with m and v, this one counted */
    double lr;
    double beta1, beta2; /* ≥ 0 and < 1 */
    double eps;          /* > 0 */
    double weight_decay;
    int decoupled; /* 0: the decay is part of the gradient (L2); 1: AdamW (Loshchilov & Hutter, 2019) */
} cincel_adam_desc;
#define CINCEL_ADAM_DESC_INIT                                       \
    {                                                               \
        sizeof(cincel_adam_desc), 1, 1e-3, 0.9, 0.999, 1e-8, 0.0, 0 \
    }

/*
 * One step of Adam (Kingma & Ba, 2015), as torch.optim.Adam and AdamW define it; t is the step's number:
 *   g = dw + weight_decay · w                    decoupled: g = dw, and w = (1 − lr · weight_decay) · w first
 *   m = beta1 · m + (1 − beta1) · g;   v = beta2 · v + (1 − beta2) · g²
 *   w = w − lr / (1 − beta1^t) · m / (√(v / (1 − beta2^t)) + eps)
 * over `count` floats (0 is allowed) on the context's threads. w, m and v are updated in place and overlap
 * neither each other nor dw; m and v start as zeros and belong to the caller. A NULL pointer, or a factor
 * outside what is said above or below 0 or not finite, is CINCEL_INVALID_ARGUMENT. The same bits for any
 * number of threads.
 */
CINCEL_API cincel_status cincel_adam_step(cincel_context *ctx, const cincel_adam_desc *d, float *w,
                                          const float *dw, float *m, float *v, size_t count);

/*
 * Gradient clipping (Pascanu et al., 2013): where the norm √ Σ x² of all `count` floats is above max_norm >
 * 0, x = x · max_norm / norm. *norm (may be NULL) is the norm found, summed in double in an order that
 * follows from count alone; where it is not finite, x is left as it is.
 */
CINCEL_API cincel_status cincel_clip_norm(cincel_context *ctx, float *x, size_t count, double max_norm,
                                          double *norm);

#ifdef __cplusplus
}
#endif
#endif
