/*
 * Layers that do one thing in gradient calls and another in forward calls: batch norm, dropout. Their state
 * goes through files and through a training run that ends with earlier weights.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/philox.h"
#include "tests/support/scratch.h"
#include "tests/support/status.h"
#include "train/schedule.h"

enum { FEATURES = 6, CLASSES = 3, COUNT = 90 };

static cincel_context *context(int threads)
{
    cincel_config config = CINCEL_CONFIG_INIT;
    cincel_context *ctx;
    config.threads = threads;
    must(cincel_context_create(&config, &ctx));
    return ctx;
}

/* linear, norm, ReLU, dropout (p > 0), linear */
static cincel_model *make_model(int norm, float p)
{
    cincel_model *model;
    must(cincel_model_create(1, 1, FEATURES, &model));
    must(cincel_model_add_linear(model, 20, 1));
    if (norm) must(cincel_model_add_batch_norm(model, 1e-5f, 0.1f));
    must(cincel_model_add_relu(model));
    if (p > 0.0f) must(cincel_model_add_dropout(model, p));
    must(cincel_model_add_linear(model, CLASSES, 1));
    must(cincel_model_init(model, CINCEL_INIT_KAIMING, 5));
    return model;
}

static cincel_session *make_session(cincel_context *ctx, cincel_model *model, int batch, uint64_t seed)
{
    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    cincel_session *session;
    o.batch = batch;
    o.training = 1;
    o.seed = seed;
    must(cincel_session_create(ctx, model, &o, &session));
    return session;
}

static void fill(float *x, int32_t *labels, int count)
{
    const struct cincel_random random = {3, 0xda7a, 0};
    cincel_random_fill_normal(&random, 0, x, (size_t)count * FEATURES);
    for (int i = 0; i < count; i++) {
        labels[i] = x[i * FEATURES] > 0.4f ? 0 : x[i * FEATURES + 1] > 0.0f ? 1 : 2;
        for (int f = 0; f < FEATURES; f++) x[i * FEATURES + f] += 3.0f;
    }
}

/* Forward calls move nothing and do not depend on the batch; gradient calls count and move the statistics. */
static void batch_norm_has_two_modes(void **state)
{
    (void)state;
    float x[COUNT * FEATURES], alone[CLASSES];
    int32_t labels[COUNT];
    fill(x, labels, COUNT);
    cincel_context *ctx = context(2);
    cincel_model *model = make_model(1, 0.0f);
    cincel_session *session = make_session(ctx, model, COUNT, 0);
    const struct layer_tensor *mean = cincel_model_state(model, 0), *var = cincel_model_state(model, 1);
    const struct layer_tensor *counter = cincel_model_state(model, 2);
    assert_string_equal(mean->name, "1.running_mean");
    assert_string_equal(var->name, "1.running_var");
    assert_string_equal(counter->name, "1.num_batches_tracked");
    assert_null(cincel_model_state(model, 3));
    assert_int_equal(cincel_model_parameter_count(model), 6); /* states are no parameters */
    assert_true(*layer_tensor_in(model->state, mean) == 0.0f && *layer_tensor_in(model->state, var) == 1.0f);

    const size_t count = cincel_model_snapshot_size(model);
    float *before = malloc(count * sizeof *before), *after = malloc(count * sizeof *after);
    cincel_model_take_snapshot(model, before);
    const float *logits;
    must(cincel_session_forward(session, x, 1, &logits));
    memcpy(alone, logits, sizeof alone);
    must(cincel_session_forward(session, x, COUNT, &logits));
    for (int c = 0; c < CLASSES; c++) assert_true(fabs((double)alone[c] - (double)logits[c]) < 1e-5);
    cincel_model_take_snapshot(model, after);
    assert_memory_equal(before, after, count * sizeof *before);

    for (int i = 0; i < 3; i++) must(cincel_session_gradients(session, x, labels, COUNT, NULL, NULL));
    assert_true(*layer_tensor_in(model->state, counter) == 3.0f);
    assert_true(*layer_tensor_in(model->state, mean) != 0.0f && *layer_tensor_in(model->state, var) != 1.0f);
    assert_memory_equal(before, model->parameters, model->block * sizeof *before); /* until a step is taken */
    must(cincel_session_forward(session, x, 1, &logits));
    double moved = 0.0;
    for (int c = 0; c < CLASSES; c++) moved = fmax(moved, fabs((double)alone[c] - (double)logits[c]));
    assert_true(moved > 1e-2);

    says(cincel_session_gradients(session, x, labels, 1, NULL, NULL), CINCEL_INVALID_ARGUMENT,
         "layer 1 has one number a channel in a batch of 1");
    must(cincel_session_forward(session, x, 1, &logits)); /* still works */
    free(after);
    free(before);
    cincel_session_destroy(session);
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
}

