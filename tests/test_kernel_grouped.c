/* Tiles of grouped convolution and of its weight gradients, on every usable ISA:
   bit for bit against the sums their contract states (kernels/kernel.h), every operand ending at an
   unreadable page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/exact.h"
#include "tests/support/guard.h"

enum { PX = CINCEL_GROUPED_PX };

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* The channel of a pixel that column j of tap channel k reads. */
static size_t channel_of(const struct cincel_grouped_row *row, size_t j, size_t k)
{
    return row->quads ? j / 4 * 4 + k : k;
}

/* `count` offsets; *last is the largest. Often one pixel after the other. */
static ptrdiff_t *draw_offsets(struct test_random *r, size_t count, size_t *last)
{
    ptrdiff_t *offset = test_guarded((count + !count) * sizeof *offset);
    const int often = test_draw(r, 0, 4);
    *last = 0;
    for (size_t t = 0; t < count; t++) {
        const bool slides = t > 0 && test_draw(r, 0, 3) < often;
        offset[t] = slides ? offset[t - 1] + PX : (ptrdiff_t)test_draw(r, 0, 5) * PX + test_draw(r, 0, 3);
        *last = larger(*last, (size_t)offset[t]);
    }
    return offset;
}

/* Runs at random places, 1 to 3 taps of some channels, at times with a lone one; *weights counts taps, *last
   is the last float a pixel reads. */
static struct cincel_slide_run *draw_runs(struct test_random *r, const struct cincel_grouped_row *row,
                                          size_t count, size_t *weights, size_t *last)
{
    struct cincel_slide_run *runs = test_guarded((count + !count) * sizeof *runs);
    *weights = *last = 0;
    for (size_t i = 0; i < count; i++) {
        struct cincel_slide_run *const run = &runs[i];
        *run = (struct cincel_slide_run){.offset = test_draw(r, 0, 40),
                                         .lone_offset = test_draw(r, 0, 90),
                                         .taps = (size_t)test_draw(r, 1, 3),
                                         .channels = row->quads ? 4 : (size_t)test_draw(r, 1, 5)};
        run->lone = run->taps == 2 && !row->quads && test_draw(r, 0, 1);
        const size_t read = (row->quads ? (size_t)row->nr : run->channels) - 1;
        *weights += (run->taps + (size_t)run->lone) * run->channels;
        *last = larger(*last, (size_t)run->offset + (run->taps - 1) * PX + read);
        if (run->lone) *last = larger(*last, (size_t)run->lone_offset + read);
    }
    return runs;
}

/* The runs' taps and channels one by one, `weights` of them. */
static ptrdiff_t *offsets_of(const struct cincel_slide_run *runs, size_t count, size_t weights)
{
    ptrdiff_t *const offset = test_guarded((weights + !weights) * sizeof *offset), *to = offset;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < runs[i].channels; k++) {
            for (size_t t = 0; t < runs[i].taps; t++) *to++ = runs[i].offset + (ptrdiff_t)(t * PX + k);
            if (runs[i].lone) *to++ = runs[i].lone_offset + (ptrdiff_t)k;
        }
    return offset;
}

/* The sum the contract states, of one output. */
static float stated_sum(const struct cincel_isa *isa, const struct cincel_grouped_row *row,
                        const struct cincel_slide_args *g, size_t line, size_t pixel, size_t j)
{
    const size_t nr = (size_t)row->nr, first = row->quads ? j / 4 * 4 : 0;
    const float *b = g->b + j / nr * g->panel + j % nr;
    float sum = g->bias ? g->bias[j] : 0.0f;
    for (size_t i = 0; i < g->run_count; i++) {
        const struct cincel_slide_run *const run = &g->runs[i];
        for (size_t k = 0; k < run->channels; k++) {
            const float *const a = g->a + line * g->a_row + pixel * PX + first + k;
            for (size_t t = 0; t < run->taps; t++, b += nr)
                sum = test_multiply_add(isa, a[run->offset + (ptrdiff_t)(t * PX)], *b, sum);
            if (!run->lone) continue;
            sum = test_multiply_add(isa, a[run->lone_offset], *b, sum);
            b += nr;
        }
    }
    return g->act == CINCEL_ACT_RELU && !(sum > 0.0f) ? 0.0f : sum;
}

