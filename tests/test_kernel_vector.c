/* Vector math against libm in double precision, and the element-wise kernels against plain loops:
   every usable ISA, every remainder, buffers that end at an unreadable page. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/fpmode.h"
#include "core/problem.h"
#include "ops/reference.h"
#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/guard.h"

static double sigmoid(double x) { return x < 0 ? exp(x) / (1.0 + exp(x)) : 1.0 / (1.0 + exp(-x)); }

static double phi(double x) { return 0.5 * erfc(-x * M_SQRT1_2); }

typedef void math_kernel(const float *x, float *y, size_t count);

/* Bounds in ULP: with FMA, without. `bits` condenses the results of the quick sweep: the same on every ISA
   with FMA. */
static const struct function {
    const char *name;
    double (*exact)(double x);
    double bound, bound_generic;
    uint64_t bits;
    int flushes; /* 1: a denormal result may be 0 */
} functions[] = {
    {"exp", exp, 1.0, 1.0, UINT64_C(0x1756b69e06e88e32), 0},
    {"log", log, 1.0, 1.0, UINT64_C(0xa64373b5d260242b), 0},
    {"tanh", tanh, 2.5, 2.5, UINT64_C(0x0f884dba98b8eda0), 0},
    {"sigmoid", sigmoid, 2.4, 2.4, UINT64_C(0xeaaa43db301ddc2e), 1},
    {"expm1", expm1, 1.5, 1.5, UINT64_C(0x5f7058e36f167797), 0},
    {"phi", phi, 2.5, 5.0, UINT64_C(0xb29418323ad848a7), 0},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

static math_kernel *kernel_of(const struct cincel_isa *isa, int function)
{
    math_kernel *const kernels[FUNCTIONS] = {isa->vector->exp,     isa->vector->log,   isa->vector->tanh,
                                             isa->vector->sigmoid, isa->vector->expm1, isa->vector->phi};
    return kernels[function];
}

static float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint32_t to_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* Distance of `got` from `exact` in units of the float spacing at `exact`. */
static double ulp_error(float got, double exact)
{
    if (isnan(exact)) return isnan(got) ? 0.0 : INFINITY;
    if (isnan(got)) return INFINITY;
    if ((double)got == exact || (isinf(got) && (double)(float)exact == (double)got)) return 0.0;
    int exponent;
    frexp(exact, &exponent);
    if (exponent < -125) exponent = -125; /* denormals are spaced as the smallest normal */
    return fabs((double)got - exact) / ldexp(1.0, exponent - 24);
}

/* FNV-1a, a NaN counted as one value: its bits differ from machine to machine. */
static uint64_t condense(uint64_t hash, const float *y, size_t count)
{
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ (isnan(y[i]) ? 0x7fc00000u : to_bits(y[i]))) * UINT64_C(0x100000001b3);
    return hash;
}

enum { FULL_STEP = 257, QUICK_STEP = 257 * 61, BLOCK = 4096 };

/* Largest error over every step-th float; *worst is where. */
static double sweep(const struct function *f, math_kernel *kernel, uint64_t step, float *worst,
                    uint64_t *bits)
{
    double largest = 0.0;
    float x[BLOCK], y[BLOCK];
    *bits = UINT64_C(0xcbf29ce484222325);
    for (uint64_t at = 0; at <= UINT32_MAX;) {
        size_t count = 0;
        for (; count < BLOCK && at <= UINT32_MAX; at += step) x[count++] = from_bits((uint32_t)at);
        kernel(x, y, count);
        *bits = condense(*bits, y, count);
        for (size_t i = 0; i < count; i++) {
            const double exact = f->exact((double)x[i]);
            if (f->flushes && fabs(exact) < FLT_MIN && y[i] == 0.0f) continue;
            const double error = ulp_error(y[i], exact);
            if (error <= largest) continue;
            largest = error;
            *worst = x[i];
        }
    }
    return largest;
}

