/* Softmax rows against double precision: every usable ISA, every length, guarded buffers, and the same
   bits on every ISA with FMA. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/guard.h"

/* A sum of n terms in 16 lanes, each term and the quotient a few ULP: */
static double tolerance(size_t count) { return 6e-7 + 6e-8 * (double)count / 16; }

static void draw_row(struct test_random *r, float *x, size_t count)
{
    const float spread = (float)test_draw(r, 0, 30), centre = (float)test_draw(r, -300, 300);
    for (size_t i = 0; i < count; i++) x[i] = centre + spread * (float)test_draw(r, -1000, 1000) * 1e-3f;
}

static double exact_softmax(const float *x, size_t count, double *y)
{
    double max = x[0], sum = 0.0;
    for (size_t i = 1; i < count; i++) max = fmax(max, x[i]);
    for (size_t i = 0; i < count; i++) sum += y[i] = exp(x[i] - max);
    for (size_t i = 0; i < count; i++) y[i] /= sum;
    return max + log(sum);
}

enum { LONGEST = 700 };

static void check_row(const struct cincel_isa *isa, const float *x, size_t count, float scale)
{
    double exact[LONGEST];
    const double log_sum = exact_softmax(x, count, exact);
    float *y = test_guarded(count * sizeof *y), in_place[LONGEST];
    const struct cincel_softmax_target target = {.scale = scale};
    const double got = isa->softmax->run(x, y, count, &target, NULL);
    assert_true(fabs(got - log_sum) <= tolerance(count) * fmax(1.0, fabs(log_sum - x[0])));
    for (size_t i = 0; i < count; i++) {
        /* far below the maximum the argument x − max carries its own rounding */
        const double error = fabs((double)y[i] - scale * exact[i]);
        if (error > (tolerance(count) + 6e-8 * 60) * scale * exact[i] + 1e-37)
            fail_msg("%s: element %zu of %zu is %a, exact %a", isa->name, i, count, (double)y[i],
                     scale * exact[i]);
    }
    memcpy(in_place, x, count * sizeof *x);
    assert_true(isa->softmax->run(in_place, in_place, count, &target, NULL) == got);
    assert_memory_equal(in_place, y, count * sizeof *y);
    assert_true(isa->softmax->run(x, NULL, count, &target, NULL) == got);
    test_guarded_free(y, count * sizeof *y);
}

static void test_rows(void **state)
{
    struct test_target *target = *state;
    const long cases = test_cases(400);
    for (int i = 0; target->isas[i]; i++) {
        struct test_random r = {{1, 0, 0}, 0};
        for (long c = 0; c < cases; c++) {
            const size_t count = c < 70 ? (size_t)c + 1 : (size_t)test_draw(&r, 1, LONGEST);
            float *x = test_guarded(count * sizeof *x);
            draw_row(&r, x, count);
            check_row(target->isas[i], x, count, c % 3 == 0 ? 1.0f / 64 : 1.0f);
            test_guarded_free(x, count * sizeof *x);
        }
    }
}

/* Past the caches the same bits, whether or not the count and the address allow it. */
static void test_past_the_caches(void **state)
{
    struct test_target *target = *state;
    for (int i = 0; target->isas[i]; i++) {
        const struct cincel_softmax_row *row = target->isas[i]->softmax;
        for (size_t count = 8; count <= 160; count += 4) {
            struct test_random r = {{count, 1, 0}, 0};
            _Alignas(64) float x[160], g[160], block[160], want[160], y[161];
            const struct cincel_softmax_flow flow = {.ahead = 16, .block = block, .stream = 1};
            const struct cincel_softmax_target to = {2.0f, -0.5f, 1.5f, count / 3};
            draw_row(&r, x, count), draw_row(&r, g, count);
            for (int off = 0; off < 2; off++) {
                const double log_sum = row->run(x, want, count, &to, NULL);
                assert_true(row->run(x, y + off, count, &to, &flow) == log_sum);
                assert_memory_equal(y + off, want, count * sizeof *y);
                row->backward(x, g, want, count, NULL);
                row->backward(x, g, y + off, count, &flow);
                assert_memory_equal(y + off, want, count * sizeof *y);
                row->log_run(x, want, count, NULL);
                row->log_run(x, y + off, count, &flow);
                assert_memory_equal(y + off, want, count * sizeof *y);
                row->log_backward(want, g, x, count, NULL);
                row->log_backward(want, g, y + off, count, &flow);
                assert_memory_equal(y + off, x, count * sizeof *y);
            }
        }
    }
}

/* Log-softmax and the gradients: nothing past the end is touched, and the same bits on every ISA with FMA as
   on the best. Against double precision they are tested in test_ops_loss.c. */
