/* The training cycle: it learns, it is reproducible, it stops when told or when nothing improves, it keeps
   the best weights, and it answers every misuse with a sentence. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/philox.h"
#include "tests/support/status.h"
#include "train/model.h"

enum { FEATURES = 8, CLASSES = 3, COUNT = 203 };

/* Points around one centre a class; `noise` 0 makes it separable, a large one pure noise. */
static cincel_dataset *points(float noise, uint64_t seed)
{
    const struct cincel_random centres = {1, 0xce, 0}, random = {seed, 0xda7a, 0};
    float x[COUNT][FEATURES];
    int32_t labels[COUNT];
    for (uint64_t i = 0; i < COUNT; i++) {
        labels[i] = (int32_t)(i % CLASSES);
        for (uint64_t f = 0; f < FEATURES; f++) {
            x[i][f] = cincel_random_normal(&centres, (uint64_t)labels[i] * FEATURES + f) +
                      noise * cincel_random_normal(&random, i * FEATURES + f);
        }
    }
    cincel_dataset *data;
    must(cincel_dataset_memory(&x[0][0], labels, COUNT, 1, 1, FEATURES, CLASSES, &data));
    return data;
}

static cincel_model *classifier(void)
{
    cincel_model *model;
    must(cincel_model_create(1, 1, FEATURES, &model));
    must(cincel_model_add_linear(model, 16, 1));
    must(cincel_model_add_relu(model));
    must(cincel_model_add_linear(model, CLASSES, 1));
    must(cincel_model_init(model, CINCEL_INIT_KAIMING, 1));
    return model;
}

static cincel_context *context(int threads)
{
    cincel_context *ctx;
    cincel_config config = CINCEL_CONFIG_INIT;
    config.threads = threads;
    must(cincel_context_create(&config, &ctx));
    return ctx;
}

/* What a run told, and a flag it raises by itself. */
struct diary {
    size_t steps, epochs;
    cincel_criterion criterion;
    double best_loss, best_accuracy;
    int best_epoch;
    size_t cancel_after; /* steps; 0: never */
    volatile int cancel;
};

static void note(void *user, const cincel_train_progress *p)
{
    struct diary *d = user;
    assert_in_range(p->step, 1, p->steps);
    assert_true(p->items_per_second > 0.0 && p->seconds_left >= 0.0);
    if (!p->epoch_done) {
        d->steps++;
    } else {
        d->epochs++;
        assert_int_equal(p->epoch, d->epochs);
        assert_int_equal(p->step, p->steps);
        const bool loss = p->validation_loss < d->best_loss,
                   same = p->validation_accuracy == d->best_accuracy;
        const bool accuracy = p->validation_accuracy > d->best_accuracy || (same && loss);
        assert_int_equal(p->best, d->epochs == 1 || (d->criterion == CINCEL_BEST_LOSS ? loss : accuracy));
        if (p->best) {
            d->best_loss = p->validation_loss;
            d->best_accuracy = p->validation_accuracy;
            d->best_epoch = p->epoch;
        }
    }
    if (d->cancel_after && d->steps >= d->cancel_after) d->cancel = 1;
}

static cincel_train_options options(struct diary *d)
{
    cincel_train_options o = CINCEL_TRAIN_OPTIONS_INIT;
    o.batch = 16;
    o.progress = note;
    o.user = d;
    o.cancel = &d->cancel;
    o.criterion = d->criterion;
    return o;
}

