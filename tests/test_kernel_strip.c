/* Strips of the gemm tile, tiles of convolution with few channels or few outputs, and a matrix with one
   vector, on every usable ISA: bit for bit against the sums their contracts state (kernels/kernel.h), every
   operand ending at an unreadable page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/exact.h"
#include "tests/support/guard.h"

/* One random shape; C has gaps between its rows, which must stay as they are. */
static void check_strip(const struct cincel_isa *isa, const struct cincel_gemm_row *row, unsigned long seed)
{
    struct test_random r = {.source = {.seed = seed, .purpose = 11, .epoch = 0}, .next = 0};
    struct cincel_strip_args g = {.m = (size_t)test_draw(&r, 1, 3 * row->mr + 1),
                                  .k = (size_t)test_draw(&r, 0, 40),
                                  .n = test_draw(&r, 0, 1) ? row->nr : test_draw(&r, 1, row->nr),
                                  .load_c = test_draw(&r, 0, 1),
                                  .act = test_draw(&r, 0, 1) ? CINCEL_ACT_RELU : CINCEL_ACT_NONE};
    g.lda = g.k + (size_t)test_draw(&r, 0, 3);
    g.ldc = (size_t)(g.n + test_draw(&r, 0, 3));
    const size_t nr = (size_t)row->nr, n = (size_t)g.n;
    const size_t a_count = (g.m - 1) * g.lda + g.k, c_count = (g.m - 1) * g.ldc + n;
    float *a = test_random_floats(&r, a_count), *b = test_random_floats(&r, g.k * nr);
    float *c = test_random_floats(&r, c_count), *bias = test_random_floats(&r, n),
          *wanted = test_copy_of(c, c_count);
    g.a = a;
    g.b = b;
    g.c = c;
    g.bias = test_draw(&r, 0, 1) ? bias : NULL;
    g.ahead = test_draw(&r, 0, 1) ? a : NULL; /* asked for, not read: steps lead behind the buffer's end */
    g.ahead_tile = (size_t)test_draw(&r, 0, 4096);
    g.ahead_step = (size_t)test_draw(&r, 0, 64);
    /* or rows, to make the panel of */
    g.ldb = n + (size_t)test_draw(&r, 0, 3);
    const size_t rows_count = (g.k ? g.k - 1 : 0) * g.ldb + n;
    float *rows = test_random_floats(&r, rows_count), *panel = test_random_floats(&r, g.k * nr);
    if (test_draw(&r, 0, 1)) {
        for (size_t k = 0; k < g.k; k++)
            for (size_t j = 0; j < nr; j++) b[k * nr + j] = j < n ? rows[k * g.ldb + j] : 0.0f;
        g.b = rows;
        g.panel = panel;
    }
    for (size_t i = 0; i < g.m; i++)
        for (size_t j = 0; j < n; j++) {
            float sum = g.load_c ? c[i * g.ldc + j] : 0.0f;
            for (size_t k = 0; k < g.k; k++)
                sum = test_multiply_add(isa, a[i * g.lda + k], b[k * nr + j], sum);
            if (g.bias) sum += bias[j];
            wanted[i * g.ldc + j] = g.act == CINCEL_ACT_RELU && !(sum > 0.0f) ? 0.0f : sum;
        }
    row->strip(&g);
    test_same_floats(c, wanted, c_count, row->name, seed);
    if (g.panel) test_same_floats(panel, b, g.k * nr, row->name, seed);
    free(wanted);
    test_free_floats(rows, rows_count);
    test_free_floats(panel, g.k * nr);
    test_free_floats(a, a_count);
    test_free_floats(b, g.k * nr);
    test_free_floats(c, c_count);
    test_free_floats(bias, n);
}

