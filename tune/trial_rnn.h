/* What candidates of recurrent layers are tried on. */
#ifndef CINCEL_TUNE_TRIAL_RNN_H
#define CINCEL_TUNE_TRIAL_RNN_H

#include "tune/trial.h"

/*
 * Lays the tensors out in one block (trial->memory), weights and inputs random and small, and lists the
 * outputs. Of the first sequence y of the first steps is checked, or dx of the last, as many steps as `work`
 * multiply-adds of the reference reach. A backward pass reads what a forward pass has kept, so one is run.
 */
bool cincel_trial_rnn_tensors(struct cincel_trial *trial, double work);
void cincel_trial_rnn_expect(struct cincel_trial *trial);

#endif
