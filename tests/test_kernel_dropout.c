/* Dropout kernels against core/philox.c, bit for bit: every usable ISA, guarded buffers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/guard.h"

static void check(const struct cincel_isa *isa, const struct cincel_dropout_args *a, uint64_t first,
                  size_t count)
{
    const size_t bytes = count * sizeof(float);
    float *x = test_guarded(bytes), *y = test_guarded(bytes);
    for (size_t i = 0; i < count; i++) x[i] = (float)(i % 97) - 40.5f;
    isa->dropout->run(a, first, x, y, count);
    const struct cincel_random source = {a->seed, (uint32_t)(a->stream >> 32), (uint32_t)a->stream};
    for (size_t i = 0; i < count; i++) {
        const uint64_t element = first + i;
        const uint32_t word = cincel_random_bits(&source, element / 32 * 16 + element % 16);
        const uint32_t half = element / 16 % 2 ? word >> 16 : word & 0xffff;
        const bool drop = (int)(int16_t)half < (int)a->threshold - 0x8000;
        const float want = drop ? 0.0f : x[i] * a->scale;
        if (memcmp(&y[i], &want, sizeof want) != 0)
            fail_msg("%s: element %zu of %zu from %llu is %a, must be %a", isa->name, i, count,
                     (unsigned long long)first, (double)y[i], (double)want);
    }
    _Alignas(64) float past[600];
    struct cincel_dropout_args stream = *a;
    stream.past = 1;
    isa->dropout->run(&stream, first, x, past, count);
    assert_memory_equal(past, y, bytes);
    isa->dropout->run(a, first, x, x, count);
    assert_memory_equal(x, y, bytes);
    test_guarded_free(x, bytes), test_guarded_free(y, bytes);
}

static void test_same_as_philox(void **state)
{
    const struct test_target *target = *state;
    static const uint32_t thresholds[] = {0, 1, 0x4000, 0x7fff, 0x8000, 0x8001, 0xffff};
    const long cases = test_cases(200);
    for (int i = 0; target->isas[i]; i++) {
        struct test_random r = {{3, 0, 0}, 0};
        for (long c = 0; c < cases; c++) {
            const uint64_t seed =
                (uint64_t)test_draw(&r, 0, INT32_MAX) << 33 | (uint64_t)test_draw(&r, 0, 999);
            const uint64_t stream = (uint64_t)test_draw(&r, 0, INT32_MAX) << (c % 33);
            const struct cincel_dropout_args a = {seed, stream, thresholds[c % 7], 1.0f + (float)c * 0.01f,
                                                  0};
            const size_t count = c < 70 ? (size_t)c + 1 : (size_t)test_draw(&r, 1, 600);
            check(target->isas[i], &a, (uint64_t)test_draw(&r, 0, 100000) * 64, count);
            /* where the low half of the block number runs over */
            check(target->isas[i], &a, (UINT64_C(1) << 35) - 64, count);
        }
    }
}

/* What is dropped is 0 whatever it was. */
static void test_special_values(void **state)
{
    const struct test_target *target = *state;
    const struct cincel_dropout_args all = {7, 9, UINT16_MAX, 2.0f, 0}, none = {7, 9, 0, 2.0f, 0};
    for (int i = 0; target->isas[i]; i++) {
        const float x[4] = {NAN, INFINITY, -INFINITY, -1.0f};
        float y[4];
        target->isas[i]->dropout->run(&all, 0, x, y, 4);
        for (int k = 0; k < 4; k++) assert_true(y[k] == 0.0f && !signbit(y[k]));
        target->isas[i]->dropout->run(&none, 0, x, y, 4);
        assert_true(isnan(y[0]) && y[1] == INFINITY && y[2] == -INFINITY && y[3] == -2.0f);
    }
}

int main(void)
{
    static struct test_target target;
    test_target_create(1, &target);
    test_target_emulate(&target);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_same_as_philox, &target),
        cmocka_unit_test_prestate(test_special_values, &target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
