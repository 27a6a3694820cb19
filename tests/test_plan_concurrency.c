/*
 * The header's promises to programs with threads of their own: plans may be run and made by several threads
 * at once, inside other regions and after fork(), and give the same bits as alone; messages belong to
 * the thread that failed.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "plan/plan.h"

/* Large enough for dozens of claimed pieces of work a plan. */
enum {
    CALLERS = 4,
    ROUNDS = 4,
    PLANS = 5,
    N = 4,
    IC = 21,
    OC = 37,
    SIDE = 28,
    IN = N * SIDE * SIDE * IC,
    OUT = N * (SIDE / 2) * (SIDE / 2) * OC,
    WEIGHTS = OC * 9 * IC
};

/* The inputs all callers share. */
static float x[IN], w[WEIGHTS], bias[OC], dy[OUT], y_in[OUT];
static uint8_t argmax[OUT];

/* What one caller writes. */
struct outputs {
    float y[OUT], dx[IN], dw[WEIGHTS], db[OC], pooled[OUT];
    uint8_t where[OUT];
    double loss;
};

struct plans {
    cincel_plan *plan[PLANS]; /* three passes of a convolution, two of pooling */
    size_t workspace;         /* of the one that needs most */
};

static void fill(float *v, size_t count, unsigned seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        v[i] = (float)(int32_t)seed * 0x1p-31f;
    }
}

static int set_up(void **state)
{
    (void)state;
    fill(x, IN, 1);
    fill(w, WEIGHTS, 2);
    fill(bias, OC, 3);
    fill(dy, OUT, 4);
    fill(y_in, OUT, 5);
    for (size_t i = 0; i < OUT; i++) argmax[i] = (uint8_t)(i % 4);
    return 0;
}

static cincel_context *make_context(int threads)
{
    cincel_config config = CINCEL_CONFIG_INIT;
    cincel_context *ctx = NULL;
    config.threads = threads;
    assert_int_equal(cincel_context_create(&config, &ctx), CINCEL_OK);
    return ctx;
}

/* One of the five plans, with these options. */
static cincel_status make_plan(cincel_context *ctx, int i, const cincel_options *o, cincel_plan **out)
{
    cincel_conv_desc conv = CINCEL_CONV_DESC_INIT;
    conv.n = N, conv.ic = IC, conv.ih = conv.iw = SIDE, conv.oc = OC, conv.kh = conv.kw = 3;
    conv.stride_h = conv.stride_w = 2;
    conv.pad_top = conv.pad_bottom = conv.pad_left = conv.pad_right = 1;
    conv.activation = CINCEL_ACT_RELU;
    cincel_pool_desc pool = CINCEL_POOL_DESC_INIT;
    pool.n = N, pool.c = IC, pool.ih = pool.iw = SIDE;
    return i < 3 ? cincel_conv_plan(ctx, &conv, (cincel_pass)i, o, out)
                 : cincel_pool_plan(ctx, &pool, (cincel_pass)(i - 3), o, out);
}

/*
 * The model would give problems so small to one thread: these plans take the same choice on all threads.
 * (Callers on other threads must not use cmocka: the functions they call say whether all went well.)
 */
static bool make_plans(cincel_context *ctx, struct plans *out)
{
    bool good = true;
    *out = (struct plans){{NULL}, 0};
    for (int i = 0; i < PLANS && good; i++) {
        char choice[CINCEL_CHOICE_TEXT];
        cincel_options o = CINCEL_OPTIONS_INIT;
        cincel_plan *first = NULL;
        int before = 0, after = 0;
        good = make_plan(ctx, i, NULL, &first) == CINCEL_OK;
        const char *text = cincel_plan_choice(first);
        good = good && sscanf(text, "%*s %*s %*s %nt%*d%n", &before, &after) == 0 && after > before;
        snprintf(choice, sizeof choice, "%.*st%d%s", before, text, cincel_context_threads(ctx), text + after);
        o.choice = choice;
        good = good && make_plan(ctx, i, &o, &out->plan[i]) == CINCEL_OK;
        cincel_plan_destroy(first);
        const size_t bytes = cincel_plan_workspace_size(out->plan[i]);
        if (bytes > out->workspace) out->workspace = bytes;
    }
    return good;
}

static void destroy_plans(struct plans *p)
{
    for (int i = 0; i < PLANS; i++) cincel_plan_destroy(p->plan[i]);
}

static bool run_plans(cincel_context *ctx, const struct plans *p, struct outputs *o, void *ws)
{
    static const int32_t labels[] = {3, 0, 11, 36};
    cincel_cross_entropy_desc logits = CINCEL_CROSS_ENTROPY_DESC_INIT;
    logits.rows = 4, logits.cols = OC;
    return cincel_conv_forward(p->plan[0], x, w, bias, o->y, ws) == CINCEL_OK &&
           cincel_conv_backward_data(p->plan[1], dy, w, y_in, o->dx, ws) == CINCEL_OK &&
           cincel_conv_backward_weights(p->plan[2], x, dy, y_in, o->dw, o->db, ws) == CINCEL_OK &&
           cincel_pool_forward(p->plan[3], x, o->pooled, o->where, ws) == CINCEL_OK &&
           cincel_pool_backward(p->plan[4], dy, argmax, o->dx, ws) == CINCEL_OK &&
           cincel_cross_entropy(ctx, &logits, o->y, labels, &o->loss, NULL, NULL) == CINCEL_OK;
}

/* A caller's own outputs and workspace. */
struct caller {
    cincel_context *ctx;
    const struct plans *plans; /* NULL: it makes its own */
    const struct outputs *expected;
    pthread_t thread;
    bool good;
};

