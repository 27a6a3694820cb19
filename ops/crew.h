/* Where a whole-tensor operation without a plan runs, and on how many threads. */
#ifndef CINCEL_OPS_CREW_H
#define CINCEL_OPS_CREW_H

#include "core/memory.h"
#include "core/parallel.h"
#include "kernels/kernel.h"

/* At most `threads` of the team, with this ISA's kernels. */
struct cincel_crew {
    struct cincel_team *team;
    int threads;
    const struct cincel_isa *isa;
};

/*
 * A thread is worth waking (1-2 µs) for this many floats of its own: streaming 16 Ki floats in and out
 * takes 5 µs or more. An exponential costs about five streamed floats.
 */
enum { CINCEL_FLOATS_A_THREAD = 16 * 1024, CINCEL_EXPS_A_THREAD = 4 * 1024 };

/* Shares begin on cache lines (of tensors that do). */
enum { CINCEL_LINE_FLOATS = 16 };

static inline int cincel_crew_threads(const struct cincel_crew *crew, size_t floats, size_t floats_a_thread)
{
    const size_t worth = cincel_max(1, floats / floats_a_thread);
    return (int)cincel_min((size_t)crew->threads, worth);
}

#endif
