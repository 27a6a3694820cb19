#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/abi.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/status.h"
#include "train/dataset.h"
#include "train/optimizer.h"
#include "train/random.h"

struct trainer {
    cincel_context *ctx;
    cincel_model *model;
    const cincel_dataset *data, *validation_data;
    cincel_train_options o;
    cincel_objective objective;
    cincel_optimizer optimizer;
    cincel_session *session;
    struct batch_buffer buffer;
    int batch;
    size_t
        *split; /* first samples to train on, then those that validate; shuffled where both are of one set */
    size_t *order; /* this epoch's order of the former */
    size_t train_count, validation_count;
    float *best; /* snapshot of the model after the best epoch */
    double best_loss, best_accuracy;
    double start;
    struct {
        double seconds; /* in training steps */
        size_t items;   /* trained on */
    } run, epoch;
    cincel_train_report report;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --------------------------------------------------------------------------------------- set-up -- */

static cincel_status fail_option(const char *field, double value, const char *rule)
{
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "train: %s is %g, must be %s", field, value, rule);
}

static cincel_status check_options(const cincel_train_options *o)
{
    if (o->epochs < 1) return fail_option("epochs", o->epochs, "> 0");
    if (o->batch < 1) return fail_option("batch", o->batch, "> 0");
    if (o->patience < 0) return fail_option("patience", o->patience, ">= 0");
    if (!(o->validation_fraction >= 0.0 && o->validation_fraction < 1.0)) {
        return fail_option("validation_fraction", o->validation_fraction, ">= 0 and < 1");
    }
    if (o->lr_schedule != CINCEL_LR_CONSTANT && o->lr_schedule != CINCEL_LR_COSINE) {
        return fail_option("lr_schedule", (double)o->lr_schedule, "one of cincel_lr_schedule");
    }
    if (o->criterion != CINCEL_BEST_LOSS && o->criterion != CINCEL_BEST_ACCURACY) {
        return fail_option("criterion", (double)o->criterion, "one of cincel_criterion");
    }
    return CINCEL_OK;
}

/* The caller's, or SGD by the options' own factors. */
static cincel_status take_optimizer(struct trainer *t)
{
    cincel_optimizer sgd = CINCEL_OPTIMIZER_INIT;
    sgd.lr = t->o.lr;
    sgd.momentum = t->o.momentum;
    sgd.weight_decay = t->o.weight_decay;
    return cincel_optimizer_take("train", t->o.optimizer ? t->o.optimizer : &sgd, &t->optimizer);
}

/* What to train on and what to validate on: parts of the data set, or it and the caller's own set. */
static cincel_status split_samples(struct trainer *t, size_t count)
{
    if (count > UINT32_MAX) {
        return cincel_fail(CINCEL_UNSUPPORTED, "train: data set has %zu samples, at most %u are supported",
                           count, UINT32_MAX);
    }
    if (!t->o.validation) {
        t->validation_data = t->data;
        t->validation_count = cincel_part_of(count, t->o.validation_fraction);
    }
    t->train_count = count - (t->o.validation ? 0 : t->validation_count);
    if (t->train_count == 0) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT,
                           "train: validation_fraction %g of %zu samples leaves none",
                           t->o.validation_fraction, count);
    }
    const size_t all = t->train_count + t->validation_count;
    t->split = calloc(all, sizeof *t->split);
    t->order = calloc(t->train_count, sizeof *t->order);
    if (!t->split || !t->order) return cincel_fail(CINCEL_OUT_OF_MEMORY, "train: no memory");
    if (!t->o.validation && !t->o.stateful) {
        cincel_validation_order(t->split, count, t->o.seed);
        return CINCEL_OK;
    }
    for (size_t i = 0; i < all; i++) t->split[i] = i;
    for (size_t i = 0; t->o.validation && i < t->validation_count; i++) t->split[t->train_count + i] = i;
    return CINCEL_OK;
}

/* The samples of an epoch, in the order they are trained on. */
static void order_samples(struct trainer *t, int epoch)
{
    if (!t->o.stateful) {
        memcpy(t->order, t->split, t->train_count * sizeof *t->order);
        cincel_shuffle(t->order, t->train_count, t->o.seed, RANDOM_SHUFFLE, (uint32_t)epoch);
        if (t->data->begin)
            cincel_ragged_batches(t->data, t->order, t->train_count, (size_t)t->batch, t->o.seed,
                                  (uint32_t)epoch);
        return;
    }
    /* all streams are of one length, what remains waits for another epoch */
    const struct cincel_random random = {t->o.seed, RANDOM_STREAM, (uint32_t)epoch};
    const size_t begin = cincel_random_below(&random, 0, (uint32_t)t->train_count);
    const size_t streams = (size_t)t->batch, length = t->train_count / streams;
    for (size_t s = 0; s < length; s++) {
        for (size_t b = 0; b < streams; b++)
            t->order[s * streams + b] = t->split[(begin + b * length + s) % t->train_count];
    }
}

