#include "ops/pool_axis.h"

#include <assert.h>
#include <limits.h>
#include <stddef.h>

int cincel_pool_positions(const struct cincel_pool_axis *axis)
{
    return axis->backward ? axis->in : axis->out;
}

struct cincel_pool_window cincel_pool_window_at(const struct cincel_pool_axis *axis, int output)
{
    if (axis->adaptive) {
        const int first = (int)((long long)output * axis->in / axis->out);
        const int end = (int)((((long long)output + 1) * axis->in + axis->out - 1) / axis->out);
        assert(first < end && end <= axis->in && end - first <= axis->kernel);
        return (struct cincel_pool_window){first, end - first, 0};
    }
    const long long start = (long long)output * axis->stride - axis->pad;
    const int low = start < 0 ? (int)-start : 0;
    const int high = axis->in - start < axis->kernel ? (int)(axis->in - start) : axis->kernel;
    assert(low < high); /* padding is smaller than the kernel: no window lies in it wholly */
    return (struct cincel_pool_window){(int)(start + low), high - low, low};
}

/* The first window that ends behind `position`, and the last that begins at or before it; high < low where
   there is none between. */
static void windows_over(const struct cincel_pool_axis *axis, int position, int *low, int *high)
{
    if (axis->adaptive) {
        /* window o ends behind it if (o + 1)·in > position·out, and begins if o·in < (position + 1)·out */
        *low = (int)((long long)position * axis->out / axis->in);
        *high = (int)((((long long)position + 1) * axis->out - 1) / axis->in);
    } else {
        const long long at = (long long)position + axis->pad; /* in the padded image */
        const long long before = at - axis->kernel;           /* a window starting here ends just before it */
        const int last = (int)(at / axis->stride);
        *low = before < 0 ? 0 : (int)(before / axis->stride + 1);
        *high = last < axis->out ? last : axis->out - 1;
    }
}

int cincel_pool_cell(const struct cincel_pool_axis *axis, int position, const struct cincel_pool_view *view,
                     int j)
{
    if (!axis->backward) return view->kernel + j;
    const struct cincel_pool_window window = cincel_pool_window_at(axis, view->other + j);
    return position - window.first + window.kernel;
}

struct cincel_pool_view cincel_pool_view_at(const struct cincel_pool_axis *axis, int position)
{
    if (!axis->backward) {
        const struct cincel_pool_window window = cincel_pool_window_at(axis, position);
        return (struct cincel_pool_view){window.count, window.kernel, window.first};
    }
    int low, high;
    windows_over(axis, position, &low, &high);
    if (high < low) return (struct cincel_pool_view){0, 0, 0};
    struct cincel_pool_view view = {high - low + 1, 0, low};
    view.kernel = cincel_pool_cell(axis, position, &view, 0);
    return view;
}

/* Have all windows of a view the full size? Only those at the ends may be cut. */
static bool sees_whole_windows(const struct cincel_pool_axis *axis, const struct cincel_pool_view *view)
{
    return cincel_pool_window_at(axis, view->other).count == axis->kernel &&
           cincel_pool_window_at(axis, view->other + view->cells - 1).count == axis->kernel;
}

/* May `next` follow a run's last view with these changes from one to the other? */
static bool follows(const struct cincel_pool_axis *axis, bool weighed, const struct cincel_pool_view *last,
                    const struct cincel_pool_view *next, int move, int turn)
{
    if (next->cells != last->cells) return false;
    if (next->cells == 0) return true;
    if (next->other - last->other != move || next->kernel - last->kernel != turn) return false;
    if (!axis->backward) return turn == 0;
    if (move == 0) return true; /* the same windows, seen from the next cell */
    if (axis->adaptive || turn != 0) return false;
    return !weighed || (sees_whole_windows(axis, last) && sees_whole_windows(axis, next));
}

/*
 * The last of the positions `step` apart from `position` on, before `end`, of which it is known, without a
 * look, that each sees the other side as the one before it does, moved on: all of them see whole windows
 * only. Knows of windows that slide, one stride apart or (forward) any step.
 */
