/* Where a whole-tensor operation without a plan runs, and on how many threads. */
#ifndef CINCEL_OPS_CREW_H
#define CINCEL_OPS_CREW_H

#include <stdbool.h>

#include "core/memory.h"
#include "core/parallel.h"
#include "kernels/kernel.h"

/* At most `threads` of the team, with this ISA's kernels. */
struct cincel_crew {
    struct cincel_team *team;
    int threads;
    const struct cincel_isa *isa;
    size_t cache_bytes; /* of the last cache; 0: unknown, and nothing is stored past it */
};

/*
 * A thread is worth waking (1-2 µs) for this many floats of its own: streaming 16 Ki floats in and out
 * takes 5 µs or more. An exponential costs about five streamed floats.
 */
enum { CINCEL_FLOATS_A_THREAD = 16 * 1024, CINCEL_EXPS_A_THREAD = 4 * 1024 };

/* Shares begin on cache lines (of tensors that do). */
enum { CINCEL_LINE_FLOATS = 16 };

/*
 * A tensor that fills half of the last cache will not be found there by whoever reads it next. Stored past
 * it, a line costs one transfer instead of two (a store into the caches reads the line first). Kernels write
 * such output to a block on the stack, which stays in L1, and struct cincel_vector_row.stream takes it home.
 * The block is short, so that its stores drain while the next one is computed. Measured on Zen 3: relu 79 to
 * 111 % of a triad with common stores, in blocks of 8 KB 98 %. What computes about as long as memory takes
 * (exponentials, Philox) has no time for the way through a block: its kernels store past the caches
 * themselves, and ask for their input early, since the prefetchers lose the thread while registers are at
 * work.
 */
enum { CINCEL_STREAM_BLOCK = 512 };

/* Is an output of so many floats to be stored past the caches? */
static inline bool cincel_crew_streams(const struct cincel_crew *crew, size_t floats)
{
    return crew->isa->vector->stream && crew->cache_bytes > 0 &&
           floats >= crew->cache_bytes / 2 / sizeof(float);
}

static inline int cincel_crew_threads(const struct cincel_crew *crew, size_t floats, size_t floats_a_thread)
{
    const size_t worth = cincel_max(1, floats / floats_a_thread);
    return (int)cincel_min((size_t)crew->threads, worth);
}

#endif
