/* cincel: optimizers. Conventions: cincel.h. */
#ifndef CINCEL_OPTIM_H
#define CINCEL_OPTIM_H

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

#ifdef __cplusplus
}
#endif
#endif