static void check_run(const struct cincel_isa *isa, const struct cincel_grouped_row *row, unsigned long seed)
{
    struct test_random r = {.source = {.seed = seed, .purpose = 18, .epoch = 0}, .next = 0};
    const size_t nr = (size_t)row->nr, panels = row->quads ? 1 : (size_t)test_draw(&r, 1, 3);
    struct cincel_slide_args g = {.run_count = (size_t)test_draw(&r, 0, 12),
                                  .rows = (size_t)test_draw(&r, 1, 3),
                                  .pixels = (size_t)test_draw(&r, 1, 3 * row->mr + 1),
                                  .act = test_draw(&r, 0, 1) ? CINCEL_ACT_RELU : CINCEL_ACT_NONE};
    g.n = (panels - 1) * nr + (test_draw(&r, 0, 1) ? nr : (size_t)test_draw(&r, 1, row->nr));
    size_t weights, last;
    struct cincel_slide_run *const runs = draw_runs(&r, row, g.run_count, &weights, &last);
    g.a_row = (size_t)test_draw(&r, 0, 99);
    g.panel = (weights + (size_t)test_draw(&r, 0, 2)) * nr;
    g.c_px = g.n + (size_t)test_draw(&r, 0, 9);
    g.c_row = g.pixels * g.c_px + (size_t)test_draw(&r, 0, 9);
    const size_t a_count = (g.rows - 1) * g.a_row + (g.pixels - 1) * PX + last + 1;
    const size_t b_count = (panels - 1) * g.panel + weights * nr;
    const size_t c_count = (g.rows - 1) * g.c_row + (g.pixels - 1) * g.c_px + g.n;
    float *a = test_random_floats(&r, a_count), *b = test_random_floats(&r, b_count);
    float *c = test_random_floats(&r, c_count), *bias = test_random_floats(&r, g.n);
    float *wanted = test_copy_of(c, c_count);
    g.a = a;
    g.runs = runs;
    g.offset = offsets_of(runs, g.run_count, weights);
    g.k = weights;
    g.ahead = (size_t)test_draw(&r, 0, 1000000);
    g.b = b;
    g.c = c;
    g.bias = test_draw(&r, 0, 1) ? bias : NULL;
    for (size_t line = 0; line < g.rows; line++)
        for (size_t i = 0; i < g.pixels; i++)
            for (size_t j = 0; j < g.n; j++)
                wanted[line * g.c_row + i * g.c_px + j] = stated_sum(isa, row, &g, line, i, j);
    row->run(&g);
    test_same_floats(c, wanted, c_count, row->name, seed);
    free(wanted);
    test_guarded_free((void *)(uintptr_t)g.offset, (weights + !weights) * sizeof *g.offset);
    test_guarded_free(runs, (g.run_count + !g.run_count) * sizeof *runs);
    test_free_floats(a, a_count);
    test_free_floats(b, b_count);
    test_free_floats(c, c_count);
    test_free_floats(bias, g.n);
}

static void check_weights(const struct cincel_isa *isa, const struct cincel_grouped_row *row,
                          unsigned long seed)
{
    struct test_random r = {.source = {.seed = seed, .purpose = 19, .epoch = 0}, .next = 0};
    const size_t nr = (size_t)row->nr;
    struct cincel_grouped_weights_args g = {.rows = (size_t)test_draw(&r, 1, 3),
                                            .pixels = (size_t)test_draw(&r, 1, 9),
                                            .taps = (size_t)test_draw(&r, 1, 7),
                                            .channels = row->quads ? 4 : (size_t)test_draw(&r, 1, PX)};
    size_t last;
    ptrdiff_t *const offset = draw_offsets(&r, g.taps, &last);
    const size_t read = row->quads ? nr : g.channels;
    g.x_row = (ptrdiff_t)(g.pixels * PX) + test_draw(&r, 0, 3) * PX;
    g.dy_row = (ptrdiff_t)(g.pixels * PX) + test_draw(&r, 0, 3) * PX;
    g.w_tap = g.channels * nr + (size_t)test_draw(&r, 0, 2) * nr;
    const size_t pixels = (g.pixels - 1) * PX, w_count = (g.taps - 1) * g.w_tap + g.channels * nr;
    const size_t x_count = (g.rows - 1) * (size_t)g.x_row + pixels + last + read;
    const size_t dy_count = (g.rows - 1) * (size_t)g.dy_row + pixels + nr;
    float *x = test_random_floats(&r, x_count), *dy = test_random_floats(&r, dy_count);
    float *w = test_random_floats(&r, w_count), *wanted = test_copy_of(w, w_count);
    g.x = x;
    g.dy = dy;
    g.w = w;
    g.offset = offset;
    for (size_t j = 0; j < g.taps; j++)
        for (size_t i = 0; i < g.channels; i++)
            for (size_t o = 0; o < nr; o++)
                for (size_t p = 0; p < g.rows * g.pixels; p++) {
                    const size_t in_row = p / g.pixels, at = p % g.pixels * PX;
                    float *sum = &wanted[j * g.w_tap + i * nr + o];
                    *sum = test_multiply_add(
                        isa, x[in_row * (size_t)g.x_row + at + (size_t)offset[j] + channel_of(row, o, i)],
                        dy[in_row * (size_t)g.dy_row + at + o], *sum);
                }
    row->weights(&g);
    test_same_floats(w, wanted, w_count, row->name, seed);
    free(wanted);
    test_guarded_free(offset, g.taps * sizeof *offset);
    test_free_floats(x, x_count);
    test_free_floats(dy, dy_count);
    test_free_floats(w, w_count);
}

static void test_rows(void **state)
{
    (void)state;
    struct test_target target;
    test_target_create(1, &target);
    test_target_emulate(&target);
    const long cases = test_cases(200);
    for (int i = 0; target.isas[i]; i++) {
        int with_weights[2] = {0, 0};
        for (int j = 0; j < target.isas[i]->grouped_count; j++) {
            const struct cincel_grouped_row *row = &target.isas[i]->grouped[j];
            with_weights[row->quads] += row->weights != NULL;
            for (long seed = 0; seed < cases; seed++) {
                check_run(target.isas[i], row, (unsigned long)seed);
                if (row->weights) check_weights(target.isas[i], row, (unsigned long)seed);
            }
        }
        assert_true(with_weights[0] > 0 && with_weights[1] > 0); /* of each kind at least one */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
