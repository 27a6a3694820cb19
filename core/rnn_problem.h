/* Recurrent layers as problems. */
#ifndef CINCEL_CORE_RNN_PROBLEM_H
#define CINCEL_CORE_RNN_PROBLEM_H

#include "core/problem.h"

/*
 * Checks every field and the bytes of every tensor, reserve included; the message names field and value.
 * Fields that cannot matter get one value (accumulate of a forward pass, the GRU's conventions elsewhere,
 * batch_first of one sequence); y_ld becomes the distance it stands for. `out` is written on success only.
 */
cincel_status cincel_problem_rnn(const cincel_rnn_desc *d, cincel_pass pass, struct cincel_problem *out);

/* Floats of the reserve behind a sequence's step: activated gates, h before the step, and c before it (LSTM)
   or what the GRU needs of its candidate's product. */
size_t cincel_rnn_reserve_floats(const cincel_rnn_desc *d);

/* "rnn_tanh", "rnn_relu", "lstm", "gru" */
const char *cincel_rnn_cell_name(cincel_rnn_cell cell);

/* The parts of struct cincel_problem's services (core/problem.h) that are about recurrent layers. */
double cincel_rnn_flops(const struct cincel_problem *p);
double cincel_rnn_bytes(const struct cincel_problem *p);

#endif