/* The file holds the statistics, and what is loaded answers alike. */
static void statistics_go_through_files(void **state)
{
    (void)state;
    struct scratch s;
    scratch_open(&s);
    float x[COUNT * FEATURES], expected[COUNT * CLASSES];
    int32_t labels[COUNT];
    fill(x, labels, COUNT);
    cincel_context *ctx = context(1);
    cincel_model *model = make_model(1, 0.0f), *copy = make_model(1, 0.0f), *plain = make_model(0, 0.0f);
    cincel_session *session = make_session(ctx, model, COUNT, 0);
    for (int i = 0; i < 5; i++) {
        must(cincel_session_gradients(session, x, labels, COUNT, NULL, NULL));
        must(cincel_session_sgd(session, 0.1f, 0.9f, 0.0f));
    }
    const float *logits;
    must(cincel_session_forward(session, x, COUNT, &logits));
    memcpy(expected, logits, sizeof expected);
    const char *path = scratch_path(&s, "w");
    must(cincel_model_save(model, path));
    must(cincel_model_load(copy, path));
    assert_memory_equal(copy->state, model->state, model->state_block * sizeof *model->state);
    cincel_session *other = make_session(ctx, copy, COUNT, 0);
    must(cincel_session_forward(other, x, COUNT, &logits));
    assert_memory_equal(logits, expected, sizeof expected);
    says(cincel_model_load(plain, path), CINCEL_FORMAT_ERROR, "2.weight");
    cincel_session_destroy(other);
    cincel_session_destroy(session);
    cincel_model_destroy(plain);
    cincel_model_destroy(copy);
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
    scratch_close(&s);
}

enum { SIDE = 9, PIXELS = SIDE * SIDE * 3 };

static void add_conv(cincel_model *model, int channels, int kernel, int bias)
{
    cincel_conv2d_options o = CINCEL_CONV2D_OPTIONS_INIT;
    o.out_channels = channels;
    o.kernel_h = o.kernel_w = kernel;
    o.bias = bias;
    must(cincel_model_add_conv2d(model, &o));
}

/* conv, norm, ReLU; conv with bias, norm, SiLU; a conv of more weights than outputs, norm; linear */
static cincel_model *make_images(void)
{
    cincel_model *model;
    must(cincel_model_create(SIDE, SIDE, 3, &model));
    add_conv(model, 8, 3, 0);
    must(cincel_model_add_batch_norm(model, 1e-5f, 0.3f));
    must(cincel_model_add_relu(model));
    add_conv(model, 12, 2, 1);
    must(cincel_model_add_batch_norm(model, 1e-3f, 0.3f));
    must(cincel_model_add_activation(model, CINCEL_ACT_SILU, 0.0f));
    add_conv(model, 5, 6, 0);
    must(cincel_model_add_batch_norm(model, 1e-5f, 0.3f));
    must(cincel_model_add_flatten(model));
    must(cincel_model_add_linear(model, CLASSES, 1));
    must(cincel_model_init(model, CINCEL_INIT_KAIMING, 5));
    return model;
}

static void same_outputs(cincel_session *folded, cincel_session *plain, const float *x, int n)
{
    const float *a, *b;
    must(cincel_session_forward(folded, x, n, &a));
    must(cincel_session_forward(plain, x, n, &b));
    double norm = 0.0;
    for (int i = 0; i < n * CLASSES; i++) norm = fmax(norm, fabs((double)b[i]));
    for (int i = 0; i < n * CLASSES; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= 1e-5 * norm))
            fail_msg("output %d of %d samples: %a folded, %a not", i, n, (double)a[i], (double)b[i]);
}

