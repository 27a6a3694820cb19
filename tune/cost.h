/* The cost model: facts of an algorithm (struct cincel_cost) and of the machine, turned into time. */
#ifndef CINCEL_TUNE_COST_H
#define CINCEL_TUNE_COST_H

#include "ops/algo.h"

/* Expected seconds of one execution of a valid choice. */
double cincel_predict_seconds(const struct cincel_target *t, const struct cincel_problem *p,
                              const struct cincel_algo *algo, const struct cincel_choice *c);

#endif
