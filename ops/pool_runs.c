#include "ops/pool_runs.h"

#include <assert.h>

int cincel_pool_positions(const struct cincel_pool_axis *axis)
{
    return axis->backward ? axis->in : axis->out;
}

static struct cincel_pool_view window_of_output(const struct cincel_pool_axis *axis, int position)
{
    const long long start = (long long)position * axis->stride - axis->pad;
    const int low = start < 0 ? (int)-start : 0;
    const int high = axis->in - start < axis->kernel ? (int)(axis->in - start) : axis->kernel;
    assert(low < high); /* padding is smaller than the kernel: no window lies in it wholly */
    return (struct cincel_pool_view){high - low, low, (int)(start + low)};
}

static struct cincel_pool_view windows_over_input(const struct cincel_pool_axis *axis, int position)
{
    const long long at = (long long)position + axis->pad; /* in the padded image */
    const long long before = at - axis->kernel;           /* a window starting here ends just before it */
    const int low = before < 0 ? 0 : (int)(before / axis->stride + 1);
    const int last = (int)(at / axis->stride);
    const int high = last < axis->out ? last : axis->out - 1;
    if (high < low) return (struct cincel_pool_view){0, 0, 0};
    return (struct cincel_pool_view){high - low + 1, (int)(at - (long long)low * axis->stride), low};
}

struct cincel_pool_view cincel_pool_view_at(const struct cincel_pool_axis *axis, int position)
{
    return axis->backward ? windows_over_input(axis, position) : window_of_output(axis, position);
}

int cincel_pool_runs(const struct cincel_pool_axis *axis, struct cincel_pool_run *runs)
{
    const int positions = cincel_pool_positions(axis);
    const int step = axis->backward ? axis->stride : 1;
    const int move = axis->backward ? 1 : axis->stride;
    int count = 0;
    for (int lane = 0; lane < step && lane < positions; lane++) {
        struct cincel_pool_run run = {lane, step, 0, move, {0, 0, 0}};
        for (long long position = lane; position < positions; position += step) {
            const struct cincel_pool_view view = cincel_pool_view_at(axis, (int)position);
            const bool alike = view.cells == run.view.cells && view.kernel == run.view.kernel;
            if (run.count > 0 && !alike) {
                if (runs) runs[count] = run;
                count++;
                run.count = 0;
            }
            if (run.count == 0) {
                run.first = (int)position;
                run.view = view;
            }
            run.count++;
        }
        if (runs) runs[count] = run;
        count++;
    }
    return count;
}
