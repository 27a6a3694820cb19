/* The public life cycle: contexts, plans and calls answer every misuse with a sentence, and each effort,
   limit and option does what the header says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cincel/cincel.h"
#include "tests/support/status.h"

static cincel_context *make_context(int threads)
{
    cincel_config config = CINCEL_CONFIG_INIT;
    cincel_context *ctx = NULL;
    config.threads = threads;
    assert_int_equal(cincel_context_create(&config, &ctx), CINCEL_OK);
    return ctx;
}

static cincel_conv_desc small_conv(void)
{
    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    d.n = 2;
    d.ic = 3;
    d.ih = d.iw = 8;
    d.oc = 5;
    d.kh = d.kw = 3;
    return d;
}

static void context_refuses_bad_configurations(void **state)
{
    (void)state;
    cincel_context *ctx = NULL;
    cincel_config c = CINCEL_CONFIG_INIT;
    says(cincel_context_create(NULL, NULL), CINCEL_INVALID_ARGUMENT, "out is NULL");
    c.size = 0;
    says(cincel_context_create(&c, &ctx), CINCEL_INVALID_ARGUMENT, "config: size 0");
    c = (cincel_config)CINCEL_CONFIG_INIT;
    c.threads = -3;
    says(cincel_context_create(&c, &ctx), CINCEL_INVALID_ARGUMENT, "threads is -3");
    c = (cincel_config)CINCEL_CONFIG_INIT;
    c.isa = "z80";
    says(cincel_context_create(&c, &ctx), CINCEL_INVALID_ARGUMENT, "z80");
    c = (cincel_config)CINCEL_CONFIG_INIT;
    c.error_budget = -1.0;
    says(cincel_context_create(&c, &ctx), CINCEL_INVALID_ARGUMENT, "error_budget");
    assert_null(ctx);
}

static void environment_is_read_and_can_be_ignored(void **state)
{
    (void)state;
    cincel_context *ctx = NULL;
    cincel_config none = CINCEL_CONFIG_INIT;
    none.profiles = CINCEL_PROFILES_NONE;
    char *isa = getenv("CINCEL_ISA") ? strdup(getenv("CINCEL_ISA")) : NULL;
    const char *bad[] = {"0", "-2", "abc", "3x", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("CINCEL_THREADS", bad[i], 1);
        says(cincel_context_create(NULL, &ctx), CINCEL_INVALID_ARGUMENT, bad[i]);
        assert_int_equal(cincel_context_create(&none, &ctx), CINCEL_OK);
        cincel_context_destroy(ctx);
        ctx = NULL;
    }
    setenv("CINCEL_THREADS", "5", 1);
    assert_int_equal(cincel_context_create(NULL, &ctx), CINCEL_OK);
    assert_int_equal(cincel_context_threads(ctx), 5);
    cincel_context_destroy(ctx);
    unsetenv("CINCEL_THREADS");
    setenv("CINCEL_ISA", "pdp11", 1);
    says(cincel_context_create(NULL, &ctx), CINCEL_INVALID_ARGUMENT, "CINCEL_ISA is \"pdp11\"");
    setenv("CINCEL_ISA", "generic", 1);
    cincel_machine_info info = CINCEL_MACHINE_INFO_INIT;
    assert_int_equal(cincel_context_create(NULL, &ctx), CINCEL_OK);
    assert_int_equal(cincel_machine_describe(ctx, &info), CINCEL_OK);
    assert_string_equal(info.isa, "generic");
    cincel_context_destroy(ctx);
    if (isa)
        setenv("CINCEL_ISA", isa, 1);
    else
        unsetenv("CINCEL_ISA");
    free(isa);
}

static void plans_refuse_bad_arguments(void **state)
{
    (void)state;
    cincel_context *ctx = make_context(1);
    cincel_conv_desc d = small_conv();
    cincel_options o = CINCEL_OPTIONS_INIT;
    cincel_plan *plan = NULL;
    says(cincel_conv_plan(NULL, &d, CINCEL_FORWARD, NULL, &plan), CINCEL_INVALID_ARGUMENT, "ctx is NULL");
    says(cincel_conv_plan(ctx, NULL, CINCEL_FORWARD, NULL, &plan), CINCEL_INVALID_ARGUMENT, "NULL");
    says(cincel_conv_plan(ctx, &d, CINCEL_FORWARD, NULL, NULL), CINCEL_INVALID_ARGUMENT, "out is NULL");
    says(cincel_conv_plan(ctx, &d, (cincel_pass)7, NULL, &plan), CINCEL_INVALID_ARGUMENT, "pass is 7");
    o.threads = -1;
    says(cincel_conv_plan(ctx, &d, CINCEL_FORWARD, &o, &plan), CINCEL_INVALID_ARGUMENT, "threads is -1");
    o = (cincel_options)CINCEL_OPTIONS_INIT;
    o.size = 3;
    says(cincel_conv_plan(ctx, &d, CINCEL_FORWARD, &o, &plan), CINCEL_INVALID_ARGUMENT, "options");
    o = (cincel_options)CINCEL_OPTIONS_INIT;
    o.effort = (cincel_effort)9;
    says(cincel_conv_plan(ctx, &d, CINCEL_FORWARD, &o, &plan), CINCEL_INVALID_ARGUMENT, "effort is 9");
    d.pad_top = 5;
    says(cincel_conv_plan(ctx, &d, CINCEL_FORWARD, NULL, &plan), CINCEL_INVALID_ARGUMENT, "pad_top 5");
    cincel_pool_desc pool = CINCEL_POOL_DESC_INIT;
    says(cincel_pool_plan(ctx, &pool, CINCEL_BACKWARD_WEIGHTS, NULL, &plan), CINCEL_INVALID_ARGUMENT, "pass");
    assert_null(plan);
    cincel_context_destroy(ctx);
}

/* Planned, or refused with a sentence, within moments; the sanitizers watch the arithmetic. */
static void extreme_fields_are_planned_or_refused(void **state)
{
    (void)state;
    cincel_context *ctx = make_context(2);
    cincel_conv_desc d;
    int *const fields[] = {&d.ih,       &d.iw,        &d.kh,       &d.kw,       &d.pad_top,    &d.pad_bottom,
                           &d.pad_left, &d.pad_right, &d.stride_h, &d.stride_w, &d.dilation_h, &d.dilation_w,
                           &d.groups,   &d.n,         &d.ic,       &d.oc};
    const int extremes[] = {INT_MIN, -1, 0, 46341, 65536, 1 << 22, INT_MAX};
    enum { FIELDS = sizeof fields / sizeof *fields, EXTREMES = sizeof extremes / sizeof *extremes };
    for (int i = 0; i < FIELDS * EXTREMES * 3; i++) {
        cincel_plan *plan = NULL;
        d = small_conv();
        *fields[i / 3 % FIELDS] = extremes[i / 3 / FIELDS];
        const clock_t begin = clock();
        const cincel_status status = cincel_conv_plan(ctx, &d, (cincel_pass)(i % 3), NULL, &plan);
        assert_true((double)(clock() - begin) < 2.0 * CLOCKS_PER_SEC);
        assert_true(status == CINCEL_OK ? plan != NULL : !plan && cincel_error_message()[0]);
        cincel_plan_destroy(plan);
    }
    d = small_conv();
    d.ih = d.iw = d.stride_h = d.stride_w = 1000;
    cincel_plan *plan = NULL;
    /* a million phases are too many for direct; im2col knows none */
    assert_int_equal(cincel_conv_plan(ctx, &d, CINCEL_BACKWARD_DATA, NULL, &plan), CINCEL_OK);
    cincel_plan_destroy(plan);
    d.groups = d.ic = d.oc = INT_MAX; /* refused or not, no plan looks at every group */
    d.ih = d.iw = d.kh = d.kw = d.stride_h = d.stride_w = 1;
    for (int pass = 0; pass < 3; pass++) {
        const clock_t begin = clock();
        plan = NULL;
        if (cincel_conv_plan(ctx, &d, (cincel_pass)pass, NULL, &plan) != CINCEL_OK) assert_null(plan);
        assert_true((double)(clock() - begin) < 2.0 * CLOCKS_PER_SEC);
        cincel_plan_destroy(plan);
    }
    cincel_context_destroy(ctx);
}

