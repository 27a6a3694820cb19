/* Backward-weights of convolutions: every candidate against the oracle, and its promises. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/conv.h"
#include "ops/reference.h"
#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"

static const int thread_counts[] = {1, 2, 3, 7, 16};
enum { THREAD_COUNTS = 5, MOST_CLASSES = 64, CANDIDATES_A_CASE = 24 };

/* One problem with its data, what is expected, and what the candidates have given so far. */
struct fixture {
    struct cincel_problem problem;
    struct conv_case c;
    enum conv_data data;
    uint64_t seed;
    float *dw, *db; /* what accumulation starts from */
    double *expected_dw, *expected_db;
    double scale_dw, scale_db; /* 1, or RMS of the expected */
    /* bits of dw and db by numeric half of the choice, from the first candidate that had it */
    struct {
        int numeric[CINCEL_MAX_KNOBS];
        uint64_t bits;
    } seen[MOST_CLASSES];
    int classes;
};

/* What the visitor of one enumeration needs. */
struct visit {
    struct fixture *f;
    const struct test_target *target;
    struct cincel_team *team;
    struct test_random *random;
    int keep_one_in;
    int ran;
};

static double rms(const double *v, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) sum += v[i] * v[i];
    return sqrt(sum / (double)count) + 1e-30;
}

static void setup(struct fixture *f, uint64_t seed, enum conv_data data)
{
    struct test_random r = {.source = {.seed = seed, .purpose = 0, .epoch = 0}, .next = 0};
    memset(f, 0, sizeof *f);
    f->data = data;
    f->seed = seed;
    conv_case_problem(&r, CINCEL_BACKWARD_WEIGHTS, &f->problem);
    conv_case_create(&r, &f->problem, data, &f->c);
    f->dw = malloc(f->c.w_count * sizeof(float));
    f->db = malloc(f->c.oc * sizeof(float));
    memcpy(f->dw, f->c.dw, f->c.w_count * sizeof(float));
    memcpy(f->db, f->c.db, f->c.oc * sizeof(float));
    f->expected_dw = malloc(f->c.w_count * sizeof(double));
    f->expected_db = malloc(f->c.oc * sizeof(double));
    const struct cincel_tensors t = conv_case_tensors(&f->c);
    cincel_reference_conv(&f->problem, &t, NULL, f->c.w_count, f->expected_dw);
    cincel_reference_conv_bias(&f->problem, &t, NULL, f->c.oc, f->expected_db);
    f->scale_dw = rms(f->expected_dw, f->c.w_count);
    f->scale_db = rms(f->expected_db, f->c.oc);
}

static void teardown(struct fixture *f)
{
    conv_case_free(&f->c);
    free(f->dw);
    free(f->db);
    free(f->expected_dw);
    free(f->expected_db);
}

static uint64_t hash(const float *p, size_t count, uint64_t h)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &p[i], sizeof bits);
        h = (h ^ bits) * UINT64_C(1099511628211); /* FNV-1a on words */
    }
    return h;
}

/* Integers: equal. Otherwise within what float chains of this length can lose. */
static void compare(const struct fixture *f, const char *what, const float *got, const double *expected,
                    size_t count, double scale, const char *choice)
{
    const double allowed =
        f->data == CONV_INTEGERS ? 0.0 : 2e-6 * sqrt(cincel_chain_length(&f->problem)) * scale;
    for (size_t i = 0; i < count; i++) {
        if (fabs((double)got[i] - expected[i]) <= allowed) continue;
        char key[256];
        cincel_problem_key(&f->problem, key, sizeof key);
        fail_msg("seed %llu, %s, %s: %s[%zu] is %.9g, must be %.9g", (unsigned long long)f->seed, key, choice,
                 what, i, (double)got[i], expected[i]);
    }
}

/* The same numeric half must give the same bits, on every ISA with FMA. */
static void compare_bits(struct fixture *f, const struct cincel_algo *algo, const struct cincel_choice *c,
                         const char *choice)
{
    const uint64_t bits = hash(f->c.db, f->c.oc, hash(f->c.dw, f->c.w_count, UINT64_C(14695981039346656037)));
    int numeric[CINCEL_MAX_KNOBS] = {0};
    for (int i = 0; i < algo->knob_count; i++)
        if (algo->knobs[i].numeric) numeric[i] = c->knob[i];
    for (int i = 0; i < f->classes; i++) {
        if (memcmp(f->seen[i].numeric, numeric, sizeof numeric) != 0) continue;
        if (f->seen[i].bits == bits) return;
        char key[256];
        cincel_problem_key(&f->problem, key, sizeof key);
        fail_msg("seed %llu, %s, %s: other bits than an earlier choice of the same numeric half",
                 (unsigned long long)f->seed, key, choice);
    }
    assert_true(f->classes < MOST_CLASSES);
    memcpy(f->seen[f->classes].numeric, numeric, sizeof numeric);
    f->seen[f->classes++].bits = bits;
}

