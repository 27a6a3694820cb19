/* Timing candidates against each other on buffers of their own. */
#ifndef CINCEL_TUNE_MEASURE_H
#define CINCEL_TUNE_MEASURE_H

#include "ops/algo.h"

/* After so many rounds the order is settled enough. */
enum { CINCEL_MEASURE_ROUNDS = 12 };

struct cincel_candidate {
    const struct cincel_algo *algo;
    struct cincel_choice choice;
    double predicted;                   /* seconds, by the cost model */
    double measured;                    /* minimum so far, seconds; HUGE_VAL: never run */
    bool standard;                      /* the untuned choice: timed in every round, however slow */
    float round[CINCEL_MEASURE_ROUNDS]; /* minimum of each round, seconds */
    int rounds;
};

/* Median over minimum of the rounds, ≥ 1. */
double cincel_candidate_spread(const struct cincel_candidate *c);

/*
 * Times the candidates, the first one first, within `budget` seconds and sorts them by their minimum.
 * Rounds over the survivors, slow ones dropped on the way; the first candidate is always timed, so that with
 * the untuned choice first a search cut short is never worse than no search. `cancel` may be NULL; raised, it
 * ends the search as the budget does. Fails only for lack of memory.
 */
cincel_status cincel_measure(const struct cincel_target *t, struct cincel_team *team,
                             const struct cincel_problem *p, double budget, const volatile int *cancel,
                             struct cincel_candidate *candidates, size_t count);

#endif