static void extreme_poolings_are_planned_or_refused(void **state)
{
    (void)state;
    cincel_context *ctx = make_context(2);
    cincel_pool_desc d;
    int *const fields[] = {&d.ih,       &d.iw,        &d.kh, &d.kw, &d.stride_h, &d.stride_w, &d.pad_top,
                           &d.pad_left, &d.pad_right, &d.oh, &d.ow, &d.n,        &d.c};
    const int extremes[] = {INT_MIN, -1, 0, 257, 46341, 65537, 1 << 22, INT_MAX};
    enum { FIELDS = sizeof fields / sizeof *fields, EXTREMES = sizeof extremes / sizeof *extremes };
    enum { SLIDING, ADAPTIVE, GLOBAL, WINDOWS };
    for (int i = 0; i < FIELDS * EXTREMES * WINDOWS * 6; i++) {
        cincel_plan *plan = NULL;
        const int field = i / 6 % FIELDS, value = extremes[i / 6 / FIELDS % EXTREMES];
        const int windows = i / 6 / FIELDS / EXTREMES;
        d = (cincel_pool_desc)CINCEL_POOL_DESC_INIT;
        d.kind = (cincel_pool_kind)(i / 2 % 3);
        d.n = 2, d.c = 5, d.ih = 11, d.iw = 9;
        if (windows == ADAPTIVE || fields[field] == &d.oh || fields[field] == &d.ow) d.oh = d.ow = 3;
        *fields[field] = value;
        if (windows == GLOBAL) d.kh = d.ih, d.kw = d.iw;
        const clock_t begin = clock();
        const cincel_status status = cincel_pool_plan(ctx, &d, (cincel_pass)(i % 2), NULL, &plan);
        assert_true((double)(clock() - begin) < 4.0 * CLOCKS_PER_SEC);
        assert_true(status == CINCEL_OK ? plan != NULL : !plan && cincel_error_message()[0]);
        cincel_plan_destroy(plan);
    }
    cincel_context_destroy(ctx);
}

