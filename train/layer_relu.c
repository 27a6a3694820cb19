#include "train/model.h"

static cincel_status relu_infer(struct layer *layer)
{
    layer->out = layer->in;
    return CINCEL_OK;
}

static cincel_status relu_forward(const struct layer_call *call)
{
    const size_t count = (size_t)call->n * layer_shape_count(call->layer->out);
    return cincel_activation_forward(call->ctx, CINCEL_ACT_RELU, 0.0f, call->x, call->y, count);
}

static cincel_status relu_backward(const struct layer_call *call)
{
    if (!call->dx) return CINCEL_OK;
    const size_t count = (size_t)call->n * layer_shape_count(call->layer->out);
    return cincel_activation_backward(call->ctx, CINCEL_ACT_RELU, 0.0f, NULL, call->y, call->dy, call->dx,
                                      count);
}

/* As a layer of its own only where nothing before it can fuse it (schedule.c). */
const struct layer_kind cincel_layer_relu = {
    .name = "relu",
    .activation = CINCEL_ACT_RELU,
    .backward_reads_y = true,
    .infer = relu_infer,
    .forward = relu_forward,
    .backward = relu_backward,
};

cincel_status cincel_model_add_relu(cincel_model *model)
{
    const struct layer layer = {.kind = &cincel_layer_relu};
    return cincel_model_append(model, &layer);
}
