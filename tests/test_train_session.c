/* Sessions: the same bits for any team, remainder batches, and memory shared by what never meets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/philox.h"
#include "tests/support/cases.h"
#include "tests/support/status.h"
#include "train/lifetime.h"
#include "train/model.h"

enum { BATCH = 13, HEIGHT = 12, WIDTH = 10, CHANNELS = 2, CLASSES = 5 };
enum { SAMPLE = HEIGHT * WIDTH * CHANNELS };

struct bench {
    cincel_context *ctx;
    cincel_model *model;
    cincel_session *session;
};

static struct bench make_bench(int threads, int batch, int training)
{
    struct bench b;
    cincel_config config = CINCEL_CONFIG_INIT;
    config.threads = threads;
    must(cincel_context_create(&config, &b.ctx));
    must(cincel_model_builtin("simplecnn", HEIGHT, WIDTH, CHANNELS, CLASSES, &b.model));
    must(cincel_model_init(b.model, CINCEL_INIT_KAIMING, 4));
    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    o.batch = batch;
    o.training = training;
    must(cincel_session_create(b.ctx, b.model, &o, &b.session));
    return b;
}

static void destroy_bench(struct bench *b)
{
    cincel_session_destroy(b->session);
    cincel_model_destroy(b->model);
    cincel_context_destroy(b->ctx);
}

static void fill(float x[], int32_t labels[], int n, uint32_t step)
{
    const struct cincel_random random = {9, 0xda7a, step};
    cincel_random_fill_uniform(&random, 0, x, (size_t)n * SAMPLE);
    for (int i = 0; i < n; i++) {
        labels[i] = (int32_t)cincel_random_below(&random, ((uint64_t)1 << 32) + (uint64_t)i, CLASSES);
    }
}

static void run_steps(struct bench *b, int n, uint32_t steps)
{
    float *x = malloc((size_t)n * SAMPLE * sizeof *x);
    int32_t labels[BATCH];
    for (uint32_t step = 0; step < steps; step++) {
        fill(x, labels, n, step);
        must(cincel_session_gradients(b->session, x, labels, n, NULL, NULL));
        must(cincel_session_sgd(b->session, 0.05f, 0.9f, 1e-3f));
    }
    free(x);
}

static void weights_do_not_depend_on_threads(void **state)
{
    (void)state;
    struct bench one = make_bench(1, BATCH, 1);
    run_steps(&one, BATCH, 4);
    run_steps(&one, 5, 2);
    for (int threads = 2; threads <= 3; threads++) {
        struct bench more = make_bench(threads, BATCH, 1);
        run_steps(&more, BATCH, 4);
        run_steps(&more, 5, 2);
        assert_memory_equal(one.model->parameters, more.model->parameters, one.model->block * sizeof(float));
        destroy_bench(&more);
    }
    destroy_bench(&one);
}

static double distance(const float *a, const float *b, size_t count)
{
    double largest = 0.0, scale = 0.0;
    for (size_t i = 0; i < count; i++) {
        const double d = (double)a[i] - (double)b[i];
        if (d * d > largest) largest = d * d;
        if ((double)b[i] * b[i] > scale) scale = (double)b[i] * b[i];
    }
    return scale > 0.0 ? largest / scale : largest;
}

/* A batch of n in a session for more gives what a session for n gives, whatever ran before it. */
static void remainders_equal_sessions_of_their_size(void **state)
{
    (void)state;
    struct bench big = make_bench(2, BATCH, 1);
    float *x = malloc(BATCH * SAMPLE * sizeof *x);
    int32_t labels[BATCH];
    for (int n = 1; n <= BATCH; n += 3) {
        struct bench own = make_bench(2, n, 1), inference = make_bench(2, BATCH, 0);
        double loss, expected;
        size_t hits, expected_hits;
        fill(x, labels, BATCH, 77);
        must(cincel_session_gradients(big.session, x, labels, BATCH, NULL, NULL)); /* leaves dirt behind */
        fill(x, labels, n, (uint32_t)n);
        must(cincel_session_gradients(big.session, x, labels, n, &loss, &hits));
        must(cincel_session_gradients(own.session, x, labels, n, &expected, &expected_hits));
        assert_true(loss - expected < 1e-6 * expected && expected - loss < 1e-6 * expected);
        assert_int_equal(hits, expected_hits);
        for (size_t i = 0; i < cincel_model_parameter_count(own.model); i++) {
            const size_t count = cincel_model_tensor(own.model, i)->count;
            const double d = distance(cincel_session_gradient(big.session, i),
                                      cincel_session_gradient(own.session, i), count);
            if (d > 1e-10) fail_msg("batch of %d: gradient %zu differs, square distance %g", n, i, d);
        }
        const float *a, *b;
        must(cincel_session_forward(big.session, x, n, &a));
        must(cincel_session_forward(inference.session, x, n, &b));
        assert_true(distance(a, b, (size_t)n * CLASSES) <= 1e-10);
        destroy_bench(&inference);
        destroy_bench(&own);
    }
    free(x);
    destroy_bench(&big);
}

