/* Depthwise convolution and its weight gradients, on every usable ISA: bit for bit against the sums their
   contract states (kernels/kernel.h), every operand ending at an unreadable page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/exact.h"

static int channels_of(struct test_random *r, const struct cincel_isa *isa)
{
    return test_draw(r, 1, 3 * isa->vector_floats + 2);
}

/* A source of `rows` rows of some columns; all that a kernel may read of it is there, and nothing else. */
struct source {
    float *floats;
    size_t count;
    ptrdiff_t row; /* of either sign */
};

/* Draws what pixels and taps see of a row: padding on both sides, steps, maybe no column at all. Every other
   time the padding is what most layers have, half a kernel or none on either side. */
static struct source draw_source(struct test_random *r, size_t rows, size_t channels, size_t pixels,
                                 size_t taps, struct cincel_depthwise_columns *from)
{
    *from = (struct cincel_depthwise_columns){.x_ld = (ptrdiff_t)channels + test_draw(r, 0, 3),
                                              .col = test_draw(r, -6, 3),
                                              .width = test_draw(r, 1, 30),
                                              .px_step = test_draw(r, 0, 1) ? 1 : test_draw(r, 1, 3),
                                              .tap_step = test_draw(r, 0, 2) ? 1 : test_draw(r, 1, 3),
                                              .ahead_rows = test_draw(r, 0, 1) * test_draw(r, 0, 2),
                                              .ahead = test_draw(r, -100, 100000),
                                              .ahead_row = test_draw(r, -100, 1000)};
    if (test_draw(r, 0, 1) && pixels > 0 && taps > 0) {
        const int pad = (int)taps / 2, step = test_draw(r, 1, 2);
        const int seen = ((int)pixels - 1) * step + (int)taps; /* columns, of the padding and others */
        const int left = test_draw(r, 0, 1) * pad, right = test_draw(r, 0, 1) * pad;
        from->px_step = step;
        from->tap_step = 1;
        from->col = -left;
        from->width = seen - left - right > 0 ? seen - left - right : 1;
    }
    struct source s = {.row = from->width * from->x_ld};
    s.count = (rows > 0 ? rows - 1 : 0) * (size_t)s.row + (size_t)((from->width - 1) * from->x_ld) + channels;
    s.floats = test_random_floats(r, s.count);
    from->x = s.floats + from->col * from->x_ld;
    if (test_draw(r, 0, 1) && rows > 0) {
        from->x += (ptrdiff_t)(rows - 1) * s.row;
        s.row = -s.row;
    }
    return s;
}

/* Where a pixel meets a tap, behind from->x; false where no column is. */
static bool meets(const struct cincel_depthwise_columns *from, size_t pixel, size_t tap, ptrdiff_t *at)
{
    const ptrdiff_t q = (ptrdiff_t)pixel * from->px_step + (ptrdiff_t)tap * from->tap_step;
    *at = q * from->x_ld;
    return from->col + q >= 0 && from->col + q < from->width;
}

