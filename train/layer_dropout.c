#include "core/status.h"
#include "train/model.h"

static cincel_status dropout_infer(struct layer *layer)
{
    const float p = layer->as.drop;
    if (!(p >= 0.0f && p < 1.0f)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "dropout: p is %g, must be >= 0 and < 1", (double)p);
    }
    layer->out = layer->in;
    return CINCEL_OK;
}

/* A session that trains has the layer in its forward calls as well: there nothing is dropped. */
static cincel_status dropout_forward(const struct layer_call *call)
{
    const size_t count = (size_t)call->n * layer_shape_count(call->layer->out);
    const float p = call->training ? call->layer->as.drop : 0.0f;
    return cincel_dropout(call->ctx, p, call->seed, call->stream, call->x, call->y, count);
}

static cincel_status dropout_backward(const struct layer_call *call)
{
    if (!call->dx) return CINCEL_OK;
    const size_t count = (size_t)call->n * layer_shape_count(call->layer->out);
    return cincel_dropout(call->ctx, call->layer->as.drop, call->seed, call->stream, call->dy, call->dx,
                          count);
}

const struct layer_kind cincel_layer_dropout = {
    .name = "dropout",
    .training_only = true,
    .infer = dropout_infer,
    .forward = dropout_forward,
    .backward = dropout_backward,
};

cincel_status cincel_model_add_dropout(cincel_model *model, float p)
{
    const struct layer layer = {.kind = &cincel_layer_dropout, .as.drop = p};
    return cincel_model_append(model, &layer);
}