static void check_accuracy(const struct cincel_isa *isa, int function, int full)
{
    const struct function *f = &functions[function];
    const double bound = isa->has_fma ? f->bound : f->bound_generic;
    float worst = 0.0f;
    uint64_t bits, unused;
    double error = sweep(f, kernel_of(isa, function), QUICK_STEP, &worst, &bits);
    if (isa->has_fma) assert_int_equal(bits, f->bits);
    if (full) error = sweep(f, kernel_of(isa, function), FULL_STEP, &worst, &unused);
    print_message("%-8s %-8s %.3f ULP at %a\n", isa->name, f->name, error, (double)worst);
    if (!(error <= bound)) fail_msg("%s %s: %g ULP, %g allowed", isa->name, f->name, error, bound);
}

/* Every 257th float; fewer where $CINCEL_TEST_CASES asks for less than that number (emulators). */
static void test_accuracy(void **state)
{
    struct test_target *target = *state;
    const int full = test_cases(FULL_STEP) >= FULL_STEP;
    for (int i = 0; target->isas[i]; i++)
        for (int f = 0; f < FUNCTIONS; f++) check_accuracy(target->isas[i], f, full);
}

/* Around the places where a formula changes its branch, its range or its answer. */
static void test_edges(void **state)
{
    struct test_target *target = *state;
    static const float centres[] = {
        0.0f,        FLT_MIN,  FLT_TRUE_MIN, 1.0f,      2.0f,  0.70710678f, 1.41421356f, 0.34657f, 88.72283f,
        87.33654f,   103.97f,  104.0f,       9.01f,     10.0f, 16.6355f,    17.3287f,    FLT_MAX,  0x1p23f,
        FLT_EPSILON, INFINITY, NAN,          88.02969f, 20.0f, 89.0f,       14.17f,      14.5f};
    float x[2 * 65 * sizeof centres / sizeof *centres], y[sizeof x / sizeof *x];
    size_t count = 0;
    for (size_t c = 0; c < sizeof centres / sizeof *centres; c++)
        for (int32_t step = -32; step <= 32; step++) {
            const uint32_t bits = (to_bits(centres[c]) + (uint32_t)step) & 0x7fffffffu;
            x[count++] = from_bits(bits);
            x[count++] = -from_bits(bits);
        }
    for (int i = 0; target->isas[i]; i++) {
        const struct cincel_isa *isa = target->isas[i];
        for (int f = 0; f < FUNCTIONS; f++) {
            kernel_of(isa, f)(x, y, count);
            for (size_t k = 0; k < count; k++) {
                const double exact = functions[f].exact((double)x[k]);
                if (functions[f].flushes && fabs(exact) < FLT_MIN && y[k] == 0.0f) continue;
                const double bound = isa->has_fma ? 2.5 : fmax(2.5, functions[f].bound_generic);
                if (!(ulp_error(y[k], exact) <= bound) || (exact == 0.0 && !signbit(exact) != !signbit(y[k])))
                    fail_msg("%s %s(%a) = %a, exact %a", isa->name, functions[f].name, (double)x[k],
                             (double)y[k], exact);
            }
        }
    }
}

/* A worker's mode: a denormal argument counts as zero, a denormal result is zero. */
static void test_flushed_denormals(void **state)
{
    struct test_target *target = *state;
    const float x[] = {0x1p-130f, -0x1p-140f, 0.0f, -90.0f, -100.0f};
    const float low[] = {-13.5f, -20.0f}; /* Φ is denormal and less */
    for (int i = 0; target->isas[i]; i++) {
        const struct cincel_vector_row *row = target->isas[i]->vector;
        float e[5], l[3], t[3], s[5], m[3], p[3], tail[2];
        const uint64_t mode = cincel_fpmode_enter();
        row->exp(x, e, 5);
        row->log(x, l, 3);
        row->tanh(x, t, 3);
        row->sigmoid(x, s, 5);
        row->expm1(x, m, 3);
        row->phi(x, p, 3);
        row->phi(low, tail, 2);
        cincel_fpmode_leave(mode);
        for (int k = 0; k < 3; k++) {
            assert_true(e[k] == 1.0f && l[k] == -INFINITY && t[k] == 0.0f && s[k] == 0.5f);
            assert_true(m[k] == 0.0f && p[k] == 0.5f);
        }
        for (int k = 3; k < 5; k++) assert_true(e[k] == 0.0f && s[k] == 0.0f && tail[k - 3] == 0.0f);
    }
}

