/*
 * Along one axis of a pooling problem, neighbouring positions see the other side alike, except at the
 * borders. This file cuts an axis into *runs* of such positions, for both directions:
 *
 *   forward   a position is an output coordinate, its cells are the input coordinates of its window;
 *   backward  a position is an input coordinate, its cells are the outputs whose windows contain it.
 *             Positions of one remainder by the stride form the runs, as only they are alike.
 */
#ifndef CINCEL_OPS_POOL_RUNS_H
#define CINCEL_OPS_POOL_RUNS_H

#include <stdbool.h>

struct cincel_pool_axis {
    int in, out, kernel, stride, pad; /* pad: at the low end; the high end follows from `out` */
    bool backward;
};

/* What one position sees: cell j has the coordinate `other` + j and lies in its window at kernel
   coordinate `kernel` + j (forward) or `kernel` − j·stride (backward). */
struct cincel_pool_view {
    int cells, kernel, other; /* cells = 0 (backward only): no window contains it; the rest is 0 */
};

/* Positions first, first + step, … (`count` of them), all with the cells and the kernel coordinate of
   `view`; view.other is the first one's and grows by `move` from one to the next. */
struct cincel_pool_run {
    int first, step, count, move;
    struct cincel_pool_view view;
};

int cincel_pool_positions(const struct cincel_pool_axis *axis);

/* position < cincel_pool_positions() */
struct cincel_pool_view cincel_pool_view_at(const struct cincel_pool_axis *axis, int position);

/* Writes the runs unless `runs` is NULL; returns their number. Together they hold every position
   exactly once. */
int cincel_pool_runs(const struct cincel_pool_axis *axis, struct cincel_pool_run *runs);

#endif
