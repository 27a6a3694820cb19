#include <stdlib.h>
#include <string.h>

#include "core/abi.h"
#include "core/memory.h"
#include "core/status.h"
#include "train/dataset.h"
#include "train/trainer.h"

enum { PREDICT_BATCH = 64 };

/* ------------------------------------------------------------------------------------------ batches -- */

cincel_status cincel_batch_create(const cincel_model *model, int batch, struct batch_buffer *out)
{
    const size_t n = (size_t)batch, outputs = layer_shape_count(cincel_model_out(model));
    const size_t positions = cincel_positions(cincel_model_out(model));
    size_t bytes, target_bytes;
    if (!cincel_mul(n, layer_shape_count(model->in) * sizeof(float), &bytes) ||
        !cincel_mul(n, outputs * sizeof(float), &target_bytes)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "train: batch %d of this model overflows", batch);
    }
    void *x;
    const cincel_status status = cincel_workspace_create(bytes, &x);
    if (status != CINCEL_OK) return status;
    *out = (struct batch_buffer){x, calloc(n * positions, sizeof(int32_t)), malloc(target_bytes),
                                 calloc(n, sizeof(int))};
    if (out->labels && out->targets && out->lengths) return CINCEL_OK;
    cincel_batch_destroy(out);
    return cincel_fail(CINCEL_OUT_OF_MEMORY, "train: no memory");
}

void cincel_batch_destroy(struct batch_buffer *b)
{
    cincel_workspace_destroy(b->x);
    free(b->labels);
    free(b->targets);
    free(b->lengths);
    *b = (struct batch_buffer){NULL, NULL, NULL, NULL};
}

cincel_status cincel_batch_gather(struct batch_buffer *b, const cincel_dataset *data,
                                  const cincel_objective *objective, const size_t *index, size_t n,
                                  cincel_session *session)
{
    cincel_status status = cincel_objective_has_labels(objective)
                               ? cincel_dataset_gather(data, index, n, b->x, b->labels)
                               : cincel_dataset_gather_targets(data, index, n, b->x, b->targets);
    if (status == CINCEL_OK) status = cincel_dataset_lengths(data, index, n, b->lengths);
    if (status != CINCEL_OK) return status;
    return cincel_session_lengths(session, data->begin ? b->lengths : NULL, (int)n);
}

cincel_status cincel_data_check(const char *what, const cincel_model *model,
                                const cincel_objective *objective, const cincel_dataset_info *info,
                                bool stateful)
{
    const struct layer_shape in = model->in;
    const size_t outputs = layer_shape_count(cincel_model_out(model));
    if (info->count == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: data set is empty", what);
    if (info->height != in.h || info->width != in.w || info->channels != in.c) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: samples are %dx%dx%d, the model takes %dx%dx%d",
                           what, info->height, info->width, info->channels, in.h, in.w, in.c);
    }
    if (stateful && info->ragged) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT,
                           "%s: stateful, but samples of a ragged set do not continue each other", what);
    }
    if (!cincel_objective_has_labels(objective)) {
        if ((size_t)info->targets == outputs) return CINCEL_OK;
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: data set has %d targets, the model %zu outputs",
                           what, info->targets, outputs);
    }
    if (info->classes < 1) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: data set has targets, cross-entropy takes labels",
                           what);
    }
    const struct layer_shape out = cincel_model_out(model);
    if ((size_t)info->positions != cincel_positions(out)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT,
                           "%s: data set has %d labels a sample, the model's output %zu positions", what,
                           info->positions, cincel_positions(out));
    }
    if (info->classes > out.c) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: data set has %d classes, the model %d outputs", what,
                           info->classes, out.c);
    }
    return CINCEL_OK;
}

/* --------------------------------------------------------------------------------------- evaluating -- */

/* Σ (target − its mean)² of the samples; two passes, so that a large mean takes no digits. */
static double total_square(const cincel_dataset *data, const size_t *index, size_t count)
{
    const size_t targets = (size_t)data->target_count;
    double total = 0.0;
    for (size_t t = 0; t < targets; t++) {
        double sum = 0.0;
        for (size_t i = 0; i < count; i++) sum += data->targets[index[i] * targets + t];
        const double mean = sum / (double)count;
        for (size_t i = 0; i < count; i++) {
            const double distance = data->targets[index[i] * targets + t] - mean;
            total += distance * distance;
        }
    }
    return total;
}