static void it_learns_the_same_for_any_team(void **state)
{
    (void)state;
    cincel_dataset *data = points(0.3f, 2), *test = points(0.3f, 3);
    float *first = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        cincel_context *ctx = context(threads);
        cincel_model *model = classifier();
        struct diary d = {0};
        const cincel_train_options o = options(&d);
        cincel_train_report r = CINCEL_TRAIN_REPORT_INIT;
        cincel_evaluation found = CINCEL_EVALUATION_INIT;
        must(cincel_train(ctx, model, data, &o, &r));
        must(cincel_evaluate(ctx, model, test, NULL, &found));
        assert_true(found.accuracy > 0.95 && found.loss < 0.2 && found.samples == COUNT);
        /* 203 samples, 20 of them for validation: 12 steps, the last with 7 samples */
        assert_int_equal(d.steps, 10 * 12);
        assert_int_equal(d.epochs, 10);
        assert_int_equal(r.epochs, 10);
        assert_int_equal(r.best_epoch, d.best_epoch);
        assert_true(r.validation_loss == d.best_loss && !r.stopped_early && !r.cancelled);
        assert_true(r.items_per_second > 0.0 && r.planned_bytes > 0);
        if (!first) {
            first = malloc(model->block * sizeof *first);
            memcpy(first, model->parameters, model->block * sizeof *first);
        }
        assert_memory_equal(first, model->parameters, model->block * sizeof *first);
        cincel_model_destroy(model);
        cincel_context_destroy(ctx);
    }
    free(first);
    cincel_dataset_destroy(test);
    cincel_dataset_destroy(data);
}

/* Labels that follow from nothing: validation gets worse soon, and the run ends `patience` epochs later. */
static void stops_early_with_the_best_weights(cincel_criterion criterion)
{
    cincel_dataset *data = points(50.0f, 2);
    cincel_context *ctx = context(1);
    cincel_model *model = classifier(), *again = classifier();
    struct diary d = {.criterion = criterion}, e = {.criterion = criterion};
    cincel_train_options o = options(&d);
    cincel_train_report r = CINCEL_TRAIN_REPORT_INIT, s = CINCEL_TRAIN_REPORT_INIT;
    o.epochs = 200;
    o.patience = 3;
    o.lr = 0.003f;
    must(cincel_train(ctx, model, data, &o, &r));
    assert_true(r.stopped_early && !r.cancelled);
    assert_int_equal(r.best_epoch, d.best_epoch);
    assert_int_equal(r.epochs, d.best_epoch + 3);
    assert_true(r.validation_loss == d.best_loss && r.validation_accuracy == d.best_accuracy);

    /* a run that ends at the best epoch has the weights the longer one went back to */
    o.epochs = r.best_epoch;
    o.user = &e;
    o.cancel = &e.cancel;
    must(cincel_train(ctx, again, data, &o, &s));
    assert_int_equal(s.best_epoch, r.best_epoch);
    assert_false(s.stopped_early);
    assert_memory_equal(model->parameters, again->parameters, model->block * sizeof(float));
    cincel_model_destroy(again);
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
    cincel_dataset_destroy(data);
}

static void it_stops_early_with_the_best_weights(void **state)
{
    (void)state;
    stops_early_with_the_best_weights(CINCEL_BEST_LOSS);
    stops_early_with_the_best_weights(CINCEL_BEST_ACCURACY);
}

static void cancelling_ends_it_after_the_step(void **state)
{
    (void)state;
    cincel_dataset *data = points(0.3f, 2);
    cincel_context *ctx = context(1);
    for (size_t after = 1; after <= 29; after += 14) { /* within epoch 1, within epoch 2, within epoch 3 */
        cincel_model *model = classifier(), *whole = classifier();
        struct diary d = {.cancel_after = after}, e = {0};
        cincel_train_options o = options(&d);
        cincel_train_report r = CINCEL_TRAIN_REPORT_INIT;
        must(cincel_train(ctx, model, data, &o, &r));
        assert_true(r.cancelled && !r.stopped_early);
        assert_int_equal(d.steps, after);
        assert_int_equal(r.epochs, after / 12);
        assert_int_equal(r.best_epoch, d.best_epoch);
        if (r.epochs > 0) { /* the best of the complete epochs is what a run of just those gives */
            o.epochs = r.epochs;
            o.user = &e;
            o.cancel = &e.cancel;
            must(cincel_train(ctx, whole, data, &o, NULL));
            assert_memory_equal(model->parameters, whole->parameters, model->block * sizeof(float));
        }
        cincel_model_destroy(whole);
        cincel_model_destroy(model);
    }
    cincel_context_destroy(ctx);
    cincel_dataset_destroy(data);
}

