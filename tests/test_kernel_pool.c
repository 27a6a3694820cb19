/* Max-pooling kernels against plain loops, bit for bit: every usable ISA, every number of channels up
   to a few registers, NaN, infinities, ties and zeros of both signs, buffers that end at an unreadable
   page. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/guard.h"

enum { MAX_TAPS = 12, MAX_PIXELS = 5 };

/* Few distinct values, so that ties are frequent; special ones at a rate of `special` in 100. */
static float draw_value(struct test_random *r, int special)
{
    static const float values[] = {NAN, INFINITY, -INFINITY, -0.0f, 0.0f, 3e38f, -3e38f};
    if (test_draw(r, 0, 99) < special) return values[test_draw(r, 0, 6)];
    return (float)test_draw(r, -3, 3);
}

/* The rule in words: a later cell wins where it is greater, or the first NaN met so far. */
static int wins(float cell, float best) { return cell > best || (isnan(cell) && !isnan(best)); }

struct windows {
    size_t taps, pixels, channels, step; /* step: in cells */
    ptrdiff_t offset[MAX_TAPS];
    uint8_t index[MAX_TAPS];
    size_t cells; /* of the tensor read */
};

static void draw_windows(struct test_random *r, size_t channels, size_t least_taps, struct windows *w)
{
    w->taps = (size_t)test_draw(r, (int)least_taps, MAX_TAPS);
    w->pixels = (size_t)test_draw(r, 1, MAX_PIXELS);
    w->channels = channels;
    w->step = (size_t)test_draw(r, 1, 3);
    size_t last = 0;
    for (size_t t = 0; t < w->taps; t++) {
        const size_t cell = (size_t)test_draw(r, 0, 20);
        w->offset[t] = (ptrdiff_t)(cell * channels);
        w->index[t] = (uint8_t)test_draw(r, 0, 255);
        last = cell > last ? cell : last;
    }
    w->cells = last + (w->pixels - 1) * w->step + 1;
}

static bool forward_holds(const struct cincel_isa *isa, struct test_random *r, size_t channels, int special)
{
    struct windows w;
    draw_windows(r, channels, 1, &w);
    const size_t in = w.cells * channels, out = w.pixels * channels;
    float *x = test_guarded(in * sizeof *x), *y = test_guarded(out * sizeof *y);
    uint8_t *argmax = test_guarded(out);
    for (size_t i = 0; i < in; i++) x[i] = draw_value(r, special);
    struct cincel_maxpool_forward_args args = {
        x, w.offset, w.index,           w.taps, w.pixels, channels, (ptrdiff_t)(w.step * channels),
        y, argmax,   test_draw(r, 0, 1)};
    isa->pool->max_forward(&args);
    float *y_alone = test_guarded(out * sizeof *y);
    args.y = y_alone;
    args.argmax = NULL;
    isa->pool->max_forward(&args);
    bool good = true;
    for (size_t p = 0; p < w.pixels; p++)
        for (size_t c = 0; c < channels; c++) {
            const float *window = x + p * w.step * channels + c;
            size_t best = 0;
            for (size_t t = 1; t < w.taps; t++)
                if (wins(window[w.offset[t]], window[w.offset[best]])) best = t;
            const size_t at = p * channels + c;
            good = good && memcmp(&y[at], &window[w.offset[best]], sizeof *y) == 0 &&
                   memcmp(&y_alone[at], &y[at], sizeof *y) == 0 && argmax[at] == w.index[best];
        }
    test_guarded_free(x, in * sizeof *x);
    test_guarded_free(y, out * sizeof *y);
    test_guarded_free(y_alone, out * sizeof *y);
    test_guarded_free(argmax, out);
    return good;
}

static void test_forward(void **state)
{
    struct test_target *target = *state;
    const long rounds = test_cases(10);
    for (int i = 0; target->isas[i]; i++)
        for (long seed = 0; seed < rounds; seed++) {
            struct test_random r = {{(uint64_t)seed, 0, 0}, 0};
            for (size_t channels = 1; channels <= 150; channels++)
                if (!forward_holds(target->isas[i], &r, channels, seed % 2 ? 0 : (int)seed))
                    fail_msg("%s: seed %ld, %zu channels", target->isas[i]->name, seed, channels);
        }
}

static bool backward_holds(const struct cincel_isa *isa, struct test_random *r, size_t channels)
{
    struct windows w;
    draw_windows(r, channels, 0, &w);
    const size_t in = w.cells * channels, dx_step = channels * (size_t)test_draw(r, 1, 3);
    const size_t out = (w.pixels - 1) * dx_step + channels;
    float *dy = test_guarded(in * sizeof *dy), *dx = test_guarded(out * sizeof *dx);
    float *want = test_guarded(out * sizeof *dx);
    uint8_t *argmax = test_guarded(in);
    for (size_t i = 0; i < in; i++) {
        dy[i] = (float)test_draw(r, -9, 9); /* sums are exact */
        argmax[i] = w.taps > 0 ? w.index[test_draw(r, 0, (int)w.taps - 1)] : 0;
    }
    const int accumulate = test_draw(r, 0, 1);
    for (size_t i = 0; i < out; i++) want[i] = dx[i] = (float)test_draw(r, -9, 9);
    for (size_t p = 0; p < w.pixels; p++)
        for (size_t c = 0; c < channels; c++) {
            float *sum = &want[p * dx_step + c];
            if (!accumulate) *sum = 0.0f;
            for (size_t t = 0; t < w.taps; t++) {
                const size_t at = p * w.step * channels + (size_t)w.offset[t] + c;
                if (argmax[at] == w.index[t]) *sum += dy[at];
            }
        }
    const struct cincel_maxpool_backward_args args = {dy,
                                                      argmax,
                                                      w.offset,
                                                      w.index,
                                                      w.taps,
                                                      w.pixels,
                                                      channels,
                                                      (ptrdiff_t)(w.step * channels),
                                                      (ptrdiff_t)dx_step,
                                                      dx,
                                                      accumulate,
                                                      !accumulate && test_draw(r, 0, 1)};
    isa->pool->max_backward(&args);
    bool good = true;
    for (size_t i = 0; i < out; i++) good = good && dx[i] == want[i]; /* what lies between stays */
    test_guarded_free(dy, in * sizeof *dy);
    test_guarded_free(dx, out * sizeof *dx);
    test_guarded_free(want, out * sizeof *dx);
    test_guarded_free(argmax, in);
    return good;
}

static void test_backward(void **state)
{
    struct test_target *target = *state;
    const long rounds = test_cases(10);
    for (int i = 0; target->isas[i]; i++)
        for (long seed = 0; seed < rounds; seed++) {
            struct test_random r = {{(uint64_t)seed, 1, 0}, 0};
            for (size_t channels = 1; channels <= 150; channels++)
                if (!backward_holds(target->isas[i], &r, channels))
                    fail_msg("%s: seed %ld, %zu channels", target->isas[i]->name, seed, channels);
        }
}

int main(void)
{
    static struct test_target target;
    test_target_create(1, &target);
    test_target_emulate(&target);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_forward, &target),
        cmocka_unit_test_prestate(test_backward, &target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
