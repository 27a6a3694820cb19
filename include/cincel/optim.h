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
 * `v` may be NULL when momentum is 0.
 */
CINCEL_API cincel_status cincel_sgd_step(cincel_context *ctx, float *w, const float *dw, float *v,
                                         size_t count, float lr, float momentum, float weight_decay);

#ifdef __cplusplus
}
#endif
#endif
