/*
 * Candidates of a convolution pass against the oracle and against each other: every row's default
 * choice and a random sample of all choices, on every usable ISA and several thread counts.
 */
#ifndef CINCEL_TESTS_SUPPORT_CONV_CHECK_H
#define CINCEL_TESTS_SUPPORT_CONV_CHECK_H

#include "tests/support/conv_cases.h"

enum { CONV_CHECK_OUTPUTS = 2, CONV_CHECK_CLASSES = 64 };

/* A tensor the pass writes. */
struct conv_output {
    const char *name;
    float *at; /* in the case */
    size_t count;
    float *initial; /* what accumulation starts from */
    double *expected;
    double scale;    /* RMS of the expected */
    double rounding; /* what an activation may add, relative to the larger of 1 and the expected */
};

/* One problem with its data, what is expected, and what the candidates have given so far. */
struct conv_check {
    struct cincel_problem problem;
    struct conv_case c;
    enum conv_data data;
    uint64_t seed;
    struct conv_output output[CONV_CHECK_OUTPUTS];
    int outputs;
    /* bits of the outputs by algorithm and numeric knobs, from the first candidate that had them */
    struct {
        char algo[24];
        int numeric[CINCEL_MAX_KNOBS];
        uint64_t bits;
    } seen[CONV_CHECK_CLASSES];
    int classes;
};

void conv_check_create(struct conv_check *f, cincel_pass pass, uint64_t seed, enum conv_data data);
void conv_check_free(struct conv_check *f);

/* Restores the outputs, runs the choice and compares; fails the test with seed, problem and choice. */
void conv_check_run(struct conv_check *f, const struct test_target *target, const struct cincel_algo *algo,
                    const struct cincel_choice *choice, struct cincel_team *team);

/* Compares what the outputs hold with what is expected. */
void conv_check_compare(const struct conv_check *f, const struct cincel_algo *algo,
                        const struct cincel_choice *choice, const char *text);

/* All of it: $CINCEL_TEST_CASES or `cases` problems on two teams each of 1, 2, 3, 7 and 16 threads. */
void conv_check_candidates(cincel_pass pass, enum conv_data data, long cases);

#endif
