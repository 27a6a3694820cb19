/*
 * The weights of a recurrent layer's forward pass, packed in panels of the register tile's width. Of a slice
 * of hidden units the panels of W_ih, gate by gate, then those of W_hh; or, where the rows of x and h are
 * joined, of each gate both, one panel where its sum is one chain.
 */
#ifndef CINCEL_OPS_RNN_PANELS_H
#define CINCEL_OPS_RNN_PANELS_H

#include "ops/rnn_steps.h"

/* Of all slices. */
size_t cincel_rnn_panels_floats(const struct cincel_prepared *p);

/* Is a gate's sum one chain over x and h? The GRU's candidate has two sums, or takes r · h in the second
   round. */
bool cincel_rnn_one_chain(const struct cincel_prepared *p, size_t gate);

/* Where the panel of W_ih, or of W_hh (`hidden`), of a slice and gate begins. */
size_t cincel_rnn_panel_at(const struct cincel_prepared *p, size_t slice, bool hidden, size_t gate);

void cincel_rnn_pack_slice(const struct cincel_prepared *p, const float *w_ih, const float *w_hh,
                           float *panels, size_t slice);

#endif