static void check_gather(const struct cincel_isa *isa, unsigned long seed)
{
    struct test_random r = {.source = {.seed = seed, .purpose = 14, .epoch = 0}, .next = 0};
    struct cincel_depthwise_args g = {.channels = (size_t)channels_of(&r, isa),
                                      .pixels = (size_t)test_draw(&r, 1, 20),
                                      .taps_h = (size_t)test_draw(&r, 0, 5),
                                      .taps_w = (size_t)test_draw(&r, 0, 8),
                                      .load_y = test_draw(&r, 0, 1),
                                      .act = test_draw(&r, 0, 1) ? CINCEL_ACT_RELU : CINCEL_ACT_NONE};
    g.stream = !g.load_y && test_draw(&r, 0, 1);
    const size_t c = g.channels, line = 16;
    const struct source x = draw_source(&r, g.taps_h, c, g.pixels, g.taps_w, &g.from);
    const size_t w_count = (g.taps_h * g.taps_w + 1) * (c + 2);
    g.x_row = x.row;
    g.w_col = (ptrdiff_t)c + test_draw(&r, 0, 2);
    g.w_row = (ptrdiff_t)g.taps_w * g.w_col;
    g.y_px = (ptrdiff_t)(g.stream ? (c + line - 1) / line * line : c + (size_t)test_draw(&r, 0, 3));
    const size_t y_count = (g.pixels - 1) * (size_t)g.y_px + c;
    float *w = test_random_floats(&r, w_count), *y = test_random_floats(&r, y_count);
    float *bias = test_random_floats(&r, c), *wanted = test_copy_of(y, y_count);
    const bool backwards = test_draw(&r, 0, 1) != 0; /* as rotated weights are read */
    if (backwards && g.taps_h > 0 && g.taps_w > 0) {
        g.w = w + (ptrdiff_t)(g.taps_h - 1) * g.w_row + (ptrdiff_t)(g.taps_w - 1) * g.w_col;
        g.w_row = -g.w_row;
        g.w_col = -g.w_col;
    } else {
        g.w = w;
    }
    g.y = y;
    g.bias = test_draw(&r, 0, 1) ? bias : NULL;
    for (size_t p = 0; p < g.pixels; p++)
        for (size_t k = 0; k < c; k++) {
            float *to = wanted + (ptrdiff_t)p * g.y_px + (ptrdiff_t)k;
            float sum = g.load_y ? *to : 0.0f;
            for (size_t i = 0; i < g.taps_h; i++)
                for (size_t j = 0; j < g.taps_w; j++) {
                    const ptrdiff_t by = (ptrdiff_t)i * g.w_row + (ptrdiff_t)j * g.w_col + (ptrdiff_t)k;
                    ptrdiff_t at;
                    if (!meets(&g.from, p, j, &at)) continue;
                    at += (ptrdiff_t)i * g.x_row + (ptrdiff_t)k;
                    sum = test_multiply_add(isa, g.from.x[at], g.w[by], sum);
                }
            if (g.bias) sum += bias[k];
            *to = g.act == CINCEL_ACT_RELU && !(sum > 0.0f) ? 0.0f : sum;
        }
    isa->depthwise->gather(&g);
    if (isa->vector->fence) isa->vector->fence();
    test_same_floats(y, wanted, y_count, isa->depthwise->name, seed);
    free(wanted);
    test_free_floats(x.floats, x.count);
    test_free_floats(w, w_count);
    test_free_floats(y, y_count);
    test_free_floats(bias, c);
}

static void check_weights(const struct cincel_isa *isa, unsigned long seed)
{
    struct test_random r = {.source = {.seed = seed, .purpose = 15, .epoch = 0}, .next = 0};
    struct cincel_depthwise_weights_args g = {.channels = (size_t)channels_of(&r, isa),
                                              .rows = (size_t)test_draw(&r, 0, 4),
                                              .pixels = (size_t)test_draw(&r, 0, 9),
                                              .taps_h = (size_t)test_draw(&r, 1, 6),
                                              .taps_w = (size_t)test_draw(&r, 1, 8)};
    const size_t c = g.channels, taps = g.taps_h * g.taps_w;
    const struct source x = draw_source(&r, g.rows + g.taps_h - 1, c, g.pixels, g.taps_w, &g.from);
    g.x_row = g.x_tap = x.row;
    g.dy_px = (ptrdiff_t)c + test_draw(&r, 0, 3);
    g.dy_row = (ptrdiff_t)g.pixels * g.dy_px;
    g.dy_ahead = g.from.ahead_rows > 0 ? test_draw(&r, 1, 100000) : 0;
    g.w_col = (ptrdiff_t)c + test_draw(&r, 0, 3);
    g.w_row = (ptrdiff_t)g.taps_w * g.w_col;
    const size_t w_count = (taps - 1) * (size_t)g.w_col + c;
    const size_t pixels = g.rows * g.pixels, dy_count = (pixels > 0 ? pixels - 1 : 0) * (size_t)g.dy_px + c;
    float *dy = test_random_floats(&r, dy_count), *w = test_random_floats(&r, w_count);
    float *wanted = test_copy_of(w, w_count);
    g.dy = dy;
    g.w = w;
    for (size_t t = 0; t < taps; t++)
        for (size_t k = 0; k < c; k++) {
            const size_t i = t / g.taps_w, j = t % g.taps_w;
            float *to = wanted + (ptrdiff_t)i * g.w_row + (ptrdiff_t)j * g.w_col + (ptrdiff_t)k;
            for (size_t row = 0; row < g.rows; row++)
                for (size_t p = 0; p < g.pixels; p++) {
                    const ptrdiff_t by = (ptrdiff_t)row * g.dy_row + (ptrdiff_t)p * g.dy_px + (ptrdiff_t)k;
                    ptrdiff_t at;
                    if (!meets(&g.from, p, j, &at)) continue;
                    at += (ptrdiff_t)row * g.x_row + (ptrdiff_t)i * g.x_tap + (ptrdiff_t)k;
                    *to = test_multiply_add(isa, g.from.x[at], g.dy[by], *to);
                }
        }
    isa->depthwise->weights(&g);
    test_same_floats(w, wanted, w_count, "depthwise weights", seed);
    free(wanted);
    test_free_floats(x.floats, x.count);
    test_free_floats(dy, dy_count);
    test_free_floats(w, w_count);
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
