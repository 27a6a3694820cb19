/* Element-wise operations on teams of 1 to 16 threads: against double precision where they compute, and
   bit for bit the same for every number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/concat.h"
#include "ops/dropout.h"
#include "ops/eltwise.h"
#include "ops/layout.h"
#include "ops/optim.h"
#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/floats.h"
#include "tests/support/guard.h"

enum { TEAM = 16, LONG = 300 * 1000 + 7 }; /* enough elements to put all 16 threads to work */
static const int thread_counts[] = {1, 2, 3, 7, TEAM};
enum { THREAD_COUNTS = sizeof thread_counts / sizeof *thread_counts };

struct fixture {
    struct test_target all;
    struct cincel_team *team;
};

/* Everything that streams, in one sequence: the last results carry all earlier ones. */
static void stream_all(const struct cincel_crew *crew, const float *x, size_t count, float *w, float *v)
{
    float *y = copy_of(x, count);
    cincel_eltwise_math(crew, CINCEL_MATH_TANH, y, y, count);
    cincel_eltwise_math(crew, CINCEL_MATH_SIGMOID, y, y, count);
    cincel_eltwise_math(crew, CINCEL_MATH_LOG, y, y, count);
    cincel_eltwise_math(crew, CINCEL_MATH_EXP, y, y, count);
    cincel_optim_sgd(crew, w, y, v, count, 0.1f, 0.9f, 1e-3f);
    cincel_optim_sgd(crew, w, y, NULL, count, 0.1f, 0.0f, 0.0f);
    struct cincel_adam_args adam = {.w = w, .dw = v, .m = copy_of(v, count), .v = y, .count = count};
    adam.beta1 = adam.beta2 = adam.keep = 0.9f, adam.rest1 = adam.rest2 = 0.1f, adam.l2 = 0.01f;
    adam.rate = adam.root = adam.eps = 1.0f;
    cincel_optim_adam(crew, &adam); /* y, exponentials, is no less than 0 */
    free(adam.m);
    cincel_eltwise_act_forward(crew, CINCEL_ACT_RELU, 0.0f, w, y, count);
    cincel_eltwise_act_backward(crew, CINCEL_ACT_RELU, 0.0f, y, v, v, count);
    for (int act = CINCEL_ACT_LEAKY_RELU; act <= CINCEL_ACT_SILU; act++) {
        cincel_eltwise_act_forward(crew, (cincel_activation)act, 0.5f, y, y, count);
        cincel_eltwise_act_backward(crew, (cincel_activation)act, 0.5f, y, v, v, count);
    }
    cincel_eltwise_math(crew, CINCEL_MATH_EXPM1, y, y, count);
    cincel_eltwise_math(crew, CINCEL_MATH_PHI, y, y, count);
    cincel_eltwise_act_forward(crew, CINCEL_ACT_NONE, 0.0f, y, w, count);
    free(y);
}

/* Of a last cache that holds nothing: outputs go past it. */
enum { NO_CACHE = 8 };

static void test_streams_do_not_depend_on_threads(void **state)
{
    const struct fixture *f = *state;
    for (int i = 0; f->all.isas[i]; i++)
        for (size_t count = 0; count <= LONG; count = count * 9 + 5) {
            struct test_random r = {{count, 0, 0}, 0};
            float *x = draw_floats(&r, count + 1, 3.0f), *w0 = draw_floats(&r, count + 1, 1.0f);
            float *v0 = draw_floats(&r, count + 1, 1.0f), *first_w = NULL, *first_v = NULL;
            for (int t = 0; t < THREAD_COUNTS; t++) {
                const struct cincel_crew crew = {f->team, thread_counts[t], f->all.isas[i], t % 2 * NO_CACHE};
                float *w = copy_of(w0, count + 1), *v = copy_of(v0, count + 1);
                stream_all(&crew, x, count, w, v);
                if (t == 0) {
                    first_w = w, first_v = v;
                    continue;
                }
                assert_memory_equal(w, first_w, (count + 1) * sizeof *w); /* and nothing past the end */
                assert_memory_equal(v, first_v, (count + 1) * sizeof *v);
                free(w), free(v);
            }
            assert_memory_equal(first_w + count, w0 + count, sizeof *w0);
            free(first_w), free(first_v), free(x), free(w0), free(v0);
        }
}