static void workspace_limit_is_hard_and_names_what_it_takes(void **state)
{
    (void)state;
    cincel_context *ctx = make_context(1);
    cincel_conv_desc d = small_conv();
    cincel_options o = CINCEL_OPTIONS_INIT;
    cincel_plan *plan = NULL;
    d.oc = 20; /* of few outputs there is an algorithm that needs none */
    o.max_workspace_bytes = 1;
    says(cincel_conv_plan(ctx, &d, CINCEL_FORWARD, &o, &plan), CINCEL_UNSUPPORTED, "max_workspace_bytes 1");
    assert_null(plan);
    cincel_context_destroy(ctx);
}

static void calls_check_plan_pass_pointers_and_workspace(void **state)
{
    (void)state;
    cincel_context *ctx = make_context(2);
    cincel_conv_desc d = small_conv();
    cincel_plan *fwd = NULL, *data = NULL;
    static float x[2 * 8 * 8 * 3], w[5 * 9 * 3], y[2 * 6 * 6 * 5];
    void *ws = NULL;
    assert_int_equal(cincel_conv_plan(ctx, &d, CINCEL_FORWARD, NULL, &fwd), CINCEL_OK);
    d.activation = CINCEL_ACT_RELU;
    assert_int_equal(cincel_conv_plan(ctx, &d, CINCEL_BACKWARD_DATA, NULL, &data), CINCEL_OK);
    assert_int_equal(cincel_workspace_create(cincel_plan_workspace_size(fwd) + 64, &ws), CINCEL_OK);

    says(cincel_conv_forward(NULL, x, w, NULL, y, ws), CINCEL_INVALID_ARGUMENT, "plan is NULL");
    says(cincel_conv_forward(fwd, NULL, w, NULL, y, ws), CINCEL_INVALID_ARGUMENT, "x is NULL");
    says(cincel_conv_forward(fwd, x, NULL, NULL, y, ws), CINCEL_INVALID_ARGUMENT, "w is NULL");
    says(cincel_conv_forward(fwd, x, w, NULL, NULL, ws), CINCEL_INVALID_ARGUMENT, "y is NULL");
    says(cincel_conv_forward(data, x, w, NULL, y, ws), CINCEL_INVALID_ARGUMENT, "backward_data");
    says(cincel_linear_forward(fwd, x, w, NULL, y, ws), CINCEL_INVALID_ARGUMENT, "linear");
    says(cincel_conv_backward_data(data, y, w, NULL, x, ws), CINCEL_INVALID_ARGUMENT, "y is NULL");
    if (cincel_plan_workspace_size(fwd)) {
        says(cincel_conv_forward(fwd, x, w, NULL, y, NULL), CINCEL_INVALID_ARGUMENT, "ws is NULL");
        says(cincel_conv_forward(fwd, x, w, NULL, y, (char *)ws + 4), CINCEL_INVALID_ARGUMENT, "aligned");
    }
    assert_int_equal(cincel_conv_forward(fwd, x, w, NULL, y, ws), CINCEL_OK);
    cincel_workspace_destroy(ws);
    cincel_plan_destroy(data);
    cincel_plan_destroy(fwd);
    cincel_plan_destroy(NULL);
    cincel_context_destroy(ctx);
    cincel_context_destroy(NULL);
}

