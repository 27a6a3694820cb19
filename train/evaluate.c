#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "train/trainer.h"

enum { PREDICT_BATCH = 64 };

cincel_status cincel_batch_create(const cincel_model *model, int batch, struct batch_buffer *out)
{
    size_t bytes;
    if (!cincel_mul((size_t)batch, layer_shape_count(model->in) * sizeof(float), &bytes)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "train: batch %d of this model overflows", batch);
    }
    void *x;
    const cincel_status status = cincel_workspace_create(bytes, &x);
    if (status != CINCEL_OK) return status;
    int32_t *labels = calloc((size_t)batch, sizeof *labels);
    if (!labels) {
        cincel_workspace_destroy(x);
        return cincel_fail(CINCEL_OUT_OF_MEMORY, "train: no memory");
    }
    *out = (struct batch_buffer){x, labels};
    return CINCEL_OK;
}

void cincel_batch_destroy(struct batch_buffer *b)
{
    cincel_workspace_destroy(b->x);
    free(b->labels);
    *b = (struct batch_buffer){NULL, NULL};
}

cincel_status cincel_data_check(const char *what, const cincel_model *model, const cincel_dataset_info *info)
{
    const struct layer_shape in = model->in;
    const size_t outputs = layer_shape_count(cincel_model_out(model));
    if (info->count == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: data set is empty", what);
    if (info->height != in.h || info->width != in.w || info->channels != in.c) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: samples are %dx%dx%d, the model takes %dx%dx%d",
                           what, info->height, info->width, info->channels, in.h, in.w, in.c);
    }
    if (info->classes < 1 || (size_t)info->classes > outputs) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: data set has %d classes, the model %zu outputs",
                           what, info->classes, outputs);
    }
    return CINCEL_OK;
}

cincel_status cincel_evaluate_samples(const struct evaluation *e, const size_t *index, size_t count,
                                      double *loss, double *accuracy)
{
    double loss_sum = 0.0;
    size_t hits_sum = 0;
    for (size_t done = 0; done < count;) {
        const size_t n = cincel_min((size_t)e->batch, count - done);
        const float *logits;
        double batch_loss;
        size_t hits;
        cincel_status status =
            cincel_dataset_gather(e->data, index + done, n, e->buffer->x, e->buffer->labels);
        if (status == CINCEL_OK) status = cincel_session_forward(e->session, e->buffer->x, (int)n, &logits);
        if (status == CINCEL_OK) {
            cincel_cross_entropy_desc d = CINCEL_CROSS_ENTROPY_DESC_INIT;
            d.rows = n;
            d.cols = e->classes;
            status = cincel_cross_entropy(e->ctx, &d, logits, e->buffer->labels, &batch_loss, &hits, NULL);
        }
        if (status != CINCEL_OK) return status;
        if (e->cancel && *e->cancel) return cincel_fail(CINCEL_CANCELLED, "train: cancelled");
        loss_sum += batch_loss * (double)n;
        hits_sum += hits;
        done += n;
    }
    *loss = loss_sum / (double)count;
    *accuracy = (double)hits_sum / (double)count;
    return CINCEL_OK;
}

cincel_status cincel_evaluate(cincel_context *ctx, cincel_model *model, const cincel_dataset *data, int batch,
                              double *loss, double *accuracy)
{
    if (!model) return cincel_fail(CINCEL_INVALID_ARGUMENT, "evaluate: model is NULL");
    if (batch <= 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "evaluate: batch is %d, must be > 0", batch);
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    cincel_status status = cincel_dataset_describe(data, &info);
    if (status == CINCEL_OK) status = cincel_data_check("evaluate", model, &info);
    if (status != CINCEL_OK) return status;

    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    o.batch = (int)cincel_min((size_t)batch, info.count);
    cincel_session *session = NULL;
    struct batch_buffer buffer = {NULL, NULL};
    size_t *index = NULL;
    double mean_loss = 0.0, mean_accuracy = 0.0;
    status = cincel_session_create(ctx, model, &o, &session);
    if (status == CINCEL_OK) status = cincel_batch_create(model, o.batch, &buffer);
    if (status == CINCEL_OK) {
        index = calloc(info.count, sizeof *index);
        if (!index) status = cincel_fail(CINCEL_OUT_OF_MEMORY, "evaluate: no memory");
    }
    if (status == CINCEL_OK) {
        for (size_t i = 0; i < info.count; i++) index[i] = i;
        const struct evaluation e = {
            ctx, session, data, &buffer, NULL, o.batch, layer_shape_count(cincel_model_out(model))};
        status = cincel_evaluate_samples(&e, index, info.count, &mean_loss, &mean_accuracy);
    }
    if (status == CINCEL_OK && loss) *loss = mean_loss;
    if (status == CINCEL_OK && accuracy) *accuracy = mean_accuracy;
    free(index);
    cincel_batch_destroy(&buffer);
    cincel_session_destroy(session);
    return status;
}

cincel_status cincel_predict(cincel_context *ctx, cincel_model *model, const float *x, int n,
                             float *probabilities)
{
    if (!model) return cincel_fail(CINCEL_INVALID_ARGUMENT, "predict: model is NULL");
    if (!x) return cincel_fail(CINCEL_INVALID_ARGUMENT, "predict: x is NULL");
    if (!probabilities) return cincel_fail(CINCEL_INVALID_ARGUMENT, "predict: probabilities is NULL");
    if (n <= 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "predict: n is %d, must be > 0", n);
    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    o.batch = n < PREDICT_BATCH ? n : PREDICT_BATCH;
    cincel_session *session;
    cincel_status status = cincel_session_create(ctx, model, &o, &session);
    if (status != CINCEL_OK) return status;

    const size_t sample = layer_shape_count(model->in), classes = layer_shape_count(cincel_model_out(model));
    for (int done = 0; done < n && status == CINCEL_OK;) {
        const int now = n - done < o.batch ? n - done : o.batch;
        const float *logits;
        status = cincel_session_forward(session, x + (size_t)done * sample, now, &logits);
        if (status == CINCEL_OK) {
            status = cincel_softmax_forward(ctx, logits, probabilities + (size_t)done * classes, (size_t)now,
                                            classes);
        }
        done += now;
    }
    cincel_session_destroy(session);
    return status;
}
