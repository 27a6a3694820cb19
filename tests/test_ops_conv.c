/* Forward and backward-data convolution: every candidate against the oracle, and its promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ops/conv.h"
#include "ops/reference.h"
#include "tests/support/conv_check.h"

static void test_forward_exact_on_integers(void **state)
{
    (void)state;
    conv_check_candidates(CINCEL_FORWARD, CONV_INTEGERS, 125);
}

static void test_forward_bits_and_error_on_uniform(void **state)
{
    (void)state;
    conv_check_candidates(CINCEL_FORWARD, CONV_UNIFORM, 125);
}

static void test_backward_data_exact_on_integers(void **state)
{
    (void)state;
    conv_check_candidates(CINCEL_BACKWARD_DATA, CONV_INTEGERS, 125);
}

static void test_backward_data_bits_and_error_on_uniform(void **state)
{
    (void)state;
    conv_check_candidates(CINCEL_BACKWARD_DATA, CONV_UNIFORM, 125);
}

/* The default choice of the best ISA's first row. */
static void first_choice(const struct test_target *target, const struct cincel_algo *algo,
                         const struct cincel_problem *p, struct cincel_choice *c)
{
    *c = (struct cincel_choice){.threads = target->machine.threads};
    snprintf(c->algo, sizeof c->algo, "%s", algo->name);
    snprintf(c->isa, sizeof c->isa, "%s", target->isas[0]->name);
    snprintf(c->row, sizeof c->row, "%s", algo->row(target->isas[0], 0));
    algo->defaults(&target->target, p, c);
}

/* bias = NULL adds none. */
static void test_forward_without_bias(void **state)
{
    (void)state;
    struct test_target target;
    test_target_create(2, &target);
    struct cincel_team *team = cincel_team_create(2);
    const struct cincel_algo *algo = &cincel_algo_conv_direct_forward;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct conv_check f;
        struct cincel_choice c;
        conv_check_create(&f, CINCEL_FORWARD, seed, CONV_INTEGERS);
        struct conv_case without = f.c;
        without.bias = NULL;
        const struct cincel_tensors t = conv_case_tensors(&without);
        cincel_reference_conv(&f.problem, &t, NULL, f.output[0].count, f.output[0].expected);
        first_choice(&target, algo, &f.problem, &c);
        assert_true(conv_case_run(&target, algo, &f.problem, &c, &without, team));
        conv_check_compare(&f, algo, &c, "no bias");
        conv_check_free(&f);
    }
    cincel_team_destroy(team);
}

/* Shapes of every kind worth cutting evenly. */
static const cincel_conv_desc shapes[] = {
    {.n = 8,
     .ic = 64,
     .ih = 56,
     .iw = 56,
     .oc = 64,
     .kh = 3,
     .kw = 3,
     .stride_h = 1,
     .stride_w = 1,
     .pad_top = 1},
    {.n = 8,
     .ic = 128,
     .ih = 56,
     .iw = 56,
     .oc = 128,
     .kh = 3,
     .kw = 3,
     .stride_h = 2,
     .stride_w = 2,
     .pad_left = 1},
    {.n = 4, .ic = 256, .ih = 56, .iw = 56, .oc = 192, .kh = 3, .kw = 3, .stride_h = 1, .stride_w = 1},
    {.n = 8, .ic = 512, .ih = 7, .iw = 7, .oc = 512, .kh = 3, .kw = 3, .stride_h = 1, .stride_w = 1},
    {.n = 8,
     .ic = 3,
     .ih = 224,
     .iw = 224,
     .oc = 64,
     .kh = 7,
     .kw = 7,
     .stride_h = 2,
     .stride_w = 2,
     .pad_top = 3},
    {.n = 64, .ic = 1, .ih = 28, .iw = 28, .oc = 32, .kh = 3, .kw = 3, .stride_h = 1, .stride_w = 1},
    {.n = 8, .ic = 51, .ih = 30, .iw = 45, .oc = 67, .kh = 5, .kw = 5, .stride_h = 3, .stride_w = 3},
    {.n = 1, .ic = 128, .ih = 28, .iw = 28, .oc = 128, .kh = 3, .kw = 3, .stride_h = 1, .stride_w = 1},
    {.n = 64, .ic = 3136, .ih = 1, .iw = 1, .oc = 128, .kh = 1, .kw = 1, .stride_h = 1, .stride_w = 1},
};

struct balance {
    const struct test_target *target;
    const struct cincel_problem *problem;
    int judged;
};

static bool judge_balance(void *user, const struct cincel_algo *algo, const struct cincel_choice *c)
{
    struct balance *b = user;
    struct cincel_cost cost;
    algo->cost(&b->target->target, b->problem, c, &cost);
    assert_true(cost.cuts >= 1.0 && cost.balance >= 1.0);
    if (cost.cuts < 8.0 * c->threads) return true;
    b->judged++;
    if (cost.balance <= 1.15) return true;
    char key[256], text[CINCEL_CHOICE_TEXT];
    cincel_problem_key(b->problem, key, sizeof key);
    cincel_choice_print(b->problem, c, text);
    fail_msg("%s, %s: the busiest thread has %.3f times the mean of %.0f cuts", key, text, cost.balance,
             cost.cuts);
    return false;
}

/* Where a thread can claim 8 cuts or more, the busiest has at most 1.15 times the mean. */
static void test_balance(void **state)
{
    (void)state;
    static const int threads[] = {2, 3, 4, 6, 7, 8, 12, 16, 24, 32, 48, 64, 96, 128};
    struct test_target target;
    test_target_create(128, &target);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (int pass = CINCEL_FORWARD; pass <= CINCEL_BACKWARD_DATA; pass++) {
            struct cincel_problem p;
            struct balance b = {&target, &p, 0};
            char why[CINCEL_WHY];
            cincel_conv_desc d = shapes[i];
            d.size = sizeof d;
            d.groups = d.dilation_h = d.dilation_w = 1;
            assert_int_equal(cincel_problem_conv(&d, (cincel_pass)pass, "conv", &p), CINCEL_OK);
            for (size_t t = 0; t < sizeof threads / sizeof *threads; t++)
                cincel_choice_enumerate(&target.target, &p, CINCEL_ALL_KNOBS, threads[t], 1e9, judge_balance,
                                        &b, why);
            assert_true(b.judged > 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward_exact_on_integers),
        cmocka_unit_test(test_forward_bits_and_error_on_uniform),
        cmocka_unit_test(test_backward_data_exact_on_integers),
        cmocka_unit_test(test_backward_data_bits_and_error_on_uniform),
        cmocka_unit_test(test_forward_without_bias),
        cmocka_unit_test(test_balance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
