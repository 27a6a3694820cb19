/* The pooling algorithms, for ops/algo.c to list, and what they share. */
#ifndef CINCEL_OPS_POOL_H
#define CINCEL_OPS_POOL_H

#include "ops/algo.h"

extern const struct cincel_algo cincel_algo_pool_rows;
extern const struct cincel_algo cincel_algo_pool_gather;
extern const struct cincel_algo cincel_algo_pool_slices;

/*
 * Cells of one kernel call. It decides the bits of averages: cells are summed in groups of so many, then the
 * groups (include/cincel/pool.h). 5x5 windows take one call and 7x7 two; the more, the longer the chains of
 * additions, the fewer, the more often a large window's sums are loaded and stored.
 */
enum { CINCEL_POOL_GROUP = 25 };

enum { CINCEL_POOL_CUT_FLOATS = 16 * 1024 }; /* read or written by a claimed cut at least: 64 KB, some µs */

typedef void cincel_pool_forward_kernel(const struct cincel_pool_forward_args *args);

/* The kernel of the problem's kind. */
cincel_pool_forward_kernel *cincel_pool_forward_kernel_of(const struct cincel_isa *isa,
                                                          const struct cincel_problem *p);

/* The factor of an average of a window with `rows` x `columns` cells in the image. */
static inline float cincel_pool_scale(const cincel_pool_desc *d, int rows, int columns)
{
    const bool padded = d->kind == CINCEL_POOL_AVG_INCLUDE_PAD;
    const double cells = padded ? (double)d->kh * d->kw : (double)rows * columns;
    return (float)(1.0 / cells);
}

/* Is the window the whole image, and worth cutting in slices? Such averages are summed by slices only, so
   that their bits follow from the problem. `why` says it if not. */
bool cincel_pool_is_sliced(const struct cincel_problem *p, char why[CINCEL_WHY]);

/* struct cincel_algo.row of algorithms without tiles: "" */
const char *cincel_pool_no_row(const struct cincel_isa *isa, int i);

#endif
