/*
 * One axis of a pooling problem: which cells a position sees. In both directions:
 *
 *   forward   a position is an output coordinate, its cells are the input coordinates of its window;
 *   backward  a position is an input coordinate, its cells are the outputs whose windows contain it.
 *
 * Neighbouring positions see the other side alike, except at the borders: an axis is cut into *runs* of
 * such positions, so that one kernel call serves many pixels.
 */
#ifndef CINCEL_OPS_POOL_AXIS_H
#define CINCEL_OPS_POOL_AXIS_H

#include <stdbool.h>

struct cincel_pool_axis {
    int in, out, kernel, stride, pad; /* pad: at the low end; the high end follows from `out` */
    bool backward;
    bool adaptive; /* window o covers floor(o·in / out) … ceil((o + 1)·in / out) − 1; stride and pad are not
                      looked at, no window has more than `kernel` cells */
};

/* Input coordinates first … first + count − 1 that lie in the image, and their place in the window. */
struct cincel_pool_window {
    int first, count;
    int kernel; /* of the first */
};

/* output < axis->out */
struct cincel_pool_window cincel_pool_window_at(const struct cincel_pool_axis *axis, int output);

/* What one position sees: cells with the coordinates other, other + 1, …; `kernel` is the place of the
   position in the window of the first (backward), or that of the first cell in the position's (forward). */
struct cincel_pool_view {
    int cells, kernel, other; /* cells = 0 (backward only): no window contains it; the rest is 0 */
};

int cincel_pool_positions(const struct cincel_pool_axis *axis);

/* position < cincel_pool_positions() */
struct cincel_pool_view cincel_pool_view_at(const struct cincel_pool_axis *axis, int position);

/* The place in the window (kernel coordinate) where cell j of the view of `position` and the position meet.
 */
int cincel_pool_cell(const struct cincel_pool_axis *axis, int position, const struct cincel_pool_view *view,
                     int j);

/* Positions first, first + step, … (`count` of them), all with view.cells cells; from one to the next,
   view.other grows by `move` and every kernel coordinate by `turn`. Each stands for the `alike` positions
   from it on, which see the same windows (1 unless asked for); their kernel coordinates grow by 1. */
struct cincel_pool_run {
    int first, step, count, move, turn;
    int alike;
    struct cincel_pool_view view; /* of the first */
};

/* The longest run of positions first, first + step, …, before `end`. `weighed`: see below. */
struct cincel_pool_run cincel_pool_run_from(const struct cincel_pool_axis *axis, bool weighed, int first,
                                            int step, int end);

/* What a pass asks of the runs. */
struct cincel_pool_wish {
    bool weighed; /* the windows' sizes matter, so that (backward) a run sees windows of alike sizes */
    bool alike;   /* neighbours under the same windows count as one where windows tile the axis (backward) */
};

/* Writes the runs unless `runs` is NULL; returns their number. Together they hold every position exactly
   once. */
int cincel_pool_runs(const struct cincel_pool_axis *axis, struct cincel_pool_wish wish,
                     struct cincel_pool_run *runs);

/* The same of positions that lie `step` apart, lane by lane. */
int cincel_pool_runs_by_step(const struct cincel_pool_axis *axis, bool weighed, int step,
                             struct cincel_pool_run *runs);

#endif