static void misuse_is_answered(void **state)
{
    (void)state;
    struct bench b = make_bench(1, BATCH, 0), t = make_bench(1, BATCH, 1);
    float *x = calloc(BATCH * SAMPLE, sizeof *x);
    int32_t labels[BATCH] = {0};
    const float *logits;
    cincel_session *none = NULL;
    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    says(cincel_session_forward(b.session, x, 0, &logits), CINCEL_INVALID_ARGUMENT, "n is 0");
    says(cincel_session_forward(b.session, x, BATCH + 1, &logits), CINCEL_INVALID_ARGUMENT, "n is 14");
    says(cincel_session_forward(b.session, NULL, 1, &logits), CINCEL_INVALID_ARGUMENT, "x is NULL");
    says(cincel_session_forward(NULL, x, 1, &logits), CINCEL_INVALID_ARGUMENT, "session is NULL");
    says(cincel_session_gradients(b.session, x, labels, 1, NULL, NULL), CINCEL_INVALID_ARGUMENT, "training");
    says(cincel_session_gradients(t.session, x, NULL, 1, NULL, NULL), CINCEL_INVALID_ARGUMENT, "labels");
    labels[2] = CLASSES;
    says(cincel_session_gradients(t.session, x, labels, 3, NULL, NULL), CINCEL_INVALID_ARGUMENT, "label");
    says(cincel_session_sgd(t.session, 0.1f, 0.0f, 0.0f), CINCEL_INVALID_ARGUMENT, "no gradients");
    cincel_optimizer adam = CINCEL_OPTIMIZER_INIT;
    says(cincel_session_update(t.session, NULL), CINCEL_INVALID_ARGUMENT, "optimizer is NULL");
    says(cincel_session_update(t.session, &adam), CINCEL_INVALID_ARGUMENT, "no gradients");
    adam.kind = CINCEL_OPTIMIZER_ADAM;
    must(cincel_session_gradients(t.session, x, labels, 2, NULL, NULL));
    says(cincel_session_update(t.session, &adam), CINCEL_INVALID_ARGUMENT, "was made for sgd");
    adam.clip_norm = -1.0;
    says(cincel_session_update(t.session, &adam), CINCEL_INVALID_ARGUMENT, "clip_norm is -1");
    o.optimizer = (cincel_optimizer_kind)7;
    says(cincel_session_create(b.ctx, b.model, &o, &none), CINCEL_INVALID_ARGUMENT, "kind is 7");
    o.optimizer = CINCEL_OPTIMIZER_SGD;
    assert_null(cincel_session_gradient(b.session, 0));
    assert_null(cincel_session_gradient(t.session, 99));
    o.batch = 0;
    says(cincel_session_create(b.ctx, b.model, &o, &none), CINCEL_INVALID_ARGUMENT, "batch is 0");
    o.batch = 1;
    says(cincel_session_create(NULL, b.model, &o, &none), CINCEL_INVALID_ARGUMENT, "context");
    says(cincel_session_create(b.ctx, NULL, &o, &none), CINCEL_INVALID_ARGUMENT, "model");
    says(cincel_session_create(b.ctx, b.model, &o, NULL), CINCEL_INVALID_ARGUMENT, "out");
    cincel_options plan = CINCEL_OPTIONS_INIT;
    plan.choice = "direct";
    o.plan = &plan;
    says(cincel_session_create(b.ctx, b.model, &o, &none), CINCEL_INVALID_ARGUMENT, "choice");
    says(cincel_model_add_relu(b.model), CINCEL_INVALID_ARGUMENT, "session");
    assert_null(none);
    free(x);
    destroy_bench(&t);
    destroy_bench(&b);
}

