/* What tuning believes a candidate: every valid one passes its check, a wrong one never wins, and the untuned
   choice is never missing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory.h"
#include "core/rnn_problem.h"
#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tune/cost.h"
#include "tune/measure.h"
#include "tune/trial.h"

enum { TEAM = 2, MOST_CANDIDATES = 4096 };

struct fixture {
    struct test_target all;
    struct cincel_team *team;
};

/* ------------------------------------------------------------------------------------- checking -- */

struct visit {
    struct fixture *f;
    struct cincel_trial trial;
    int left; /* candidates to try */
    int tried;
};

/* Runs a candidate on the trial's tensors. */
static void run(struct visit *v, const struct cincel_algo *algo, const struct cincel_choice *c)
{
    struct cincel_tensors tensors = v->trial.tensors;
    struct cincel_prepared *prepared;
    const size_t bytes = algo->workspace(&v->f->all.target, v->trial.p, c);
    tensors.workspace = cincel_aligned_alloc(bytes);
    assert_int_equal(algo->build(&v->f->all.target, v->trial.p, c, &prepared), CINCEL_OK);
    cincel_trial_spoil(&v->trial);
    algo->run(prepared, &tensors, v->f->team);
    algo->discard(prepared);
    cincel_aligned_free(tensors.workspace);
}

/* Right as it is, wrong as soon as one sample of any output is off, or was never written. */
static bool check_candidate(void *user, const struct cincel_algo *algo, const struct cincel_choice *c)
{
    struct visit *v = user;
    char key[CINCEL_PROBLEM_KEY], text[CINCEL_CHOICE_TEXT], why[CINCEL_WHY];
    run(v, algo, c);
    cincel_problem_key(v->trial.p, key, sizeof key);
    cincel_choice_print(v->trial.p, c, text);
    if (!cincel_trial_verify(&v->trial, algo, c, why)) fail_msg("%s: %s %s", key, text, why);
    for (int i = 0; i < v->trial.outputs; i++) {
        const struct cincel_trial_output *o = &v->trial.output[i];
        const size_t sample = (size_t)v->tried % o->samples;
        float *at = &o->at[o->index[sample]];
        const float right = *at, wrong[] = {NAN, INFINITY, right + 2.0f + (float)o->scale};
        for (size_t w = 0; w < sizeof wrong / sizeof *wrong; w++) {
            *at = wrong[w];
            if (cincel_trial_verify(&v->trial, algo, c, why))
                fail_msg("%s: %s: takes %g for %g in %s", key, text, (double)wrong[w], (double)right,
                         o->name);
            assert_non_null(strstr(why, o->name));
        }
        *at = right;
    }
    v->tried++;
    return --v->left > 0;
}

static void check_problem(struct fixture *f, const struct cincel_problem *p)
{
    struct visit v = {.f = f, .left = 60};
    char why[CINCEL_WHY];
    assert_int_equal(cincel_trial_create(&f->all.target, p, &v.trial), CINCEL_OK);
    cincel_choice_enumerate(&f->all.target, p, CINCEL_DEFAULT_KNOBS, TEAM, 1.0, check_candidate, &v, why);
    if (v.tried == 0) fail_msg("no candidate: %s", why);
    cincel_trial_destroy(&v.trial);
}

static void convolutions_pass(void **state)
{
    const long cases = test_cases(60);
    for (long i = 0; i < cases; i++)
        for (int pass = CINCEL_FORWARD; pass <= CINCEL_BACKWARD_WEIGHTS; pass++) {
            struct test_random r = {.source = {.seed = (uint64_t)i}};
            struct cincel_problem p;
            conv_case_problem(&r, (cincel_pass)pass, &p);
            check_problem(*state, &p);
        }
}

