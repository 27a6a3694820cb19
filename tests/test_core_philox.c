/* Philox against the published known answers, and the distributions made of it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/philox.h"

/* Known-answer vectors of Philox4x32-10 as distributed by the paper's authors with Random123:
   all zeros, all ones, and the digits of pi. */
static void test_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        cincel_philox(known[i].counter, known[i].key, out);
        for (int w = 0; w < 4; w++) assert_int_equal(out[w], known[i].out[w]);
    }
}

static void test_the_counter_holds_every_part(void **state)
{
    (void)state;
    const struct cincel_random base = {UINT64_C(0xa4093822299f31d0), 3, 5};
    const uint32_t first = cincel_random_bits(&base, 17);
    struct cincel_random other = base;
    other.seed ^= UINT64_C(1) << 63;
    assert_int_not_equal(cincel_random_bits(&other, 17), first);
    other = base;
    other.purpose = 4;
    assert_int_not_equal(cincel_random_bits(&other, 17), first);
    other = base;
    other.epoch = 6;
    assert_int_not_equal(cincel_random_bits(&other, 17), first);
    assert_int_not_equal(cincel_random_bits(&base, 18), first);
    assert_int_not_equal(cincel_random_bits(&base, 17 + (UINT64_C(1) << 40)), first);
    assert_int_equal(cincel_random_bits(&base, 17), first);

    /* the documented placing: word index mod 4 of block (index / 4, epoch, purpose) under key seed */
    const uint32_t counter[4] = {17 / 4, 0, 5, 3}, key[2] = {0x299f31d0, 0xa4093822};
    uint32_t out[4];
    cincel_philox(counter, key, out);
    assert_int_equal(first, out[17 % 4]);
}

static void test_filling_equals_single_draws(void **state)
{
    (void)state;
    const struct cincel_random r = {42, 1, 0};
    float uniform[23], normal[23];
    for (uint64_t first = 0; first < 9; first++) {
        for (size_t count = 0; count <= 23; count++) {
            cincel_random_fill_uniform(&r, first, uniform, count);
            cincel_random_fill_normal(&r, first, normal, count);
            for (size_t i = 0; i < count; i++) {
                assert_true(uniform[i] == cincel_random_uniform(&r, first + i));
                assert_true(normal[i] == cincel_random_normal(&r, first + i));
            }
        }
    }
}

enum { DRAWS = 200000 };

static void test_uniform_moments(void **state)
{
    (void)state;
    const struct cincel_random r = {1, 2, 3};
    double sum = 0, squares = 0;
    int counts[10] = {0};
    for (uint64_t i = 0; i < DRAWS; i++) {
        const float u = cincel_random_uniform(&r, i);
        assert_true(u >= 0.0f && u < 1.0f);
        sum += u;
        squares += (double)u * u;
        const uint32_t digit = cincel_random_below(&r, i, 10);
        assert_true(digit < 10);
        counts[digit]++;
    }
    /* five standard errors: 0.29/√N, 0.30/√N and √(N·0.09) */
    assert_true(fabs(sum / DRAWS - 0.5) < 0.0033);
    assert_true(fabs(squares / DRAWS - 1.0 / 3) < 0.0034);
    for (int d = 0; d < 10; d++) assert_true(abs(counts[d] - DRAWS / 10) < 672);
    assert_int_equal(cincel_random_below(&r, 5, 1), 0);
}

/* The distribution function of the normal, from libm, undoes the quantile. */
static void test_normal_is_the_quantile_of_the_bits(void **state)
{
    (void)state;
    const struct cincel_random r = {7, 0, 0};
    double sum = 0, squares = 0;
    float largest = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        const float z = cincel_random_normal(&r, i);
        const double p = ((double)cincel_random_bits(&r, i) + 0.5) * 0x1p-32;
        const double lower = z < 0 ? p : 1.0 - p, found = 0.5 * erfc(fabs((double)z) / sqrt(2.0));
        /* dP/P = |z|·dz near the tail, z itself rounded to float */
        assert_true(fabs(found - lower) <= 4e-7 * (1.0 + (double)z * z) * lower);
        sum += z;
        squares += (double)z * z;
        largest = fmaxf(largest, fabsf(z));
    }
    assert_true(fabs(sum / DRAWS) < 0.0112);         /* five standard errors: 1/√N */
    assert_true(fabs(squares / DRAWS - 1) < 0.0159); /* √2/√N */
    assert_true(largest > 3.9f && largest < 6.4f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_the_counter_holds_every_part),
        cmocka_unit_test(test_filling_equals_single_draws),
        cmocka_unit_test(test_uniform_moments),
        cmocka_unit_test(test_normal_is_the_quantile_of_the_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