static void without_validation_the_training_loss_decides(void **state)
{
    (void)state;
    cincel_dataset *data = points(0.3f, 2);
    cincel_context *ctx = context(1);
    cincel_model *model = classifier();
    cincel_train_options o = CINCEL_TRAIN_OPTIONS_INIT;
    cincel_train_report r = CINCEL_TRAIN_REPORT_INIT;
    o.validation_fraction = 0.0;
    o.epochs = 2;
    o.batch = 1000; /* more than there are samples */
    must(cincel_train(ctx, model, data, &o, &r));
    assert_int_equal(r.epochs, 2);
    assert_int_equal(r.best_epoch, 2);
    assert_true(r.validation_loss == r.train_loss && r.validation_accuracy == r.train_accuracy);
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
    cincel_dataset_destroy(data);
}

/* Two epochs of one step each: the second is made at half the learning rate. */
static void cosine_falls_over_the_whole_run(void **state)
{
    (void)state;
    cincel_dataset *data = points(0.3f, 2);
    cincel_context *ctx = context(1);
    cincel_model *model = classifier(), *by_hand = classifier();
    cincel_train_options o = CINCEL_TRAIN_OPTIONS_INIT;
    o.validation_fraction = 0.0;
    o.epochs = 2;
    o.batch = COUNT;
    o.lr_schedule = CINCEL_LR_COSINE;
    must(cincel_train(ctx, model, data, &o, NULL));

    static float x[COUNT][FEATURES];
    int32_t labels[COUNT];
    size_t index[COUNT];
    cincel_session *session;
    cincel_session_options so = CINCEL_SESSION_OPTIONS_INIT;
    so.batch = COUNT;
    so.training = 1;
    for (size_t i = 0; i < COUNT; i++) index[i] = i;
    must(cincel_dataset_gather(data, index, COUNT, &x[0][0], labels));
    must(cincel_session_create(ctx, by_hand, &so, &session));
    for (int step = 0; step < 2; step++) {
        must(cincel_session_gradients(session, &x[0][0], labels, COUNT, NULL, NULL));
        must(cincel_session_sgd(session, step ? o.lr / 2 : o.lr, o.momentum, 0.0f));
    }
    for (size_t i = 0; i < model->block; i++) { /* the order of the sums differs */
        assert_true(fabs((double)model->parameters[i] - (double)by_hand->parameters[i]) < 1e-6);
    }
    cincel_session_destroy(session);
    cincel_model_destroy(by_hand);
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
    cincel_dataset_destroy(data);
}

static void an_optimizer_of_choice(void **state)
{
    (void)state;
    cincel_dataset *data = points(0.3f, 2);
    cincel_context *ctx = context(1);
    cincel_model *model = classifier(), *other = classifier();
    cincel_train_options o = CINCEL_TRAIN_OPTIONS_INIT;
    cincel_optimizer adam = CINCEL_OPTIMIZER_INIT;
    cincel_train_report r = CINCEL_TRAIN_REPORT_INIT;
    adam.kind = CINCEL_OPTIMIZER_ADAM;
    adam.lr = 0.01f;
    adam.clip_norm = 1.0;
    o.epochs = 5;
    o.optimizer = &adam;
    must(cincel_train(ctx, model, data, &o, &r));
    assert_true(r.validation_accuracy > 0.8);
    o.lr = 0.3f, o.momentum = 0.1f; /* not looked at */
    must(cincel_train(ctx, other, data, &o, &r));
    assert_memory_equal(model->parameters, other->parameters, model->block * sizeof(float));
    cincel_model_destroy(other);
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
    cincel_dataset_destroy(data);
}

static void divergence_is_said(void **state)
{
    (void)state;
    cincel_dataset *data = points(50.0f, 2);
    cincel_context *ctx = context(1);
    cincel_model *model = classifier();
    cincel_train_options o = CINCEL_TRAIN_OPTIONS_INIT;
    o.lr = 1e30f;
    says(cincel_train(ctx, model, data, &o, NULL), CINCEL_INVALID_ARGUMENT, "lr 1e+30 is too high");
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
    cincel_dataset_destroy(data);
}