/* How many samples an epoch has. */
static size_t epoch_samples(const struct trainer *t)
{
    return t->o.stateful ? t->train_count / (size_t)t->batch * (size_t)t->batch : t->train_count;
}

/* The last batches of an epoch and of a validation: planned before the first step like all others. */
static cincel_status prepare_remainders(struct trainer *t)
{
    cincel_status status = CINCEL_OK;
    const int train = (int)(epoch_samples(t) % (size_t)t->batch);
    if (train) status = cincel_session_prepare(t->session, train, true);
    if (t->o.stateful && t->validation_count > 0) {
        const struct streams s =
            cincel_streams(t->validation_count, cincel_min((size_t)t->batch, EVALUATION_STREAMS));
        const size_t last = cincel_streams_at(&s, s.length - 1);
        if (status == CINCEL_OK) status = cincel_session_prepare(t->session, (int)s.count, false);
        if (status == CINCEL_OK && last) status = cincel_session_prepare(t->session, (int)last, false);
        return status;
    }
    const int validation = (int)(t->validation_count % (size_t)t->batch);
    if (validation && status == CINCEL_OK) status = cincel_session_prepare(t->session, validation, false);
    return status;
}

/* The caller's own validation set. */
static cincel_status take_validation(struct trainer *t)
{
    if (!t->o.validation) return CINCEL_OK;
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    cincel_status status = cincel_dataset_describe(t->o.validation, &info);
    if (status == CINCEL_OK)
        status = cincel_data_check("train: validation", t->model, &t->objective, &info, t->o.stateful != 0);
    t->validation_data = t->o.validation;
    t->validation_count = info.count;
    return status;
}

static cincel_status trainer_set_up(struct trainer *t)
{
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    cincel_status status = cincel_dataset_describe(t->data, &info);
    if (status == CINCEL_OK)
        status = cincel_data_check("train", t->model, &t->objective, &info, t->o.stateful != 0);
    if (status == CINCEL_OK) status = take_validation(t);
    if (status == CINCEL_OK) status = split_samples(t, info.count);
    if (status != CINCEL_OK) return status;
    if (t->validation_count > 0 && t->validation_data->begin)
        cincel_ragged_sort(t->validation_data, t->split + t->train_count, t->validation_count);

    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    t->batch = o.batch = (int)cincel_min((size_t)t->o.batch, t->train_count);
    o.training = 1;
    o.objective = &t->objective;
    o.seed = t->o.seed;
    o.optimizer = t->optimizer.kind;
    o.stateful = t->o.stateful;
    cincel_options plan = CINCEL_OPTIONS_INIT;
    if (t->o.plan) status = cincel_struct_in("train: plan", t->o.plan, sizeof plan, sizeof plan, &plan);
    if (status != CINCEL_OK) return status;
    if (!plan.cancel) plan.cancel = t->o.cancel;
    o.plan = &plan;
    status = cincel_session_create(t->ctx, t->model, &o, &t->session);
    if (status == CINCEL_OK) status = prepare_remainders(t);
    if (status == CINCEL_OK) status = cincel_batch_create(t->model, t->batch, &t->buffer);
    if (status != CINCEL_OK) return status;
    t->best = malloc(cincel_model_snapshot_size(t->model) * sizeof *t->best);
    if (!t->best) return cincel_fail(CINCEL_OUT_OF_MEMORY, "train: no memory");
    t->report.planned_bytes = cincel_session_memory(t->session);
    return CINCEL_OK;
}

static void trainer_release(struct trainer *t)
{
    free(t->best);
    cincel_batch_destroy(&t->buffer);
    cincel_session_destroy(t->session);
    free(t->order);
    free(t->split);
}

/* -------------------------------------------------------------------------------------- training -- */

static bool cancelled(const struct trainer *t) { return t->o.cancel && *t->o.cancel; }

static double rate(size_t items, double seconds) { return seconds > 0.0 ? (double)items / seconds : 0.0; }

