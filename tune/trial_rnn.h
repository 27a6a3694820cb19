/* What candidates of recurrent layers are tried on. */
#ifndef CINCEL_TUNE_TRIAL_RNN_H
#define CINCEL_TUNE_TRIAL_RNN_H

#include "tune/trial.h"

/*
 * Lays the tensors out in one block (trial->memory), weights and inputs random and small, and lists the
 * outputs. Of a forward pass the first sequence's first steps are checked, as many as `work` multiply-adds of
 * the reference reach; of a backward pass nothing, as its whole past would have to be computed.
 */
bool cincel_trial_rnn_tensors(struct cincel_trial *trial, double work);
void cincel_trial_rnn_expect(struct cincel_trial *trial);

#endif