static void refuses(cincel_context *ctx, cincel_model *model, const cincel_dataset *data,
                    const cincel_train_options *o, const char *message)
{
    says(cincel_train(ctx, model, data, o, NULL), CINCEL_INVALID_ARGUMENT, message);
}

static void misuse_is_answered(void **state)
{
    (void)state;
    cincel_dataset *data = points(0.3f, 2);
    cincel_context *ctx = context(1);
    cincel_model *model = classifier(), *narrow;
    cincel_train_options o;
    cincel_evaluation found = CINCEL_EVALUATION_INIT;
    float x[FEATURES] = {0}, probabilities[CLASSES];
    must(cincel_model_create(1, 1, FEATURES, &narrow));
    must(cincel_model_add_linear(narrow, CLASSES - 1, 1));
    o = (cincel_train_options)CINCEL_TRAIN_OPTIONS_INIT;
    cincel_train_report unset = {.size = 0}; /* found before the work, not after it */
    assert_int_equal(cincel_train(ctx, model, data, &o, &unset), CINCEL_INVALID_ARGUMENT);
    assert_non_null(strstr(cincel_error_message(), "train: report: size 0"));
    o.epochs = 0;
    refuses(ctx, model, data, &o, "train: epochs is 0");
    o = (cincel_train_options)CINCEL_TRAIN_OPTIONS_INIT;
    o.batch = -1;
    refuses(ctx, model, data, &o, "train: batch is -1");
    o = (cincel_train_options)CINCEL_TRAIN_OPTIONS_INIT;
    o.lr = 0.0f;
    refuses(ctx, model, data, &o, "train: lr is 0");
    o = (cincel_train_options)CINCEL_TRAIN_OPTIONS_INIT;
    o.lr = NAN;
    refuses(ctx, model, data, &o, "train: lr is nan");
    o = (cincel_train_options)CINCEL_TRAIN_OPTIONS_INIT;
    o.momentum = 1.0f;
    refuses(ctx, model, data, &o, "train: momentum is 1");
    o = (cincel_train_options)CINCEL_TRAIN_OPTIONS_INIT;
    o.weight_decay = -1.0f;
    refuses(ctx, model, data, &o, "train: weight_decay is -1");
    o = (cincel_train_options)CINCEL_TRAIN_OPTIONS_INIT;
    o.patience = -2;
    refuses(ctx, model, data, &o, "train: patience is -2");
    o = (cincel_train_options)CINCEL_TRAIN_OPTIONS_INIT;
    o.validation_fraction = 1.0;
    refuses(ctx, model, data, &o, "train: validation_fraction is 1");
    o = (cincel_train_options)CINCEL_TRAIN_OPTIONS_INIT;
    o.validation_fraction = NAN;
    refuses(ctx, model, data, &o, "train: validation_fraction is nan");
    o = (cincel_train_options)CINCEL_TRAIN_OPTIONS_INIT;
    o.lr_schedule = (cincel_lr_schedule)7;
    refuses(ctx, model, data, &o, "train: lr_schedule is 7");
    o = (cincel_train_options)CINCEL_TRAIN_OPTIONS_INIT;
    o.criterion = (cincel_criterion)-1;
    refuses(ctx, model, data, &o, "train: criterion is");
    o = (cincel_train_options)CINCEL_TRAIN_OPTIONS_INIT;
    o.size = 1;
    refuses(ctx, model, data, &o, "train: size");
    o = (cincel_train_options)CINCEL_TRAIN_OPTIONS_INIT;
    cincel_optimizer optimizer = CINCEL_OPTIMIZER_INIT;
    o.optimizer = &optimizer;
    optimizer.beta2 = 1.0;
    refuses(ctx, model, data, &o, "train: beta2 is 1");
    optimizer.beta2 = 0.5, optimizer.clip_norm = NAN;
    refuses(ctx, model, data, &o, "train: clip_norm is nan");
    says(cincel_train(NULL, model, data, NULL, NULL), CINCEL_INVALID_ARGUMENT, "context is NULL");
    says(cincel_train(ctx, NULL, data, NULL, NULL), CINCEL_INVALID_ARGUMENT, "model is NULL");
    says(cincel_train(ctx, model, NULL, NULL, NULL), CINCEL_INVALID_ARGUMENT, "data is NULL");
    says(cincel_train(ctx, narrow, data, NULL, NULL), CINCEL_INVALID_ARGUMENT, "3 classes, the model 2");
    cincel_evaluate_options eo = CINCEL_EVALUATE_OPTIONS_INIT;
    cincel_objective objective = CINCEL_OBJECTIVE_INIT;
    says(cincel_evaluate(ctx, narrow, data, NULL, &found), CINCEL_INVALID_ARGUMENT, "3 classes");
    says(cincel_evaluate(ctx, model, data, NULL, NULL), CINCEL_INVALID_ARGUMENT, "out is NULL");
    eo.batch = 0;
    says(cincel_evaluate(ctx, model, data, &eo, &found), CINCEL_INVALID_ARGUMENT, "batch is 0");
    eo.batch = 4;
    eo.objective = &objective;
    objective.kind = CINCEL_OBJECTIVE_MSE;
    says(cincel_evaluate(ctx, model, data, &eo, &found), CINCEL_INVALID_ARGUMENT, "0 targets, the model 3");
    objective.kind = (cincel_objective_kind)9;
    says(cincel_evaluate(ctx, model, data, &eo, &found), CINCEL_INVALID_ARGUMENT, "objective.kind is 9");
    says(cincel_predict(ctx, model, &objective, x, 1, probabilities), CINCEL_INVALID_ARGUMENT, "kind is 9");
    o = (cincel_train_options)CINCEL_TRAIN_OPTIONS_INIT;
    o.objective = &objective;
    objective.kind = CINCEL_OBJECTIVE_HUBER;
    objective.delta = 0.0f;
    refuses(ctx, model, data, &o, "train: objective.delta is 0");
    objective = (cincel_objective)CINCEL_OBJECTIVE_INIT;
    objective.label_smoothing = NAN;
    refuses(ctx, model, data, &o, "train: objective.label_smoothing is nan");
    objective.label_smoothing = 0.0f;
    float weights[CLASSES] = {1.0f, NAN};
    objective.class_weights = weights;
    refuses(ctx, model, data, &o, "objective.class_weight_count is 0, the model has 3 classes");
    objective.class_weight_count = CLASSES;
    refuses(ctx, model, data, &o, "train: objective.class_weights[1] is nan");
    weights[0] = weights[1] = 0.0f;
    refuses(ctx, model, data, &o, "train: objective.class_weights are all 0");
    weights[2] = -1.0f;
    says(cincel_predict(ctx, model, &objective, x, 1, probabilities), CINCEL_INVALID_ARGUMENT,
         "objective.class_weights[2] is -1");
    says(cincel_predict(ctx, model, NULL, x, 0, probabilities), CINCEL_INVALID_ARGUMENT, "n is 0");
    says(cincel_predict(ctx, model, NULL, NULL, 1, probabilities), CINCEL_INVALID_ARGUMENT, "x is NULL");
    says(cincel_predict(ctx, model, NULL, x, 1, NULL), CINCEL_INVALID_ARGUMENT, "predictions is NULL");
    cincel_model_destroy(narrow);
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
    cincel_dataset_destroy(data);
}

