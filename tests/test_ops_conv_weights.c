/* Backward-weights of convolutions: every candidate against the oracle, and its promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ops/conv.h"
#include "tests/support/conv_check.h"

static void test_exact_on_integers(void **state)
{
    (void)state;
    conv_check_candidates(CINCEL_BACKWARD_WEIGHTS, CONV_INTEGERS, 40);
}

static void test_bits_and_error_on_uniform(void **state)
{
    (void)state;
    conv_check_candidates(CINCEL_BACKWARD_WEIGHTS, CONV_UNIFORM, 40);
}

/* db = NULL leaves the bias gradient alone and changes nothing in dw. */
static void test_without_bias_gradient(void **state)
{
    (void)state;
    struct test_target target;
    test_target_create(2, &target);
    struct cincel_team *team = cincel_team_create(2);
    const struct cincel_algo *algo = &cincel_algo_conv_direct_backward_weights;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct conv_check f;
        conv_check_create(&f, CINCEL_BACKWARD_WEIGHTS, seed, CONV_INTEGERS);
        struct cincel_choice c = {.threads = 2};
        snprintf(c.algo, sizeof c.algo, "%s", algo->name);
        snprintf(c.isa, sizeof c.isa, "%s", target.isas[0]->name);
        snprintf(c.row, sizeof c.row, "%s", algo->row(target.isas[0], 0));
        algo->defaults(&target.target, &f.problem, &c);
        struct conv_case without = f.c;
        without.db = NULL;
        assert_true(conv_case_run(&target, algo, &f.problem, &c, &without, team));
        assert_memory_equal(f.output[1].at, f.output[1].initial, f.output[1].count * sizeof(float));
        f.outputs = 1;
        conv_check_compare(&f, algo, "no db");
        f.outputs = 2;
        conv_check_free(&f);
    }
    cincel_team_destroy(team);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_on_integers),
        cmocka_unit_test(test_bits_and_error_on_uniform),
        cmocka_unit_test(test_without_bias_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