/* Against a plain sum in double, and the same bits for any number of threads. */
static void test_norm(void **state)
{
    const struct fixture *f = *state;
    for (int i = 0; f->all.isas[i]; i++)
        for (size_t count = 0; count <= 1 << 19; count = count * 7 + 3) {
            struct test_random r = {{count, 1, 0}, 0};
            float *x = draw_floats(&r, count + 1, 3.0f);
            double sum = 0.0, first = 0.0;
            for (size_t k = 0; k < count; k++) sum += (double)x[k] * (double)x[k];
            for (int t = 0; t < THREAD_COUNTS; t++) {
                const struct cincel_crew crew = {f->team, thread_counts[t], f->all.isas[i], 0};
                const double norm = cincel_optim_norm(&crew, x, count);
                if (t == 0) first = norm;
                assert_true(norm == first);
                assert_true(fabs(norm - sqrt(sum)) <= 1e-6 * sqrt(sum));
            }
            free(x);
        }
}

/* The sequence of two steps on one weight, worked out by hand. */
static void test_sgd_formula(void **state)
{
    const struct fixture *f = *state;
    for (int i = 0; f->all.isas[i]; i++) {
        const struct cincel_crew crew = {f->team, 1, f->all.isas[i], 0};
        float w = 1.0f, v = 0.0f;
        const float dw = 0.25f;
        cincel_optim_sgd(&crew, &w, &dw, &v, 1, 0.5f, 0.5f, 0.25f); /* g = 0.5, v = 0.5, w = 0.75 */
        assert_true(v == 0.5f && w == 0.75f);
        cincel_optim_sgd(&crew, &w, &dw, &v, 1, 0.5f, 0.5f, 0.0f); /* g = 0.25, v = 0.5, w = 0.5 */
        assert_true(v == 0.5f && w == 0.5f);
    }
}

/* Small integers: exact whatever the rounding. Nothing past the end is touched. */
static void test_add_scaled(void **state)
{
    const struct fixture *f = *state;
    for (int i = 0; f->all.isas[i]; i++)
        for (size_t count = 1; count <= LONG; count += count < 200 ? 1 : count * 7) {
            const struct cincel_crew crew = {f->team, thread_counts[count % THREAD_COUNTS], f->all.isas[i],
                                             count / THREAD_COUNTS % 2 * NO_CACHE};
            const size_t bytes = count * sizeof(float);
            float *x = test_guarded(bytes), *y = test_guarded(bytes), *out = test_guarded(bytes);
            for (size_t k = 0; k < count; k++) x[k] = (float)(k % 1001) - 500.0f, y[k] = (float)(k % 77);
            cincel_eltwise_add_scaled(&crew, 3.0f, x, -0.5f, y, out, count);
            for (size_t k = 0; k < count; k++) assert_true(out[k] == 3.0f * x[k] - 0.5f * y[k]);
            cincel_eltwise_add_scaled(&crew, 3.0f, x, -0.5f, y, x, count);
            assert_memory_equal(x, out, bytes);
            for (size_t k = 0; k < count; k++) x[k] = (float)(k % 1001) - 500.0f;
            cincel_eltwise_add_scaled(&crew, 3.0f, x, -0.5f, y, y, count);
            assert_memory_equal(y, out, bytes);
            test_guarded_free(x, bytes), test_guarded_free(y, bytes), test_guarded_free(out, bytes);
        }
}

enum { PARTS = 5 };

static void check_concat(const struct cincel_crew *crew, const size_t *cols, size_t rows)
{
    size_t width = 0;
    float *part[PARTS], *back[PARTS];
    for (size_t i = 0; i < PARTS; i++) {
        width += cols[i];
        part[i] = test_guarded(rows * cols[i] * sizeof(float));
        back[i] = test_guarded(rows * cols[i] * sizeof(float));
        for (size_t k = 0; k < rows * cols[i]; k++) part[i][k] = (float)(i * 1000000 + k);
    }
    float *whole = test_guarded(rows * width * sizeof *whole);
    cincel_concat_columns(crew, (const float *const *)part, cols, PARTS, rows, whole);
    for (size_t r = 0, k = 0; r < rows; r++)
        for (size_t i = 0; i < PARTS; i++)
            for (size_t j = 0; j < cols[i]; j++, k++) assert_true(whole[k] == part[i][r * cols[i] + j]);
    cincel_split_columns(crew, whole, cols, PARTS, rows, back);
    for (size_t i = 0; i < PARTS; i++) {
        assert_memory_equal(back[i], part[i], rows * cols[i] * sizeof(float));
        test_guarded_free(part[i], rows * cols[i] * sizeof(float));
        test_guarded_free(back[i], rows * cols[i] * sizeof(float));
    }
    test_guarded_free(whole, rows * width * sizeof *whole);
}