static double residual_square(const float *outputs, const float *targets, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        const double distance = (double)targets[i] - (double)outputs[i];
        sum += distance * distance;
    }
    return sum;
}

/* One batch's figures, added to the sums. */
struct sums {
    double loss, weight, residual;
    size_t counted, hits;
};

static cincel_status evaluate_batch(const struct evaluation *e, const size_t *index, size_t n,
                                    struct sums *sums)
{
    const struct layer_shape out = cincel_model_out(e->model);
    const size_t rows = n * cincel_positions(out), width = (size_t)out.c;
    const struct truth truth = {e->buffer->labels, e->buffer->targets};
    const float *outputs = NULL;
    double loss = 0.0;
    size_t hits = 0;
    cincel_status status = cincel_batch_gather(e->buffer, e->data, e->objective, index, n, e->session);
    if (status == CINCEL_OK) status = cincel_session_forward(e->session, e->buffer->x, (int)n, &outputs);
    if (status == CINCEL_OK) {
        status =
            cincel_objective_loss(e->ctx, e->objective, outputs, &truth, rows, width, &loss, &hits, NULL);
    }
    if (status != CINCEL_OK) return status;
    if (e->cancel && *e->cancel) return cincel_fail(CINCEL_CANCELLED, "train: cancelled");
    if (!cincel_objective_has_labels(e->objective))
        sums->residual += residual_square(outputs, e->buffer->targets, rows * width);
    double weight;
    const size_t counted = cincel_objective_counted(e->objective, &truth, rows, &weight);
    if (weight > 0.0) sums->loss += loss * weight;
    sums->weight += weight;
    sums->counted += counted;
    sums->hits += hits;
    return CINCEL_OK;
}

/* Stream after stream of samples index[0 … count−1], side by side, from states of 0. */
static cincel_status evaluate_streams(const struct evaluation *e, const size_t *index, size_t count,
                                      struct sums *sums)
{
    const struct streams streams = cincel_streams(count, cincel_min((size_t)e->batch, EVALUATION_STREAMS));
    cincel_status status = cincel_session_reset(e->session);
    for (size_t step = 0; step < streams.length && status == CINCEL_OK; step++) {
        size_t at[EVALUATION_STREAMS];
        const size_t n = cincel_streams_at(&streams, step);
        for (size_t b = 0; b < n; b++) at[b] = index[b * streams.length + step];
        status = evaluate_batch(e, at, n, sums);
    }
    return status;
}

cincel_status cincel_evaluate_samples(const struct evaluation *e, const size_t *index, size_t count,
                                      cincel_evaluation *out)
{
    const size_t width = (size_t)cincel_model_out(e->model).c;
    const size_t chances = cincel_objective_chances(e->objective, width);
    struct sums sums = {0.0, 0.0, 0.0, 0, 0};
    if (e->stateful) {
        const cincel_status status = evaluate_streams(e, index, count, &sums);
        if (status != CINCEL_OK) return status;
    }
    for (size_t done = 0; done < count && !e->stateful;) {
        const size_t n = cincel_min((size_t)e->batch, count - done);
        const cincel_status status = evaluate_batch(e, index + done, n, &sums);
        if (status != CINCEL_OK) return status;
        done += n;
    }
    *out = (cincel_evaluation)CINCEL_EVALUATION_INIT;
    out->samples = count;
    out->loss = sums.loss / sums.weight;
    if (chances) {
        out->accuracy = (double)sums.hits / ((double)sums.counted * (double)chances);
    } else {
        const double total = total_square(e->data, index, count);
        out->r2 = total > 0.0 ? 1.0 - sums.residual / total : 0.0;
    }
    return CINCEL_OK;
}

static cincel_status take_options(const cincel_evaluate_options *o, const cincel_model *model,
                                  cincel_evaluate_options *mine, cincel_objective *objective)
{
    *mine = (cincel_evaluate_options)CINCEL_EVALUATE_OPTIONS_INIT;
    if (o) {
        const cincel_status status = cincel_struct_in("evaluate", o, sizeof *o, sizeof *mine, mine);
        if (status != CINCEL_OK) return status;
    }
    if (mine->batch <= 0) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "evaluate: batch is %d, must be > 0", mine->batch);
    }
    return cincel_objective_take("evaluate", mine->objective, (size_t)cincel_model_out(model).c, objective);
}