static void tell(const struct trainer *t, cincel_train_progress *p)
{
    if (!t->o.progress) return;
    const double total = (double)p->epochs * (double)p->steps;
    const double done = (double)(p->epoch - 1) * (double)p->steps + (double)p->step;
    p->seconds_left = (now() - t->start) * (total - done) / done;
    p->items_per_second = rate(t->epoch.items, t->epoch.seconds);
    t->o.progress(t->o.user, p);
}

/* The learning rate of step `step`, from 0, of the whole run. */
static float learning_rate(const struct trainer *t, size_t step)
{
    static const double PI = 3.14159265358979323846;
    const float lr = t->optimizer.lr;
    if (t->o.lr_schedule == CINCEL_LR_CONSTANT) return lr;
    const size_t steps = (size_t)t->o.epochs * cincel_div_up(epoch_samples(t), (size_t)t->batch);
    return (float)((double)lr * 0.5 * (1.0 + cos(PI * (double)step / (double)steps)));
}

/* Sums over the rows (objective.h) of an epoch so far. */
struct epoch_sums {
    double loss, weight;
    size_t counted, hits;
};

/* One step on samples order[first … first+n−1]. */
static cincel_status train_step(struct trainer *t, size_t first, size_t n, float lr, struct epoch_sums *sums)
{
    const struct truth truth = {t->buffer.labels, t->buffer.targets};
    const size_t rows = n * cincel_positions(cincel_model_out(t->model));
    double loss = 0.0;
    size_t hits = 0;
    const double begin = now();
    cincel_status status =
        cincel_batch_gather(&t->buffer, t->data, &t->objective, t->order + first, n, t->session);
    if (status == CINCEL_OK && cincel_objective_has_labels(&t->objective)) {
        status = cincel_session_gradients(t->session, t->buffer.x, t->buffer.labels, (int)n, &loss, &hits);
    } else if (status == CINCEL_OK) {
        status =
            cincel_session_target_gradients(t->session, t->buffer.x, t->buffer.targets, (int)n, &loss, &hits);
    }
    double weight = 0.0;
    const size_t counted =
        status == CINCEL_OK ? cincel_objective_counted(&t->objective, &truth, rows, &weight) : 0;
    if (weight > 0.0 && !isfinite(loss)) {
        status =
            cincel_fail(CINCEL_INVALID_ARGUMENT,
                        "train: loss is %g in epoch %d, step %zu: lr %g is too high for this model", loss,
                        t->report.epochs + 1, first / (size_t)t->batch + 1, (double)t->optimizer.lr);
    }
    if (status == CINCEL_OK) {
        cincel_optimizer step = t->optimizer;
        step.lr = lr;
        status = cincel_session_update(t->session, &step);
    }
    const double seconds = now() - begin;
    t->run.seconds += seconds;
    t->epoch.seconds += seconds;
    t->run.items += n;
    t->epoch.items += n;
    if (weight > 0.0) sums->loss += loss * weight;
    sums->weight += weight;
    sums->counted += counted;
    sums->hits += hits;
    return status;
}

/* All steps of an epoch; CINCEL_CANCELLED where the flag ended it. Running means stay in `p`. */
static cincel_status train_epoch(struct trainer *t, cincel_train_progress *p)
{
    order_samples(t, p->epoch);
    t->epoch.seconds = 0.0;
    t->epoch.items = 0;
    const size_t chances = cincel_objective_chances(&t->objective, (size_t)cincel_model_out(t->model).c);
    const size_t samples = epoch_samples(t);
    struct epoch_sums sums = {0.0, 0.0, 0, 0};
    cincel_status status = cincel_session_reset(t->session);
    for (size_t first = 0; first < samples && status == CINCEL_OK; first += (size_t)t->batch) {
        const size_t n = cincel_min((size_t)t->batch, samples - first);
        const float lr = learning_rate(t, (size_t)(p->epoch - 1) * p->steps + p->step);
        status = train_step(t, first, n, lr, &sums);
        if (status != CINCEL_OK) return status;
        p->step++;
        if (sums.weight > 0.0) p->loss = sums.loss / sums.weight;
        if (sums.counted > 0 && chances)
            p->accuracy = (double)sums.hits / ((double)sums.counted * (double)chances);
        tell(t, p);
        if (cancelled(t)) return cincel_fail(CINCEL_CANCELLED, "train: cancelled");
    }
    return status;
}

