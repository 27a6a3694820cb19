/* Weights packed once give the bits of the ordinary forward call, for every choice; buffers that belong to
   another problem or choice are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cincel/cincel.h"
#include "core/memory.h"
#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/guard.h"
#include "tests/support/status.h"

static void *guarded_or_null(size_t bytes)
{
    void *p = bytes ? test_guarded(cincel_round_up(bytes, 64)) : NULL;
    if (p) memset(p, 0xff, cincel_round_up(bytes, 64));
    return p;
}

/* What a visited choice is tried on. */
struct trial {
    cincel_context *ctx;
    cincel_conv_desc d;
    const struct conv_case *c;
    const float *w; /* in d's layout */
    float *expected;
    struct test_random *random;
    int keep_one_in, ran;
    uint64_t seed;
};

static void try_choice(struct trial *t, const char *choice)
{
    cincel_options o = CINCEL_OPTIONS_INIT;
    cincel_plan *plan = NULL;
    o.choice = choice;
    must(cincel_conv_plan(t->ctx, &t->d, CINCEL_FORWARD, &o, &plan));
    const size_t bytes = cincel_plan_workspace_size(plan), packed_bytes = cincel_weights_packed_size(plan);
    void *ws = guarded_or_null(bytes), *packed = guarded_or_null(packed_bytes);
    must(cincel_weights_pack(plan, t->w, packed));
    must(cincel_conv_forward(plan, t->c->x, t->w, t->c->bias, t->expected, ws));
    for (int round = 0; round < 2; round++) { /* the buffer serves more than once */
        memset(t->c->y, 0xff, t->c->y_count * sizeof(float));
        if (ws) memset(ws, 0xff, bytes);
        must(cincel_conv_forward_packed(plan, t->c->x, packed, t->c->bias, t->c->y, ws));
        if (memcmp(t->c->y, t->expected, t->c->y_count * sizeof(float)) != 0)
            fail_msg("seed %llu, %s: packed weights give other bits", (unsigned long long)t->seed,
                     cincel_plan_describe(plan));
    }
    if (ws) test_guarded_free(ws, cincel_round_up(bytes, 64));
    test_guarded_free(packed, cincel_round_up(packed_bytes, 64));
    cincel_plan_destroy(plan);
}

struct visit {
    struct trial *trial;
    const struct cincel_problem *p;
};

static bool visit_choice(void *user, const struct cincel_algo *algo, const struct cincel_choice *c)
{
    const struct visit *v = user;
    char text[CINCEL_CHOICE_TEXT];
    (void)algo;
    if (test_draw(v->trial->random, 1, v->trial->keep_one_in) != 1) return true;
    cincel_choice_print(v->p, c, text);
    try_choice(v->trial, text);
    v->trial->ran++;
    return true;
}

static int check_case(cincel_context *ctx, const struct test_target *target, uint64_t seed)
{
    struct test_random r = {{seed, 11, 0}, 0};
    struct cincel_problem p;
    struct conv_case c;
    char why[CINCEL_WHY];
    conv_case_problem(&r, CINCEL_FORWARD, &p);
    conv_case_create(&r, &p, CONV_UNIFORM, &c);
    struct trial trial = {.ctx = ctx, .d = p.conv.d, .c = &c, .w = c.w, .random = &r, .seed = seed};
    trial.expected = test_guarded(c.y_count * sizeof(float));
    /* w means something else in the other layout: what it gives must be the same either way of calling */
    trial.d.weights_layout = test_draw(&r, 0, 1) ? CINCEL_OIHW : CINCEL_OHWI;
    struct visit v = {&trial, &p};
    trial.keep_one_in = 1;
    cincel_choice_enumerate(&target->target, &p, CINCEL_DEFAULT_KNOBS, 2, 2e-4, visit_choice, &v, why);
    trial.keep_one_in = 40;
    cincel_choice_enumerate(&target->target, &p, CINCEL_ALL_KNOBS, 2, 2e-4, visit_choice, &v, why);
    test_guarded_free(trial.expected, c.y_count * sizeof(float));
    conv_case_free(&c);
    return trial.ran;
}

static cincel_context *make_context(void)
{
    cincel_context *ctx = NULL;
    cincel_config config = CINCEL_CONFIG_INIT;
    config.threads = 2;
    must(cincel_context_create(&config, &ctx));
    return ctx;
}

static void packed_weights_give_the_same_bits(void **state)
{
    (void)state;
    const long cases = test_cases(40);
    struct test_target all, target;
    cincel_machine_info info = CINCEL_MACHINE_INFO_INIT;
    cincel_context *ctx = make_context();
    must(cincel_machine_describe(ctx, &info));
    test_target_create(2, &all);
    test_target_only(&all, cincel_isa_find(&all.target, info.isa), &target);
    int ran = 0;
    for (long i = 0; i < cases; i++) ran += check_case(ctx, &target, (uint64_t)i);
    assert_true(ran >= cases);
    cincel_context_destroy(ctx);
}

