/* Recurrent layers as algorithms, against the plain reference: every cell and convention, random sizes (1
   included), lengths, directions and layouts, on every ISA and several thread counts: right, and in the same
   bits whatever the schedule. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/cases.h"
#include "tests/support/rnn_cases.h"

enum { TEAM = 16, CANDIDATES = 6 };
static const int thread_counts[] = {1, 2, 3, 7, TEAM};
enum { THREAD_COUNTS = sizeof thread_counts / sizeof *thread_counts };

/* max |error| / RMS; a chain of 300 has 4e-6, and steps amplify it. */
static const double tolerance = 1e-4;

struct fixture {
    struct test_target all;
    struct cincel_team *team;
};

struct run {
    const struct fixture *f;
    const struct rnn_case *c;
    const struct cincel_problem *p;
    const struct test_target *target;
    struct test_random *r;
    uint64_t bits; /* of ISAs with FMA; 0: none yet */
    long seed;
    int wanted; /* one in so many candidates */
    int tried;
};

static void check_candidate(struct run *run, const struct cincel_choice *choice)
{
    const char *name;
    char text[CINCEL_CHOICE_TEXT], key[CINCEL_PROBLEM_KEY];
    rnn_case_reset(run->c, run->p);
    rnn_case_run(run->c, run->p, run->target, choice, run->f->team);
    const double error = rnn_case_error(run->c, run->p, &name);
    const uint64_t bits = rnn_case_bits(run->c, run->p);
    cincel_choice_print(run->p, choice, text);
    cincel_problem_key(run->p, key, sizeof key);
    if (!(error <= tolerance))
        fail_msg("seed %ld: %s: %s: %s is off by %g", run->seed, key, text, name, error);
    if (!run->target->isas[0]->has_fma) return;
    if (run->bits && run->bits != bits) fail_msg("seed %ld: %s: %s: other bits", run->seed, key, text);
    run->bits = bits;
}

static bool visit(void *user, const struct cincel_algo *algo, const struct cincel_choice *choice)
{
    struct run *run = user;
    (void)algo;
    if (test_draw(run->r, 1, run->wanted) > 1) return true;
    check_candidate(run, choice);
    run->tried++;
    return true;
}

static bool count(void *user, const struct cincel_algo *algo, const struct cincel_choice *choice)
{
    (void)algo, (void)choice;
    ++*(int *)user;
    return true;
}

/* Some choices of each ISA and number of threads, all rows and knobs among them sooner or later. */
static void check_pass(struct run *run)
{
    char why[CINCEL_WHY];
    for (int i = 0; run->f->all.isas[i]; i++) {
        struct test_target only;
        test_target_only(&run->f->all, run->f->all.isas[i], &only);
        run->target = &only;
        for (int t = 0; t < THREAD_COUNTS; t++) {
            int choices = 0;
            cincel_choice_enumerate(&only.target, run->p, CINCEL_ALL_KNOBS, thread_counts[t], 1.0, count,
                                    &choices, why);
            if (choices == 0) {
                assert_true(thread_counts[t] > 1);
                continue;
            }
            run->wanted = choices / 3 + 1;
            cincel_choice_enumerate(&only.target, run->p, CINCEL_ALL_KNOBS, thread_counts[t], 1.0, visit, run,
                                    why);
        }
    }
}

static void check_case(const struct fixture *f, long seed)
{
    struct test_random r = {.source = {.seed = (uint64_t)seed, .purpose = 0, .epoch = 0}, .next = 0};
    struct rnn_case c;
    const cincel_rnn_desc d = rnn_case_desc(&r);
    rnn_case_create(&r, &d, &c);
    struct run run = {.f = f, .c = &c, .p = &c.forward, .r = &r, .seed = seed};
    check_pass(&run);
    /* for inference: the same y and states, without reserve */
    struct cincel_problem inference = c.forward;
    struct cincel_choice choice = {.algo = "steps", .threads = 1, .knob = {0, 0, 1}};
    const struct test_target *all = &f->all;
    const float *y = c.t.y;
    float *kept = malloc(c.tensor[0].count * sizeof(float) +
                         (size_t)d.steps * d.batch * c.forward.rnn.d.y_ld * sizeof(float));
    const size_t bytes = (size_t)d.steps * d.batch * c.forward.rnn.d.y_ld * sizeof(float);
    assert_non_null(kept);
    snprintf(choice.isa, sizeof choice.isa, "%s", all->isas[0]->name);
    snprintf(choice.row, sizeof choice.row, "%s", all->isas[0]->gemm[0].name);
    rnn_case_run(&c, &c.forward, all, &choice, f->team); /* leaves the reserve for the backward pass */
    memcpy(kept, y, bytes);
    inference.rnn.d.training = 0;
    rnn_case_run(&c, &inference, all, &choice, f->team);
    assert_memory_equal(kept, y, bytes);
    free(kept);
    run.p = &c.backward;
    run.bits = 0;
    check_pass(&run);
    assert_true(run.tried > 0);
    rnn_case_free(&c);
}

static void test_candidates(void **state)
{
    const struct fixture *f = *state;
    const long cases = test_cases(120);
    for (long seed = 0; seed < cases; seed++) check_case(f, seed);
}

static int set_up(void **state)
{
    static struct fixture f;
    test_target_create(TEAM, &f.all);
    test_target_emulate(&f.all);
    f.team = cincel_team_create(TEAM);
    *state = &f;
    return f.team ? 0 : -1;
}

static int tear_down(void **state)
{
    cincel_team_destroy(((struct fixture *)*state)->team);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_candidates)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
