/* Pooling kernels against plain loops, bit for bit: every usable ISA, every number of channels up
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

enum { MAX_TAPS = 17, MAX_PIXELS = 5, MAX_LINES = 3 };

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
    size_t taps, lines, pixels, channels;
    size_t line, step; /* from line to line and pixel to pixel, in cells */
    ptrdiff_t offset[MAX_TAPS];
    int32_t index[MAX_TAPS];
    int wide;     /* cell numbers are 32 bits */
    size_t cells; /* of the tensor read */
};

static void draw_windows(struct test_random *r, size_t channels, size_t least_taps, struct windows *w)
{
    w->taps = (size_t)test_draw(r, (int)least_taps, MAX_TAPS);
    w->lines = (size_t)test_draw(r, 1, MAX_LINES);
    w->pixels = (size_t)test_draw(r, 1, MAX_PIXELS);
    w->channels = channels;
    w->line = (size_t)test_draw(r, 0, 9);
    w->step = (size_t)test_draw(r, 1, 3);
    w->wide = test_draw(r, 0, 1);
    size_t last = 0;
    for (size_t t = 0; t < w->taps; t++) {
        const size_t cell = (size_t)test_draw(r, 0, 20);
        w->offset[t] = (ptrdiff_t)(cell * channels);
        w->index[t] = test_draw(r, 0, w->wide ? 1 << 30 : 255);
        last = cell > last ? cell : last;
    }
    w->cells = last + (w->lines - 1) * w->line + (w->pixels - 1) * w->step + 1;
}

static int32_t number_at(const void *argmax, size_t at, int wide)
{
    return wide ? ((const int32_t *)argmax)[at] : ((const uint8_t *)argmax)[at];
}

static size_t number_bytes(const struct windows *w) { return w->wide ? sizeof(int32_t) : 1; }

static struct cincel_pool_forward_args forward_args(const struct windows *w, const float *x, float *y)
{
    return (struct cincel_pool_forward_args){
        .x = x,
        .offset = w->offset,
        .index = w->index,
        .taps = w->taps,
        .lines = w->lines,
        .pixels = w->pixels,
        .channels = w->channels,
        .x_step = (ptrdiff_t)(w->step * w->channels),
        .x_line = (ptrdiff_t)(w->line * w->channels),
        .y_line = (ptrdiff_t)(w->pixels * w->channels),
        .y = y,
        .wide = w->wide,
        .scale = 1.0f,
    };
}

/* At which the window of pixel p of all lines begins. */
static size_t first_cell(const struct windows *w, size_t p)
{
    return p / w->pixels * w->line + p % w->pixels * w->step;
}

/* The list in one call, or cut in two. */
static void run_max(const struct cincel_isa *isa, struct cincel_pool_forward_args args, size_t cut)
{
    const size_t taps = args.taps;
    args.taps = cut;
    isa->pool->max_forward(&args);
    if (cut == taps) return;
    args.offset += cut;
    args.index += cut;
    args.taps = taps - cut;
    args.resume = 1;
    isa->pool->max_forward(&args);
}

static bool forward_holds(const struct cincel_isa *isa, struct test_random *r, size_t channels, int special)
{
    struct windows w;
    draw_windows(r, channels, 1, &w);
    const size_t in = w.cells * channels, out = w.lines * w.pixels * channels;
    float *x = test_guarded(in * sizeof *x), *y = test_guarded(out * sizeof *y);
    float *y_alone = test_guarded(out * sizeof *y);
    void *argmax = test_guarded(out * number_bytes(&w));
    for (size_t i = 0; i < in; i++) x[i] = draw_value(r, special);
    struct cincel_pool_forward_args args = forward_args(&w, x, y);
    const size_t cut = (size_t)test_draw(r, 1, (int)w.taps);
    args.stream = test_draw(r, 0, 1);
    args.argmax = argmax;
    run_max(isa, args, cut);
    args.y = y_alone;
    args.argmax = NULL;
    run_max(isa, args, cut);
    bool good = true;
    for (size_t p = 0; p < w.lines * w.pixels; p++)
        for (size_t c = 0; c < channels; c++) {
            const float *window = x + first_cell(&w, p) * channels + c;
            size_t best = 0;
            for (size_t t = 1; t < w.taps; t++)
                if (wins(window[w.offset[t]], window[w.offset[best]])) best = t;
            const size_t at = p * channels + c;
            good = good && memcmp(&y[at], &window[w.offset[best]], sizeof *y) == 0 &&
                   memcmp(&y_alone[at], &y[at], sizeof *y) == 0 &&
                   number_at(argmax, at, w.wide) == w.index[best];
        }
    test_guarded_free(x, in * sizeof *x);
    test_guarded_free(y, out * sizeof *y);
    test_guarded_free(y_alone, out * sizeof *y);
    test_guarded_free(argmax, out * number_bytes(&w));
    return good;
}

