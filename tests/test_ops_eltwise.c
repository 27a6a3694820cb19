/* Element-wise operations, softmax and its loss on teams of 1 to 16 threads: against double precision
   where they compute, and bit for bit the same for every number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/eltwise.h"
#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"

enum { TEAM = 16, LONG = 300 * 1000 + 7 }; /* enough elements to put all 16 threads to work */
static const int thread_counts[] = {1, 2, 3, 7, TEAM};
enum { THREAD_COUNTS = sizeof thread_counts / sizeof *thread_counts };

struct fixture {
    struct test_target all;
    struct cincel_team *team;
};

static float *draw_floats(struct test_random *r, size_t count, float scale)
{
    float *x = malloc(count * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++) x[i] = scale * (float)test_draw(r, -1000, 1000) * 1e-3f;
    return x;
}

static float *copy_of(const float *x, size_t count)
{
    float *y = malloc(count * sizeof *y);
    assert_non_null(y);
    memcpy(y, x, count * sizeof *y);
    return y;
}

/* Everything that streams, in one sequence: the last results carry all earlier ones. */
static void stream_all(const struct cincel_crew *crew, const float *x, size_t count, float *w, float *v)
{
    float *y = copy_of(x, count);
    cincel_eltwise_math(crew, CINCEL_MATH_TANH, y, y, count);
    cincel_eltwise_math(crew, CINCEL_MATH_SIGMOID, y, y, count);
    cincel_eltwise_math(crew, CINCEL_MATH_LOG, y, y, count);
    cincel_eltwise_math(crew, CINCEL_MATH_EXP, y, y, count);
    cincel_eltwise_sgd(crew, w, y, v, count, 0.1f, 0.9f, 1e-3f);
    cincel_eltwise_sgd(crew, w, y, NULL, count, 0.1f, 0.0f, 0.0f);
    cincel_eltwise_act_forward(crew, CINCEL_ACT_RELU, w, y, count);
    cincel_eltwise_act_backward(crew, CINCEL_ACT_RELU, y, v, v, count);
    cincel_eltwise_act_forward(crew, CINCEL_ACT_NONE, y, w, count);
    free(y);
}

