/*
 * Balance without hardware: where a problem has at least eight cuts a thread, the busiest thread gets at
 * most 1.15 times the mean, for every open convolution problem, pass, row and 2 … 128 threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/conv_cases.h"

struct visit {
    const struct test_target *target;
    const struct cincel_problem *problem;
    const char *name;
    int checked;
};

static bool check_balance(void *user, const struct cincel_algo *algo, const struct cincel_choice *c)
{
    struct visit *v = user;
    struct cincel_cost cost = {0};
    algo->cost(&v->target->target, v->problem, c, &cost);
    if (cost.cuts < 1.0 || cost.balance < 1.0)
        fail_msg("%s: %g cuts, balance %g", v->name, cost.cuts, cost.balance);
    if (cost.cuts < 8.0 * c->threads) return true;
    v->checked++;
    if (cost.balance <= 1.15) return true;
    char text[CINCEL_CHOICE_TEXT];
    cincel_choice_print(v->problem, c, text);
    fail_msg("%s, pass %d, %s: busiest thread has %.2f times the mean of %g cuts", v->name, (int)algo->pass,
             text, cost.balance, cost.cuts);
    return false;
}

/* A line of the problem file; false for comments. */
static bool read_problem(const char *line, char name[64], cincel_conv_desc *d)
{
    int pad_h, pad_w;
    *d = (cincel_conv_desc)CINCEL_CONV_DESC_INIT;
    const int fields = sscanf(line, "%63s %d %d %d %d %d %d %d %d %d %d %d %d %d %d", name, &d->n, &d->groups,
                              &d->ic, &d->ih, &d->iw, &d->oc, &d->kh, &d->kw, &d->stride_h, &d->stride_w,
                              &pad_h, &pad_w, &d->dilation_h, &d->dilation_w);
    if (line[0] == '#' || fields < 15) return false;
    d->pad_top = d->pad_bottom = pad_h;
    d->pad_left = d->pad_right = pad_w;
    return true;
}

static int check_problem(struct test_target *target, const char *name, const cincel_conv_desc *d)
{
    static const int threads[] = {2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128};
    int checked = 0;
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++)
        for (int pass = CINCEL_FORWARD; pass <= CINCEL_BACKWARD_WEIGHTS; pass++) {
            struct cincel_problem p;
            char why[CINCEL_WHY];
            target->machine.threads = threads[i];
            assert_int_equal(cincel_problem_conv(d, (cincel_pass)pass, "conv", &p), CINCEL_OK);
            struct visit v = {.target = target, .problem = &p, .name = name, .checked = 0};
            cincel_choice_enumerate(&target->target, &p, CINCEL_DEFAULT_KNOBS, threads[i], 1e9, check_balance,
                                    &v, why);
            checked += v.checked;
        }
    return checked;
}

static void test_open_problems(void **state)
{
    (void)state;
    FILE *file = fopen(CINCEL_SHAPES_DIR "/conv.txt", "r");
    assert_non_null(file);
    char line[256], name[64];
    int problems = 0, checked = 0;
    struct test_target target;
    test_target_create(1, &target);
    cincel_conv_desc d;
    while (fgets(line, sizeof line, file)) {
        if (!read_problem(line, name, &d)) continue;
        problems++;
        checked += check_problem(&target, name, &d);
    }
    fclose(file);
    assert_true(problems >= 20);
    assert_true(checked >= problems); /* the condition is no way out */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_open_problems)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
