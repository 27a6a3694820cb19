/*
 * Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers:
 * as easy as 1, 2, 3", SC 2011). A number is a pure function of (seed, purpose, epoch, index): there
 * is no stream to store or to share between threads, and a resumed run draws what it would have drawn.
 *
 * The 64-bit seed is Philox's key; its counter holds index / 4, epoch and purpose. The four words of a
 * block belong to four neighbouring indices, so that filling an array costs one block for four elements.
 *
 * Everything is integer arithmetic or IEEE double without contraction: the same bits on every machine.
 * (Compile with -ffp-contract=off.) Exported, though in no public header: libcincel-train draws here too.
 */
#ifndef CINCEL_CORE_PHILOX_H
#define CINCEL_CORE_PHILOX_H

#include <stddef.h>
#include <stdint.h>

#include "cincel/cincel.h"

struct cincel_random {
    uint64_t seed;
    uint32_t purpose; /* what the numbers are for: distinct purposes draw independently */
    uint32_t epoch;   /* or step, or attempt: whatever repeats */
};

/* The generator itself: out = Philox4x32-10(counter, key). */
CINCEL_API void cincel_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* 32 uniform bits for `index`. */
CINCEL_API uint32_t cincel_random_bits(const struct cincel_random *r, uint64_t index);

/* Uniform in [0, 1): a multiple of 2^-24. */
CINCEL_API float cincel_random_uniform(const struct cincel_random *r, uint64_t index);

/* Uniform in 0 … bound−1, bound ≥ 1; off by at most bound / 2^32 from equal odds. */
CINCEL_API uint32_t cincel_random_below(const struct cincel_random *r, uint64_t index, uint32_t bound);

/* Standard normal, by inversion: |error| of the quantile function ≤ 1e-7 relative; |value| < 6.4. */
CINCEL_API float cincel_random_normal(const struct cincel_random *r, uint64_t index);

/* out[i] = the number for index first + i, i < count. */
CINCEL_API void cincel_random_fill_uniform(const struct cincel_random *r, uint64_t first, float *out,
                                           size_t count);
CINCEL_API void cincel_random_fill_normal(const struct cincel_random *r, uint64_t first, float *out,
                                          size_t count);

#endif
