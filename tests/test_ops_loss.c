/* Softmax and losses with their gradients on teams of 1 to 16 threads, on every usable ISA: against double
   precision, and bit for bit the same for every number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/loss.h"
#include "ops/softmax.h"
#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/floats.h"

enum { TEAM = 16 };
static const int thread_counts[] = {1, 2, 3, 7, TEAM};
enum { THREAD_COUNTS = sizeof thread_counts / sizeof *thread_counts };

struct fixture {
    struct test_target all;
    struct cincel_team *team;
};

/* ----------------------------------------------------------------------------- cross-entropy -- */

struct logits {
    cincel_cross_entropy_desc d;
    float *x, *class_weights;
    int32_t *labels;
};

/* Smoothing, weights and ignored rows in all combinations, by the seed. */
static struct logits draw_logits(struct test_random *r, size_t rows, size_t cols, long variant)
{
    struct logits l = {CINCEL_CROSS_ENTROPY_DESC_INIT, draw_floats(r, rows * cols, 8.0f), NULL,
                       malloc(rows * sizeof *l.labels)};
    assert_non_null(l.labels);
    l.d.rows = rows, l.d.cols = cols;
    for (size_t k = 0; k < rows; k++) l.labels[k] = test_draw(r, 0, (int)cols - 1);
    if (variant & 1) l.d.label_smoothing = (float)test_draw(r, 1, 10) * 0.1f;
    if (variant & 2) {
        l.class_weights = draw_floats(r, cols, 1.0f);
        for (size_t j = 0; j < cols; j++) l.class_weights[j] = fabsf(l.class_weights[j]) + 0.01f;
        l.d.class_weights = l.class_weights;
    }
    if (variant & 4) {
        l.d.ignore_index = variant & 8 ? 0 : -7; /* a class may be the one ignored */
        for (size_t k = 1; k < rows; k += 3) l.labels[k] = l.d.ignore_index;
        l.labels[0] = (int32_t)cols - 1;
    }
    return l;
}

static void free_logits(struct logits *l) { free(l->x), free(l->labels), free(l->class_weights); }

static double class_weight(const struct logits *l, size_t j)
{
    return l->class_weights ? (double)l->class_weights[j] : 1.0;
}

/* One row as the header's formula says, unweighed; dx likewise. */
static double exact_row(const struct logits *l, size_t r, double *dx, size_t *hits)
{
    const size_t cols = l->d.cols, label = (size_t)l->labels[r];
    const float *x = l->x + r * cols;
    const double s = (double)l->d.label_smoothing;
    size_t top = 0;
    double sum = 0.0, loss = 0.0, target_sum = 0.0;
    for (size_t j = 1; j < cols; j++) top = x[j] > x[top] ? j : top;
    for (size_t j = 0; j < cols; j++) sum += exp((double)x[j] - (double)x[top]);
    for (size_t j = 0; j < cols; j++) {
        const double log_p = (double)x[j] - (double)x[top] - log(sum);
        const double target = class_weight(l, j) * (s / (double)cols + (j == label ? 1.0 - s : 0.0));
        loss -= target * log_p;
        target_sum += target;
        dx[j] = -target;
    }
    for (size_t j = 0; j < cols; j++) dx[j] += target_sum * exp((double)x[j] - (double)x[top]) / sum;
    *hits += top == label;
    return loss;
}

/* Loss, hits and gradient in double precision; dx has room for rows · cols. */
static double exact_loss(const struct logits *l, size_t *hits, double *dx)
{
    double loss = 0.0, weight = 0.0;
    const size_t cols = l->d.cols;
    *hits = 0;
    memset(dx, 0, l->d.rows * cols * sizeof *dx);
    for (size_t r = 0; r < l->d.rows; r++) {
        if (l->labels[r] == l->d.ignore_index) continue;
        loss += exact_row(l, r, dx + r * cols, hits);
        weight += class_weight(l, (size_t)l->labels[r]);
    }
    for (size_t k = 0; k < l->d.rows * cols; k++) dx[k] /= weight;
    return loss / weight;
}