/* A session without training folds; it answers like one that cannot, also after the weights have changed. */
static void batch_norm_is_folded(void **state)
{
    (void)state;
    enum { N = 6 };
    float x[N * PIXELS];
    int32_t labels[N];
    const struct cincel_random random = {8, 0xda7a, 0};
    cincel_random_fill_normal(&random, 0, x, sizeof x / sizeof *x);
    for (int i = 0; i < N; i++) labels[i] = i % CLASSES;
    cincel_context *ctx = context(2);
    cincel_model *model = make_images();
    struct schedule_step step[10];
    cincel_schedule(model, false, N, step);
    assert_true(step[0].folds_next && step[1].skip && step[2].skip);
    assert_true(step[3].folds_next && step[4].skip && step[5].skip);
    assert_true(step[0].fused.act == CINCEL_ACT_RELU && step[3].fused.act == CINCEL_ACT_SILU);
    assert_true(!step[6].folds_next && !step[7].skip && step[3].source == 0 && step[6].source == 3);
    cincel_schedule(model, true, N, step);
    for (int i = 0; i < 10; i++) assert_true(!step[i].folds_next);
    assert_true(!step[1].skip && !step[4].skip);

    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    o.batch = N;
    cincel_session *folded, *training = make_session(ctx, model, N, 0);
    must(cincel_session_create(ctx, model, &o, &folded));
    for (int round = 0; round < 3; round++) {
        same_outputs(folded, training, x, N);
        same_outputs(folded, training, x, 1);
        for (int i = 0; i < 3; i++) {
            must(cincel_session_gradients(training, x, labels, N, NULL, NULL));
            must(cincel_session_sgd(training, 0.1f, 0.9f, 0.0f));
        }
    }
    cincel_session_destroy(training);
    cincel_session_destroy(folded);
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
}

/* Gradients differ from call to call and by seed, forward calls drop nothing. */
static void dropout_is_drawn_anew(void **state)
{
    (void)state;
    float x[COUNT * FEATURES];
    int32_t labels[COUNT];
    fill(x, labels, COUNT);
    cincel_context *ctx = context(2);
    cincel_model *model = make_model(0, 0.5f), *plain = make_model(0, 0.0f);
    must(cincel_model_init(plain, CINCEL_INIT_KAIMING, 5));
    double loss[2][3];
    for (int seed = 0; seed < 2; seed++) {
        for (int again = 0; again < 2; again++) {
            cincel_session *session = make_session(ctx, model, COUNT, (uint64_t)seed);
            for (int i = 0; i < 3; i++) {
                double now;
                must(cincel_session_gradients(session, x, labels, COUNT, &now, NULL));
                if (again) assert_true(now == loss[seed][i]);
                loss[seed][i] = now;
            }
            cincel_session_destroy(session);
        }
        assert_true(loss[seed][0] != loss[seed][1] && loss[seed][1] != loss[seed][2]);
    }
    assert_true(loss[0][0] != loss[1][0] && loss[0][2] != loss[1][2]);

    cincel_session *dropping = make_session(ctx, model, COUNT, 1),
                   *other = make_session(ctx, plain, COUNT, 1);
    const float *a, *b;
    must(cincel_session_forward(dropping, x, COUNT, &a));
    must(cincel_session_forward(other, x, COUNT, &b));
    assert_memory_equal(a, b, COUNT * CLASSES * sizeof *a);
    cincel_session_destroy(other);
    cincel_session_destroy(dropping);
    cincel_model_destroy(plain);
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
}

/* A whole run with both: the same bits for any team, and parameters and statistics of the best epoch. */
static void runs_are_reproducible(void **state)
{
    (void)state;
    float x[COUNT * FEATURES];
    int32_t labels[COUNT];
    fill(x, labels, COUNT);
    cincel_dataset *data;
    must(cincel_dataset_memory(x, labels, COUNT, 1, 1, FEATURES, CLASSES, &data));
    float *first = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        cincel_context *ctx = context(threads);
        cincel_model *model = make_model(1, 0.2f);
        cincel_train_options o = CINCEL_TRAIN_OPTIONS_INIT;
        cincel_train_report r = CINCEL_TRAIN_REPORT_INIT;
        o.batch = 16; /* 81 samples to train on: the last batch would have 1 */
        says(cincel_train(ctx, model, data, &o, &r), CINCEL_INVALID_ARGUMENT, "in a batch of 1");
        o.batch = 17;
        o.epochs = 12;
        o.patience = 3;
        must(cincel_train(ctx, model, data, &o, &r));
        assert_true(r.train_loss < 1.0);
        /* the model holds the epoch it says it holds: that many runs through 5 steps of which each counted */
        assert_true(*layer_tensor_in(model->state, cincel_model_state(model, 2)) ==
                    (float)(5 * r.best_epoch));
        const size_t count = cincel_model_snapshot_size(model);
        float *now = malloc(count * sizeof *now);
        cincel_model_take_snapshot(model, now);
        if (first) assert_memory_equal(now, first, count * sizeof *now);
        if (first)
            free(now);
        else
            first = now;
        cincel_model_destroy(model);
        cincel_context_destroy(ctx);
    }
    free(first);
    cincel_dataset_destroy(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm_has_two_modes), cmocka_unit_test(statistics_go_through_files),
        cmocka_unit_test(batch_norm_is_folded),     cmocka_unit_test(dropout_is_drawn_anew),
        cmocka_unit_test(runs_are_reproducible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