static void steps_check_their_arguments(void **state)
{
    (void)state;
    cincel_context *ctx = make_context(1);
    float w[2] = {1.0f, 1.0f}, v[2] = {0.0f, 0.0f};
    const float dw[2] = {1.0f, 1.0f};
    const cincel_status bad = CINCEL_INVALID_ARGUMENT;
    says(cincel_sgd_step(ctx, w, dw, NULL, 2, 0.1f, 0.9f, 0.0f), bad, "v is NULL");
    says(cincel_sgd_step(ctx, w, dw, v, 2, NAN, 0.9f, 0.0f), bad, "lr is nan");
    says(cincel_sgd_step(ctx, w, dw, v, 2, -0.1f, 0.9f, 0.0f), bad, "lr is -0.1");
    says(cincel_sgd_step(ctx, w, dw, v, 2, 0.1f, INFINITY, 0.0f), bad, "momentum is inf");
    says(cincel_sgd_step(ctx, w, dw, v, 2, 0.1f, 0.9f, NAN), bad, "weight_decay is nan");
    float m[2] = {0.0f, 0.0f};
    cincel_adam_desc d = CINCEL_ADAM_DESC_INIT;
    says(cincel_adam_step(ctx, NULL, w, dw, m, v, 2), bad, "d is NULL");
    says(cincel_adam_step(ctx, &d, w, dw, m, NULL, 2), bad, "v is NULL");
    d.step = 0;
    says(cincel_adam_step(ctx, &d, w, dw, m, v, 2), bad, "step is 0");
    d.step = 1, d.beta2 = 1.0;
    says(cincel_adam_step(ctx, &d, w, dw, m, v, 2), bad, "beta2 is 1");
    d.beta2 = 0.5, d.eps = NAN;
    says(cincel_adam_step(ctx, &d, w, dw, m, v, 2), bad, "eps is nan");
    d.eps = 0.0;
    says(cincel_adam_step(ctx, &d, w, dw, m, v, 2), bad, "eps is 0");
    d.eps = 1e-8, d.lr = -1.0;
    says(cincel_adam_step(ctx, &d, w, dw, m, v, 2), bad, "lr is -1");
    says(cincel_clip_norm(ctx, NULL, 2, 1.0, NULL), bad, "x is NULL");
    says(cincel_clip_norm(ctx, w, 2, 0.0, NULL), bad, "max_norm is 0");
    says(cincel_clip_norm(ctx, w, 2, NAN, NULL), bad, "max_norm is nan");
    assert_true(w[0] == 1.0f && w[1] == 1.0f && v[0] == 0.0f && v[1] == 0.0f);
    double norm = 0.0;
    m[0] = INFINITY, m[1] = 3.0f;
    assert_int_equal(cincel_clip_norm(ctx, m, 2, 1.0, &norm), CINCEL_OK);
    assert_true(isinf(norm) && isinf(m[0]) && m[1] == 3.0f);
    cincel_context_destroy(ctx);
}

static void embeddings_check_their_arguments(void **state)
{
    (void)state;
    cincel_context *ctx = make_context(1);
    const float w[3][2] = {{1, 2}, {3, 4}, {5, 6}};
    float y[2][2] = {{0, 0}, {0, 0}};
    int32_t ids[2] = {2, 0};
    const cincel_status bad = CINCEL_INVALID_ARGUMENT;
    assert_int_equal(cincel_embedding_forward(ctx, ids, w[0], 2, 3, 2, y[0]), CINCEL_OK);
    assert_true(y[0][0] == 5 && y[0][1] == 6 && y[1][0] == 1 && y[1][1] == 2);
    ids[1] = 3;
    says(cincel_embedding_forward(ctx, ids, w[0], 2, 3, 2, y[0]), bad, "ids[1] is 3, must be 0 to 2");
    ids[1] = -1;
    says(cincel_embedding_backward(ctx, ids, y[0], 2, 3, 2, y[0]), bad, "ids[1] is -1");
    says(cincel_embedding_forward(ctx, NULL, w[0], 2, 3, 2, y[0]), bad, "ids is NULL");
    says(cincel_embedding_forward(ctx, ids, w[0], 0, 3, 2, y[0]), bad, "count is 0");
    says(cincel_embedding_forward(ctx, ids, w[0], 2, 3, SIZE_MAX / 8, y[0]), bad, "overflow");
    says(cincel_embedding_backward(ctx, ids, y[0], 2, 3, 2, NULL), bad, "dw is NULL");
    cincel_context_destroy(ctx);
}