/* A class that counts more is named more often; and the loss of a data set is the weighted mean of its
   samples, whatever the batches, one of which holds nothing that counts. */
static void classes_have_weights(void **state)
{
    (void)state;
    const float weights[2][CLASSES] = {{1.0f, 1.0f, 1.0f}, {0.0f, 0.1f, 4.0f}};
    cincel_context *ctx = context(2);
    cincel_dataset *data = points(3.0f, 7);
    float x[COUNT][FEATURES], p[COUNT][CLASSES];
    int32_t labels[COUNT];
    size_t index[COUNT], named[2] = {0, 0};
    for (size_t i = 0; i < COUNT; i++) index[i] = i;
    must(cincel_dataset_gather(data, index, COUNT, &x[0][0], labels));
    for (int w = 0; w < 2; w++) {
        cincel_model *model = classifier();
        cincel_objective objective = CINCEL_OBJECTIVE_INIT;
        objective.class_weights = weights[w];
        objective.class_weight_count = CLASSES;
        cincel_train_options o = CINCEL_TRAIN_OPTIONS_INIT;
        o.objective = &objective;
        o.epochs = 8;
        o.batch = 2; /* some without any weight */
        o.lr = 0.003f;
        cincel_train_report r = CINCEL_TRAIN_REPORT_INIT;
        must(cincel_train(ctx, model, data, &o, &r));
        assert_true(isfinite(r.train_loss) && isfinite(r.validation_loss));
        cincel_evaluate_options eo = CINCEL_EVALUATE_OPTIONS_INIT;
        cincel_evaluation found = CINCEL_EVALUATION_INIT;
        eo.objective = &objective;
        eo.batch = 7;
        must(cincel_evaluate(ctx, model, data, &eo, &found));
        must(cincel_predict(ctx, model, &objective, &x[0][0], COUNT, &p[0][0]));
        double loss = 0.0, sum = 0.0;
        for (size_t i = 0; i < COUNT; i++) {
            const double weight = (double)weights[w][labels[i]];
            if (weight > 0.0) loss -= weight * log((double)p[i][labels[i]]);
            sum += weight;
            named[w] += p[i][2] > p[i][0] && p[i][2] > p[i][1];
        }
        assert_true(fabs(found.loss - loss / sum) < 1e-5 * fabs(found.loss));
        cincel_model_destroy(model);
    }
    assert_true(named[1] > named[0] + COUNT / 5);
    cincel_dataset_destroy(data);
    cincel_context_destroy(ctx);
}

