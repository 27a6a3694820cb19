/* The algorithms of recurrent layers, for ops/algo.c to list. */
#ifndef CINCEL_OPS_RNN_H
#define CINCEL_OPS_RNN_H

#include "ops/algo.h"

extern const struct cincel_algo cincel_algo_rnn_forward;
extern const struct cincel_algo cincel_algo_rnn_backward;

#endif