static void poolings_pass(void **state)
{
    const long cases = test_cases(60);
    for (long i = 0; i < cases; i++)
        for (int pass = CINCEL_FORWARD; pass <= CINCEL_BACKWARD_DATA; pass++) {
            struct test_random r = {.source = {.seed = (uint64_t)i, .purpose = 1}};
            struct cincel_problem p;
            cincel_pool_desc d;
            do {
                d = (cincel_pool_desc)CINCEL_POOL_DESC_INIT;
                d.kind = (cincel_pool_kind)test_draw(&r, CINCEL_POOL_MAX, CINCEL_POOL_AVG_EXCLUDE_PAD);
                d.n = test_draw(&r, 1, 3), d.c = test_draw(&r, 1, 70);
                d.ih = test_draw(&r, 1, 40), d.iw = test_draw(&r, 1, 40);
                d.kh = test_draw(&r, 1, 17), d.kw = test_draw(&r, 1, 17);
                d.stride_h = test_draw(&r, 1, 4), d.stride_w = test_draw(&r, 1, 4);
                d.pad_top = d.pad_left = test_draw(&r, 0, 2);
                d.accumulate = test_draw(&r, 0, 1);
                if (test_draw(&r, 0, 2) == 0) d.oh = test_draw(&r, 1, 5), d.ow = test_draw(&r, 1, 5);
            } while (cincel_problem_pool(&d, (cincel_pass)pass, &p) != CINCEL_OK);
            check_problem(*state, &p);
        }
}

static void recurrent_layers_pass(void **state)
{
    const long cases = test_cases(60);
    for (long i = 0; i < cases; i++) {
        struct test_random r = {.source = {.seed = (uint64_t)i, .purpose = 2}};
        const cincel_pass pass = test_draw(&r, 0, 1) ? CINCEL_FORWARD : CINCEL_BACKWARD;
        cincel_rnn_desc d = CINCEL_RNN_DESC_INIT;
        struct cincel_problem p;
        d.cell = (cincel_rnn_cell)test_draw(&r, CINCEL_RNN_TANH, CINCEL_GRU);
        d.steps = test_draw(&r, 1, 40), d.batch = test_draw(&r, 8, 20); /* enough for two threads */
        d.input = test_draw(&r, 1, 200), d.hidden = test_draw(&r, 1, 200);
        d.batch_first = test_draw(&r, 0, 1), d.reverse = test_draw(&r, 0, 1);
        d.training = pass == CINCEL_BACKWARD || test_draw(&r, 0, 1);
        d.accumulate = test_draw(&r, 0, 1);
        d.reset_before = test_draw(&r, 0, 1), d.update_new = test_draw(&r, 0, 1);
        assert_int_equal(cincel_problem_rnn(&d, pass, &p), CINCEL_OK);
        check_problem(*state, &p);
    }
}

/* ------------------------------------------------------------------------------------ measuring -- */

struct candidates {
    struct cincel_candidate item[MOST_CANDIDATES];
    size_t count;
};

static bool add(void *user, const struct cincel_algo *algo, const struct cincel_choice *c)
{
    struct candidates *list = user;
    list->item[list->count] =
        (struct cincel_candidate){.algo = algo, .choice = *c, .predicted = 1.0, .measured = HUGE_VAL};
    return ++list->count < MOST_CANDIDATES;
}

static struct cincel_problem small_problem(void)
{
    struct cincel_problem p;
    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    d.n = 2, d.ic = 8, d.oc = 16, d.ih = d.iw = 10, d.kh = d.kw = 3, d.pad_top = d.pad_left = 1;
    assert_int_equal(cincel_problem_conv(&d, CINCEL_FORWARD, "conv", &p), CINCEL_OK);
    return p;
}

static struct candidates *list_candidates(struct fixture *f, const struct cincel_problem *p)
{
    char why[CINCEL_WHY];
    struct candidates *list = calloc(1, sizeof *list);
    assert_non_null(list);
    cincel_choice_enumerate(&f->all.target, p, CINCEL_ALL_KNOBS, 1, 1.0, add, list, why);
    assert_true(list->count > 8);
    list->item[0].standard = true;
    return list;
}

static cincel_status measure(struct fixture *f, const struct cincel_problem *p, struct candidates *list,
                             const struct cincel_measure_limits *limits, struct cincel_measure_report *report)
{
    return cincel_measure(&f->all.target, f->team, p, limits, list->item, list->count, report);
}