static float *guarded_floats(size_t count) { return test_guarded(count * sizeof(float)); }
static void release(float *p, size_t count) { test_guarded_free(p, count * sizeof(float)); }

static float *random_floats(struct test_random *r, size_t count)
{
    float *x = guarded_floats(count);
    for (size_t i = 0; i < count; i++) x[i] = (float)test_draw(r, -4000, 4000) * 1e-3f;
    return x;
}

static int same_bits(const float *a, const float *b, size_t count)
{
    return memcmp(a, b, count * sizeof *a) == 0;
}

/* The sign of a NaN depends on which operand a compiler puts first. */
static int same_values(const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!same_bits(a + i, b + i, 1) && !(isnan(a[i]) && isnan(b[i]))) return 0;
    return 1;
}

/* An element's result depends neither on its place nor on the length, and y may be x. */
static void test_math_remainders(void **state)
{
    struct test_target *target = *state;
    struct test_random r = {{1, 0, 0}, 0};
    for (int i = 0; target->isas[i]; i++)
        for (int f = 0; f < FUNCTIONS; f++)
            for (size_t count = 0; count <= 70; count++) {
                math_kernel *kernel = kernel_of(target->isas[i], f);
                float *x = random_floats(&r, count), *y = guarded_floats(count);
                for (size_t k = 0; k < count; k++) x[k] = fabsf(x[k]) + 0.001f; /* in log's domain */
                kernel(x, y, count);
                for (size_t k = 0; k < count; k++) {
                    float alone;
                    kernel(x + k, &alone, 1);
                    assert_true(same_bits(&alone, y + k, 1));
                }
                kernel(x, x, count);
                assert_true(same_bits(x, y, count));
                release(x, count);
                release(y, count);
            }
}

/* Error relative to the larger of 1 and the exact value. */
static double act_error(float got, double exact)
{
    if (isnan(exact) || isnan(got)) return isnan(exact) && isnan(got) ? 0.0 : INFINITY;
    if (isinf(exact) || isinf(got)) return (double)got == (double)(float)exact ? 0.0 : INFINITY;
    return fabs((double)got - exact) / fmax(1.0, fabs(exact));
}

enum { ACTIVATIONS = CINCEL_ACT_SILU + 1 };

/* Largest errors relative to max(1, |y|), forward, and relative to max(1, |dx|), backward with dy = 1. */
static const double act_bounds[ACTIVATIONS][2] = {
    [CINCEL_ACT_NONE] = {0.0, 0.0},        [CINCEL_ACT_RELU] = {0.0, 0.0},
    [CINCEL_ACT_LEAKY_RELU] = {1e-7, 0.0}, [CINCEL_ACT_ELU] = {2e-7, 2e-7},
    [CINCEL_ACT_SIGMOID] = {2e-7, 2e-7},   [CINCEL_ACT_TANH] = {1e-6, 1e-6},
    [CINCEL_ACT_GELU] = {2e-7, 4e-7},      [CINCEL_ACT_GELU_TANH] = {1e-6, 1e-6},
    [CINCEL_ACT_SILU] = {2e-7, 2e-7},
};

