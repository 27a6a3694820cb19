/* Choices print and parse back, bad ones are refused by name, and every enumerated one is valid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "plan/plan.h"
#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tune/cost.h"

static cincel_context *ctx;

static int set_up(void **state)
{
    (void)state;
    cincel_config config = CINCEL_CONFIG_INIT;
    config.threads = 3;
    return cincel_context_create(&config, &ctx) == CINCEL_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    cincel_context_destroy(ctx);
    return 0;
}

static struct cincel_problem problem(cincel_pass pass)
{
    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    d.n = 2;
    d.ic = 5;
    d.ih = d.iw = 9;
    d.oc = 19;
    d.kh = d.kw = 3;
    d.pad_top = d.pad_left = 1;
    struct cincel_problem p;
    assert_int_equal(cincel_problem_conv(&d, pass, "conv", &p), CINCEL_OK);
    return p;
}

struct seen {
    const struct cincel_problem *p;
    size_t count;
};

static bool round_trip(void *user, const struct cincel_algo *algo, const struct cincel_choice *c)
{
    struct seen *seen = user;
    char text[CINCEL_CHOICE_TEXT], why[CINCEL_WHY] = "";
    struct cincel_choice back;
    cincel_choice_print(seen->p, c, text);
    if (!cincel_choice_parse(seen->p, text, &back, why)) fail_msg("%s: %s", text, why);
    assert_memory_equal(&back, c, sizeof back);
    assert_true(cincel_choice_check(&ctx->target, seen->p, &back, ctx->error_budget, why));
    assert_string_equal(algo->name, c->algo);
    const double seconds = cincel_predict_seconds(&ctx->target, seen->p, algo, c);
    assert_true(isfinite(seconds) && seconds > 0.0);
    seen->count++;
    return true;
}

static void enumerated_choices_survive_print_and_parse(void **state)
{
    (void)state;
    for (int pass = 0; pass < 3; pass++) {
        const struct cincel_problem p = problem((cincel_pass)pass);
        struct seen few = {&p, 0}, all = {&p, 0};
        char why[CINCEL_WHY] = "";
        cincel_choice_enumerate(&ctx->target, &p, CINCEL_DEFAULT_KNOBS, 2, ctx->error_budget, round_trip,
                                &few, why);
        cincel_choice_enumerate(&ctx->target, &p, CINCEL_ALL_KNOBS, 2, ctx->error_budget, round_trip, &all,
                                why);
        assert_true(few.count > 0);
        assert_true(all.count >= few.count);
    }
}

static void algorithms_have_their_facts_and_names_of_their_own(void **state)
{
    (void)state;
    for (const struct cincel_algo *const *a = cincel_algos; *a; a++) {
        assert_non_null((*a)->name);
        assert_true((*a)->knob_count <= CINCEL_MAX_KNOBS);
        for (int i = 0; i < (*a)->knob_count; i++) assert_true((*a)->knobs[i].count > 0);
        for (const struct cincel_algo *const *b = cincel_algos; b != a; b++)
            assert_false((*a)->op == (*b)->op && (*a)->pass == (*b)->pass &&
                         strcmp((*a)->name, (*b)->name) == 0);
    }
}

static void bad_choices_are_refused_by_name(void **state)
{
    (void)state;
    const struct cincel_problem p = problem(CINCEL_FORWARD);
    cincel_options options = CINCEL_OPTIONS_INIT;
    options.effort = CINCEL_ESTIMATE;
    cincel_plan *plan = NULL;
    assert_int_equal(cincel_plan_create(ctx, CINCEL_PLAN_CONV, &p, &options, &plan), CINCEL_OK);
    char good[CINCEL_CHOICE_TEXT];
    snprintf(good, sizeof good, "%s", cincel_plan_choice(plan));
    cincel_plan_destroy(plan);

    char twice[2 * CINCEL_CHOICE_TEXT], wordy[CINCEL_CHOICE_TEXT + 100], unknown[CINCEL_CHOICE_TEXT + 16];
    const char *knob = strrchr(good, ' ');
    snprintf(twice, sizeof twice, "%s%s", good, knob);
    snprintf(wordy, sizeof wordy, "%s %090d=1", good, 0);
    snprintf(unknown, sizeof unknown, "%s speed=9", good);
    const struct {
        const char *text, *says;
    } cases[] = {
        {"", "expected"},
        {"direct", "expected"},
        {"sorcery avx2 gemm_6x16_avx2 t1", "sorcery"},
        {"direct z80 gemm_6x16_avx2 t1 ", "missing knob"},
        {"direct generic gemm_6x16_avx2 x1", "x1"},
        {"direct generic gemm_6x16_avx2 t99999999999", "t99999999999"},
        {twice, "twice"},
        {unknown, "speed"},
        {wordy, "too long"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        options.choice = cases[i].text;
        plan = NULL;
        assert_int_equal(cincel_plan_create(ctx, CINCEL_PLAN_CONV, &p, &options, &plan),
                         CINCEL_INVALID_ARGUMENT);
        assert_null(plan);
        if (!strstr(cincel_error_message(), cases[i].says))
            fail_msg("\"%s\" gave: %s", cases[i].text, cincel_error_message());
    }
    options.choice = good;
    assert_int_equal(cincel_plan_create(ctx, CINCEL_PLAN_CONV, &p, &options, &plan), CINCEL_OK);
    assert_string_equal(cincel_plan_choice(plan), good);
    cincel_plan_destroy(plan);
}

/* The model's choice for more threads computes the same bits as for one, whatever the problem. */
static void numeric_half_does_not_depend_on_threads(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 16};
    enum { CONTEXTS = sizeof threads / sizeof *threads };
    cincel_context *of[CONTEXTS];
    for (int i = 0; i < CONTEXTS; i++) {
        cincel_config config = CINCEL_CONFIG_INIT;
        config.threads = threads[i];
        assert_int_equal(cincel_context_create(&config, &of[i]), CINCEL_OK);
    }
    const long cases = test_cases(300);
    for (long n = 0; n < cases; n++) {
        struct test_random r = {{(uint64_t)n, 0, 0}, 0};
        struct cincel_problem p;
        conv_case_problem(&r, (cincel_pass)(n % 3), &p);
        const cincel_options options = {.size = sizeof options, .effort = CINCEL_ESTIMATE};
        cincel_plan *plan[CONTEXTS];
        for (int i = 0; i < CONTEXTS; i++) {
            assert_int_equal(cincel_plan_create(of[i], CINCEL_PLAN_CONV, &p, &options, &plan[i]), CINCEL_OK);
            if (!cincel_choice_same_bits(plan[0]->algo, &plan[0]->choice, plan[i]->algo, &plan[i]->choice))
                fail_msg("seed %ld: \"%s\" on one thread, \"%s\" on %d", n, plan[0]->choice_text,
                         plan[i]->choice_text, threads[i]);
        }
        for (int i = 0; i < CONTEXTS; i++) cincel_plan_destroy(plan[i]);
    }
    for (int i = 0; i < CONTEXTS; i++) cincel_context_destroy(of[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numeric_half_does_not_depend_on_threads),
        cmocka_unit_test(enumerated_choices_survive_print_and_parse),
        cmocka_unit_test(algorithms_have_their_facts_and_names_of_their_own),
        cmocka_unit_test(bad_choices_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
