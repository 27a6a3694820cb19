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

#include "core/rnn_problem.h"
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

/* ------------------------------------------------------------------------------------- adjoint -- */

/* Σ over rows of the first `width` of `ld` elements; a tensor that is not given is all zeros. */
static double inner(const float *a, const float *b, size_t rows, size_t width, size_t ld)
{
    double sum = 0.0;
    for (size_t i = 0; a && b && i < rows * ld; i++)
        if (i % ld < width) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Where nothing is negative, the layer with ReLU is linear in its input and state:
   <dy, y> + <dh_n, h_n> = <dx, x> + <dh0, h0>, on small integers to the last bit and without an oracle. */
static void check_adjoint(struct run *run)
{
    const struct cincel_rnn_tensors *t = &run->c->t;
    const cincel_rnn_desc *d = &run->p->rnn.d;
    const size_t rows = (size_t)d->steps * (size_t)d->batch, state = (size_t)d->batch * (size_t)d->hidden;
    const double right =
        inner(t->dx, t->x, rows * (size_t)d->input, 1, 1) + inner(t->dh0, t->h0, state, 1, 1);
    const double left =
        inner(t->dy, t->y, rows, (size_t)d->hidden, (size_t)d->y_ld) + inner(t->dh_n, t->h_n, state, 1, 1);
    if (left != right) fail_msg("seed %ld: %.17g is not %.17g", run->seed, left, right);
}

static bool visit_adjoint(void *user, const struct cincel_algo *algo, const struct cincel_choice *choice)
{
    struct run *run = user;
    (void)algo;
    rnn_case_run(run->c, run->p, run->target, choice, run->f->team);
    if (run->p->pass == CINCEL_BACKWARD) check_adjoint(run);
    run->tried++;
    return true;
}

static void fill_integers(struct rnn_case *c, struct test_random *r)
{
    for (int i = 0; i < c->count; i++) {
        const struct rnn_tensor *t = &c->tensor[i];
        const bool weights = t->name[0] == 'w', bias = t->name[0] == 'b', gradient = t->name[0] == 'd';
        for (size_t e = 0; e < t->count; e++)
            t->at[e] = weights    ? (float)(test_draw(r, 0, 7) == 0)
                       : bias     ? 0.0f
                       : gradient ? (float)test_draw(r, -3, 3)
                                  : (float)test_draw(r, 0, 3);
    }
}

static void test_adjoint(void **state)
{
    const struct fixture *f = *state;
    const long cases = test_cases(60);
    int tried = 0;
    for (long seed = 0; seed < cases; seed++) {
        struct test_random r = {.source = {.seed = (uint64_t)seed, .purpose = 4, .epoch = 0}, .next = 0};
        struct rnn_case c;
        cincel_rnn_desc d = rnn_case_desc(&r);
        d.cell = CINCEL_RNN_RELU, d.accumulate = 0;
        d.steps = test_draw(&r, 1, 5), d.hidden = test_draw(&r, 1, 50), d.y_ld = 0; /* sums below 2^24 */
        rnn_case_create(&r, &d, &c);
        fill_integers(&c, &r);
        if (!c.t.h_n) c.t.dh_n = NULL;
        struct run run = {.f = f, .c = &c, .r = &r, .seed = seed};
        for (int i = 0; f->all.isas[i] && c.t.dx && (c.t.dh0 || !c.t.h0); i++) {
            struct test_target only;
            char why[CINCEL_WHY];
            test_target_only(&f->all, f->all.isas[i], &only);
            run.target = &only;
            const struct cincel_problem *passes[] = {&c.forward, &c.backward};
            for (int pass = 0; pass < 2; pass++) {
                run.p = passes[pass];
                cincel_choice_enumerate(&only.target, run.p, CINCEL_DEFAULT_KNOBS, 1, 1.0, visit_adjoint,
                                        &run, why);
            }
        }
        tried += run.tried;
        rnn_case_free(&c);
    }
    assert_true(tried > 0);
}

/* ------------------------------------------------------------- the oracle, by finite differences -- */

enum { FD_STEPS = 6, FD_BATCH = 2, FD_INPUT = 3, FD_HIDDEN = 4, FD_GATES = 4 * FD_HIDDEN };

struct small_layer {
    float x[FD_STEPS * FD_BATCH * FD_INPUT], h0[FD_BATCH * FD_HIDDEN], c0[FD_BATCH * FD_HIDDEN];
    float w_ih[FD_GATES * FD_INPUT], w_hh[FD_GATES * FD_HIDDEN], b_ih[FD_GATES], b_hh[FD_GATES];
    float dy[FD_STEPS * FD_BATCH * FD_HIDDEN], dh_n[FD_BATCH * FD_HIDDEN], dc_n[FD_BATCH * FD_HIDDEN];
};

/* <dy, y> + <dh_n, h_n> + <dc_n, c_n> */
static double form(const struct cincel_problem *p, const struct small_layer *l,
                   const struct cincel_rnn_tensors *t)
{
    double y[FD_STEPS * FD_BATCH * FD_HIDDEN], h[FD_BATCH * FD_HIDDEN], c[FD_BATCH * FD_HIDDEN], sum = 0.0;
    const struct cincel_rnn_expected want = {.y = y, .h_n = h, .c_n = c};
    assert_true(cincel_reference_rnn(p, t, &want));
    for (size_t i = 0; i < sizeof y / sizeof *y; i++) sum += y[i] * (double)l->dy[i];
    for (size_t i = 0; i < FD_BATCH * FD_HIDDEN; i++) {
        sum += h[i] * (double)l->dh_n[i];
        if (p->rnn.d.cell == CINCEL_LSTM) sum += c[i] * (double)l->dc_n[i];
    }
    return sum;
}

/* Central differences of each element against the gradient. The steps of 2^-9 are exact. */
static void compare_gradient(const struct cincel_problem *forward, struct small_layer *l,
                             const struct cincel_rnn_tensors *t, const char *name, float *v,
                             const double *gradient, size_t count)
{
    const float h = 0x1p-9f;
    for (size_t i = 0; i < count; i++) {
        const float before = v[i];
        v[i] = before + h;
        const double up = form(forward, l, t);
        v[i] = before - h;
        const double down = form(forward, l, t);
        v[i] = before;
        const double slope = (up - down) / (2.0 * (double)h);
        if (fabs(slope - gradient[i]) > 1e-4 * (1.0 + fabs(slope)))
            fail_msg("cell %d, reset_before %d, update_new %d: d%s[%zu] is %g, differences give %g",
                     (int)forward->rnn.d.cell, forward->rnn.d.reset_before, forward->rnn.d.update_new, name,
                     i, gradient[i], slope);
    }
}

static void check_oracle(const cincel_rnn_desc *d, const int *lengths)
{
    static struct small_layer l;
    double dx[sizeof l.x / 4], dh0[sizeof l.h0 / 4], dc0[sizeof l.c0 / 4];
    double dw_ih[sizeof l.w_ih / 4], dw_hh[sizeof l.w_hh / 4], db_ih[FD_GATES], db_hh[FD_GATES];
    struct test_random r = {.source = {.seed = 3, .purpose = 0, .epoch = 0}, .next = 0};
    for (size_t i = 0; i < sizeof l / sizeof(float); i++)
        ((float *)&l)[i] = (float)test_draw(&r, -64, 64) / 64.0f + 0x1p-8f; /* no ReLU at its corner */
    const struct cincel_rnn_tensors t = {.x = l.x,
                                         .h0 = l.h0,
                                         .c0 = l.c0,
                                         .w_ih = l.w_ih,
                                         .w_hh = l.w_hh,
                                         .b_ih = l.b_ih,
                                         .b_hh = l.b_hh,
                                         .lengths = lengths,
                                         .dy = l.dy,
                                         .dh_n = l.dh_n,
                                         .dc_n = l.dc_n};
    struct cincel_problem forward, backward;
    assert_int_equal(cincel_problem_rnn(d, CINCEL_FORWARD, &forward), CINCEL_OK);
    assert_int_equal(cincel_problem_rnn(d, CINCEL_BACKWARD, &backward), CINCEL_OK);
    const struct cincel_rnn_expected want = {
        .dx = dx, .dh0 = dh0, .dc0 = dc0, .dw_ih = dw_ih, .dw_hh = dw_hh, .db_ih = db_ih, .db_hh = db_hh};
    assert_true(cincel_reference_rnn(&backward, &t, &want));
    const size_t gates = (size_t)cincel_rnn_gates(d->cell) * FD_HIDDEN;
    compare_gradient(&forward, &l, &t, "x", l.x, dx, sizeof l.x / 4);
    compare_gradient(&forward, &l, &t, "h0", l.h0, dh0, sizeof l.h0 / 4);
    if (d->cell == CINCEL_LSTM) compare_gradient(&forward, &l, &t, "c0", l.c0, dc0, sizeof l.c0 / 4);
    compare_gradient(&forward, &l, &t, "w_ih", l.w_ih, dw_ih, gates * FD_INPUT);
    compare_gradient(&forward, &l, &t, "w_hh", l.w_hh, dw_hh, gates * FD_HIDDEN);
    compare_gradient(&forward, &l, &t, "b_ih", l.b_ih, db_ih, gates);
    compare_gradient(&forward, &l, &t, "b_hh", l.b_hh, db_hh, gates);
}

/* What all candidates are held against is right itself, in every convention. */
static void test_oracle(void **state)
{
    static const int lengths[FD_BATCH] = {FD_STEPS, 3};
    (void)state;
    for (int convention = 0; convention < 8; convention++)
        for (int cell = CINCEL_RNN_TANH; cell <= CINCEL_GRU; cell++) {
            cincel_rnn_desc d = CINCEL_RNN_DESC_INIT;
            d.cell = (cincel_rnn_cell)cell;
            d.steps = FD_STEPS, d.batch = FD_BATCH, d.input = FD_INPUT, d.hidden = FD_HIDDEN;
            d.reset_before = convention & 1, d.update_new = convention >> 1 & 1, d.reverse = convention >> 2;
            if (cell != CINCEL_GRU && convention % 4 != 0) continue;
            check_oracle(&d, convention >> 2 ? lengths : NULL);
        }
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_oracle), cmocka_unit_test(test_adjoint),
                                       cmocka_unit_test(test_candidates)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