/* An algorithm that forgets one element in 64, quickly. */
static struct cincel_algo forgetful;
static const struct cincel_problem *forgetful_problem;
static void (*forgetful_run)(const struct cincel_prepared *, const struct cincel_tensors *,
                             struct cincel_team *);
static void run_forgetfully(const struct cincel_prepared *prepared, const struct cincel_tensors *tensors,
                            struct cincel_team *team)
{
    const cincel_conv_desc *d = &forgetful_problem->conv.d;
    const size_t count = (size_t)d->n * forgetful_problem->conv.oh * forgetful_problem->conv.ow * d->oc;
    forgetful_run(prepared, tensors, team);
    for (size_t i = 0; i < count; i += 64) tensors->y[i] = 0.0f;
}

static void make_forgetful(struct candidates *list, const struct cincel_problem *p, size_t every)
{
    forgetful_problem = p;
    forgetful = *list->item[0].algo;
    forgetful_run = forgetful.run;
    forgetful.run = run_forgetfully;
    for (size_t i = 0; i < list->count; i += every)
        if (list->item[i].algo->run == forgetful_run) list->item[i].algo = &forgetful;
}

static void the_fastest_comes_first(void **state)
{
    struct fixture *f = *state;
    const struct cincel_problem p = small_problem();
    struct candidates *list = list_candidates(f, &p);
    const struct cincel_measure_limits limits = {.budget = 0.5, .exhaustive = true};
    struct cincel_measure_report report;
    assert_int_equal(measure(f, &p, list, &limits, &report), CINCEL_OK);
    assert_int_equal(report.tried, list->count);
    assert_int_equal(report.wrong, 0);
    assert_true(report.contention.samples >= list->count);
    assert_true(report.contention.interrupted <= report.contention.samples);
    double best = HUGE_VAL;
    size_t standards = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct cincel_candidate *c = &list->item[i];
        assert_true(c->checked && !c->wrong && c->measured > 0.0 && c->measured < 1.0);
        assert_true(c->rounds > 0 && cincel_candidate_spread(c) >= 1.0);
        best = fmin(best, c->measured);
        standards += c->standard;
    }
    assert_int_equal(standards, 1);
    assert_true(list->item[0].measured == best || list->item[0].standard);
    assert_true(list->item[0].measured <= 1.01 * best + 1e-12);
    free(list);
}

static void wrong_candidates_never_win(void **state)
{
    struct fixture *f = *state;
    const struct cincel_problem p = small_problem();
    struct candidates *list = list_candidates(f, &p);
    const struct cincel_measure_limits limits = {.budget = 0.3, .exhaustive = true};
    struct cincel_measure_report report;
    make_forgetful(list, &p, 2); /* the untuned choice among them */
    assert_int_equal(measure(f, &p, list, &limits, &report), CINCEL_OK);
    assert_true(report.wrong > 0 && report.wrong < list->count);
    assert_non_null(strstr(report.first_wrong, "computes y[0] as 0, must be"));
    for (size_t i = 0; i < list->count; i++) {
        const struct cincel_candidate *c = &list->item[i];
        assert_int_equal(c->wrong, c->algo == &forgetful);
        assert_int_equal(isfinite(c->measured), !c->wrong);
        if (i > 0) assert_true(list->item[i - 1].wrong <= c->wrong); /* all of them at the end */
    }
    free(list);

    list = list_candidates(f, &p);
    make_forgetful(list, &p, 1);
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (list->item[i].algo == &forgetful) list->item[kept++] = list->item[i];
    list->count = kept;
    assert_int_equal(measure(f, &p, list, &limits, &report), CINCEL_INTERNAL_ERROR);
    free(list);
}

