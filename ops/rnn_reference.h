/* The oracle of recurrent layers, in double precision by plain loops over one sequence at a time. */
#ifndef CINCEL_OPS_RNN_REFERENCE_H
#define CINCEL_OPS_RNN_REFERENCE_H

#include "ops/algo.h"

/* Results in double, shaped like the tensors of their names; those that are NULL are not wanted. */
struct cincel_rnn_expected {
    double *y, *h_n, *c_n; /* y with y_ld = hidden */
    double *dx, *dh0, *dc0, *dw_ih, *dw_hh, *db_ih, *db_hh;
};

/*
 * Forward, or forward and backward by the problem's pass. Reads the inputs of both passes, biases included
 * (but no reserve); where the descriptor accumulates, sums start from what t->dw_ih … hold. Returns false
 * where memory ran out.
 */
bool cincel_reference_rnn(const struct cincel_problem *p, const struct cincel_rnn_tensors *t,
                          const struct cincel_rnn_expected *out);

#endif