static void test_streams_do_not_depend_on_threads(void **state)
{
    const struct fixture *f = *state;
    for (int i = 0; f->all.isas[i]; i++)
        for (size_t count = 0; count <= LONG; count = count * 9 + 5) {
            struct test_random r = {{count, 0, 0}, 0};
            float *x = draw_floats(&r, count + 1, 3.0f), *w0 = draw_floats(&r, count + 1, 1.0f);
            float *v0 = draw_floats(&r, count + 1, 1.0f), *first_w = NULL, *first_v = NULL;
            for (int t = 0; t < THREAD_COUNTS; t++) {
                const struct cincel_crew crew = {f->team, thread_counts[t], f->all.isas[i]};
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

/* The sequence of two steps on one weight, worked out by hand. */
static void test_sgd_formula(void **state)
{
    const struct fixture *f = *state;
    for (int i = 0; f->all.isas[i]; i++) {
        const struct cincel_crew crew = {f->team, 1, f->all.isas[i]};
        float w = 1.0f, v = 0.0f;
        const float dw = 0.25f;
        cincel_eltwise_sgd(&crew, &w, &dw, &v, 1, 0.5f, 0.5f, 0.25f); /* g = 0.5, v = 0.5, w = 0.75 */
        assert_true(v == 0.5f && w == 0.75f);
        cincel_eltwise_sgd(&crew, &w, &dw, &v, 1, 0.5f, 0.5f, 0.0f); /* g = 0.25, v = 0.5, w = 0.5 */
        assert_true(v == 0.5f && w == 0.5f);
    }
}

struct logits {
    size_t rows, cols;
    float *x;
    int32_t *labels;
};

static struct logits draw_logits(struct test_random *r, size_t rows, size_t cols)
{
    struct logits l = {rows, cols, draw_floats(r, rows * cols, 8.0f), malloc(rows * sizeof *l.labels)};
    assert_non_null(l.labels);
    for (size_t k = 0; k < rows; k++) l.labels[k] = test_draw(r, 0, (int)cols - 1);
    return l;
}

static void free_logits(struct logits *l) { free(l->x), free(l->labels); }

/* Loss, hits and gradient in double precision; dx has room for rows · cols. */
static double exact_loss(const struct logits *l, size_t *hits, double *dx)
{
    double loss = 0.0;
    *hits = 0;
    for (size_t r = 0; r < l->rows; r++) {
        const float *x = l->x + r * l->cols;
        size_t top = 0;
        double sum = 0.0;
        for (size_t j = 1; j < l->cols; j++) top = x[j] > x[top] ? j : top;
        for (size_t j = 0; j < l->cols; j++) sum += exp((double)x[j] - (double)x[top]);
        for (size_t j = 0; j < l->cols; j++) {
            const double y = exp((double)x[j] - (double)x[top]) / sum;
            dx[r * l->cols + j] = (y - (j == (size_t)l->labels[r])) / (double)l->rows;
        }
        loss += log(sum) + (double)x[top] - (double)x[l->labels[r]];
        *hits += top == (size_t)l->labels[r];
    }
    return loss / (double)l->rows;
}

static void check_loss(const struct fixture *f, const struct cincel_isa *isa, const struct logits *l)
{
    const size_t count = l->rows * l->cols;
    double *exact = malloc(count * sizeof *exact), first = 0.0;
    float *dx = malloc(count * sizeof *dx), *first_dx = NULL;
    size_t want_hits;
    const double want = exact_loss(l, &want_hits, exact);
    for (int t = 0; t < THREAD_COUNTS; t++) {
        const struct cincel_crew crew = {f->team, thread_counts[t], isa};
        double loss = NAN, alone = NAN;
        size_t hits = 0;
        assert_int_equal(cincel_softmax_loss(&crew, l->x, l->labels, l->rows, l->cols, &loss, &hits, dx),
                         CINCEL_OK);
        assert_int_equal(cincel_softmax_loss(&crew, l->x, l->labels, l->rows, l->cols, &alone, NULL, NULL),
                         CINCEL_OK);
        assert_true(loss == alone);
        assert_true(fabs(loss - want) < 2e-6);
        assert_int_equal(hits, want_hits);
        for (size_t k = 0; k < count; k++)
            assert_true(fabs((double)dx[k] - exact[k]) * (double)l->rows < 1e-6);
        if (t == 0) first = loss, first_dx = copy_of(dx, count);
        assert_true(loss == first);
        assert_memory_equal(dx, first_dx, count * sizeof *dx);
    }
    free(exact), free(dx), free(first_dx);
}

static void test_loss(void **state)
{
    const struct fixture *f = *state;
    const long cases = test_cases(12);
    for (int i = 0; f->all.isas[i]; i++)
        for (long seed = 0; seed < cases; seed++) {
            struct test_random r = {{(uint64_t)seed, 0, 0}, 0};
            const size_t rows = (size_t)test_draw(&r, 1, seed % 2 ? 4000 : 70);
            struct logits l = draw_logits(&r, rows, (size_t)test_draw(&r, 1, 40));
            check_loss(f, f->all.isas[i], &l);
            free_logits(&l);
        }
}

static void test_softmax_rows(void **state)
{
    const struct fixture *f = *state;
    struct test_random r = {{9, 0, 0}, 0};
    struct logits l = draw_logits(&r, 3000, 33);
    const size_t count = l.rows * l.cols;
    float *y = malloc(count * sizeof *y), *first = NULL;
    for (int t = 0; t < THREAD_COUNTS; t++) {
        const struct cincel_crew crew = {f->team, thread_counts[t], f->all.isas[0]};
        cincel_softmax_rows(&crew, l.x, y, l.rows, l.cols);
        if (t == 0) first = copy_of(y, count);
        assert_memory_equal(y, first, count * sizeof *y);
    }
    for (size_t k = 0; k < l.rows; k++) {
        double sum = 0.0;
        for (size_t j = 0; j < l.cols; j++) sum += (double)y[k * l.cols + j];
        assert_true(fabs(sum - 1.0) < 1e-6);
    }
    free(y), free(first), free_logits(&l);
}

/* A bad label is found before anything is written, and named. */
static void test_bad_label(void **state)
{
    const struct fixture *f = *state;
    const struct cincel_crew crew = {f->team, 1, f->all.isas[0]};
    static const struct {
        int32_t label;
        const char *says;
    } bad[] = {{10, "row 2 is 10, must be 0 to 9"}, {-1, "row 2 is -1, must be 0 to 9"}};
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
        const float x[40] = {0};
        const int32_t labels[4] = {0, 9, bad[b].label, 0};
        float dx[40], before[40];
        double loss = -7.0;
        size_t hits = 77;
        memset(dx, 0x5a, sizeof dx);
        memcpy(before, dx, sizeof dx);
        assert_int_equal(cincel_softmax_loss(&crew, x, labels, 4, 10, &loss, &hits, dx),
                         CINCEL_INVALID_ARGUMENT);
        assert_non_null(strstr(cincel_error_message(), bad[b].says));
        assert_true(loss == -7.0 && hits == 77);
        assert_memory_equal(dx, before, sizeof dx);
    }
}

/* Equal logits are no success but for the first class, a NaN is none, and dx may be x. */
static void test_hits_and_aliasing(void **state)
{
    const struct fixture *f = *state;
    const struct cincel_crew crew = {f->team, 1, f->all.isas[0]};
    float x[] = {1, 1, 1, 1, 1, 1, 0, 2, 0, NAN, 0, 5}, dx[12];
    const int32_t labels[] = {0, 2, 1, 2};
    size_t hits;
    double loss;
    assert_int_equal(cincel_softmax_loss(&crew, x, labels, 4, 3, &loss, &hits, NULL), CINCEL_OK);
    assert_int_equal(hits, 2);
    assert_true(isnan(loss)); /* a NaN is not hidden */
    assert_int_equal(cincel_softmax_loss(&crew, x, labels, 3, 3, &loss, NULL, dx), CINCEL_OK);
    double in_place;
    assert_int_equal(cincel_softmax_loss(&crew, x, labels, 3, 3, &in_place, &hits, x), CINCEL_OK);
    assert_true(in_place == loss && hits == 2);
    assert_memory_equal(x, dx, 9 * sizeof *x);
}

int main(void)
{
    static struct fixture f;
    test_target_create(TEAM, &f.all);
    f.team = cincel_team_create(TEAM);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_streams_do_not_depend_on_threads, &f),
        cmocka_unit_test_prestate(test_sgd_formula, &f),
        cmocka_unit_test_prestate(test_loss, &f),
        cmocka_unit_test_prestate(test_softmax_rows, &f),
        cmocka_unit_test_prestate(test_bad_label, &f),
        cmocka_unit_test_prestate(test_hits_and_aliasing, &f),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cincel_team_destroy(f.team);
    return failed;
}
