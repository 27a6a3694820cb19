/* Random convolution problems with their tensors, for the tests of every pass. */
#ifndef CINCEL_TESTS_SUPPORT_CONV_CASES_H
#define CINCEL_TESTS_SUPPORT_CONV_CASES_H

#include "core/philox.h"
#include "ops/algo.h"

/* A stream of numbers for one test case: start with {{seed, 0, 0}, 0}. */
struct test_random {
    struct cincel_random source;
    uint64_t next;
};
int test_draw(struct test_random *r, int low, int high); /* low … high */

/*
 * A small valid problem: any kernel, stride, dilation, asymmetric padding, groups, sometimes a
 * fully connected layer, sometimes with activation and (backward) accumulation. At most a few million
 * multiply-adds.
 */
void conv_case_problem(struct test_random *r, cincel_pass pass, struct cincel_problem *out);

enum conv_data {
    CONV_INTEGERS, /* a few, scaled so that any order of summation is exact in float, Winograd's too */
    CONV_UNIFORM   /* −1 … 1 */
};

/* All tensors of a convolution, whatever the pass, each ending at an unreadable page. */
struct conv_case {
    size_t x_count, w_count, y_count, oc; /* elements */
    float *x, *w, *bias, *dy, *y_in;      /* inputs, filled */
    float *y, *dx, *dw, *db;              /* outputs, filled too: accumulation starts from them */
};
void conv_case_create(struct test_random *r, const struct cincel_problem *p, enum conv_data data,
                      struct conv_case *out);
void conv_case_free(struct conv_case *c);

/* The case's tensors as an algorithm's run() takes them; no workspace. */
struct cincel_tensors conv_case_tensors(const struct conv_case *c);

/* What the CPU at hand can run, with `threads` threads in the team. */
struct test_target {
    struct cincel_machine machine;
    const struct cincel_isa *isas[8]; /* usable, best first, NULL-terminated */
    struct cincel_target target;
};
void test_target_create(int threads, struct test_target *out);
/* Adds AVX-512 emulated, as the best ISA, where the CPU has none and the build has it: slow, right for
 * kernels. */
void test_target_emulate(struct test_target *t);
/* The same with one ISA alone, so that enumeration visits generic too. */
void test_target_only(const struct test_target *from, const struct cincel_isa *isa, struct test_target *out);

/*
 * Builds `choice` and runs it on `c`, the workspace filled with NaN and ending at an unreadable page.
 * Returns false where building failed.
 */
bool conv_case_run(const struct test_target *target, const struct cincel_algo *algo,
                   const struct cincel_problem *p, const struct cincel_choice *choice,
                   const struct conv_case *c, struct cincel_team *team);

#endif