/* y = a − 2 b and y = a b, by every objective for numbers; and one yes-or-no question. */
static void it_learns_numbers(void **state)
{
    (void)state;
    enum { SAMPLES = 500 };
    float x[SAMPLES][2], y[SAMPLES][2];
    const struct cincel_random random = {11, 1, 0};
    cincel_random_fill_normal(&random, 0, &x[0][0], 2 * SAMPLES);
    for (int i = 0; i < SAMPLES; i++) {
        y[i][0] = x[i][0] - 2 * x[i][1];
        y[i][1] = x[i][0] * x[i][1];
    }
    for (int kind = CINCEL_OBJECTIVE_BCE; kind <= CINCEL_OBJECTIVE_HUBER; kind++) {
        const bool binary = kind == CINCEL_OBJECTIVE_BCE;
        for (int i = 0; i < SAMPLES && binary; i++) {
            for (int t = 0; t < 2; t++) y[i][t] = y[i][t] > 0 ? 1.0f : 0.0f;
        }
        cincel_dataset *data;
        must(cincel_dataset_regression(&x[0][0], &y[0][0], SAMPLES, 1, 1, 2, 2, &data));
        cincel_context *ctx = context(2);
        cincel_model *model;
        must(cincel_model_builtin("mlp", 1, 1, 2, 2, &model));
        must(cincel_model_init(model, CINCEL_INIT_KAIMING, 3));
        struct diary d = {0};
        cincel_train_options o = options(&d);
        cincel_objective objective = CINCEL_OBJECTIVE_INIT;
        objective.kind = (cincel_objective_kind)kind;
        o.objective = &objective;
        o.epochs = 30;
        o.lr = 0.02f;
        o.lr_schedule = CINCEL_LR_COSINE;
        cincel_train_report r = CINCEL_TRAIN_REPORT_INIT;
        must(cincel_train(ctx, model, data, &o, &r));
        cincel_evaluation found = CINCEL_EVALUATION_INIT;
        cincel_evaluate_options eo = CINCEL_EVALUATE_OPTIONS_INIT;
        eo.objective = &objective;
        must(cincel_evaluate(ctx, model, data, &eo, &found));

        float predictions[SAMPLES][2];
        must(cincel_predict(ctx, model, &objective, &x[0][0], SAMPLES, &predictions[0][0]));
        double residual = 0.0, total = 0.0, right = 0.0, sum[2] = {0.0, 0.0};
        for (int i = 0; i < SAMPLES; i++) {
            for (int t = 0; t < 2; t++) sum[t] += y[i][t] / SAMPLES;
        }
        for (int i = 0; i < SAMPLES; i++) {
            for (int t = 0; t < 2; t++) {
                residual += pow((double)y[i][t] - predictions[i][t], 2);
                total += pow(y[i][t] - sum[t], 2);
                right += (predictions[i][t] > 0.5f) == (y[i][t] > 0.5f);
            }
        }
        if (binary) {
            assert_true(found.accuracy > 0.9 && found.r2 == 0.0 && r.validation_accuracy > 0.8);
            assert_true(fabs(found.accuracy - right / (2 * SAMPLES)) < 1e-12);
        } else {
            if (found.r2 < 0.9 || r.validation_r2 < 0.8)
                fail_msg("objective %d: R2 %g, of validation %g", kind, found.r2, r.validation_r2);
            assert_true(found.accuracy == 0.0);
            assert_true(fabs(found.r2 - (1.0 - residual / total)) < 1e-6);
        }
        cincel_model_destroy(model);
        cincel_context_destroy(ctx);
        cincel_dataset_destroy(data);
        for (int i = 0; i < SAMPLES && binary; i++) { /* numbers again */
            y[i][0] = x[i][0] - 2 * x[i][1];
            y[i][1] = x[i][0] * x[i][1];
        }
    }
}

