/* Normalisation kernels against double precision: every usable ISA, odd sizes, guarded buffers, sums
   continued from what is there, and the same bits on every ISA with FMA. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/guard.h"

/* The buffers of a case: two matrices in, one out, and parameters and sums of columns, each at its guard. */
enum { MATRICES = 3, VECTORS = 7, SHORT_ROWS = 37 };
struct buffers {
    size_t elements, cols;
    float *matrix[MATRICES]; /* x, dy, out */
    float *vector[VECTORS];  /* shift, a, b, c, sum0, sum1, sum2 */
    float *before[VECTORS];
};

static float draw_float(struct test_random *r) { return (float)test_draw(r, -1000, 1000) * 1e-3f; }

static void create(struct test_random *r, size_t elements, size_t cols, struct buffers *b)
{
    *b = (struct buffers){.elements = elements, .cols = cols};
    for (int i = 0; i < MATRICES; i++) {
        b->matrix[i] = test_guarded(elements * sizeof(float));
        for (size_t k = 0; k < elements; k++) b->matrix[i][k] = draw_float(r);
    }
    for (int i = 0; i < VECTORS; i++) {
        b->vector[i] = test_guarded(cols * sizeof(float));
        b->before[i] = malloc(cols * sizeof(float));
        assert_non_null(b->before[i]);
        for (size_t k = 0; k < cols; k++) b->vector[i][k] = b->before[i][k] = draw_float(r);
    }
}

static void destroy(struct buffers *b)
{
    for (int i = 0; i < MATRICES; i++) test_guarded_free(b->matrix[i], b->elements * sizeof(float));
    for (int i = 0; i < VECTORS; i++) {
        test_guarded_free(b->vector[i], b->cols * sizeof(float));
        free(b->before[i]);
    }
}

static void restore(struct buffers *b)
{
    for (int i = 0; i < VECTORS; i++) memcpy(b->vector[i], b->before[i], b->cols * sizeof(float));
}

static void near(const char *isa, const char *what, size_t at, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%s: %s[%zu] is %.9g, exact %.9g", isa, what, at, got, want);
}