cincel_status cincel_evaluate(cincel_context *ctx, cincel_model *model, const cincel_dataset *data,
                              const cincel_evaluate_options *o, cincel_evaluation *out)
{
    cincel_evaluate_options mine;
    cincel_objective objective;
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    if (!model) return cincel_fail(CINCEL_INVALID_ARGUMENT, "evaluate: model is NULL");
    if (!out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "evaluate: out is NULL");
    cincel_status status = cincel_struct_check("evaluate", out, sizeof *out);
    if (status == CINCEL_OK) status = take_options(o, model, &mine, &objective);
    if (status == CINCEL_OK) status = cincel_dataset_describe(data, &info);
    if (status == CINCEL_OK)
        status = cincel_data_check("evaluate", model, &objective, &info, mine.stateful != 0);
    if (status != CINCEL_OK) return status;

    cincel_session_options so = CINCEL_SESSION_OPTIONS_INIT;
    so.batch = (int)cincel_min((size_t)mine.batch, info.count);
    so.stateful = mine.stateful != 0;
    cincel_session *session = NULL;
    struct batch_buffer buffer = {NULL, NULL, NULL, NULL};
    size_t *index = NULL;
    cincel_evaluation found;
    status = cincel_session_create(ctx, model, &so, &session);
    if (status == CINCEL_OK) status = cincel_batch_create(model, so.batch, &buffer);
    if (status == CINCEL_OK) {
        index = calloc(info.count, sizeof *index);
        if (!index) status = cincel_fail(CINCEL_OUT_OF_MEMORY, "evaluate: no memory");
    }
    if (status == CINCEL_OK) {
        for (size_t i = 0; i < info.count; i++) index[i] = i;
        if (info.ragged) cincel_ragged_sort(data, index, info.count);
        const struct evaluation e = {ctx,     model, session,  data,         &objective,
                                     &buffer, NULL,  so.batch, mine.stateful};
        status = cincel_evaluate_samples(&e, index, info.count, &found);
    }
    if (status == CINCEL_OK) status = cincel_struct_out("evaluate", &found, sizeof found, sizeof found, out);
    free(index);
    cincel_batch_destroy(&buffer);
    cincel_session_destroy(session);
    return status;
}

/* --------------------------------------------------------------------------------------- predicting -- */

cincel_status cincel_predict(cincel_context *ctx, cincel_model *model, const cincel_objective *objective,
                             const float *x, int n, float *predictions)
{
    return cincel_predict_sequences(ctx, model, objective, x, NULL, n, predictions);
}

cincel_status cincel_predict_sequences(cincel_context *ctx, cincel_model *model,
                                       const cincel_objective *objective, const float *x, const int *lengths,
                                       int n, float *predictions)
{
    cincel_objective mine;
    if (!model) return cincel_fail(CINCEL_INVALID_ARGUMENT, "predict: model is NULL");
    if (!x) return cincel_fail(CINCEL_INVALID_ARGUMENT, "predict: x is NULL");
    if (!predictions) return cincel_fail(CINCEL_INVALID_ARGUMENT, "predict: predictions is NULL");
    if (n <= 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "predict: n is %d, must be > 0", n);
    for (int i = 0; lengths && i < n; i++) {
        if (lengths[i] >= 1 && lengths[i] <= model->in.h) continue;
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "predict: lengths[%d] is %d, must be in 1 … %d", i,
                           lengths[i], model->in.h);
    }
    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    o.batch = n < PREDICT_BATCH ? n : PREDICT_BATCH;
    cincel_session *session = NULL;
    cincel_status status =
        cincel_objective_take("predict", objective, (size_t)cincel_model_out(model).c, &mine);
    if (status == CINCEL_OK) status = cincel_session_create(ctx, model, &o, &session);
    if (status != CINCEL_OK) return status;

    const size_t sample = layer_shape_count(model->in), outputs = layer_shape_count(cincel_model_out(model));
    const size_t positions = cincel_positions(cincel_model_out(model));
    for (int done = 0; done < n && status == CINCEL_OK;) {
        const int now = n - done < o.batch ? n - done : o.batch;
        const float *raw;
        status = cincel_session_lengths(session, lengths ? lengths + done : NULL, now);
        if (status == CINCEL_OK)
            status = cincel_session_forward(session, x + (size_t)done * sample, now, &raw);
        if (status == CINCEL_OK) {
            status = cincel_objective_predict(ctx, &mine, raw, (size_t)now * positions, outputs / positions,
                                              predictions + (size_t)done * outputs);
        }
        done += now;
    }
    cincel_session_destroy(session);
    return status;
}