/* More samples than one batch of prediction takes; each row is a distribution, and evaluation's accuracy is
   that of the most probable classes. */
static void prediction_agrees_with_evaluation(void **state)
{
    (void)state;
    cincel_dataset *data = points(1.0f, 2);
    cincel_context *ctx = context(2);
    cincel_model *model = classifier();
    float x[COUNT][FEATURES], probabilities[COUNT][CLASSES];
    int32_t labels[COUNT];
    size_t index[COUNT], hits = 0;
    cincel_evaluation found = CINCEL_EVALUATION_INIT;
    cincel_evaluate_options eo = CINCEL_EVALUATE_OPTIONS_INIT;
    double expected = 0.0;
    eo.batch = 50;
    for (size_t i = 0; i < COUNT; i++) index[i] = i;
    must(cincel_dataset_gather(data, index, COUNT, &x[0][0], labels));
    must(cincel_predict(ctx, model, NULL, &x[0][0], COUNT, &probabilities[0][0]));
    must(cincel_evaluate(ctx, model, data, &eo, &found));
    for (size_t i = 0; i < COUNT; i++) {
        const float *p = probabilities[i];
        int best = 0;
        double sum = 0.0;
        for (int c = 0; c < CLASSES; c++) {
            sum += (double)p[c];
            if (p[c] > p[best]) best = c;
        }
        assert_true(fabs(sum - 1.0) < 1e-5);
        hits += best == labels[i];
        expected -= log((double)p[labels[i]]) / COUNT;
    }
    assert_true(fabs(found.accuracy - (double)hits / COUNT) < 1e-12);
    assert_true(fabs(found.loss - expected) < 1e-5 * expected);
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
    cincel_dataset_destroy(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_learns_the_same_for_any_team),
        cmocka_unit_test(it_stops_early_with_the_best_weights),
        cmocka_unit_test(cancelling_ends_it_after_the_step),
        cmocka_unit_test(without_validation_the_training_loss_decides),
        cmocka_unit_test(cosine_falls_over_the_whole_run),
        cmocka_unit_test(an_optimizer_of_choice),
        cmocka_unit_test(divergence_is_said),
        cmocka_unit_test(misuse_is_answered),
        cmocka_unit_test(classes_have_weights),
        cmocka_unit_test(it_learns_numbers),
        cmocka_unit_test(prediction_agrees_with_evaluation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