static void check_cross_entropy(const struct fixture *f, const struct cincel_isa *isa, const struct logits *l)
{
    const size_t count = l->d.rows * l->d.cols;
    double *exact = malloc(count * sizeof *exact), first = 0.0;
    float *dx = malloc(count * sizeof *dx), *first_dx = NULL;
    size_t want_hits;
    const double want = exact_loss(l, &want_hits, exact);
    for (int t = 0; t < THREAD_COUNTS; t++) {
        const struct cincel_crew crew = {f->team, thread_counts[t], isa, 0};
        double loss = NAN, alone = NAN;
        size_t hits = 0;
        memset(dx, 0x5a, count * sizeof *dx);
        assert_int_equal(cincel_cross_entropy_rows(&crew, &l->d, l->x, l->labels, &loss, &hits, dx),
                         CINCEL_OK);
        assert_int_equal(cincel_cross_entropy_rows(&crew, &l->d, l->x, l->labels, &alone, NULL, NULL),
                         CINCEL_OK);
        assert_true(loss == alone);
        assert_true(fabs(loss - want) < 3e-6 * fmax(1.0, want));
        assert_int_equal(hits, want_hits);
        for (size_t k = 0; k < count; k++)
            assert_true(fabs((double)dx[k] - exact[k]) * (double)l->d.rows < 1e-5);
        if (t == 0) first = loss, first_dx = copy_of(dx, count);
        assert_true(loss == first);
        assert_memory_equal(dx, first_dx, count * sizeof *dx);
    }
    free(exact), free(dx), free(first_dx);
}

static void test_cross_entropy(void **state)
{
    const struct fixture *f = *state;
    const long cases = test_cases(32);
    for (int i = 0; f->all.isas[i]; i++)
        for (long seed = 0; seed < cases; seed++) {
            struct test_random r = {{(uint64_t)seed, 0, 0}, 0};
            const size_t rows = (size_t)test_draw(&r, 2, seed % 3 == 0 ? 4000 : 70);
            const size_t cols = (size_t)test_draw(&r, 2, 40);
            struct logits l = draw_logits(&r, rows, cols, seed);
            check_cross_entropy(f, f->all.isas[i], &l);
            free_logits(&l);
        }
}

