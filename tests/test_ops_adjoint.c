/*
 * The three passes of a convolution are one bilinear form read three ways:
 *   <dy, F(x,w)> = <Bdata(dy,w), x> = <Bweights(x,dy), w>,  and with a bias <dy, F(x,w) + b> adds <db, b>.
 * On small integers the sums are exact, so the identities hold to the last bit, for every row of every
 * algorithm that does not round by itself, without an oracle.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"

struct visit {
    const struct test_target *target;
    const struct cincel_problem *problem;
    const struct conv_case *c;
    struct cincel_team *team;
    uint64_t seed;
    double form, bias; /* <dy, F(x,w)> and <db, b>, once `known` */
    bool known;
    int ran;
};

static double inner(const float *a, const float *b, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* What two tensors' product may be off by where the one is off by the error that the row declares. */
static double slack(const struct visit *v, const struct cincel_algo *algo, const struct cincel_choice *choice,
                    double left, double right)
{
    if (!algo->rounds || !algo->rounds(v->problem, choice)) return 0.0;
    return 4.0 * algo->error * sqrt(algo->chain(v->problem, choice)) * sqrt(left * right);
}

static void expect(const struct visit *v, const char *what, double got, double expected, double allowed,
                   const struct cincel_choice *choice)
{
    if (fabs(got - expected) <= allowed) return;
    char key[256], text[CINCEL_CHOICE_TEXT];
    cincel_problem_key(v->problem, key, sizeof key);
    cincel_choice_print(v->problem, choice, text);
    fail_msg("seed %llu, %s, %s: %s is %.17g, must be %.17g", (unsigned long long)v->seed, key, text, what,
             got, expected);
}

/* The form's value, from a row that is exact. */
static bool visit_exact(void *user, const struct cincel_algo *algo, const struct cincel_choice *choice)
{
    struct visit *v = user;
    if (algo->rounds && algo->rounds(v->problem, choice)) return true;
    v->known = conv_case_run(v->target, algo, v->problem, choice, v->c, v->team);
    v->form = inner(v->c->dy, v->c->y, v->c->y_count);
    return false;
}

static bool visit_candidate(void *user, const struct cincel_algo *algo, const struct cincel_choice *choice)
{
    struct visit *v = user;
    const struct conv_case *c = v->c;
    assert_true(conv_case_run(v->target, algo, v->problem, choice, c, v->team));
    v->ran++;
    switch (algo->pass) {
    case CINCEL_FORWARD:
        expect(v, "<dy, y>", inner(c->dy, c->y, c->y_count), v->form,
               slack(v, algo, choice, inner(c->dy, c->dy, c->y_count), inner(c->y, c->y, c->y_count)),
               choice);
        break;
    case CINCEL_BACKWARD_DATA:
        expect(v, "<dx, x>", inner(c->dx, c->x, c->x_count), v->form - v->bias,
               slack(v, algo, choice, inner(c->dx, c->dx, c->x_count), inner(c->x, c->x, c->x_count)),
               choice);
        break;
    case CINCEL_BACKWARD_WEIGHTS:
        expect(v, "<dw, w> + <db, b>", inner(c->dw, c->w, c->w_count) + inner(c->db, c->bias, c->oc), v->form,
               slack(v, algo, choice, inner(c->dw, c->dw, c->w_count), inner(c->w, c->w, c->w_count)),
               choice);
        v->bias = inner(c->db, c->bias, c->oc);
        break;
    case CINCEL_BACKWARD: break; /* no pass of convolutions */
    }
    return true;
}

/* One problem, all passes, default knobs of every row. Backward-weights before backward-data: it gives
   the bias' share, which dx knows nothing of. */
static void check_problem(uint64_t seed, struct cincel_team *team, struct test_target *target)
{
    static const cincel_pass passes[] = {CINCEL_FORWARD, CINCEL_BACKWARD_WEIGHTS, CINCEL_BACKWARD_DATA};
    struct test_random r = {.source = {.seed = seed, .purpose = 2, .epoch = 0}, .next = 0};
    struct cincel_problem p;
    conv_case_problem(&r, CINCEL_FORWARD, &p);
    p.conv.d.activation = CINCEL_ACT_NONE; /* the form is bilinear without it only */
    struct conv_case c;
    conv_case_create(&r, &p, CONV_INTEGERS, &c);
    struct visit v = {.target = target, .problem = &p, .c = &c, .team = team, .seed = seed};
    for (int i = 0; i < 3; i++) {
        char why[CINCEL_WHY];
        p.pass = passes[i];
        v.ran = 0;
        if (!v.known)
            cincel_choice_enumerate(&target->target, &p, CINCEL_DEFAULT_KNOBS, 1, 1e9, visit_exact, &v, why);
        assert_true(v.known);
        cincel_choice_enumerate(&target->target, &p, CINCEL_DEFAULT_KNOBS, target->machine.threads, 1e9,
                                visit_candidate, &v, why);
        assert_true(v.ran > 0);
    }
    conv_case_free(&c);
}

static void test_adjoint(void **state)
{
    (void)state;
    const long cases = test_cases(100);
    struct test_target all;
    test_target_create(2, &all);
    struct cincel_team *team = cincel_team_create(2);
    for (int i = 0; all.isas[i]; i++) {
        struct test_target one;
        test_target_only(&all, all.isas[i], &one);
        for (long k = 0; k < cases; k++) check_problem((uint64_t)k, team, &one);
    }
    cincel_team_destroy(team);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_adjoint)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