static uint64_t hash_floats(uint64_t hash, const float *x, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        uint32_t word;
        memcpy(&word, x + k, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* One ISA's columns kernels on the case; returns a hash of all results. */
static uint64_t check_columns(const struct cincel_isa *isa, struct buffers *b, size_t rows, size_t ld,
                              int stream)
{
    const struct cincel_norm_row *row = isa->norm;
    const size_t cols = b->cols;
    float *const *v = b->vector;
    const float *x = b->matrix[0], *dy = b->matrix[1];
    struct cincel_norm_columns_args args = {x,    dy,   b->matrix[2], ld,   rows, cols, v[0],
                                            v[1], v[2], v[3],         v[4], v[5], v[6], stream};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    const double tolerance = 1e-6 * (2.0 + (double)rows);
    for (int pass = 0; pass < 2; pass++) {
        restore(b);
        (pass == 0 ? row->moments : row->gradient_sums)(&args);
        for (size_t j = 0; j < cols; j++) {
            double sum[3] = {b->before[4][j], b->before[5][j], b->before[6][j]};
            for (size_t r = 0; r < rows; r++) {
                const double d = (double)x[r * ld + j] - (double)v[0][j], up = dy[r * ld + j];
                sum[0] += pass == 0 ? d : up;
                sum[1] += pass == 0 ? d * d : up * d;
                sum[2] += pass == 0 ? 0.0 : d;
            }
            for (int i = 0; i < 3; i++) near(isa->name, "sum", j, v[4 + i][j], sum[i], tolerance);
        }
        for (int i = 0; i < 3; i++) hash = hash_floats(hash, v[4 + i], cols);
        for (int i = 0; i < 4; i++) assert_memory_equal(v[i], b->before[i], cols * sizeof(float));
    }
    for (int pass = 0; pass < 2; pass++) {
        (pass == 0 ? row->scale : row->gradient)(&args);
        row->fence();
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < cols; j++) {
                const double d = (double)x[r * ld + j] - (double)v[0][j];
                const double a = v[1][j], bb = v[2][j], c = v[3][j];
                const double want = pass == 0 ? d * a + bb : (double)dy[r * ld + j] * a + (d * bb + c);
                near(isa->name, "out", r * ld + j, b->matrix[2][r * ld + j], want, 1e-6);
                hash = hash_floats(hash, b->matrix[2] + r * ld + j, 1);
            }
    }
    return hash;
}

static void test_columns(void **state)
{
    struct test_target *target = *state;
    const long cases = test_cases(300);
    for (long seed = 0; seed < cases; seed++) {
        struct test_random r = {{(uint64_t)seed, 0, 0}, 0};
        const size_t cols = (size_t)test_draw(&r, 1, seed % 3 ? 70 : 600),
                     rows = (size_t)test_draw(&r, 1, 40);
        const size_t ld = cols + (size_t)(seed % 2 ? 0 : test_draw(&r, 0, 20));
        struct buffers b;
        create(&r, (rows - 1) * ld + cols, cols, &b);
        uint64_t first = 0;
        for (int i = 0; target->isas[i]; i++) {
            const uint64_t hash = check_columns(target->isas[i], &b, rows, ld, 0);
            assert_int_equal(check_columns(target->isas[i], &b, rows, ld, 1), hash);
            if (!target->isas[i]->has_fma) continue;
            if (first == 0) first = hash;
            assert_int_equal(hash, first);
        }
        destroy(&b);
    }
}

/* Mean and Σ (x − mean)² of a row, which may lie far from zero; a head far from the rest costs some
 * roundings. */
static uint64_t check_row_moments(const struct cincel_isa *isa, const float *x, size_t count)
{
    double mean = 0.0, m2 = 0.0, got[2];
    for (size_t j = 0; j < count; j++) mean += (double)x[j] / (double)count;
    for (size_t j = 0; j < count; j++) m2 += ((double)x[j] - mean) * ((double)x[j] - mean);
    isa->norm->row_moments(x, count, got, got + 1);
    const double spread = sqrt(m2 / (double)count);
    near(isa->name, "mean of", count, got[0], mean, 1e-6 * spread + 1e-12 * fabs(mean));
    near(isa->name, "m2 of", count, got[1], m2, 1e-5 * m2 + 1e-12);
    uint64_t bits[2];
    memcpy(bits, got, sizeof bits);
    return (bits[0] * UINT64_C(0x100000001b3)) ^ bits[1];
}

static uint64_t check_row(const struct cincel_isa *isa, struct buffers *b, int affine, int stream)
{
    const struct cincel_norm_row *row = isa->norm;
    const size_t cols = b->cols;
    float *const *v = b->vector;
    const float *x = b->matrix[0], *dy = b->matrix[1];
    struct cincel_norm_row_args args = {.x = x,
                                        .dy = dy,
                                        .out = b->matrix[2],
                                        .count = cols,
                                        .gamma = affine ? v[1] : NULL,
                                        .beta = affine ? v[2] : NULL,
                                        .dgamma = v[4],
                                        .dbeta = v[5],
                                        .shift = 0.125f,
                                        .a = 0.75f,
                                        .b = -0.3f,
                                        .c = 0.2f,
                                        .p = 1.1f,
                                        .q = -0.4f,
                                        .stream = stream};
    double want[3] = {0}, got[3];
    restore(b);
    row->row_gradient_sums(&args, got);
    for (size_t j = 0; j < cols; j++) {
        const double d = (double)x[j] - 0.125, g = (double)dy[j] * (affine ? (double)v[1][j] : 1.0);
        want[0] += g, want[1] += g * d, want[2] += d;
    }
    for (size_t i = 0; i < 3; i++)
        near(isa->name, "row sum", i, got[i], want[i], 1e-6 * (1.0 + (double)cols));
    row->row_scale(&args);
    row->fence();
    uint64_t hash = hash_floats(UINT64_C(0xcbf29ce484222325), b->matrix[2], cols);
    for (size_t j = 0; j < cols; j++) {
        const double y = ((double)x[j] - 0.125) * 0.75 - 0.3;
        near(isa->name, "y", j, b->matrix[2][j], affine ? y * (double)v[1][j] + (double)v[2][j] : y, 1e-6);
    }
    row->row_gradient(&args);
    row->fence();
    for (size_t j = 0; j < cols; j++) {
        const double d = (double)x[j] - 0.125, up = dy[j], g = up * (affine ? (double)v[1][j] : 1.0);
        near(isa->name, "dx", j, b->matrix[2][j], g * 0.75 + (d * -0.3 + 0.2), 1e-6);
        near(isa->name, "dgamma", j, v[4][j], (double)b->before[4][j] + up * (d * 1.1 - 0.4), 1e-6);
        near(isa->name, "dbeta", j, v[5][j], (double)b->before[5][j] + up, 1e-6);
    }
    for (int i = 4; i < 6; i++) hash = hash_floats(hash, v[i], cols);
    return hash_floats(hash, b->matrix[2], cols) ^ check_row_moments(isa, x, cols);
}

static void test_rows(void **state)
{
    struct test_target *target = *state;
    const long cases = test_cases(300);
    for (long seed = 0; seed < cases; seed++) {
        struct test_random r = {{(uint64_t)seed, 1, 0}, 0};
        const size_t cols = seed < 80 ? (size_t)seed + 1 : (size_t)test_draw(&r, 1, 3000);
        struct buffers b;
        create(&r, cols, cols, &b);
        uint64_t first = 0;
        for (int i = 0; target->isas[i]; i++) {
            const uint64_t hash = check_row(target->isas[i], &b, seed % 2, 0);
            assert_int_equal(check_row(target->isas[i], &b, seed % 2, 1), hash);
            if (!target->isas[i]->has_fma) continue;
            if (first == 0) first = hash;
            assert_int_equal(hash, first);
        }
        destroy(&b);
    }
}

/* Far from zero, and with a head far from the rest. */
static void test_hard_rows(void **state)
{
    struct test_target *target = *state;
    enum { COUNT = 5000 };
    static float x[COUNT];
    static const float centre[] = {0.0f, 1e3f, -3e4f, 1e6f};
    for (int i = 0; target->isas[i]; i++)
        for (size_t c = 0; c < sizeof centre / sizeof *centre; c++)
            for (int kind = 0; kind < 3; kind++) {
                struct test_random r = {{c, 2, 0}, 0};
                for (size_t j = 0; j < COUNT; j++) x[j] = centre[c] + draw_float(&r);
                if (kind == 1) x[0] = centre[c] + 1000.0f;
                for (size_t j = 0; kind == 2 && j < 32; j++) x[j] = centre[c] + 100.0f;
                for (size_t count = 1; count <= COUNT; count = count * 3 + 1)
                    check_row_moments(target->isas[i], x, count);
            }
}

/* A row in double precision, with Σ g x̂ / cols and Σ g / cols of its gradients g = dy · gamma. */
struct exact_row {
    double mean, inv_std, projection, average;
};

static struct exact_row exact_moments(const float *x, size_t cols)
{
    struct exact_row e = {0};
    double m2 = 0.0;
    for (size_t j = 0; j < cols; j++) e.mean += (double)x[j] / (double)cols;
    for (size_t j = 0; j < cols; j++) m2 += ((double)x[j] - e.mean) * ((double)x[j] - e.mean);
    e.inv_std = 1.0 / sqrt(m2 / (double)cols + 1e-5);
    return e;
}

static double weight_of(const struct buffers *b, int affine, size_t j)
{
    return affine ? (double)b->vector[1][j] : 1.0;
}

/* The statistics are those of forward, in single precision, as backward has them too. */
static void check_short_gradients(const char *isa, struct buffers *b, size_t rows, int affine,
                                  const float *mean, const float *inv_std)
{
    const size_t cols = b->cols;
    const float *x = b->matrix[0], *dy = b->matrix[1];
    for (size_t j = 0; j < cols; j++) {
        double dgamma = b->before[4][j], dbeta = b->before[5][j];
        for (size_t r = 0; r < rows; r++) {
            const struct exact_row e = exact_moments(x + r * cols, cols);
            dgamma += (double)dy[r * cols + j] * ((double)x[r * cols + j] - e.mean) * e.inv_std;
            dbeta += dy[r * cols + j];
        }
        near(isa, "dgamma", j, b->vector[4][j], dgamma, 1e-5 * (1.0 + (double)rows));
        near(isa, "dbeta", j, b->vector[5][j], dbeta, 1e-6 * (1.0 + (double)rows));
    }
    for (size_t r = 0; r < rows; r++) {
        const float *xr = x + r * cols, *dyr = dy + r * cols;
        struct exact_row e = exact_moments(xr, cols);
        near(isa, "mean", r, mean[r], e.mean, 2e-7 * (fabs(e.mean) + 1.0 / e.inv_std));
        near(isa, "inv_std", r, inv_std[r], e.inv_std, 2e-6 * e.inv_std);
        for (size_t j = 0; j < cols; j++) {
            const double g = (double)dyr[j] * weight_of(b, affine, j);
            e.average += g / (double)cols;
            e.projection += g * ((double)xr[j] - e.mean) * e.inv_std / (double)cols;
        }
        for (size_t j = 0; j < cols; j++) {
            const double normal = ((double)xr[j] - e.mean) * e.inv_std;
            const double g = (double)dyr[j] * weight_of(b, affine, j);
            near(isa, "dx", r * cols + j, b->matrix[2][r * cols + j],
                 e.inv_std * (g - e.average - normal * e.projection), 1e-5 * (1.0 + e.inv_std));
        }
    }
}

/* `step` rows a call, which no bit may depend on. */
static uint64_t check_short(const struct cincel_isa *isa, struct buffers *b, size_t rows, size_t step,
                            int affine, int stream)
{
    const size_t cols = b->cols;
    float mean[SHORT_ROWS], inv_std[SHORT_ROWS];
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    restore(b);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t r = 0; r < rows; r += step) {
            const struct cincel_norm_short_args args = {.x = b->matrix[0] + r * cols,
                                                        .dy = b->matrix[1] + r * cols,
                                                        .out = b->matrix[2] + r * cols,
                                                        .rows = rows - r < step ? rows - r : step,
                                                        .cols = cols,
                                                        .gamma = affine ? b->vector[1] : NULL,
                                                        .beta = affine ? b->vector[2] : NULL,
                                                        .eps = 1e-5f,
                                                        .mean = mean + r,
                                                        .inv_std = inv_std + r,
                                                        .mean_in = mean + r,
                                                        .inv_std_in = inv_std + r,
                                                        .dgamma = b->vector[4],
                                                        .dbeta = b->vector[5],
                                                        .stream = stream};
            (pass == 0 ? isa->norm->short_forward : isa->norm->short_backward)(&args);
        }
        isa->norm->fence();
        hash = hash_floats(hash, b->matrix[2], rows * cols);
        for (size_t r = 0; pass == 0 && r < rows; r++) {
            const struct exact_row e = exact_moments(b->matrix[0] + r * cols, cols);
            for (size_t j = 0; j < cols; j++) {
                const double normal = ((double)b->matrix[0][r * cols + j] - e.mean) * e.inv_std;
                const double offset = affine ? (double)b->vector[2][j] : 0.0;
                near(isa->name, "y", r * cols + j, b->matrix[2][r * cols + j],
                     normal * weight_of(b, affine, j) + offset, 1e-5);
            }
        }
    }
    check_short_gradients(isa->name, b, rows, affine, mean, inv_std);
    for (int i = 4; i < 6; i++) hash = hash_floats(hash, b->vector[i], cols);
    return hash_floats(hash_floats(hash, mean, rows), inv_std, rows);
}