/* One random walk over an image's rows; C has gaps, and what C holds before does not matter. */
static void check_fewchan(const struct cincel_isa *isa, const struct cincel_fewchan_row *row,
                          unsigned long seed)
{
    struct test_random r = {.source = {.seed = seed, .purpose = 13, .epoch = 0}, .next = 0};
    struct cincel_fewchan_args g = {.step = (size_t)test_draw(&r, 1, 4),
                                    .width = (size_t)test_draw(&r, 1, 2 * row->mr),
                                    .turn = test_draw(&r, 0, 5),
                                    .m = (size_t)test_draw(&r, 1, 4 * row->mr + 1),
                                    .k = (size_t)test_draw(&r, 0, 40),
                                    .n = test_draw(&r, 0, 1) ? test_draw(&r, 1, 3) * row->nr
                                                             : test_draw(&r, 1, 2 * row->nr),
                                    .ahead = (size_t)test_draw(&r, 0, 100),
                                    .act = test_draw(&r, 0, 1) ? CINCEL_ACT_RELU : CINCEL_ACT_NONE,
                                    .stream = test_draw(&r, 0, 1)};
    g.col = (size_t)test_draw(&r, 0, (int)g.width - 1);
    g.ldc = (size_t)g.n + (test_draw(&r, 0, 1) ? 0 : (size_t)test_draw(&r, 0, 3));
    const size_t nr = (size_t)row->nr, n = (size_t)g.n, reach = 30;
    g.panel = g.k * nr;
    size_t *at = malloc(g.m * sizeof *at);
    assert_non_null(at);
    for (size_t i = 0, pixel = 0, col = g.col; i < g.m; i++) {
        at[i] = pixel;
        pixel += g.step;
        if (++col < g.width) continue;
        pixel += (size_t)g.turn;
        col = 0;
    }
    ptrdiff_t *offset = test_guarded((g.k + !g.k) * sizeof *offset);
    size_t used = 0;
    for (size_t k = 0; k < g.k; k++) {
        offset[k] = test_draw(&r, 0, (int)reach);
        used = (size_t)offset[k] > used ? (size_t)offset[k] : used;
    }
    const size_t a_count = at[g.m - 1] + used + 1, c_count = (g.m - 1) * g.ldc + n;
    float *a = test_random_floats(&r, a_count), *b = test_random_floats(&r, (n + nr - 1) / nr * g.panel);
    float *c = test_random_floats(&r, c_count), *bias = test_random_floats(&r, n),
          *wanted = test_copy_of(c, c_count);
    g.a = a;
    g.offset = offset;
    g.b = b;
    g.c = c;
    g.bias = test_draw(&r, 0, 1) ? bias : NULL;
    for (size_t i = 0; i < g.m; i++)
        for (size_t j = 0; j < n; j++) {
            float sum = 0.0f;
            for (size_t k = 0; k < g.k; k++)
                sum = test_multiply_add(isa, a[at[i] + (size_t)offset[k]],
                                        b[j / nr * g.panel + k * nr + j % nr], sum);
            if (g.bias) sum += bias[j];
            wanted[i * g.ldc + j] = g.act == CINCEL_ACT_RELU && !(sum > 0.0f) ? 0.0f : sum;
        }
    row->run(&g);
    test_same_floats(c, wanted, c_count, row->name, seed);
    free(wanted);
    free(at);
    test_guarded_free(offset, (g.k + !g.k) * sizeof *offset);
    test_free_floats(a, a_count);
    test_free_floats(b, g.k * nr);
    test_free_floats(c, c_count);
    test_free_floats(bias, n);
}

/* The 16 chains of a dot product, added in halves. */
static void add_to_lanes(const struct cincel_isa *isa, const float *w, const float *x, size_t count,
                         float lane[16])
{
    for (size_t k = 0; k < count; k++) lane[k % 16] = test_multiply_add(isa, w[k], x[k], lane[k % 16]);
}

