/* Element-wise losses against double precision: every usable ISA, every length, guarded buffers, and the same
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

enum { KINDS = 4, LONGEST = 700 };

static double exact(cincel_loss_kind kind, double delta, double x, double t, double *gradient)
{
    const double d = x - t;
    switch (kind) {
    case CINCEL_LOSS_BCE_LOGITS:
        *gradient = 1.0 / (1.0 + exp(-x)) - t;
        return fmax(x, 0.0) - x * t + log1p(exp(-fabs(x)));
    case CINCEL_LOSS_MSE: *gradient = 2.0 * d; return d * d;
    case CINCEL_LOSS_L1: *gradient = (d > 0.0) - (d < 0.0); return fabs(d);
    case CINCEL_LOSS_HUBER:
        *gradient = fmax(-delta, fmin(delta, d));
        return fabs(d) <= delta ? 0.5 * d * d : delta * (fabs(d) - 0.5 * delta);
    }
    return NAN;
}

/* Multiples of 1/64, so that differences are exact and often 0; targets of BCE in 0 … 1. */
static void draw(struct test_random *r, cincel_loss_kind kind, float *x, float *t, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        x[i] = (float)test_draw(r, -640, 640) / 64;
        t[i] = (float)(kind == CINCEL_LOSS_BCE_LOGITS ? test_draw(r, 0, 64) : test_draw(r, -640, 640)) / 64;
        if (i % 5 == 0 && kind != CINCEL_LOSS_BCE_LOGITS) t[i] = x[i];
    }
}

static void check(const struct cincel_isa *isa, cincel_loss_kind kind, float delta, struct test_random *r,
                  size_t count)
{
    const size_t bytes = count * sizeof(float);
    const float scale = 0.125f;
    float *x = test_guarded(bytes), *t = test_guarded(bytes), *dx = test_guarded(bytes), in_place[LONGEST];
    draw(r, kind, x, t, count);
    const double got = isa->loss->run(kind, delta, scale, x, t, dx, count, 0);
    double want = 0.0;
    for (size_t i = 0; i < count; i++) {
        double gradient;
        want += exact(kind, (double)delta, (double)x[i], (double)t[i], &gradient);
        if (!(fabs((double)dx[i] - (double)scale * gradient) <=
              3e-7 * (double)scale * fmax(1.0, fabs(gradient))))
            fail_msg("%s: kind %d: gradient %zu of %zu is %a, exact %a", isa->name, (int)kind, i, count,
                     (double)dx[i], (double)scale * gradient);
    }
    if (!(fabs(got - want) <= 4e-7 * want))
        fail_msg("%s: kind %d: %zu elements sum to %.9g, exact %.9g", isa->name, (int)kind, count, got, want);
    assert_true(isa->loss->run(kind, delta, scale, x, t, NULL, count, 0) == got);
    _Alignas(64) float past[LONGEST];
    assert_true(isa->loss->run(kind, delta, scale, x, t, past, count, 1) == got);
    assert_memory_equal(past, dx, bytes);
    memcpy(in_place, x, bytes);
    assert_true(isa->loss->run(kind, delta, scale, in_place, t, in_place, count, 0) == got);
    assert_memory_equal(in_place, dx, bytes);
    assert_true(isa->loss->run(kind, delta, scale, x, t, t, count, 0) == got);
    assert_memory_equal(t, dx, bytes);
    test_guarded_free(x, bytes), test_guarded_free(t, bytes), test_guarded_free(dx, bytes);
}

static void test_all(void **state)
{
    const struct test_target *target = *state;
    const long cases = test_cases(200);
    for (int i = 0; target->isas[i]; i++)
        for (int kind = 0; kind < KINDS; kind++) {
            struct test_random r = {{1, 0, 0}, 0};
            for (long c = 0; c < cases; c++)
                check(target->isas[i], (cincel_loss_kind)kind, (float)test_draw(&r, 1, 128) / 16, &r,
                      c < 70 ? (size_t)c + 1 : (size_t)test_draw(&r, 1, LONGEST));
        }
}

/* A confident prediction keeps its small loss and gradient, wherever the rounding of 1 + e^-|x| hides them.
 */
static void test_confident(void **state)
{
    const struct test_target *target = *state;
    for (int i = 0; target->isas[i]; i++)
        for (int k = 1; k <= 80; k++) {
            const float x = -(float)k, t = 0.0f;
            float dx;
            const double loss =
                target->isas[i]->loss->run(CINCEL_LOSS_BCE_LOGITS, 0.0f, 1.0f, &x, &t, &dx, 1, 0);
            const double want = log1p(exp((double)x)), gradient = 1.0 / (1.0 + exp(-(double)x));
            assert_true(fabs(loss - want) <= 5e-7 * want);
            assert_true(fabs((double)dx - gradient) <= 5e-7 * gradient);
        }
}

static void test_special_values(void **state)
{
    const struct test_target *target = *state;
    for (int i = 0; target->isas[i]; i++)
        for (int kind = 0; kind < KINDS; kind++)
            for (size_t at = 0; at < 40; at++) {
                float x[40] = {0}, dx[40];
                const float t[40] = {0};
                x[at] = NAN;
                assert_true(isnan(target->isas[i]->loss->run(kind, 1.0f, 1.0f, x, t, dx, 40, 0)));
                for (size_t k = 0; k < 40; k++) assert_true((isnan(dx[k]) != 0) == (k == at));
                x[at] = 100.0f; /* e^100 overflows */
                double gradient;
                const double other = kind == CINCEL_LOSS_BCE_LOGITS ? 39 * log(2.0) : 0.0;
                const double want = other + exact((cincel_loss_kind)kind, 1.0, 100.0, 0.0, &gradient);
                assert_true(fabs(target->isas[i]->loss->run(kind, 1.0f, 1.0f, x, t, dx, 40, 0) - want) <
                            1e-5);
                assert_true(fabs((double)dx[at] - gradient) < 1e-6);
            }
}

static uint64_t hash_in(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static void test_same_bits_on_every_isa(void **state)
{
    const struct test_target *target = *state;
    for (int i = 0; target->isas[i]; i++) {
        if (!target->isas[i]->has_fma) continue;
        struct test_random r = {{2, 0, 0}, 0};
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        for (int kind = 0; kind < KINDS; kind++)
            for (size_t count = 1; count <= LONGEST; count += 23) {
                float x[LONGEST], t[LONGEST], dx[LONGEST];
                draw(&r, (cincel_loss_kind)kind, x, t, count);
                const double sum = target->isas[i]->loss->run(kind, 1.5f, 0.3f, x, t, dx, count, 0);
                hash = hash_in(hash_in(hash, &sum, sizeof sum), dx, count * sizeof *dx);
            }
        assert_int_equal(hash, UINT64_C(0xf74f7a00462962eb));
    }
}

int main(void)
{
    static struct test_target target;
    test_target_create(1, &target);
    test_target_emulate(&target);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_all, &target),
        cmocka_unit_test_prestate(test_confident, &target),
        cmocka_unit_test_prestate(test_special_values, &target),
        cmocka_unit_test_prestate(test_same_bits_on_every_isa, &target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