static bool is_better(const struct trainer *t, const cincel_train_progress *p)
{
    const bool loss = p->validation_loss < t->best_loss;
    if (t->o.criterion == CINCEL_BEST_LOSS || p->validation_accuracy == t->best_accuracy) return loss;
    return p->validation_accuracy > t->best_accuracy;
}

/* Validates, keeps the parameters if they are the best yet, and closes the epoch in the report. */
static cincel_status close_epoch(struct trainer *t, cincel_train_progress *p)
{
    p->validation_loss = p->loss;
    p->validation_accuracy = p->accuracy;
    if (t->validation_count > 0) {
        const struct evaluation e = {t->ctx,     t->model,    t->session, t->validation_data, &t->objective,
                                     &t->buffer, t->o.cancel, t->batch,   t->o.stateful != 0};
        cincel_evaluation found;
        const cincel_status status =
            cincel_evaluate_samples(&e, t->split + t->train_count, t->validation_count, &found);
        if (status != CINCEL_OK) return status;
        p->validation_loss = found.loss;
        p->validation_accuracy = found.accuracy;
        p->validation_r2 = found.r2;
    }
    cincel_train_report *r = &t->report;
    r->epochs = p->epoch;
    r->train_loss = p->loss;
    r->train_accuracy = p->accuracy;
    p->best = is_better(t, p);
    if (p->best) {
        t->best_loss = p->validation_loss;
        t->best_accuracy = p->validation_accuracy;
        r->best_epoch = p->epoch;
        r->validation_loss = p->validation_loss;
        r->validation_accuracy = p->validation_accuracy;
        r->validation_r2 = p->validation_r2;
        cincel_model_take_snapshot(t->model, t->best);
    }
    p->epoch_done = 1;
    tell(t, p);
    return CINCEL_OK;
}

static cincel_status train_epochs(struct trainer *t)
{
    cincel_status status = CINCEL_OK;
    const size_t steps = cincel_div_up(epoch_samples(t), (size_t)t->batch);
    for (int epoch = 1; epoch <= t->o.epochs && status == CINCEL_OK && !t->report.stopped_early; epoch++) {
        cincel_train_progress p = {.epoch = epoch, .epochs = t->o.epochs, .steps = steps};
        status = train_epoch(t, &p);
        if (status == CINCEL_OK) status = close_epoch(t, &p);
        if (status == CINCEL_OK && cancelled(t)) status = CINCEL_CANCELLED;
        t->report.stopped_early =
            t->o.patience > 0 && epoch < t->o.epochs && epoch - t->report.best_epoch >= t->o.patience;
    }
    if (t->report.best_epoch > 0) cincel_model_restore_snapshot(t->model, t->best);
    return status;
}

cincel_status cincel_train(cincel_context *ctx, cincel_model *model, const cincel_dataset *data,
                           const cincel_train_options *o, cincel_train_report *report)
{
    if (!ctx) return cincel_fail(CINCEL_INVALID_ARGUMENT, "train: context is NULL");
    if (!model) return cincel_fail(CINCEL_INVALID_ARGUMENT, "train: model is NULL");
    if (!data) return cincel_fail(CINCEL_INVALID_ARGUMENT, "train: data is NULL");
    struct trainer t = {.ctx = ctx,
                        .model = model,
                        .data = data,
                        .o = CINCEL_TRAIN_OPTIONS_INIT,
                        .best_loss = INFINITY,
                        .best_accuracy = -1.0,
                        .start = now(),
                        .report = CINCEL_TRAIN_REPORT_INIT};
    cincel_status status = CINCEL_OK;
    if (report) status = cincel_struct_check("train: report", report, sizeof *report);
    if (status == CINCEL_OK && o) status = cincel_struct_in("train", o, sizeof *o, sizeof t.o, &t.o);
    if (status == CINCEL_OK) status = check_options(&t.o);
    if (status == CINCEL_OK)
        status =
            cincel_objective_take("train", t.o.objective, (size_t)cincel_model_out(model).c, &t.objective);
    if (status == CINCEL_OK) status = take_optimizer(&t);
    if (status == CINCEL_OK) status = trainer_set_up(&t);
    if (status == CINCEL_OK) status = train_epochs(&t);
    if (status == CINCEL_CANCELLED) {
        t.report.cancelled = 1;
        status = CINCEL_OK;
    }
    t.report.items_per_second = rate(t.run.items, t.run.seconds);
    t.report.seconds = now() - t.start;
    trainer_release(&t);
    if (status != CINCEL_OK || !report) return status;
    return cincel_struct_out("train", &t.report, sizeof t.report, sizeof t.report, report);
}