static float sum_of_lanes(float lane[16])
{
    for (int half = 8; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}

/* Runs anywhere, also some that overlap; y has gaps, and what it holds before does not matter. */
static void check_narrow(const struct cincel_isa *isa, const struct cincel_narrow_row *row,
                         unsigned long seed)
{
    struct test_random r = {.source = {.seed = seed, .purpose = 14, .epoch = 0}, .next = 0};
    struct cincel_narrow_args g = {.runs = (size_t)test_draw(&r, 0, 4),
                                   .run = (size_t)test_draw(&r, 1, 70),
                                   .pixels = (size_t)test_draw(&r, 1, 3 * row->pixels + 1),
                                   .act = test_draw(&r, 0, 1) ? CINCEL_ACT_RELU : CINCEL_ACT_NONE};
    const size_t outputs = (size_t)row->outputs, reach = 30;
    g.step = (size_t)test_draw(&r, 0, 40);
    g.ldw = (size_t)test_draw(&r, 0, 90);
    g.ldy = outputs + (size_t)test_draw(&r, 0, 3);
    const size_t at_bytes = (g.runs + !g.runs) * sizeof(ptrdiff_t);
    ptrdiff_t *x_at = test_guarded(at_bytes), *w_at = test_guarded(at_bytes);
    size_t x_used = 0, w_used = 0;
    for (size_t i = 0; i < g.runs; i++) {
        x_at[i] = test_draw(&r, 0, (int)reach);
        w_at[i] = test_draw(&r, 0, (int)reach);
        x_used = (size_t)x_at[i] > x_used ? (size_t)x_at[i] : x_used;
        w_used = (size_t)w_at[i] > w_used ? (size_t)w_at[i] : w_used;
    }
    const size_t x_count = (g.pixels - 1) * g.step + x_used + g.run;
    const size_t w_count = (outputs - 1) * g.ldw + w_used + g.run, y_count = (g.pixels - 1) * g.ldy + outputs;
    float *x = test_random_floats(&r, x_count), *w = test_random_floats(&r, w_count);
    float *y = test_random_floats(&r, y_count), *bias = test_random_floats(&r, outputs),
          *wanted = test_copy_of(y, y_count);
    g.x = x;
    g.w = w;
    g.x_at = x_at;
    g.w_at = w_at;
    g.y = y;
    g.bias = test_draw(&r, 0, 1) ? bias : NULL;
    for (size_t i = 0; i < g.pixels; i++)
        for (size_t o = 0; o < outputs; o++) {
            float lane[16] = {0.0f};
            for (size_t j = 0; j < g.runs; j++)
                add_to_lanes(isa, w + o * g.ldw + w_at[j], x + i * g.step + x_at[j], g.run, lane);
            float sum = sum_of_lanes(lane);
            if (g.bias) sum += bias[o];
            wanted[i * g.ldy + o] = g.act == CINCEL_ACT_RELU && !(sum > 0.0f) ? 0.0f : sum;
        }
    row->run(&g);
    test_same_floats(y, wanted, y_count, row->name, seed);
    free(wanted);
    test_guarded_free(x_at, at_bytes);
    test_guarded_free(w_at, at_bytes);
    test_free_floats(x, x_count);
    test_free_floats(w, w_count);
    test_free_floats(y, y_count);
    test_free_floats(bias, outputs);
}

static void check_gemv(const struct cincel_isa *isa, unsigned long seed)
{
    struct test_random r = {.source = {.seed = seed, .purpose = 12, .epoch = 0}, .next = 0};
    const size_t rows = (size_t)test_draw(&r, 1, 21), count = (size_t)test_draw(&r, 1, 90);
    const size_t ld = count + (size_t)test_draw(&r, 0, 3), step = (size_t)test_draw(&r, 1, 3);
    const size_t w_count = (rows - 1) * ld + count, s_count = (rows - 1) * step + 1;
    float *w = test_random_floats(&r, w_count), *x = test_random_floats(&r, count),
          *dots = test_random_floats(&r, rows);
    float *s = test_random_floats(&r, s_count), *y = test_random_floats(&r, count);
    float *wanted = test_copy_of(dots, rows), *sums = test_copy_of(y, count);
    struct cincel_combine_args c = {
        .w = w, .s = s, .ld = ld, .s_step = step, .rows = rows, .count = count, .y = y};
    c.load_y = test_draw(&r, 0, 1);

    for (size_t i = 0; i < rows; i++) {
        float lane[16] = {0.0f};
        add_to_lanes(isa, w + i * ld, x, count, lane);
        wanted[i] = sum_of_lanes(lane);
    }
    isa->gemv->dots(w, ld, rows, x, count, dots);
    test_same_floats(dots, wanted, rows, "dots", seed);
    for (size_t j = 0; j < count; j++) {
        if (!c.load_y) sums[j] = 0.0f;
        for (size_t i = 0; i < rows; i++)
            sums[j] = test_multiply_add(isa, s[i * step], w[i * ld + j], sums[j]);
    }
    isa->gemv->combine(&c);
    test_same_floats(y, sums, count, "combine", seed);
    free(wanted);
    free(sums);
    test_free_floats(w, w_count);
    test_free_floats(x, count);
    test_free_floats(dots, rows);
    test_free_floats(s, s_count);
    test_free_floats(y, count);
}

static void test_strips(void **state)
{
    (void)state;
    struct test_target target;
    test_target_create(1, &target);
    test_target_emulate(&target);
    const long cases = test_cases(60);
    for (int i = 0; target.isas[i]; i++) {
        int strips = 0;
        for (int j = 0; j < target.isas[i]->gemm_count; j++) {
            const struct cincel_gemm_row *row = &target.isas[i]->gemm[j];
            if (!row->strip) continue;
            strips++;
            for (long seed = 0; seed < cases; seed++) check_strip(target.isas[i], row, (unsigned long)seed);
        }
        assert_true(strips > 0); /* an ISA without them has no im2col */
    }
}

static void test_few_channels(void **state)
{
    (void)state;
    struct test_target target;
    test_target_create(1, &target);
    test_target_emulate(&target);
    const long cases = test_cases(100);
    for (int i = 0; target.isas[i]; i++) {
        assert_true(target.isas[i]->fewchan_count > 0);
        for (int j = 0; j < target.isas[i]->fewchan_count; j++)
            for (long seed = 0; seed < cases; seed++)
                check_fewchan(target.isas[i], &target.isas[i]->fewchan[j], (unsigned long)seed);
    }
}

static void test_few_outputs(void **state)
{
    (void)state;
    struct test_target target;
    test_target_create(1, &target);
    test_target_emulate(&target);
    const long cases = test_cases(100);
    for (int i = 0; target.isas[i]; i++) {
        assert_true(target.isas[i]->narrow_count > 0);
        for (int j = 0; j < target.isas[i]->narrow_count; j++) {
            assert_int_equal(target.isas[i]->narrow[j].outputs, j + 1); /* one of each, ascending */
            for (long seed = 0; seed < cases; seed++)
                check_narrow(target.isas[i], &target.isas[i]->narrow[j], (unsigned long)seed);
        }
    }
}

static void test_matrix_and_vector(void **state)
{
    (void)state;
    struct test_target target;
    test_target_create(1, &target);
    test_target_emulate(&target);
    const long cases = test_cases(300);
    for (int i = 0; target.isas[i]; i++)
        for (long seed = 0; seed < cases; seed++) check_gemv(target.isas[i], (unsigned long)seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_strips), cmocka_unit_test(test_few_channels),
                                       cmocka_unit_test(test_few_outputs),
                                       cmocka_unit_test(test_matrix_and_vector)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
