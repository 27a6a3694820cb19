/* The candidates for a problem: every valid choice, with what the cost model expects of it. */
#ifndef CINCEL_TUNE_CANDIDATES_H
#define CINCEL_TUNE_CANDIDATES_H

#include "tune/measure.h"

/* A growing list; free(item) when done. */
struct cincel_candidates {
    const struct cincel_target *t;
    const struct cincel_problem *p;
    size_t max_workspace; /* 0: none */
    size_t reserved;      /* of it, whatever the candidate */
    size_t leanest;       /* begins as SIZE_MAX; the smallest workspace that was refused */
    struct cincel_candidate *item;
    size_t count, room;
    bool no_memory;
};

/*
 * Fills the list with choices of 1 … `threads` threads, the untuned choice first, the others by expected
 * time: each kernel row with its default knobs, or (`all`) with every value of every knob. `name` begins
 * messages. OUT_OF_MEMORY; UNSUPPORTED: nothing serves the problem, or not within the workspace limit.
 */
cincel_status cincel_candidates_fill(struct cincel_candidates *list, bool all, int threads,
                                     double error_budget, const char *name);

/* Why an algorithm of the problem's operator and pass does not serve it; false: it does. */
bool cincel_candidates_refusal(const struct cincel_target *t, const struct cincel_problem *p,
                               const struct cincel_algo *algo, double error_budget, char why[CINCEL_WHY]);

#endif