/* Both directions of one activation on x, against the oracle. */
static void check_activation(const struct cincel_isa *isa, int act, float alpha, const float *x, size_t count,
                             double worst[2])
{
    float y[BLOCK], dx[BLOCK], ones[BLOCK];
    assert_true(count <= BLOCK);
    for (size_t i = 0; i < count; i++) ones[i] = 1.0f;
    isa->vector->act_forward(act, alpha, x, y, count);
    const float *at = cincel_activation_needs_input((cincel_activation)act) ? x : y;
    isa->vector->act_backward(act, alpha, at, ones, dx, count);
    for (size_t i = 0; i < count; i++) {
        const double error[2] = {
            act_error(y[i], cincel_reference_act((cincel_activation)act, (double)alpha, (double)x[i])),
            act_error(dx[i], cincel_reference_act_gradient((cincel_activation)act, (double)alpha,
                                                           (double)at[i], 1.0))};
        for (int way = 0; way < 2; way++) {
            worst[way] = fmax(worst[way], error[way]);
            if (error[way] <= act_bounds[act][way]) continue;
            fail_msg("%s, activation %d, alpha %g, %s at %a: %a", isa->name, act, (double)alpha,
                     way ? "backward" : "forward", (double)x[i], (double)(way ? dx[i] : y[i]));
        }
    }
}

/* Every float with its low bits cut, so all exponents, infinities and NaN; and densely where they bend. */
static void test_activation_accuracy(void **state)
{
    struct test_target *target = *state;
    static const float alphas[] = {0.01f, 1.0f, 3.5f};
    const int blocks = test_cases(80) < 80 ? 8 : 80;
    for (int i = 0; target->isas[i]; i++)
        for (int act = CINCEL_ACT_NONE; act < ACTIVATIONS; act++) {
            double worst[2] = {0.0, 0.0};
            const int last = cincel_activation_has_alpha((cincel_activation)act) ? 3 : 1;
            for (int a = 0; a < last; a++)
                for (int block = 0; block < blocks; block++) {
                    float x[BLOCK];
                    for (int k = 0; k < BLOCK; k++) {
                        const uint32_t at = (uint32_t)(block * BLOCK + k);
                        x[k] = block % 2 ? from_bits(at * (uint32_t)(UINT32_MAX / (80 * BLOCK)))
                                         : ((float)at / (float)(blocks * BLOCK) - 0.5f) * 40.0f;
                    }
                    check_activation(target->isas[i], act, alphas[a], x, BLOCK, worst);
                }
            print_message("%-8s activation %d: %.2g forward, %.2g backward\n", target->isas[i]->name, act,
                          worst[0], worst[1]);
        }
}

/* The places where infinity times nothing lurks. */
static void test_activation_specials(void **state)
{
    struct test_target *target = *state;
    const float x[] = {INFINITY, -INFINITY, NAN,    0.0f,  -0.0f,   FLT_MAX, -FLT_MAX, FLT_MIN, -FLT_MIN,
                       1e15f,    -1e15f,    -88.0f, 88.0f, -104.5f, 1e-40f,  -1e-40f,  20.0f,   -20.0f};
    for (int i = 0; target->isas[i]; i++)
        for (int act = CINCEL_ACT_NONE; act < ACTIVATIONS; act++) {
            double worst[2];
            check_activation(target->isas[i], act, 0.25f, x, sizeof x / sizeof *x, worst);
        }
}