/* A bad label or class weight is found before anything is written, and named. */
static void test_bad_values(void **state)
{
    const struct fixture *f = *state;
    const struct cincel_crew crew = {f->team, 1, f->all.isas[0], 0};
    static const struct {
        int32_t label;
        float weight;
        const char *says;
    } bad[] = {{10, 1.0f, "label of row 2 is 10, must be 0 to 9"},
               {-1, 1.0f, "label of row 2 is -1, must be 0 to 9"},
               {3, NAN, "class_weights[7] is nan"},
               {3, -1.0f, "class_weights[7] is -1, must be finite and >= 0"},
               {3, INFINITY, "class_weights[7] is inf"}};
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
        const float x[40] = {0};
        const float weights[10] = {1, 1, 1, 1, 1, 1, 1, bad[b].weight, 1, 1};
        const int32_t labels[4] = {0, 9, bad[b].label, -1};
        cincel_cross_entropy_desc d = CINCEL_CROSS_ENTROPY_DESC_INIT;
        float dx[40], before[40];
        double loss = -7.0;
        size_t hits = 77;
        d.rows = 4, d.cols = 10, d.class_weights = weights;
        memset(dx, 0x5a, sizeof dx);
        memcpy(before, dx, sizeof dx);
        assert_int_equal(cincel_cross_entropy_rows(&crew, &d, x, labels, &loss, &hits, dx),
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
    const struct cincel_crew crew = {f->team, 1, f->all.isas[0], 0};
    float x[] = {1, 1, 1, 1, 1, 1, 0, 2, 0, NAN, 0, 5}, dx[12];
    const int32_t labels[] = {0, 2, 1, 2};
    cincel_cross_entropy_desc d = CINCEL_CROSS_ENTROPY_DESC_INIT;
    size_t hits;
    double loss;
    d.rows = 4, d.cols = 3;
    assert_int_equal(cincel_cross_entropy_rows(&crew, &d, x, labels, &loss, &hits, NULL), CINCEL_OK);
    assert_int_equal(hits, 2);
    assert_true(isnan(loss)); /* a NaN is not hidden */
    d.rows = 3, d.label_smoothing = 0.25f;
    assert_int_equal(cincel_cross_entropy_rows(&crew, &d, x, labels, &loss, NULL, dx), CINCEL_OK);
    double in_place;
    assert_int_equal(cincel_cross_entropy_rows(&crew, &d, x, labels, &in_place, &hits, x), CINCEL_OK);
    assert_true(in_place == loss && hits == 2);
    assert_memory_equal(x, dx, 9 * sizeof *x);
}

/* Where no row counts, the mean is of nothing; the gradient is 0, not NaN. */
static void test_all_ignored(void **state)
{
    const struct fixture *f = *state;
    const struct cincel_crew crew = {f->team, 1, f->all.isas[0], 0};
    const float x[6] = {1, 2, 3, 4, 5, 6}, none[2] = {0, 0}, zeros[6] = {0};
    const int32_t ignored[3] = {-100, -100, -100}, labels[3] = {0, 1, 0};
    for (int weightless = 0; weightless < 2; weightless++) {
        cincel_cross_entropy_desc d = CINCEL_CROSS_ENTROPY_DESC_INIT;
        float dx[6] = {9, 9, 9, 9, 9, 9};
        double loss = 0.0;
        d.rows = 3, d.cols = 2, d.class_weights = weightless ? none : NULL;
        assert_int_equal(
            cincel_cross_entropy_rows(&crew, &d, x, weightless ? labels : ignored, &loss, NULL, dx),
            CINCEL_OK);
        assert_true(isnan(loss));
        for (int i = 0; i < 6; i++) assert_true(dx[i] == zeros[i]);
    }
}

/* ----------------------------------------------------------------------------------- softmax -- */

typedef void softmax_forward(const struct cincel_crew *, const float *, float *, size_t, size_t);
typedef void softmax_backward(const struct cincel_crew *, const float *, const float *, float *, size_t,
                              size_t);

struct softmax_case {
    softmax_forward *forward;
    softmax_backward *backward;
    bool log;
};

/* y = softmax or its logarithm, dx from this exact y, one row in double precision. */
static void exact_softmax_row(bool log_of, const float *x, const float *dy, size_t cols, double *y,
                              double *dx)
{
    double top = (double)x[0], sum = 0.0, along = 0.0;
    for (size_t j = 1; j < cols; j++) top = fmax(top, (double)x[j]);
    for (size_t j = 0; j < cols; j++) sum += exp((double)x[j] - top);
    for (size_t j = 0; j < cols; j++) {
        const double log_p = (double)x[j] - top - log(sum);
        y[j] = log_of ? log_p : exp(log_p);
        along += (log_of ? 1.0 : y[j]) * (double)dy[j];
    }
    for (size_t j = 0; j < cols; j++)
        dx[j] = log_of ? (double)dy[j] - exp(y[j]) * along : y[j] * ((double)dy[j] - along);
}

/* Of a last cache that holds nothing: outputs go past it. */
enum { NO_CACHE = 8 };

static void check_softmax(const struct fixture *f, const struct cincel_isa *isa, const struct softmax_case *c,
                          size_t rows, size_t cols, uint64_t seed)
{
    struct test_random r = {{seed, 0, 0}, 0};
    const size_t count = rows * cols;
    float *x = draw_floats(&r, count, 8.0f), *dy = draw_floats(&r, count, 1.0f);
    float *y = malloc(count * sizeof *y), *dx = malloc(count * sizeof *dx), *first_y = NULL, *first_dx = NULL;
    double *want_y = malloc(cols * sizeof *want_y), *want_dx = malloc(cols * sizeof *want_dx);
    for (int t = 0; t < THREAD_COUNTS; t++) {
        const struct cincel_crew crew = {f->team, thread_counts[t], isa, t % 2 * NO_CACHE};
        c->forward(&crew, x, y, rows, cols);
        c->backward(&crew, y, dy, dx, rows, cols);
        if (t == 0) first_y = copy_of(y, count), first_dx = copy_of(dx, count);
        assert_memory_equal(y, first_y, count * sizeof *y);
        assert_memory_equal(dx, first_dx, count * sizeof *dx);
    }
    for (size_t k = 0; k < rows; k++) {
        exact_softmax_row(c->log, x + k * cols, dy + k * cols, cols, want_y, want_dx);
        for (size_t j = 0; j < cols; j++) {
            const size_t at = k * cols + j;
            assert_true(fabs((double)y[at] - want_y[j]) <= 1e-6 * fmax(1.0, fabs(want_y[j])));
            /* Σ dy is up to a few times √cols */
            assert_true(fabs((double)dx[at] - want_dx[j]) <= 2e-6 * fmax(1.0, sqrt((double)cols)));
        }
    }
    const struct cincel_crew crew = {f->team, 1, isa, 0}; /* in place */
    c->forward(&crew, x, x, rows, cols);
    assert_memory_equal(x, first_y, count * sizeof *x);
    c->backward(&crew, x, dy, dy, rows, cols);
    assert_memory_equal(dy, first_dx, count * sizeof *dy);
    free(x), free(dy), free(y), free(dx), free(first_y), free(first_dx), free(want_y), free(want_dx);
}

static void test_softmax(void **state)
{
    const struct fixture *f = *state;
    static const struct softmax_case cases[] = {
        {cincel_softmax_rows, cincel_softmax_rows_backward, false},
        {cincel_log_softmax_rows, cincel_log_softmax_rows_backward, true}};
    for (int i = 0; f->all.isas[i]; i++)
        for (int c = 0; c < 2; c++) {
            for (size_t cols = 1; cols <= 70; cols++)
                check_softmax(f, f->all.isas[i], &cases[c], 5, cols, cols);
            check_softmax(f, f->all.isas[i], &cases[c], 3000, 33, 9);
            check_softmax(f, f->all.isas[i], &cases[c], 40, 3001, 10);
        }
}

/* ----------------------------------------------------------------------- element-wise losses -- */

/* Terms are tested in test_kernel_loss.c; here slices, threads and the mean. */
static void test_element_losses(void **state)
{
    const struct fixture *f = *state;
    struct test_random r = {{11, 0, 0}, 0};
    enum { LONG = 1500 * 1000 + 5 }; /* more than SLICES of the least length */
    float *x = draw_floats(&r, LONG, 4.0f), *target = draw_floats(&r, LONG, 4.0f),
          *dx = malloc(LONG * sizeof *dx);
    for (int i = 0; f->all.isas[i]; i++)
        for (size_t count = 1; count <= LONG; count = count * 11 < LONG ? count * 11 + 1 : LONG) {
            double want = 0.0, first = 0.0;
            uint32_t first_bits = 0;
            for (size_t k = 0; k < count; k++) {
                const double d = fabs((double)x[k] - (double)target[k]);
                want += d <= 1.5 ? 0.5 * d * d : 1.5 * (d - 0.75);
            }
            want /= (double)count;
            for (int t = 0; t < THREAD_COUNTS; t++) {
                const struct cincel_crew crew = {f->team, thread_counts[t], f->all.isas[i], 0};
                double loss = NAN, alone = NAN;
                uint32_t bits = 0, word;
                cincel_loss_elements(&crew, CINCEL_LOSS_HUBER, 1.5f, x, target, count, &loss, dx);
                cincel_loss_elements(&crew, CINCEL_LOSS_HUBER, 1.5f, x, target, count, &alone, NULL);
                for (size_t k = 0; k < count; k++) {
                    memcpy(&word, dx + k, sizeof word);
                    bits = bits * 31 + word;
                }
                if (t == 0) first = loss, first_bits = bits;
                assert_true(loss == first && alone == first && bits == first_bits);
                assert_true(fabs(loss - want) <= 4e-7 * want);
            }
            for (size_t k = 0; k < count; k += 1 + count / 5000) {
                const double d = fmax(-1.5, fmin(1.5, (double)x[k] - (double)target[k]));
                assert_true(fabs((double)dx[k] * (double)count - d) < 1e-6);
            }
            if (count == LONG) break;
        }
    free(x), free(target), free(dx);
}

int main(void)
{
    static struct fixture f;
    test_target_create(TEAM, &f.all);
    test_target_emulate(&f.all);
    f.team = cincel_team_create(TEAM);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_cross_entropy, &f),
        cmocka_unit_test_prestate(test_bad_values, &f),
        cmocka_unit_test_prestate(test_hits_and_aliasing, &f),
        cmocka_unit_test_prestate(test_all_ignored, &f),
        cmocka_unit_test_prestate(test_softmax, &f),
        cmocka_unit_test_prestate(test_element_losses, &f),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cincel_team_destroy(f.team);
    return failed;
}