static int alike_until(const struct cincel_pool_axis *axis, int position, int step, int end)
{
    long long low, high;
    if (axis->adaptive || (axis->backward && step != axis->stride)) return position;
    if (axis->backward) {
        const long long covered = (long long)axis->out * axis->stride - axis->pad;
        low = axis->kernel;
        high = (long long)axis->in - axis->kernel;
        if (high > covered - 1) high = covered - 1;
    } else {
        low = (axis->pad + (long long)axis->stride - 1) / axis->stride;
        high = ((long long)axis->in - axis->kernel + axis->pad) / axis->stride;
        if (high > axis->out - 1) high = axis->out - 1;
    }
    if (high > end - 1) high = end - 1;
    if ((long long)position - step < low || position > high) return position;
    return (int)(position + (high - position) / step * step);
}

struct cincel_pool_run cincel_pool_run_from(const struct cincel_pool_axis *axis, bool weighed, int first,
                                            int step, int end)
{
    struct cincel_pool_run run = {.first = first, .step = step, .count = 1, .alike = 1};
    run.view = cincel_pool_view_at(axis, first);
    struct cincel_pool_view last = run.view;
    for (long long position = (long long)first + step; position < end; position += step) {
        const struct cincel_pool_view view = cincel_pool_view_at(axis, (int)position);
        const int move = view.other - last.other, turn = view.kernel - last.kernel;
        if (run.count == 1) run.move = move, run.turn = turn;
        if (!follows(axis, weighed, &last, &view, run.move, run.turn)) break;
        const int until = alike_until(axis, (int)position, step, end);
        run.count += 1 + (until - (int)position) / step;
        position = until;
        last = cincel_pool_view_at(axis, until);
    }
    if (run.count == 1) run.move = run.turn = 0;
    return run;
}

/* The runs among positions that lie `step` apart; a number above `most` where there are more than that. */
static int runs_by_step(const struct cincel_pool_axis *axis, bool weighed, int step, int most,
                        struct cincel_pool_run *runs)
{
    const int positions = cincel_pool_positions(axis);
    int count = 0;
    for (int lane = 0; lane < step && lane < positions; lane++)
        for (long long position = lane; position < positions;) {
            const struct cincel_pool_run run =
                cincel_pool_run_from(axis, weighed, (int)position, step, positions);
            if (runs) runs[count] = run;
            if (++count > most) return count;
            position += (long long)run.count * step;
        }
    return count;
}

/* Do the windows lie side by side, each input under one of them at most? */
static bool windows_tile(const struct cincel_pool_axis *axis)
{
    return axis->backward && !axis->adaptive && axis->stride == axis->kernel && axis->pad == 0;
}

/* The runs of windows that tile the axis: the whole ones, the last if it is cut, what no window covers. */
static int runs_by_window(const struct cincel_pool_axis *axis, struct cincel_pool_run *runs)
{
    const int whole = axis->in / axis->kernel < axis->out ? axis->in / axis->kernel : axis->out;
    const int rest = axis->in - whole * axis->kernel;
    int count = 0;
    if (whole > 0) {
        if (runs)
            runs[count] = (struct cincel_pool_run){0, axis->kernel, whole, 1, 0, axis->kernel, {1, 0, 0}};
        count++;
    }
    if (rest > 0) {
        const struct cincel_pool_view view = cincel_pool_view_at(axis, whole * axis->kernel);
        if (runs) runs[count] = (struct cincel_pool_run){whole * axis->kernel, rest, 1, 0, 0, rest, view};
        count++;
    }
    return count;
}

int cincel_pool_runs_by_step(const struct cincel_pool_axis *axis, bool weighed, int step,
                             struct cincel_pool_run *runs)
{
    return runs_by_step(axis, weighed, step, INT_MAX, runs);
}

int cincel_pool_runs(const struct cincel_pool_axis *axis, struct cincel_pool_wish wish,
                     struct cincel_pool_run *runs)
{
    if (wish.alike && windows_tile(axis)) return runs_by_window(axis, runs);
    /* Windows that overlap are seen alike one stride apart, large ones by all positions within a stride. */
    const int step = axis->backward && !axis->adaptive ? axis->stride : 1;
    const int far = runs_by_step(axis, wish.weighed, step, INT_MAX, NULL);
    const int dense = step > 1 ? runs_by_step(axis, wish.weighed, 1, far, NULL) : far;
    return runs_by_step(axis, wish.weighed, dense <= far ? 1 : step, INT_MAX, runs);
}