static void test_activation_remainders(void **state)
{
    struct test_target *target = *state;
    struct test_random r = {{2, 0, 0}, 0};
    for (int i = 0; target->isas[i]; i++)
        for (int act = CINCEL_ACT_NONE; act < ACTIVATIONS; act++)
            for (size_t count = 0; count <= 70; count++) {
                const struct cincel_vector_row *row = target->isas[i]->vector;
                float *x = random_floats(&r, count), *dy = random_floats(&r, count);
                float *y = guarded_floats(count), *dx = guarded_floats(count), before[70], alone;
                memcpy(before, dy, count * sizeof *dy);
                if (count > 3) x[1] = NAN, x[2] = -INFINITY, x[3] = INFINITY;
                row->act_forward(act, 0.3f, x, y, count);
                row->act_backward(act, 0.3f, x, dy, dx, count);
                for (size_t k = 0; k < count; k++) {
                    row->act_forward(act, 0.3f, x + k, &alone, 1);
                    assert_true(same_values(&alone, y + k, 1));
                    row->act_backward(act, 0.3f, x + k, dy + k, &alone, 1);
                    assert_true(same_values(&alone, dx + k, 1));
                }
                row->act_backward(act, 0.3f, x, dy, dy, count); /* in place, over either operand */
                assert_true(same_values(dx, dy, count));
                if (row->act_stream) {
                    _Alignas(64) float past[70];
                    row->act_stream(act, 0.3f, x, past, count);
                    row->fence();
                    assert_true(same_values(past, y, count));
                    row->act_backward_stream(act, 0.3f, x, before, past, count);
                    row->fence();
                    assert_true(same_values(past, dx, count));
                }
                row->act_forward(act, 0.3f, x, x, count);
                assert_true(same_values(x, y, count));
                release(x, count), release(dy, count), release(y, count), release(dx, count);
            }
}

static void test_add(void **state)
{
    struct test_target *target = *state;
    struct test_random r = {{3, 0, 0}, 0};
    for (int i = 0; target->isas[i]; i++)
        for (size_t count = 0; count <= 70; count++) {
            float *x = random_floats(&r, count), *y = random_floats(&r, count), want[70];
            for (size_t k = 0; k < count; k++) want[k] = y[k] + x[k];
            target->isas[i]->vector->add(x, y, count);
            assert_true(same_bits(y, want, count));
            release(x, count), release(y, count);
        }
}

/* Bit for bit: the order of a column's sum is the rows', whatever the shape. */
static void test_column_sum(void **state)
{
    struct test_target *target = *state;
    struct test_random r = {{4, 0, 0}, 0};
    const long cases = test_cases(300);
    for (int i = 0; target->isas[i]; i++)
        for (long c = 0; c < cases; c++) {
            const size_t cols = (size_t)test_draw(&r, 1, c % 8 == 0 ? 300 : 70);
            const size_t rows = (size_t)test_draw(&r, 0, 50), ld = cols + (size_t)test_draw(&r, 0, 3);
            const size_t count = rows > 0 ? (rows - 1) * ld + cols : 0;
            float *x = random_floats(&r, count), *sum = random_floats(&r, cols), want[300];
            for (size_t j = 0; j < cols; j++) {
                want[j] = sum[j];
                for (size_t k = 0; k < rows; k++) want[j] += x[k * ld + j];
            }
            target->isas[i]->vector->column_sum(x, ld, rows, cols, sum);
            if (!same_bits(sum, want, cols))
                fail_msg("%s, case %ld: %zu x %zu, ld %zu", target->isas[i]->name, c, rows, cols, ld);
            release(x, count), release(sum, cols);
        }
}

/* One step in the kernel's own arithmetic: with FMA where the ISA has it. */
static float multiply_add(const struct cincel_isa *isa, float a, float b, float c)
{
    return isa->has_fma ? fmaf(a, b, c) : a * b + c;
}

static void test_sgd(void **state)
{
    struct test_target *target = *state;
    struct test_random r = {{5, 0, 0}, 0};
    const float lr = 0.05f, momentum = 0.9f, decay = 1e-2f;
    for (int i = 0; target->isas[i]; i++) {
        const struct cincel_isa *isa = target->isas[i];
        for (size_t count = 0; count <= 70; count++) {
            float *w = random_floats(&r, count), *dw = random_floats(&r, count),
                  *v = random_floats(&r, count);
            float *plain = guarded_floats(count), want_w[70], want_v[70], want_plain[70];
            memcpy(plain, w, count * sizeof *w);
            for (size_t k = 0; k < count; k++) {
                const float g = multiply_add(isa, decay, w[k], dw[k]);
                want_v[k] = multiply_add(isa, momentum, v[k], g);
                want_w[k] = multiply_add(isa, -lr, want_v[k], w[k]);
                want_plain[k] = multiply_add(isa, -lr, g, w[k]);
            }
            isa->vector->sgd(w, dw, v, count, lr, momentum, decay);
            isa->vector->sgd(plain, dw, NULL, count, lr, 0.0f, decay);
            assert_true(same_bits(w, want_w, count) && same_bits(v, want_v, count));
            assert_true(same_bits(plain, want_plain, count));
            release(w, count), release(dw, count), release(v, count), release(plain, count);
        }
    }
}