/* The stated sum in the stated order, rounded at the stated places: equal bits are demanded. */
static bool average_holds(const struct cincel_isa *isa, struct test_random *r, size_t channels)
{
    struct windows w;
    draw_windows(r, channels, 1, &w);
    const size_t in = w.cells * channels, out = w.lines * w.pixels * channels;
    float *x = test_guarded(in * sizeof *x), *y = test_guarded(out * sizeof *y);
    float *want = test_guarded(out * sizeof *y);
    for (size_t i = 0; i < in; i++) x[i] = (float)test_draw(r, -999, 999) / 7.0f;
    struct cincel_pool_forward_args args = forward_args(&w, x, y);
    args.scale = 1.0f / (float)test_draw(r, 1, 9);
    args.stream = test_draw(r, 0, 1);
    args.resume = test_draw(r, 0, 1);
    for (size_t i = 0; i < out; i++) want[i] = y[i] = (float)test_draw(r, -9, 9) / 3.0f;
    for (size_t p = 0; p < w.lines * w.pixels; p++)
        for (size_t c = 0; c < channels; c++) {
            const float *window = x + first_cell(&w, p) * channels + c;
            float sum = window[w.offset[0]], *target = &want[p * channels + c];
            for (size_t t = 1; t < w.taps; t++) sum += window[w.offset[t]];
            *target = (args.resume ? *target + sum : sum) * args.scale;
        }
    isa->pool->avg_forward(&args);
    const bool good = memcmp(y, want, out * sizeof *y) == 0;
    test_guarded_free(x, in * sizeof *x);
    test_guarded_free(y, out * sizeof *y);
    test_guarded_free(want, out * sizeof *y);
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
                if (!forward_holds(target->isas[i], &r, channels, seed % 2 ? 0 : (int)seed) ||
                    !average_holds(target->isas[i], &r, channels))
                    fail_msg("%s: seed %ld, %zu channels", target->isas[i]->name, seed, channels);
            for (size_t channels = 512; channels <= 2048;
                 channels += 528) /* by rows, and more than one of them */
                for (int n = 0; n < 3; n++)
                    if (!average_holds(target->isas[i], &r, channels))
                        fail_msg("%s: seed %ld, %zu channels", target->isas[i]->name, seed, channels);
        }
}

/* What a window gives to a neighbour of pixel p of a line, by the plain rule. */
static float given(const struct cincel_pool_backward_args *a, size_t line, size_t p, size_t neighbour,
                   size_t t, size_t at)
{
    if (!a->argmax) return a->scale[t] * a->dy[at];
    const int32_t cell = a->index_first + a->index[t] + (int32_t)p * a->index_step +
                         (int32_t)line * a->index_line + (int32_t)neighbour;
    return number_at(a->argmax, at, a->wide) == cell ? a->dy[at] : 0.0f;
}

/* Order and rounding are stated, so equality is exact for averages too. */
static bool backward_holds(const struct cincel_isa *isa, struct test_random *r, size_t channels, bool max)
{
    struct windows w;
    draw_windows(r, channels, 0, &w);
    const size_t places = (size_t)test_draw(r, 1, 3), alike = (size_t)test_draw(r, 1, (int)places);
    const size_t in = w.cells * channels, dx_step = channels * places;
    const size_t dx_line = (w.pixels - 1) * dx_step + alike * channels, out = w.lines * dx_line;
    float *dy = test_guarded(in * sizeof *dy), *dx = test_guarded(out * sizeof *dx);
    float *want = test_guarded(out * sizeof *dx), scale[MAX_TAPS];
    void *argmax = test_guarded(in * number_bytes(&w));
    struct cincel_pool_backward_args args = {
        .dy = dy,
        .argmax = max ? argmax : NULL,
        .offset = w.offset,
        .index = w.index,
        .scale = scale,
        .windows = w.taps,
        .lines = w.lines,
        .pixels = w.pixels,
        .channels = channels,
        .dy_step = (ptrdiff_t)(w.step * channels),
        .dx_step = (ptrdiff_t)dx_step,
        .dy_line = (ptrdiff_t)(w.line * channels),
        .dx_line = (ptrdiff_t)dx_line,
        .alike = alike,
        .index_first = test_draw(r, 0, 9),
        .index_step = test_draw(r, 0, 2),
        .index_line = test_draw(r, 0, 9),
        .wide = max && w.wide,
        .dx = dx,
        .accumulate = test_draw(r, 0, 1),
    };
    args.stream = !args.accumulate && test_draw(r, 0, 1);
    for (size_t t = 0; t < w.taps; t++) scale[t] = 1.0f / (float)test_draw(r, 1, 9);
    for (size_t i = 0; i < in; i++) {
        const int32_t number = w.taps > 0 ? w.index[test_draw(r, 0, (int)w.taps - 1)] : 0;
        const int32_t shown =
            number + args.index_first + args.index_step * test_draw(r, 0, (int)w.pixels - 1) +
            args.index_line * test_draw(r, 0, (int)w.lines - 1) + test_draw(r, 0, (int)alike - 1);
        dy[i] = (float)test_draw(r, -9, 9) / (max ? 1.0f : 3.0f);
        if (w.wide)
            ((int32_t *)argmax)[i] = shown;
        else
            ((uint8_t *)argmax)[i] = (uint8_t)shown;
    }
    for (size_t i = 0; i < out; i++) want[i] = dx[i] = (float)test_draw(r, -9, 9);
    for (size_t pixel = 0; pixel < w.lines * w.pixels; pixel++)
        for (size_t c = 0; c < alike * channels; c++) {
            const size_t line = pixel / w.pixels, p = pixel % w.pixels;
            float *sum = &want[line * dx_line + p * dx_step + c];
            if (!args.accumulate) *sum = 0.0f;
            for (size_t t = 0; t < w.taps; t++)
                *sum += given(&args, line, p, c / channels, t,
                              first_cell(&w, pixel) * channels + (size_t)w.offset[t] + c % channels);
        }
    (max ? isa->pool->max_backward : isa->pool->avg_backward)(&args);
    bool good = true;
    for (size_t i = 0; i < out; i++) good = good && dx[i] == want[i]; /* what lies between stays */
    test_guarded_free(dy, in * sizeof *dy);
    test_guarded_free(dx, out * sizeof *dx);
    test_guarded_free(want, out * sizeof *dx);
    test_guarded_free(argmax, in * number_bytes(&w));
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
                if (!backward_holds(target->isas[i], &r, channels, true) ||
                    !backward_holds(target->isas[i], &r, channels, false))
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
