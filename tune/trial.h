/*
 * What a candidate is tried on: tensors of a problem filled with numbers, the state training leaves them in
 * before a call, and sampled outputs in double precision (ops/reference.h) that a candidate must hit before
 * anybody looks at its time.
 */
#ifndef CINCEL_TUNE_TRIAL_H
#define CINCEL_TUNE_TRIAL_H

#include "ops/algo.h"

/* A tensor that a pass writes, and what some of its elements must become. */
struct cincel_trial_output {
    const char *name;
    float *at;
    size_t count;   /* elements */
    size_t samples; /* of them checked: all of a small tensor */
    size_t *index;  /* [samples], ascending */
    double *expected;
    int32_t *cell;   /* of a maximum's argmax; NULL: has none */
    double scale;    /* what an algorithm's error is measured against */
    double rounding; /* allowed besides, whatever the algorithm; both 0: the values are exact */
};

enum { CINCEL_TRIAL_OUTPUTS = 2 };

struct cincel_trial {
    const struct cincel_target *target;
    const struct cincel_problem *p;
    const struct cincel_probe_row *probe; /* reads memory */
    struct cincel_tensors tensors;        /* without a workspace */
    const float *input;                   /* what the neighbouring layer has just written */
    size_t input_count;
    struct cincel_trial_output output[CINCEL_TRIAL_OUTPUTS]; /* the first is what the next layer reads */
    int outputs;
    float *junk; /* read to push what is cold in training out of L2 */
    size_t junk_count;
    void *memory[16]; /* all of it, to be freed */
    int memories;
};

/* Allocates, fills and computes what is expected; fails only for lack of memory. `t` and `p` must outlive it.
 */
cincel_status cincel_trial_create(const struct cincel_target *t, const struct cincel_problem *p,
                                  struct cincel_trial *out);
void cincel_trial_destroy(struct cincel_trial *trial);

/* Before the run that is to be checked: no sampled output is right by chance, or from an earlier run. */
void cincel_trial_spoil(struct cincel_trial *trial);

/* After it: are the sampled outputs right? If not, `why` says which one is wrong. */
bool cincel_trial_verify(const struct cincel_trial *trial, const struct cincel_algo *algo,
                         const struct cincel_choice *c, char why[CINCEL_WHY]);

/* Leaves the caches as training does: weights cold, then the input passed over in order, so that its end (all
   of a small one) is warm. */
void cincel_trial_settle(const struct cincel_trial *trial, struct cincel_team *team, int threads);

/* One pass over the output, as the next layer makes it: what a candidate left outside the caches is paid
 * here. */
void cincel_trial_read_output(const struct cincel_trial *trial, struct cincel_team *team, int threads);

#endif