/* Memory-bound work on tensors that fit into half the last cache is expected to run at its speed. */
static void small_tensors_are_expected_in_the_cache(void **state)
{
    struct fixture *f = *state;
    struct test_target t = f->all;
    t.target.machine = &t.machine;
    t.target.gbytes = 10.0;
    t.machine.topo.l3_bytes = (size_t)8 << 20;
    for (int n = 1; n <= 64; n *= 64) {
        struct cincel_problem p;
        cincel_pool_desc d = CINCEL_POOL_DESC_INIT;
        d.n = n, d.c = 64, d.ih = d.iw = 56, d.kh = d.kw = d.stride_h = d.stride_w = 2; /* 1 MB an image */
        assert_int_equal(cincel_problem_pool(&d, CINCEL_FORWARD, &p), CINCEL_OK);
        struct candidates *list = calloc(1, sizeof *list);
        char why[CINCEL_WHY];
        assert_non_null(list);
        cincel_choice_enumerate(&t.target, &p, CINCEL_DEFAULT_KNOBS, 1, 1.0, add, list, why);
        const struct cincel_candidate *c = &list->item[0];
        t.target.cache_gbytes = 0.0;
        const double memory = cincel_predict_seconds(&t.target, &p, c->algo, &c->choice);
        t.target.cache_gbytes = 100.0;
        const double cache = cincel_predict_seconds(&t.target, &p, c->algo, &c->choice);
        if (n == 1)
            assert_true(cache < 0.7 * memory);
        else
            assert_true(cache == memory);
        free(list);
    }
}

/* Whatever ends the search, the untuned choice has been timed. */
static void the_untuned_choice_is_always_timed(void **state)
{
    struct fixture *f = *state;
    const struct cincel_problem p = small_problem();
    static const volatile int raised = 1;
    const struct cincel_measure_limits limits[] = {
        {.budget = 1e-9}, {.budget = 10.0, .cancel = &raised}, {.budget = 0.02}};
    for (size_t l = 0; l < sizeof limits / sizeof *limits; l++) {
        struct candidates *list = list_candidates(f, &p);
        struct cincel_measure_report report;
        for (size_t i = 1; i < list->count; i++) list->item[i].predicted = 1.0 + (double)i;
        assert_int_equal(measure(f, &p, list, &limits[l], &report), CINCEL_OK);
        assert_true(report.tried >= 1);
        if (l < 2) assert_int_equal(report.tried, 1);
        size_t standards = 0;
        for (size_t i = 0; i < list->count; i++) {
            if (!list->item[i].standard) continue;
            standards++;
            assert_true(isfinite(list->item[i].measured) && list->item[i].rounds > 0);
        }
        assert_int_equal(standards, 1);
        free(list);
    }
}

static void contention_is_told(void **state)
{
    (void)state;
    char text[96];
    struct cincel_contention c = {.samples = 100, .interrupted = 5, .stolen = 0.01, .clock = 0.97};
    cincel_contention_text(&c, text, sizeof text);
    assert_string_equal(text, "");
    c = (struct cincel_contention){.samples = 100, .interrupted = 50, .stolen = 0.25, .clock = 0.8};
    cincel_contention_text(&c, text, sizeof text);
    assert_string_equal(text, "50 % of the samples interrupted, 25 % of the time stolen, clock 20 % slower");
    cincel_contention_text(&c, text, 40);
    assert_true(strlen(text) < 40);
    c = (struct cincel_contention){.clock = 1.3};
    cincel_contention_text(&c, text, sizeof text);
    assert_string_equal(text, "clock 30 % faster");
}

static int setup(void **state)
{
    struct fixture *f = malloc(sizeof *f);
    assert_non_null(f);
    test_target_create(TEAM, &f->all);
    f->team = cincel_team_create(TEAM);
    assert_non_null(f->team);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    cincel_team_destroy(f->team);
    free(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_pass),
        cmocka_unit_test(poolings_pass),
        cmocka_unit_test(recurrent_layers_pass),
        cmocka_unit_test(the_fastest_comes_first),
        cmocka_unit_test(wrong_candidates_never_win),
        cmocka_unit_test(the_untuned_choice_is_always_timed),
        cmocka_unit_test(small_tensors_are_expected_in_the_cache),
        cmocka_unit_test(contention_is_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
