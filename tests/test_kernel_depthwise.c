/* Depthwise convolution and its weight gradients, on every usable ISA: bit for bit against the sums their
   contract states (kernels/kernel.h), every operand ending at an unreadable page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/exact.h"

/* Distances of one tensor, each of either sign, and where the lowest address lies relative to its first. */
struct extent {
    ptrdiff_t low;
    size_t count;
};

/* What walking `steps` times `step` along each of three axes touches, `channels` floats at each place. */
static struct extent extent_of(const ptrdiff_t step[3], const size_t steps[3], size_t channels)
{
    ptrdiff_t low = 0, high = 0;
    for (int i = 0; i < 3; i++) {
        const ptrdiff_t far = step[i] * (ptrdiff_t)(steps[i] - 1);
        *(far < 0 ? &low : &high) += far;
    }
    return (struct extent){low, (size_t)(high - low) + channels};
}

static ptrdiff_t signed_step(struct test_random *r, size_t least)
{
    const ptrdiff_t step = (ptrdiff_t)least + test_draw(r, 0, 3);
    return test_draw(r, 0, 3) ? step : -step;
}

static int channels_of(struct test_random *r, const struct cincel_isa *isa)
{
    return test_draw(r, 1, 3 * isa->vector_floats + 2);
}

static void check_gather(const struct cincel_isa *isa, unsigned long seed)
{
    struct test_random r = {.source = {.seed = seed, .purpose = 14, .epoch = 0}, .next = 0};
    struct cincel_depthwise_args g = {.channels = (size_t)channels_of(&r, isa),
                                      .pixels = (size_t)test_draw(&r, 1, 20),
                                      .taps_h = (size_t)test_draw(&r, 0, 5),
                                      .taps_w = (size_t)test_draw(&r, 0, 5),
                                      .load_y = test_draw(&r, 0, 1),
                                      .act = test_draw(&r, 0, 1) ? CINCEL_ACT_RELU : CINCEL_ACT_NONE};
    const size_t c = g.channels, taps_h = g.taps_h + !g.taps_h, taps_w = g.taps_w + !g.taps_w;
    g.x_px = signed_step(&r, c);
    g.x_col = signed_step(&r, c);
    g.x_row = signed_step(&r, c);
    g.w_col = signed_step(&r, c);
    g.w_row = (test_draw(&r, 0, 1) ? 1 : -1) * (ptrdiff_t)(taps_w * (c + 4)); /* taps do not overlap */
    g.y_px = (test_draw(&r, 0, 3) ? 1 : -1) * (ptrdiff_t)(c + (size_t)test_draw(&r, 0, 3));
    const struct extent ex =
        extent_of((ptrdiff_t[]){g.x_px, g.x_row, g.x_col}, (size_t[]){g.pixels, taps_h, taps_w}, c);
    const struct extent ew = extent_of((ptrdiff_t[]){0, g.w_row, g.w_col}, (size_t[]){1, taps_h, taps_w}, c);
    const struct extent ey = extent_of((ptrdiff_t[]){g.y_px, 0, 0}, (size_t[]){g.pixels, 1, 1}, c);
    float *x = test_random_floats(&r, ex.count), *w = test_random_floats(&r, ew.count);
    float *y = test_random_floats(&r, ey.count), *bias = test_random_floats(&r, c);
    float *wanted = test_copy_of(y, ey.count);
    g.x = x - ex.low;
    g.w = w - ew.low;
    g.y = y - ey.low;
    g.bias = test_draw(&r, 0, 1) ? bias : NULL;
    for (size_t p = 0; p < g.pixels; p++)
        for (size_t k = 0; k < c; k++) {
            float *to = wanted - ey.low + (ptrdiff_t)p * g.y_px + (ptrdiff_t)k;
            float sum = g.load_y ? *to : 0.0f;
            for (size_t i = 0; i < g.taps_h; i++)
                for (size_t j = 0; j < g.taps_w; j++) {
                    const ptrdiff_t at =
                        (ptrdiff_t)p * g.x_px + (ptrdiff_t)i * g.x_row + (ptrdiff_t)j * g.x_col;
                    const ptrdiff_t by = (ptrdiff_t)i * g.w_row + (ptrdiff_t)j * g.w_col;
                    sum = test_multiply_add(isa, g.x[at + (ptrdiff_t)k], g.w[by + (ptrdiff_t)k], sum);
                }
            if (g.bias) sum += bias[k];
            *to = g.act == CINCEL_ACT_RELU && !(sum > 0.0f) ? 0.0f : sum;
        }
    isa->depthwise->gather(&g);
    test_same_floats(y, wanted, ey.count, isa->depthwise->name, seed);
    free(wanted);
    test_free_floats(x, ex.count);
    test_free_floats(w, ew.count);
    test_free_floats(y, ey.count);
    test_free_floats(bias, c);
}