static void test_adam(void **state)
{
    struct test_target *target = *state;
    struct test_random r = {{6, 0, 0}, 0};
    for (int i = 0; target->isas[i]; i++) {
        const struct cincel_isa *isa = target->isas[i];
        for (size_t count = 0; count <= 70; count++) {
            float *w = random_floats(&r, count), *dw = random_floats(&r, count);
            float *m = random_floats(&r, count), *v = random_floats(&r, count);
            float want_w[70], want_m[70], want_v[70];
            const struct cincel_adam_args a = {w,     dw,    m,     v,     count, 0.9f, 0.1f,
                                               0.99f, 0.01f, 0.02f, 0.98f, 0.05f, 1.5f, 1e-3f};
            for (size_t k = 0; k < count; k++) {
                v[k] = fabsf(v[k]);
                const float g = multiply_add(isa, a.l2, w[k], dw[k]);
                want_m[k] = multiply_add(isa, a.beta1, m[k], a.rest1 * g);
                want_v[k] = multiply_add(isa, a.beta2, v[k], a.rest2 * (g * g));
                const float root = multiply_add(isa, a.root, sqrtf(want_v[k]), a.eps);
                want_w[k] = multiply_add(isa, a.keep, w[k], -a.rate * (want_m[k] / root));
            }
            isa->vector->adam(&a);
            assert_true(same_bits(w, want_w, count) && same_bits(m, want_m, count) &&
                        same_bits(v, want_v, count));
            release(w, count), release(dw, count), release(m, count), release(v, count);
        }
    }
}

/* Every alignment and length around whole registers and unrolled steps; nothing beside is written. */
static void test_stream(void **state)
{
    const struct test_target *target = *state;
    enum { SIZE = 400, EDGE = 32 };
    float x[SIZE], y[SIZE + 2 * EDGE];
    for (int k = 0; k < SIZE; k++) x[k] = (float)(k + 1);
    for (int i = 0; target->isas[i]; i++) {
        const struct cincel_vector_row *row = target->isas[i]->vector;
        assert_true(!row->stream == !row->fence);
        for (size_t at = 0; row->stream && at < EDGE; at++)
            for (size_t count = 0; count <= SIZE; count += count < 80 ? 1 : 37) {
                memset(y, 0, sizeof y);
                row->stream(x, y + at, count);
                row->fence();
                for (size_t k = 0; k < SIZE + 2 * EDGE; k++)
                    assert_true(y[k] == (k < at || k >= at + count ? 0.0f : x[k - at]));
            }
    }
}

int main(void)
{
    static struct test_target target;
    test_target_create(1, &target);
    test_target_emulate(&target);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_accuracy, &target),
        cmocka_unit_test_prestate(test_edges, &target),
        cmocka_unit_test_prestate(test_flushed_denormals, &target),
        cmocka_unit_test_prestate(test_math_remainders, &target),
        cmocka_unit_test_prestate(test_activation_accuracy, &target),
        cmocka_unit_test_prestate(test_activation_specials, &target),
        cmocka_unit_test_prestate(test_activation_remainders, &target),
        cmocka_unit_test_prestate(test_add, &target),
        cmocka_unit_test_prestate(test_column_sum, &target),
        cmocka_unit_test_prestate(test_stream, &target),
        cmocka_unit_test_prestate(test_sgd, &target),
        cmocka_unit_test_prestate(test_adam, &target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