static void test_the_others(void **state)
{
    struct test_target *target = *state;
    const struct cincel_isa *best = NULL;
    for (int i = 0; target->isas[i]; i++) {
        const struct cincel_softmax_row *row = target->isas[i]->softmax;
        if (!best) best = target->isas[i];
        const bool same_bits = target->isas[i]->has_fma && best->has_fma;
        for (size_t count = 1; count <= 150; count++) {
            struct test_random r = {{count, 0, 0}, 0};
            const size_t bytes = count * sizeof(float);
            float *x = test_guarded(bytes), *y = test_guarded(bytes), *dx = test_guarded(bytes), want[150];
            double exact[150];
            draw_row(&r, x, count);
            const double log_sum = exact_softmax(x, count, exact);
            row->log_run(x, y, count, NULL);
            for (size_t k = 0; k < count; k++)
                assert_true(fabs((double)y[k] - (x[k] - log_sum)) < 2e-6 * fmax(1.0, fabs((double)y[k])));
            best->softmax->log_run(x, want, count, NULL);
            if (same_bits) assert_memory_equal(y, want, bytes);
            row->log_backward(y, x, dx, count, NULL);
            best->softmax->log_backward(y, x, want, count, NULL);
            if (same_bits) assert_memory_equal(dx, want, bytes);
            row->run(x, y, count, NULL, NULL);
            row->backward(y, x, dx, count, NULL);
            best->softmax->backward(y, x, want, count, NULL);
            if (same_bits) assert_memory_equal(dx, want, bytes);
            double dot = 0.0, sum = 0.0;
            for (size_t k = 0; k < count; k++) dot += (double)(x[k] * y[k]), sum += (double)x[k];
            assert_true(fabs(row->dot(x, y, count) - dot) < 1e-10);
            assert_true(fabs(row->dot(x, NULL, count) - sum) < 1e-9);
            /* shifted by a constant, as label smoothing wants it */
            row->run(x, y, count, NULL, NULL);
            const struct cincel_softmax_target shifted = {2.0f, -0.5f, 1.5f, count / 2};
            row->run(x, dx, count, &shifted, NULL);
            for (size_t k = 0; k < count; k++)
                assert_true(fabs((double)dx[k] - (2.0 * y[k] - 0.5 - (k == count / 2 ? 1.5 : 0.0))) < 1e-6);
            test_guarded_free(x, bytes), test_guarded_free(y, bytes), test_guarded_free(dx, bytes);
        }
    }
}

/* The condensed bits of many rows: whatever the width of the registers. */
static void test_same_bits_on_every_isa(void **state)
{
    struct test_target *target = *state;
    for (int i = 0; target->isas[i]; i++) {
        if (!target->isas[i]->has_fma) continue;
        struct test_random r = {{2, 0, 0}, 0};
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        for (size_t count = 1; count <= LONGEST; count += 3) {
            float x[LONGEST];
            draw_row(&r, x, count);
            const double log_sum = target->isas[i]->softmax->run(x, x, count, NULL, NULL);
            uint64_t bits;
            memcpy(&bits, &log_sum, sizeof bits);
            hash = (hash ^ bits) * UINT64_C(0x100000001b3);
            for (size_t k = 0; k < count; k++) {
                uint32_t word;
                memcpy(&word, x + k, sizeof word);
                hash = (hash ^ word) * UINT64_C(0x100000001b3);
            }
        }
        assert_int_equal(hash, UINT64_C(0x13102e9f6fcc9f5c));
    }
}

static void test_special_values(void **state)
{
    struct test_target *target = *state;
    for (int i = 0; target->isas[i]; i++) {
        const struct cincel_softmax_row *row = target->isas[i]->softmax;
        for (size_t count = 1; count <= 40; count++)
            for (size_t at = 0; at < count; at++) {
                float x[40] = {0}, y[40];
                x[at] = NAN;
                assert_true(isnan(row->run(x, y, count, NULL, NULL)));
                for (size_t k = 0; k < count; k++) assert_true(isnan(y[k]));
                x[at] = -INFINITY; /* a masked class */
                if (count == 1) continue;
                const double log_sum = row->run(x, y, count, NULL, NULL);
                assert_true(fabs(log_sum - log((double)(count - 1))) < 1e-6);
                for (size_t k = 0; k < count; k++)
                    assert_true(k == at ? y[k] == 0.0f
                                        : fabs((double)y[k] * (double)(count - 1) - 1.0) < 1e-6);
                x[at] = 3e38f; /* no overflow: the maximum comes off first */
                assert_true(row->run(x, y, count, NULL, NULL) == (double)3e38f && y[at] == 1.0f);
            }
    }
}

int main(void)
{
    static struct test_target target;
    test_target_create(1, &target);
    test_target_emulate(&target);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_rows, &target),
        cmocka_unit_test_prestate(test_past_the_caches, &target),
        cmocka_unit_test_prestate(test_the_others, &target),
        cmocka_unit_test_prestate(test_same_bits_on_every_isa, &target),
        cmocka_unit_test_prestate(test_special_values, &target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