/* Adam keeps one block of the parameters' size more than SGD; clipping holds for both. */
static void updates_follow_the_optimizer(void **state)
{
    (void)state;
    struct bench b = make_bench(1, BATCH, 1);
    cincel_session_options so = CINCEL_SESSION_OPTIONS_INIT;
    cincel_optimizer o = CINCEL_OPTIMIZER_INIT;
    cincel_session *adam;
    float *x = malloc(BATCH * SAMPLE * sizeof *x);
    int32_t labels[BATCH];
    so.batch = BATCH;
    so.training = 1;
    so.optimizer = o.kind = CINCEL_OPTIMIZER_ADAMW;
    must(cincel_session_create(b.ctx, b.model, &so, &adam));
    assert_int_equal(cincel_session_memory(adam) - cincel_session_memory(b.session),
                     b.model->block * sizeof(float));
    fill(x, labels, BATCH, 0);
    double first = 0.0, loss = 0.0;
    o.clip_norm = 0.01;
    for (int step = 0; step < 20; step++) {
        must(cincel_session_gradients(adam, x, labels, BATCH, &loss, NULL));
        if (step == 0) first = loss;
        must(cincel_session_update(adam, &o));
        double norm = 0.0;
        must(cincel_clip_norm(b.ctx, (float *)cincel_session_gradient(adam, 0), 1, 1.0, &norm));
        assert_true(norm <= 0.01);
    }
    assert_true(loss < 0.5 * first);
    cincel_session_destroy(adam);
    free(x);
    destroy_bench(&b);
}

/* Tokens, lengths and masked labels that make no sense; a batch of masked labels has no gradient. */
static void sequences_are_checked(void **state)
{
    (void)state;
    enum { STEPS = 4 };
    const cincel_status bad = CINCEL_INVALID_ARGUMENT;
    cincel_context *ctx;
    cincel_model *model, *other;
    cincel_session *session;
    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    must(cincel_context_create(NULL, &ctx));
    must(cincel_model_create(STEPS, 1, 1, &model));
    must(cincel_model_create(STEPS, 1, 2, &other));
    says(cincel_model_add_embedding(other, 5, 3), bad, "one token a position");
    says(cincel_model_add_embedding(model, 0, 3), bad, "vocabulary is 0");
    says(cincel_model_add_embedding(model, 5, -1), bad, "width is -1");
    must(cincel_model_add_embedding(model, 5, 3));
    says(cincel_model_add_one_hot(model, 5), bad, "must be the first layer, is number 1");
    must(cincel_model_add_linear(model, 5, 1));
    must(cincel_model_init(model, CINCEL_INIT_XAVIER, 1));
    o.batch = 2;
    o.training = 1;
    must(cincel_session_create(ctx, model, &o, &session));
    float x[2][STEPS] = {{0, 1, 2, 3}, {4, 0, 0, 1}};
    int32_t labels[2][STEPS] = {{1, 2, 3, 4}, {0, 0, 1, 2}};
    int lengths[2] = {4, 5};
    double loss;
    size_t hits;
    x[1][2] = 5;
    says(cincel_session_gradients(session, x[0], labels[0], 2, &loss, NULL), bad, "token 6 is 5, must be");
    x[1][2] = 1.5f;
    says(cincel_session_gradients(session, x[0], labels[0], 2, &loss, NULL), bad, "token 6 is 1.5");
    x[1][2] = 1;
    labels[1][3] = -1;
    says(cincel_session_gradients(session, x[0], labels[0], 2, &loss, NULL), bad, "label of row 7 is -1");
    says(cincel_session_lengths(session, lengths, 2), bad, "lengths[1] is 5, must be in 1 … 4");
    lengths[1] = 0;
    says(cincel_session_lengths(session, lengths, 2), bad, "lengths[1] is 0");
    says(cincel_session_lengths(session, lengths, 3), bad, "n is 3");
    must(cincel_session_lengths(session, lengths, 1));
    says(cincel_session_gradients(session, x[0], labels[0], 2, &loss, NULL), bad, "there are 1 lengths");
    must(cincel_session_lengths(session, NULL, 0));
    says(cincel_session_reset(NULL), bad, "session is NULL");
    for (int i = 0; i < 2 * STEPS; i++) labels[i / STEPS][i % STEPS] = CINCEL_LABEL_IGNORED;
    must(cincel_session_gradients(session, x[0], labels[0], 2, &loss, &hits));
    assert_true(loss != loss && hits == 0);
    for (size_t i = 0; i < model->tensors; i++) {
        const float *gradient = cincel_session_gradient(session, i);
        for (size_t e = 0; e < cincel_model_tensor(model, i)->count; e++) assert_true(gradient[e] == 0.0f);
    }
    cincel_session_destroy(session);
    cincel_model_destroy(other);
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
}

