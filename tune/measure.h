/* Timing candidates against each other on buffers of their own. */
#ifndef CINCEL_TUNE_MEASURE_H
#define CINCEL_TUNE_MEASURE_H

#include "ops/algo.h"
#include "tune/contention.h"

/* After so many rounds the order is settled enough. */
enum { CINCEL_MEASURE_ROUNDS = 16 };

struct cincel_candidate {
    const struct cincel_algo *algo;
    struct cincel_choice choice;
    double predicted;                   /* seconds, by the cost model */
    double measured;                    /* minimum so far, seconds; HUGE_VAL: never run */
    double earlier;                     /* minimum of an earlier visit, which counts too; 0: there was none */
    bool standard;                      /* the untuned choice: timed in every round, however slow */
    bool checked, wrong;                /* its results were compared; and are not right */
    float round[CINCEL_MEASURE_ROUNDS]; /* minimum of each round, seconds */
    int rounds;
};

/* Median over minimum of the rounds, ≥ 1. */
double cincel_candidate_spread(const struct cincel_candidate *c);

/* How much is tried, and what is reported besides. */
struct cincel_measure_limits {
    double budget;              /* seconds */
    bool exhaustive;            /* every candidate is tried, and only then the budget begins */
    const volatile int *cancel; /* NULL, or raised to end the search as the budget does */
};

struct cincel_measure_report {
    size_t tried, wrong;
    char first_wrong[CINCEL_CHOICE_TEXT + CINCEL_WHY]; /* choice and what it computed; "" */
    struct cincel_contention contention;
};

/*
 * Times the candidates, which the first (the untuned choice) leads and the cost model orders behind it, and
 * sorts them by their minimum. Each is checked against sampled outputs in double before it is timed; wrong
 * ones go to the end. First all that are plausible are tried once, the model's best first and now and then
 * one that it thinks little of; then survivors in shuffled rounds, slow ones dropped on the way; then the
 * last few head to head. The first candidate is timed before all others and with all others, so that a search
 * cut short is never worse than no search. Samples that another process interrupted are repeated.
 *
 * Measured is the call and what it makes the next layer wait for its output, beyond what the quickest
 * candidate does; the input as training leaves it, the weights cold (tune/trial.h).
 *
 * OUT_OF_MEMORY; INTERNAL_ERROR where every candidate is wrong.
 */
cincel_status cincel_measure(const struct cincel_target *t, struct cincel_team *team,
                             const struct cincel_problem *p, const struct cincel_measure_limits *limits,
                             struct cincel_candidate *candidates, size_t count,
                             struct cincel_measure_report *report);

#endif