static void run_and_compare(struct fixture *f, const struct test_target *target,
                            const struct cincel_algo *algo, const struct cincel_choice *c,
                            struct cincel_team *team)
{
    char text[CINCEL_CHOICE_TEXT];
    cincel_choice_print(&f->problem, c, text);
    memcpy(f->c.dw, f->dw, f->c.w_count * sizeof(float));
    memcpy(f->c.db, f->db, f->c.oc * sizeof(float));
    assert_true(conv_case_run(target, algo, &f->problem, c, &f->c, team));
    compare(f, "dw", f->c.dw, f->expected_dw, f->c.w_count, f->scale_dw, text);
    compare(f, "db", f->c.db, f->expected_db, f->c.oc, f->scale_db, text);
    if (f->data == CONV_UNIFORM && cincel_isa_find(&target->target, c->isa)->has_fma)
        compare_bits(f, algo, c, text);
}

static bool visit_candidate(void *user, const struct cincel_algo *algo, const struct cincel_choice *c)
{
    struct visit *v = user;
    if (test_draw(v->random, 1, v->keep_one_in) != 1) return true;
    v->ran++;
    run_and_compare(v->f, v->target, algo, c, v->team);
    return true;
}

static bool count_candidate(void *user, const struct cincel_algo *algo, const struct cincel_choice *c)
{
    (void)algo;
    (void)c;
    ++*(int *)user;
    return true;
}

/* The default choice of each row, and a random sample of all candidates. */
static int run_candidates(struct fixture *f, const struct test_target *all, struct cincel_team *team,
                          struct test_random *random)
{
    const int threads = all->machine.threads;
    int ran = 0;
    for (int i = 0; all->isas[i]; i++) {
        struct test_target one;
        char why[CINCEL_WHY];
        test_target_only(all, all->isas[i], &one);
        struct visit v = {.f = f, .target = &one, .team = team, .random = random, .keep_one_in = 1};
        cincel_choice_enumerate(&one.target, &f->problem, CINCEL_DEFAULT_KNOBS, threads, 1e9, visit_candidate,
                                &v, why);
        assert_true(v.ran > 0);
        int count = 0;
        cincel_choice_enumerate(&one.target, &f->problem, CINCEL_ALL_KNOBS, threads, 1e9, count_candidate,
                                &count, why);
        v.keep_one_in = count / CANDIDATES_A_CASE + 1;
        cincel_choice_enumerate(&one.target, &f->problem, CINCEL_ALL_KNOBS, threads, 1e9, visit_candidate, &v,
                                why);
        ran += v.ran;
    }
    return ran;
}

/* Each problem on each team, so that bits are compared across threads. */
static void test_candidates(enum conv_data data)
{
    const long cases = test_cases(40);
    struct test_target targets[THREAD_COUNTS];
    struct cincel_team *teams[THREAD_COUNTS];
    for (int t = 0; t < THREAD_COUNTS; t++) {
        test_target_create(thread_counts[t], &targets[t]);
        teams[t] = cincel_team_create(thread_counts[t]);
        assert_non_null(teams[t]);
    }
    int ran = 0;
    for (long i = 0; i < cases; i++) {
        struct fixture f;
        setup(&f, (uint64_t)i, data);
        struct test_random random = {.source = {.seed = (uint64_t)i, .purpose = 1, .epoch = 0}, .next = 0};
        for (int t = 0; t < THREAD_COUNTS; t++) ran += run_candidates(&f, &targets[t], teams[t], &random);
        teardown(&f);
    }
    assert_true(ran >= cases);
    for (int t = 0; t < THREAD_COUNTS; t++) cincel_team_destroy(teams[t]);
}

static void test_exact_on_integers(void **state)
{
    (void)state;
    test_candidates(CONV_INTEGERS);
}

static void test_bits_and_error_on_uniform(void **state)
{
    (void)state;
    test_candidates(CONV_UNIFORM);
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
        struct fixture f;
        setup(&f, seed, CONV_INTEGERS);
        struct cincel_choice c = {.threads = 2};
        snprintf(c.algo, sizeof c.algo, "%s", algo->name);
        snprintf(c.isa, sizeof c.isa, "%s", target.isas[0]->name);
        snprintf(c.row, sizeof c.row, "%s", algo->row(target.isas[0], 0));
        algo->defaults(&target.target, &f.problem, &c);
        struct conv_case without = f.c;
        without.db = NULL;
        assert_true(conv_case_run(&target, algo, &f.problem, &c, &without, team));
        compare(&f, "dw", f.c.dw, f.expected_dw, f.c.w_count, f.scale_dw, "no db");
        assert_memory_equal(f.c.db, f.db, f.c.oc * sizeof(float));
        teardown(&f);
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