static void plans_and_memory_are_reported(void **state)
{
    (void)state;
    struct bench b = make_bench(1, BATCH, 0), t = make_bench(1, BATCH, 1);
    assert_true(cincel_session_memory(t.session) > cincel_session_memory(b.session));
    assert_int_equal(cincel_session_plans(b.session), 6);      /* two convolutions, two pools, two linear */
    assert_int_equal(cincel_session_plans(t.session), 18 - 3); /* no dw of pools, no dx of the first layer */
    cincel_session_plan_info info = CINCEL_SESSION_PLAN_INFO_INIT;
    for (size_t i = 0; i < cincel_session_plans(t.session); i++) {
        must(cincel_session_plan(t.session, i, &info));
        assert_true(info.layer[0] && info.choice[0] && info.description[0]);
    }
    says(cincel_session_plan(t.session, 15, &info), CINCEL_INVALID_ARGUMENT, "no plan 15");
    destroy_bench(&t);
    destroy_bench(&b);
}

/* Buffers that live at the same time never overlap, and the arena is no larger than all of them. */
static void buffers_that_meet_lie_apart(void **state)
{
    (void)state;
    enum { MOST = 40 };
    const long cases = test_cases(500);
    for (long n = 0; n < cases; n++) {
        const struct cincel_random random = {(uint64_t)n, 0x11fe, 0};
        struct lifetime b[MOST] = {{0}};
        const size_t count = 1 + cincel_random_below(&random, 0, MOST);
        size_t sum = 0;
        for (size_t i = 0; i < count; i++) {
            b[i].bytes = cincel_random_below(&random, 4 * i + 1, 4)
                             ? cincel_random_below(&random, 4 * i + 2, 5000)
                             : 0;
            b[i].born = (int)cincel_random_below(&random, 4 * i + 3, 30);
            b[i].dies = b[i].born + (int)cincel_random_below(&random, 4 * i + 4, 12);
            sum += (b[i].bytes + 63) / 64 * 64;
        }
        const size_t arena = cincel_lifetime_place(b, count);
        assert_true(arena <= sum);
        for (size_t i = 0; i < count; i++) {
            if (b[i].placed != (b[i].bytes > 0)) fail_msg("case %ld: buffer %zu", n, i);
            if (!b[i].placed) continue;
            if (b[i].offset % 64 || b[i].offset + b[i].bytes > arena) fail_msg("case %ld: buffer %zu", n, i);
            for (size_t j = 0; j < i; j++) {
                if (!b[j].placed || b[i].born > b[j].dies || b[j].born > b[i].dies) continue;
                if (b[i].offset < b[j].offset + b[j].bytes && b[j].offset < b[i].offset + b[i].bytes) {
                    fail_msg("case %ld: buffers %zu and %zu overlap", n, j, i);
                }
            }
        }
    }
}

/* On a chain, as a model without backward pass is, two neighbours are all that is ever needed. */
static void chains_ping_pong(void **state)
{
    (void)state;
    struct lifetime b[9] = {{0}};
    for (int i = 0; i < 9; i++) b[i] = (struct lifetime){.bytes = 640, .born = i, .dies = i + 1};
    assert_int_equal(cincel_lifetime_place(b, 9), 2 * 640);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_do_not_depend_on_threads),
        cmocka_unit_test(remainders_equal_sessions_of_their_size),
        cmocka_unit_test(misuse_is_answered),
        cmocka_unit_test(updates_follow_the_optimizer),
        cmocka_unit_test(sequences_are_checked),
        cmocka_unit_test(plans_and_memory_are_reported),
        cmocka_unit_test(buffers_that_meet_lie_apart),
        cmocka_unit_test(chains_ping_pong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
