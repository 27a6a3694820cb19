/*
 * The one home of threads: the only OpenMP pragmas of the library.
 *
 * A *team* has a fixed size; every parallel region is opened with all of it, because libgomp destroys
 * and recreates threads when sizes alternate. A job that wants fewer threads sends the others straight
 * to the barriers. A job runs in *phases* with a barrier between them; within a phase, work is cut
 * finer than the team and claimed:
 *
 *   static void body(void *job, struct cincel_worker *worker, size_t phase)
 *   {
 *       size_t cut;
 *       while (cincel_claim(worker, cuts, &cut))
 *           ...
 *   }
 *
 * Cuts are fixed by the problem, owners are not: results must not depend on who ran which cut.
 */
#ifndef CINCEL_CORE_PARALLEL_H
#define CINCEL_CORE_PARALLEL_H

#include <stdbool.h>
#include <stddef.h>

struct cincel_team;
struct cincel_job; /* private to parallel.c */

struct cincel_worker {
    int id;      /* 0 … threads−1: index of per-thread workspace */
    int threads; /* taking part in this job */
    struct cincel_job *job;
    size_t phase;
    size_t emptied; /* shares, from its own on, in which nothing is left to claim */
};

typedef void cincel_body(void *job, struct cincel_worker *worker, size_t phase);

/* NULL when there is no memory. Starts no thread. */
struct cincel_team *cincel_team_create(int size);
void cincel_team_destroy(struct cincel_team *team);
int cincel_team_size(const struct cincel_team *team);

/*
 * Runs `body` on min(threads, team size) workers for phases 0 … phases−1, a barrier after each, with
 * FTZ/DAZ set inside every worker and restored after. With one thread, inside another parallel
 * region, or in a forked child, everything runs on the caller and no region is opened.
 * Several threads may run jobs on one team at once.
 */
void cincel_team_run(struct cincel_team *team, int threads, size_t phases, cincel_body *body, void *job);

/* Threads a job asking for `threads` would get now (1 inside a parallel region or after a fork). */
int cincel_team_threads(const struct cincel_team *team, int threads);

/*
 * Claims a number of 0 … count−1 that nobody has claimed in this phase yet; false when none is left. All
 * claims of a phase name the same count. Each worker goes up its own share of the numbers, a contiguous one
 * and the same in every run, so that what a cut touches is still in its core's caches; then it helps others
 * with theirs.
 */
bool cincel_claim(struct cincel_worker *worker, size_t count, size_t *number);

/*
 * A fixed share of [0, count) for this worker, in multiples of `grain`, for streaming work that should
 * stay with the core that has it in cache. Returns the share's begin, *end its end.
 */
size_t cincel_share(const struct cincel_worker *worker, size_t count, size_t grain, size_t *end);

#endif
