/* Random recurrent problems with their tensors and what the oracle expects of them. */
#ifndef CINCEL_TESTS_SUPPORT_RNN_CASES_H
#define CINCEL_TESTS_SUPPORT_RNN_CASES_H

#include "ops/rnn_reference.h"
#include "tests/support/conv_cases.h"

enum { RNN_FLOATS = 24 };

/* A tensor ending at an unreadable page; outputs keep what accumulation starts from, and what is expected. */
struct rnn_tensor {
    const char *name;
    float *at, *initial;
    size_t count;
    double *expected; /* NULL: an input */
};

/* Tensors of both passes of a training problem. */
struct rnn_case {
    struct cincel_problem forward, backward; /* one descriptor, checked for each pass */
    struct rnn_tensor tensor[RNN_FLOATS];
    int count;
    int *lengths; /* NULL in some cases */
    void *reserve;
    size_t reserve_bytes;
    struct cincel_rnn_tensors t; /* all of them */
};

/* A small descriptor of any cell and options, for training. */
cincel_rnn_desc rnn_case_desc(struct test_random *r);

/* Inputs −1 … 1 (weights smaller); some that may be NULL are. Ends the program where memory runs out. */
void rnn_case_create(struct test_random *r, const cincel_rnn_desc *d, struct rnn_case *out);
void rnn_case_free(struct rnn_case *c);

/* Fills the outputs of a pass with what must not stay, or with what accumulation starts from. */
void rnn_case_reset(const struct rnn_case *c, const struct cincel_problem *p);

/* Builds and runs a choice; the workspace is full of NaN and ends at an unreadable page. */
void rnn_case_run(const struct rnn_case *c, const struct cincel_problem *p, const struct test_target *target,
                  const struct cincel_choice *choice, struct cincel_team *team);

/* Largest |error| / RMS of the outputs of a pass; *name is the tensor's. Rows between y's are checked too. */
double rnn_case_error(const struct rnn_case *c, const struct cincel_problem *p, const char **name);

/* A fingerprint of the outputs of a pass, and of the reserve after a forward one. */
uint64_t rnn_case_bits(const struct rnn_case *c, const struct cincel_problem *p);

#endif
