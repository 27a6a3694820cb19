/* The pooling algorithms, for ops/algo.c to list. */
#ifndef CINCEL_OPS_POOL_H
#define CINCEL_OPS_POOL_H

#include "ops/algo.h"

extern const struct cincel_algo cincel_algo_pool_max_forward;
extern const struct cincel_algo cincel_algo_pool_max_backward;

#endif