static void test_concat_and_split(void **state)
{
    const struct fixture *f = *state;
    const long cases = test_cases(60);
    for (int i = 0; f->all.isas[i]; i++)
        for (long c = 0; c < cases; c++) {
            struct test_random r = {{(uint64_t)c, 0, 0}, 0};
            const struct cincel_crew crew = {f->team, thread_counts[c % THREAD_COUNTS], f->all.isas[i], 0};
            size_t cols[PARTS];
            /* narrow ones, wide ones, and rows wider than a thread's share */
            static const int widest[] = {3, 40, 300, 60000};
            for (int k = 0; k < PARTS; k++) cols[k] = (size_t)test_draw(&r, 1, widest[c % 4]);
            check_concat(&crew, cols, (size_t)test_draw(&r, 1, c % 4 == 3 ? 3 : 1500));
        }
}

/* Batches of matrices, past the caches and not. Nothing past the end is touched. */
static void test_layouts(void **state)
{
    const struct fixture *f = *state;
    const long cases = test_cases(40);
    for (int i = 0; f->all.isas[i]; i++)
        for (long c = 0; c < cases; c++) {
            struct test_random r = {{(uint64_t)c, 1, 0}, 0};
            const struct cincel_crew crew = {f->team, thread_counts[c % THREAD_COUNTS], f->all.isas[i],
                                             c / THREAD_COUNTS % 2 * NO_CACHE};
            static const int largest[] = {9, 70, 300, 700};
            const struct cincel_transposition t = {(size_t)test_draw(&r, 1, 3),
                                                   (size_t)test_draw(&r, 1, largest[c % 4]),
                                                   (size_t)test_draw(&r, 1, largest[c / 4 % 4])};
            const size_t count = t.batch * t.rows * t.cols, bytes = count * sizeof(float);
            float *x = test_guarded(bytes), *y = test_guarded(bytes);
            for (size_t k = 0; k < count; k++) x[k] = (float)k;
            cincel_layout_transpose(&crew, &t, x, y);
            for (size_t k = 0; k < count; k++) {
                const size_t batch = k / (t.rows * t.cols), row = k / t.cols % t.rows, col = k % t.cols;
                assert_true(y[(batch * t.cols + col) * t.rows + row] == x[k]);
            }
            test_guarded_free(x, bytes), test_guarded_free(y, bytes);
        }
}

/* The share of zeros is near p, and the mean stays. */
static void test_dropout(void **state)
{
    const struct fixture *f = *state;
    float *x = malloc(LONG * sizeof *x), *y = malloc(LONG * sizeof *y), *first = malloc(LONG * sizeof *first);
    for (size_t k = 0; k < LONG; k++) x[k] = 1.0f;
    for (int i = 0; f->all.isas[i]; i++)
        for (int t = 0; t < THREAD_COUNTS; t++) {
            const struct cincel_crew crew = {f->team, thread_counts[t], f->all.isas[i], 0};
            cincel_dropout_elements(&crew, 0.3f, 42, 7, x, y, LONG);
            if (i == 0 && t == 0) memcpy(first, y, LONG * sizeof *y);
            assert_memory_equal(y, first, LONG * sizeof *y); /* whatever the ISA */
        }
    size_t dropped = 0;
    const float kept = (float)(65536.0 / (65536.0 - 19661.0)) /* 0.3 in 16 bits */;
    for (size_t k = 0; k < LONG; k++) {
        dropped += y[k] == 0.0f;
        assert_true(y[k] == 0.0f || y[k] == kept);
    }
    /* five standard deviations of 300,007 draws */
    assert_true(fabs((double)dropped / LONG - 0.3) < 5.0 * sqrt(0.3 * 0.7 / LONG));
    const struct cincel_crew crew = {f->team, 1, f->all.isas[0], 0};
    cincel_dropout_elements(&crew, 0.3f, 42, 8, x, y, LONG); /* another stream is another mask */
    size_t alike = 0;
    for (size_t k = 0; k < LONG; k++) alike += y[k] == first[k];
    assert_true(fabs((double)alike / LONG - 0.58) < 5.0 * sqrt(0.58 * 0.42 / LONG));
    free(x), free(y), free(first);
}

int main(void)
{
    static struct fixture f;
    test_target_create(TEAM, &f.all);
    f.team = cincel_team_create(TEAM);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_streams_do_not_depend_on_threads, &f),
        cmocka_unit_test_prestate(test_sgd_formula, &f),
        cmocka_unit_test_prestate(test_norm, &f),
        cmocka_unit_test_prestate(test_add_scaled, &f),
        cmocka_unit_test_prestate(test_concat_and_split, &f),
        cmocka_unit_test_prestate(test_layouts, &f),
        cmocka_unit_test_prestate(test_dropout, &f),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cincel_team_destroy(f.team);
    return failed;
}