static void measuring_gives_a_plan_that_agrees_with_the_estimate(void **state)
{
    (void)state;
    cincel_context *ctx = make_context(2);
    const cincel_conv_desc d = small_conv();
    enum { X = 2 * 8 * 8 * 3, W = 5 * 9 * 3, Y = 2 * 6 * 6 * 5 };
    static float x[X], w[W], y[2][Y];
    for (int i = 0; i < X; i++) x[i] = (float)(i % 7 - 3);
    for (int i = 0; i < W; i++) w[i] = (float)(i % 5 - 2);
    const cincel_effort efforts[] = {CINCEL_ESTIMATE, CINCEL_MEASURE};
    for (int e = 0; e < 2; e++) {
        cincel_options o = CINCEL_OPTIONS_INIT;
        cincel_plan *plan = NULL;
        void *ws = NULL;
        o.effort = efforts[e];
        o.budget_seconds = 0.05;
        assert_int_equal(cincel_conv_plan(ctx, &d, CINCEL_FORWARD, &o, &plan), CINCEL_OK);
        assert_non_null(strstr(cincel_plan_describe(plan), e ? "measured" : "model"));
        assert_int_equal(cincel_workspace_create(cincel_plan_workspace_size(plan), &ws), CINCEL_OK);
        assert_int_equal(cincel_conv_forward(plan, x, w, NULL, y[e], ws), CINCEL_OK);
        cincel_workspace_destroy(ws);
        cincel_plan_destroy(plan);
    }
    assert_memory_equal(y[0], y[1], sizeof y[0]); /* small integers: exact whatever was chosen */
    cincel_context_destroy(ctx);
}

/* Each activation reads x or y on the way back, and does without the other. */
static void activations_check_their_arguments(void **state)
{
    (void)state;
    cincel_context *ctx = make_context(2);
    float x[3] = {-1.0f, 0.5f, 2.0f}, y[3], dx[3];
    says(cincel_activation_forward(NULL, CINCEL_ACT_TANH, 0.0f, x, y, 3), CINCEL_INVALID_ARGUMENT,
         "activation: ctx is NULL");
    says(cincel_activation_forward(ctx, CINCEL_ACT_TANH, 0.0f, NULL, y, 3), CINCEL_INVALID_ARGUMENT,
         "activation: x is NULL");
    says(cincel_activation_forward(ctx, (cincel_activation)9, 0.0f, x, y, 3), CINCEL_INVALID_ARGUMENT,
         "activation: activation 9 does not exist");
    says(cincel_activation_backward(ctx, (cincel_activation)-1, 0.0f, x, y, x, dx, 3),
         CINCEL_INVALID_ARGUMENT, "activation: activation -1 does not exist");
    says(cincel_activation_forward(ctx, CINCEL_ACT_ELU, 0.0f, x, y, 3), CINCEL_INVALID_ARGUMENT,
         "activation: alpha is 0, must be finite and > 0");
    says(cincel_math_apply(ctx, (cincel_math)6, x, y, 3), CINCEL_INVALID_ARGUMENT, "math: f is 6");
    for (int a = CINCEL_ACT_NONE; a <= CINCEL_ACT_SILU; a++) {
        const cincel_activation act = (cincel_activation)a;
        const bool from_x = a >= CINCEL_ACT_GELU;
        assert_int_equal(cincel_activation_forward(ctx, act, 0.5f, x, y, 3), CINCEL_OK);
        assert_int_equal(
            cincel_activation_backward(ctx, act, 0.5f, from_x ? x : NULL, from_x ? NULL : y, x, dx, 3),
            CINCEL_OK);
        if (act == CINCEL_ACT_NONE) continue;
        says(cincel_activation_backward(ctx, act, 0.5f, from_x ? NULL : x, from_x ? y : NULL, x, dx, 3),
             CINCEL_INVALID_ARGUMENT, from_x ? "activation: x is NULL" : "activation: y is NULL");
    }
    cincel_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_refuses_bad_configurations),
        cmocka_unit_test(environment_is_read_and_can_be_ignored),
        cmocka_unit_test(plans_refuse_bad_arguments),
        cmocka_unit_test(extreme_fields_are_planned_or_refused),
        cmocka_unit_test(extreme_poolings_are_planned_or_refused),
        cmocka_unit_test(workspace_limit_is_hard_and_names_what_it_takes),
        cmocka_unit_test(calls_check_plan_pass_pointers_and_workspace),
        cmocka_unit_test(activations_check_their_arguments),
        cmocka_unit_test(steps_check_their_arguments),
        cmocka_unit_test(embeddings_check_their_arguments),
        cmocka_unit_test(measuring_gives_a_plan_that_agrees_with_the_estimate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