static void linear_layers_pack_too(void **state)
{
    (void)state;
    enum { N = 3, IN = 37, OUT = 21 };
    cincel_context *ctx = make_context();
    cincel_linear_desc d = CINCEL_LINEAR_DESC_INIT;
    cincel_plan *plan = NULL;
    void *ws = NULL, *packed = NULL;
    float x[N * IN], w[OUT * IN], bias[OUT], y[N * OUT], expected[N * OUT];
    struct test_random r = {{3, 12, 0}, 0};
    for (int i = 0; i < N * IN; i++) x[i] = cincel_random_uniform(&r.source, r.next++);
    for (int i = 0; i < OUT * IN; i++) w[i] = cincel_random_uniform(&r.source, r.next++) - 0.5f;
    for (int i = 0; i < OUT; i++) bias[i] = (float)i;
    d.n = N;
    d.in = IN;
    d.out = OUT;
    must(cincel_linear_plan(ctx, &d, CINCEL_FORWARD, NULL, &plan));
    must(cincel_workspace_create(cincel_plan_workspace_size(plan), &ws));
    must(cincel_workspace_create(cincel_weights_packed_size(plan), &packed));
    must(cincel_weights_pack(plan, w, packed));
    must(cincel_linear_forward(plan, x, w, bias, expected, ws));
    must(cincel_linear_forward_packed(plan, x, packed, bias, y, ws));
    assert_memory_equal(y, expected, sizeof y);
    says(cincel_conv_forward_packed(plan, x, packed, bias, y, ws), CINCEL_INVALID_ARGUMENT, "linear");
    cincel_workspace_destroy(packed);
    cincel_workspace_destroy(ws);
    cincel_plan_destroy(plan);
    cincel_context_destroy(ctx);
}

static void foreign_buffers_are_refused(void **state)
{
    (void)state;
    cincel_context *ctx = make_context();
    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    cincel_plan *plan = NULL, *other = NULL, *back = NULL;
    void *ws = NULL, *packed = NULL;
    static float x[2 * 36 * 4], w[8 * 9 * 4], y[2 * 16 * 8];
    d.n = 2;
    d.ic = 4;
    d.ih = d.iw = 6;
    d.oc = 8;
    d.kh = d.kw = 3;
    must(cincel_conv_plan(ctx, &d, CINCEL_FORWARD, NULL, &plan));
    must(cincel_conv_plan(ctx, &d, CINCEL_BACKWARD_DATA, NULL, &back));
    d.activation = CINCEL_ACT_RELU;
    must(cincel_conv_plan(ctx, &d, CINCEL_FORWARD, NULL, &other));
    must(cincel_workspace_create(cincel_plan_workspace_size(plan), &ws));
    must(cincel_workspace_create(cincel_weights_packed_size(plan), &packed));
    assert_int_equal(cincel_weights_packed_size(NULL), 0);
    assert_int_equal(cincel_weights_packed_size(back), 0);
    const cincel_status bad = CINCEL_INVALID_ARGUMENT;
    says(cincel_weights_pack(NULL, w, packed), bad, "plan is NULL");
    says(cincel_weights_pack(plan, NULL, packed), bad, "w is NULL");
    says(cincel_weights_pack(plan, w, NULL), bad, "packed is NULL");
    says(cincel_weights_pack(back, w, packed), bad, "no forward pass");
    says(cincel_weights_pack(plan, w, (char *)packed + 4), bad, "aligned");
    memset(packed, 0, 64);
    says(cincel_conv_forward_packed(plan, x, packed, NULL, y, ws), bad, "not packed for this plan");
    must(cincel_weights_pack(other, w, packed));
    says(cincel_conv_forward_packed(plan, x, packed, NULL, y, ws), bad, "not packed for this plan");
    must(cincel_weights_pack(plan, w, packed));
    must(cincel_conv_forward_packed(plan, x, packed, NULL, y, ws));
    says(cincel_conv_forward_packed(plan, x, NULL, NULL, y, ws), bad, "packed is NULL");
    says(cincel_conv_forward_packed(plan, x, (char *)packed + 4, NULL, y, ws), bad, "aligned");
    cincel_workspace_destroy(packed);
    cincel_workspace_destroy(ws);
    cincel_plan_destroy(plan);
    cincel_plan_destroy(other);
    cincel_plan_destroy(back);
    cincel_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_weights_give_the_same_bits),
        cmocka_unit_test(linear_layers_pack_too),
        cmocka_unit_test(foreign_buffers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
