#include "train/objective.h"

#include <math.h>
#include <string.h>

#include "core/abi.h"
#include "core/status.h"

static const cincel_loss_kind loss_kind[] = {
    [CINCEL_OBJECTIVE_BCE] = CINCEL_LOSS_BCE_LOGITS,
    [CINCEL_OBJECTIVE_MSE] = CINCEL_LOSS_MSE,
    [CINCEL_OBJECTIVE_L1] = CINCEL_LOSS_L1,
    [CINCEL_OBJECTIVE_HUBER] = CINCEL_LOSS_HUBER,
};
enum { KINDS = sizeof loss_kind / sizeof loss_kind[0] };

static cincel_status check_class_weights(const char *what, const cincel_objective *o, size_t width)
{
    double sum = 0.0;
    if (o->class_weight_count != width) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT,
                           "%s: objective.class_weight_count is %zu, the model has %zu classes", what,
                           o->class_weight_count, width);
    }
    for (size_t c = 0; c < width; c++) {
        const float w = o->class_weights[c];
        if (!(isfinite(w) && w >= 0.0f)) {
            return cincel_fail(CINCEL_INVALID_ARGUMENT,
                               "%s: objective.class_weights[%zu] is %g, must be finite and >= 0", what, c,
                               (double)w);
        }
        sum += (double)w;
    }
    if (sum > 0.0) return CINCEL_OK;
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: objective.class_weights are all 0", what);
}

cincel_status cincel_objective_take(const char *what, const cincel_objective *from, size_t width,
                                    cincel_objective *out)
{
    *out = (cincel_objective)CINCEL_OBJECTIVE_INIT;
    if (from) {
        const cincel_status status = cincel_struct_in(what, from, sizeof *from, sizeof *out, out);
        if (status != CINCEL_OK) return status;
    }
    if ((int)out->kind < 0 || (int)out->kind >= KINDS) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT,
                           "%s: objective.kind is %d, must be one of cincel_objective_kind", what,
                           (int)out->kind);
    }
    if (out->kind == CINCEL_OBJECTIVE_HUBER && (!isfinite(out->delta) || out->delta <= 0.0f)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: objective.delta is %g, must be finite and > 0", what,
                           (double)out->delta);
    }
    if (!(out->label_smoothing >= 0.0f && out->label_smoothing <= 1.0f)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: objective.label_smoothing is %g, must be 0 … 1",
                           what, (double)out->label_smoothing);
    }
    if (out->kind == CINCEL_OBJECTIVE_CROSS_ENTROPY && out->class_weights)
        return check_class_weights(what, out, width);
    return CINCEL_OK;
}

size_t cincel_objective_chances(const cincel_objective *o, size_t width)
{
    if (o->kind == CINCEL_OBJECTIVE_CROSS_ENTROPY) return 1;
    return o->kind == CINCEL_OBJECTIVE_BCE ? width : 0;
}

size_t cincel_objective_counted(const cincel_objective *o, const struct truth *truth, size_t rows,
                                double *weight)
{
    *weight = (double)rows;
    if (!cincel_objective_has_labels(o)) return rows;
    size_t counted = 0;
    *weight = 0.0;
    for (size_t r = 0; r < rows; r++) {
        const int32_t label = truth->labels[r];
        if (label == CINCEL_LABEL_IGNORED) continue;
        counted++;
        *weight += o->class_weights ? (double)o->class_weights[label] : 1.0;
    }
    return counted;
}

/* Outputs on the same side of one half as their targets. */
static size_t binary_hits(const float *x, const float *targets, size_t count)
{
    size_t hits = 0;
    for (size_t i = 0; i < count; i++) hits += (x[i] > 0.0f) == (targets[i] >= 0.5f);
    return hits;
}

cincel_status cincel_objective_loss(cincel_context *ctx, const cincel_objective *o, const float *x,
                                    const struct truth *truth, size_t rows, size_t width, double *loss,
                                    size_t *hits, float *dx)
{
    if (cincel_objective_has_labels(o)) {
        cincel_cross_entropy_desc d = CINCEL_CROSS_ENTROPY_DESC_INIT;
        d.rows = rows;
        d.cols = width;
        d.label_smoothing = o->label_smoothing;
        d.class_weights = o->class_weights;
        d.ignore_index = CINCEL_LABEL_IGNORED;
        return cincel_cross_entropy(ctx, &d, x, truth->labels, loss, hits, dx);
    }
    if (hits) *hits = o->kind == CINCEL_OBJECTIVE_BCE ? binary_hits(x, truth->targets, rows * width) : 0;
    return cincel_loss(ctx, loss_kind[o->kind], o->delta, x, truth->targets, rows * width, loss, dx);
}

cincel_status cincel_objective_predict(cincel_context *ctx, const cincel_objective *o, const float *x,
                                       size_t n, size_t outputs, float *out)
{
    if (o->kind == CINCEL_OBJECTIVE_CROSS_ENTROPY) return cincel_softmax_forward(ctx, x, out, n, outputs);
    if (o->kind == CINCEL_OBJECTIVE_BCE)
        return cincel_math_apply(ctx, CINCEL_MATH_SIGMOID, x, out, n * outputs);
    if (out != x) memcpy(out, x, n * outputs * sizeof *out);
    return CINCEL_OK;
}