static void *call(void *data)
{
    struct caller *c = data;
    struct outputs *o = calloc(1, sizeof *o);
    struct plans own;
    c->good = o != NULL;
    for (int round = 0; round < ROUNDS && c->good; round++) {
        const struct plans *plans = c->plans ? c->plans : &own;
        void *ws = NULL;
        c->good = c->plans || make_plans(c->ctx, &own);
        c->good = c->good && cincel_workspace_create(plans->workspace, &ws) == CINCEL_OK;
        c->good = c->good && run_plans(c->ctx, plans, o, ws) && memcmp(o, c->expected, sizeof *o) == 0;
        cincel_workspace_destroy(ws);
        if (!c->plans) destroy_plans(&own);
    }
    free(o);
    return NULL;
}

/* What one thread gets, with nobody else about. */
static struct outputs *alone(cincel_context *ctx, const struct plans *plans)
{
    struct outputs *o = calloc(1, sizeof *o);
    void *ws = NULL;
    assert_non_null(o);
    assert_int_equal(cincel_workspace_create(plans->workspace, &ws), CINCEL_OK);
    assert_true(run_plans(ctx, plans, o, ws));
    cincel_workspace_destroy(ws);
    return o;
}

static void all_at_once(struct caller callers[CALLERS])
{
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    for (int i = 0; i < CALLERS; i++) pthread_join(callers[i].thread, NULL);
    for (int i = 0; i < CALLERS; i++) assert_true(callers[i].good);
}

static void plans_run_by_several_threads_at_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        cincel_context *ctx = make_context(threads);
        struct plans plans;
        assert_true(make_plans(ctx, &plans));
        struct outputs *expected = alone(ctx, &plans);
        struct caller callers[CALLERS];
        for (int i = 0; i < CALLERS; i++) callers[i] = (struct caller){ctx, &plans, expected, 0, false};
        all_at_once(callers);
        free(expected);
        destroy_plans(&plans);
        cincel_context_destroy(ctx);
    }
}

/* Half of the callers share a context, the others have one each. */
static void plans_made_by_several_threads_at_once(void **state)
{
    (void)state;
    cincel_context *ctx[CALLERS];
    for (int i = 0; i < CALLERS; i++) ctx[i] = i == 0 || i >= CALLERS / 2 ? make_context(2) : ctx[0];
    struct plans plans;
    assert_true(make_plans(ctx[0], &plans));
    struct outputs *expected = alone(ctx[0], &plans);
    destroy_plans(&plans);
    struct caller callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) callers[i] = (struct caller){ctx[i], NULL, expected, 0, false};
    all_at_once(callers);
    free(expected);
    cincel_context_destroy(ctx[0]);
    for (int i = CALLERS / 2; i < CALLERS; i++) cincel_context_destroy(ctx[i]);
}

static void *fail_in_own_words(void *data)
{
    bool *good = data;
    *good = cincel_error_message()[0] == '\0'; /* nothing failed in this thread yet */
    for (int i = 1; i <= 200; i++) {
        cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
        char words[32];
        d.ic = -(int)((uintptr_t)data % 1000) - i;
        snprintf(words, sizeof words, "ic is %d,", d.ic);
        *good = *good && cincel_conv_output_size(&d, NULL, NULL) == CINCEL_INVALID_ARGUMENT &&
                strstr(cincel_error_message(), words);
    }
    return NULL;
}

static void messages_belong_to_their_thread(void **state)
{
    (void)state;
    pthread_t thread[CALLERS];
    bool good[CALLERS];
    assert_int_equal(cincel_conv_output_size(NULL, NULL, NULL), CINCEL_INVALID_ARGUMENT);
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, fail_in_own_words, &good[i]), 0);
    for (int i = 0; i < CALLERS; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < CALLERS; i++) assert_true(good[i]);
    assert_non_null(strstr(cincel_error_message(), "descriptor is NULL"));
}

struct nested {
    struct caller caller[2];
    atomic_int runs;
};

static void call_inside(void *data, struct cincel_worker *worker, size_t phase)
{
    struct nested *n = data;
    (void)phase;
    if (worker->id < 2) call(&n->caller[worker->id]);
    atomic_fetch_add(&n->runs, 1);
}

static void plans_run_inside_a_region(void **state)
{
    (void)state;
    cincel_context *ctx = make_context(2);
    struct plans plans;
    assert_true(make_plans(ctx, &plans));
    struct outputs *expected = alone(ctx, &plans);
    const struct caller caller = {ctx, &plans, expected, 0, true};
    struct nested n = {{caller, caller}, 0};
    cincel_team_run(ctx->team, 2, 1, call_inside, &n);
    assert_true(atomic_load(&n.runs) >= 1 && n.caller[0].good && n.caller[1].good);
    free(expected);
    destroy_plans(&plans);
    cincel_context_destroy(ctx);
}

static void plans_run_in_a_child(void **state)
{
    (void)state;
    cincel_context *ctx = make_context(2);
    struct plans plans;
    assert_true(make_plans(ctx, &plans));
    struct outputs *expected = alone(ctx, &plans); /* its threads stay behind in the parent */
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(60); /* a wait for them would last for ever */
        struct caller old = {ctx, &plans, expected, 0, false}, made_here = {ctx, NULL, expected, 0, false};
        call(&old);
        call(&made_here);
        _exit(old.good && made_here.good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    free(expected);
    destroy_plans(&plans);
    cincel_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_run_in_a_child), /* first: fork() before other tests leave threads behind */
        cmocka_unit_test(plans_run_by_several_threads_at_once),
        cmocka_unit_test(plans_made_by_several_threads_at_once),
        cmocka_unit_test(messages_belong_to_their_thread),
        cmocka_unit_test(plans_run_inside_a_region),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
