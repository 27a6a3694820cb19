/*
 * Problems as people write them: the key that plans, profiles and logs print, or a shorter form of it, in
 * which what is left out has its usual value and a single number stands for all of a kind:
 *
 *   conv/fwd n8 ic64 ih56 oc64 k3 p1           n1 g1 iw=ih s1x1 p0,0,0,0 d1x1 act0 acc0 unless said
 *   linear/bwd_weights n64 in3136 out128
 *   maxpool/fwd n8 c64 ih56 k2                 s=k; avgpool, avgpool_valid (without the padding) likewise
 *   lstm/bwd t35 b20 i650 h650 train1          gru, rnn_tanh, rnn_relu likewise
 */
#ifndef CINCEL_CLI_PROBLEM_TEXT_H
#define CINCEL_CLI_PROBLEM_TEXT_H

#include "core/problem.h"

/* INVALID_ARGUMENT says which word is wrong or missing, or why there is no such problem. */
cincel_status problem_text_parse(const char *text, struct cincel_problem *out);

#endif