static void check_weights(const struct cincel_isa *isa, unsigned long seed)
{
    struct test_random r = {.source = {.seed = seed, .purpose = 15, .epoch = 0}, .next = 0};
    struct cincel_depthwise_weights_args g = {.channels = (size_t)channels_of(&r, isa),
                                              .rows = (size_t)test_draw(&r, 0, 4),
                                              .pixels = (size_t)test_draw(&r, 0, 9),
                                              .taps = (size_t)test_draw(&r, 1, 12)};
    const size_t c = g.channels, rows = g.rows + !g.rows, pixels = g.pixels + !g.pixels;
    g.x_row = signed_step(&r, c);
    g.x_px = signed_step(&r, c);
    g.x_col = signed_step(&r, c);
    g.dy_row = signed_step(&r, c);
    g.dy_px = signed_step(&r, c);
    g.w_col = (test_draw(&r, 0, 1) ? 1 : -1) * (ptrdiff_t)(c + (size_t)test_draw(&r, 0, 3));
    const struct extent ex =
        extent_of((ptrdiff_t[]){g.x_row, g.x_px, g.x_col}, (size_t[]){rows, pixels, g.taps}, c);
    const struct extent ed = extent_of((ptrdiff_t[]){g.dy_row, g.dy_px, 0}, (size_t[]){rows, pixels, 1}, c);
    const struct extent ew = extent_of((ptrdiff_t[]){g.w_col, 0, 0}, (size_t[]){g.taps, 1, 1}, c);
    float *x = test_random_floats(&r, ex.count), *dy = test_random_floats(&r, ed.count);
    float *w = test_random_floats(&r, ew.count), *wanted = test_copy_of(w, ew.count);
    g.x = x - ex.low;
    g.dy = dy - ed.low;
    g.w = w - ew.low;
    for (size_t t = 0; t < g.taps; t++)
        for (size_t k = 0; k < c; k++) {
            float *to = wanted - ew.low + (ptrdiff_t)t * g.w_col + (ptrdiff_t)k;
            for (size_t i = 0; i < g.rows; i++)
                for (size_t p = 0; p < g.pixels; p++) {
                    const ptrdiff_t at =
                        (ptrdiff_t)i * g.x_row + (ptrdiff_t)p * g.x_px + (ptrdiff_t)t * g.x_col;
                    const ptrdiff_t by = (ptrdiff_t)i * g.dy_row + (ptrdiff_t)p * g.dy_px;
                    *to = test_multiply_add(isa, g.x[at + (ptrdiff_t)k], g.dy[by + (ptrdiff_t)k], *to);
                }
        }
    isa->depthwise->weights(&g);
    test_same_floats(w, wanted, ew.count, "depthwise weights", seed);
    free(wanted);
    test_free_floats(x, ex.count);
    test_free_floats(dy, ed.count);
    test_free_floats(w, ew.count);
}

static void on_every_isa(void (*check)(const struct cincel_isa *isa, unsigned long seed))
{
    struct test_target target;
    test_target_create(1, &target);
    test_target_emulate(&target);
    const long cases = test_cases(400);
    for (int i = 0; target.isas[i]; i++)
        for (long seed = 0; seed < cases; seed++) check(target.isas[i], (unsigned long)seed);
}

static void test_gather(void **state)
{
    (void)state;
    on_every_isa(check_gather);
}

static void test_weights(void **state)
{
    (void)state;
    on_every_isa(check_weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gather), cmocka_unit_test(test_weights)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