static void test_short_rows(void **state)
{
    struct test_target *target = *state;
    const long cases = test_cases(200);
    for (long seed = 0; seed < cases; seed++) {
        struct test_random r = {{(uint64_t)seed, 3, 0}, 0};
        const size_t cols = seed < 80 ? (size_t)seed + 1 : (size_t)test_draw(&r, 1, CINCEL_NORM_SHORT);
        const size_t rows = (size_t)test_draw(&r, 1, SHORT_ROWS);
        struct buffers b;
        create(&r, rows * cols, cols, &b);
        for (size_t j = 0; seed % 5 == 0 && j < rows * cols; j++) b.matrix[0][j] += 1e2f; /* far from zero */
        uint64_t first = 0;
        for (int i = 0; target->isas[i]; i++) {
            const uint64_t hash = check_short(target->isas[i], &b, rows, rows, seed % 2, 0);
            assert_int_equal(check_short(target->isas[i], &b, rows, 5, seed % 2, 1), hash);
            if (!target->isas[i]->has_fma) continue;
            if (first == 0) first = hash;
            assert_int_equal(hash, first);
        }
        destroy(&b);
    }
}

int main(void)
{
    static struct test_target target;
    test_target_create(1, &target);
    test_target_emulate(&target);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_columns, &target),
        cmocka_unit_test_prestate(test_rows, &target),
        cmocka_unit_test_prestate(test_hard_rows, &target),
        cmocka_unit_test_prestate(test_short_rows, &target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
