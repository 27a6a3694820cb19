/* Optimizer steps on a team: what stands behind include/cincel/optim.h. Arguments are checked by the caller;
   nothing here allocates. */
#ifndef CINCEL_OPS_OPTIM_H
#define CINCEL_OPS_OPTIM_H

#include "ops/crew.h"

void cincel_optim_sgd(const struct cincel_crew *crew, float *w, const float *dw, float *v, size_t count,
                      float lr, float momentum, float weight_decay);
void cincel_optim_adam(const struct cincel_crew *crew, const struct cincel_adam_args *args);

/* √ Σ x², the squares summed in double in slices that follow from the count. */
double cincel_optim_norm(const struct cincel_crew *crew, const float *x, size_t count);

#endif
