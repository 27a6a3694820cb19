/* Batch norm and layer norm. */
#include <math.h>

#include "core/status.h"
#include "train/model.h"

/* A weight of ones and a bias of zeros, [h][w][c] each. */
static void add_affine(struct layer *layer, size_t h, size_t w, size_t c, int ndim)
{
    layer->tensor[0] = (struct layer_tensor){
        .suffix = "weight", .rows = 1, .h = h, .w = w, .c = c, .ndim = ndim, .role = TENSOR_ONES};
    layer->tensor[1] = layer->tensor[0];
    layer->tensor[1].suffix = "bias";
    layer->tensor[1].role = TENSOR_ZEROS;
    layer->tensors = 2;
}

static cincel_status check_eps(const struct layer *layer)
{
    const float eps = layer->as.norm.eps;
    if (isfinite(eps) && eps > 0.0f) return CINCEL_OK;
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: eps is %g, must be finite and > 0", layer->kind->name,
                       (double)eps);
}

/* --------------------------------------------------------------------------------------- batch norm -- */

static cincel_batch_norm_desc batch_desc(const struct layer *layer, int n)
{
    cincel_batch_norm_desc d = CINCEL_BATCH_NORM_DESC_INIT;
    d.rows = (size_t)n * (size_t)layer->in.h * (size_t)layer->in.w;
    d.channels = (size_t)layer->in.c;
    d.eps = layer->as.norm.eps;
    d.momentum = layer->as.norm.momentum;
    return d;
}

static cincel_status batch_norm_infer(struct layer *layer)
{
    const float momentum = layer->as.norm.momentum;
    const cincel_status status = check_eps(layer);
    if (status != CINCEL_OK) return status;
    if (!(momentum >= 0.0f && momentum <= 1.0f)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "batch_norm: momentum is %g, must be 0 … 1",
                           (double)momentum);
    }
    layer->out = layer->in;
    /* the channels of a flattened image are in H,W,C order here and in C,H,W order in files */
    const size_t h = (size_t)layer->in.flat_h, w = (size_t)layer->in.flat_w;
    add_affine(layer, h, w, (size_t)layer->in.c / (h * w), 1);
    layer->tensor[2] = layer->tensor[1];
    layer->tensor[2].suffix = "running_mean";
    layer->tensor[3] = layer->tensor[0];
    layer->tensor[3].suffix = "running_var";
    layer->tensor[4] = (struct layer_tensor){.suffix = "num_batches_tracked",
                                             .rows = 1,
                                             .h = 1,
                                             .w = 1,
                                             .c = 1,
                                             .ndim = 0,
                                             .role = TENSOR_COUNTER};
    layer->states = 3;
    return CINCEL_OK;
}

static cincel_status batch_norm_check_batch(const struct layer *layer, int n)
{
    if ((size_t)n * (size_t)layer->in.h * (size_t)layer->in.w >= 2) return CINCEL_OK;
    return cincel_fail(CINCEL_INVALID_ARGUMENT,
                       "batch_norm: layer %s has one number a channel in a batch of %d, needs two to train",
                       layer->name, n);
}

static size_t batch_norm_aux_bytes(const struct layer *layer, const struct layer_plans *plans, int n)
{
    (void)plans;
    (void)n;
    return 2 * (size_t)layer->in.c * sizeof(float); /* mean, inv_std */
}

static size_t batch_norm_workspace_bytes(const struct layer *layer, int n, bool training)
{
    const cincel_batch_norm_desc d = batch_desc(layer, n);
    return !training ? 0 : cincel_batch_norm_workspace_size(&d);
}

static cincel_status batch_norm_forward(const struct layer_call *call)
{
    const cincel_batch_norm_desc d = batch_desc(call->layer, call->n);
    if (!call->training) {
        return cincel_batch_norm_infer(call->ctx, &d, call->x, call->parameter[0], call->parameter[1],
                                       call->state[0], call->state[1], call->y);
    }
    float *mean = call->aux;
    const cincel_status status =
        cincel_batch_norm_train(call->ctx, &d, call->x, call->parameter[0], call->parameter[1],
                                call->state[0], call->state[1], call->y, mean, mean + d.channels, call->ws);
    if (status == CINCEL_OK) *call->state[2] += 1.0f;
    return status;
}

static cincel_status batch_norm_fold(const struct layer_call *call, size_t inner, const float *w,
                                     const float *bias, float *w_out, float *bias_out)
{
    const cincel_batch_norm_desc d = batch_desc(call->layer, call->n);
    return cincel_batch_norm_fold(&d, call->parameter[0], call->parameter[1], call->state[0], call->state[1],
                                  inner, w, bias, w_out, bias_out);
}

static cincel_status batch_norm_backward(const struct layer_call *call)
{
    const cincel_batch_norm_desc d = batch_desc(call->layer, call->n);
    const float *mean = call->aux;
    return cincel_batch_norm_backward(call->ctx, &d, call->x, call->dy, call->parameter[0], mean,
                                      mean + d.channels, call->dx ? call->dx : call->dy, call->gradient[0],
                                      call->gradient[1], call->ws);
}

const struct layer_kind cincel_layer_batch_norm = {
    .name = "batch_norm",
    .backward_reads_x = true,
    .infer = batch_norm_infer,
    .aux_bytes = batch_norm_aux_bytes,
    .workspace_bytes = batch_norm_workspace_bytes,
    .check_batch = batch_norm_check_batch,
    .fold = batch_norm_fold,
    .forward = batch_norm_forward,
    .backward = batch_norm_backward,
};

cincel_status cincel_model_add_batch_norm(cincel_model *model, float eps, float momentum)
{
    const struct layer layer = {.kind = &cincel_layer_batch_norm, .as.norm = {eps, momentum}};
    return cincel_model_append(model, &layer);
}

/* --------------------------------------------------------------------------------------- layer norm -- */

static cincel_layer_norm_desc layer_desc(const struct layer *layer, int n)
{
    cincel_layer_norm_desc d = CINCEL_LAYER_NORM_DESC_INIT;
    d.rows = (size_t)n;
    d.cols = layer_shape_count(layer->in);
    d.eps = layer->as.norm.eps;
    return d;
}

static cincel_status layer_norm_infer(struct layer *layer)
{
    const cincel_status status = check_eps(layer);
    if (status != CINCEL_OK) return status;
    const struct layer_shape in = layer->in;
    layer->out = in;
    const size_t h = (size_t)in.h * (size_t)in.flat_h, w = (size_t)in.w * (size_t)in.flat_w;
    add_affine(layer, h, w, layer_shape_count(in) / (h * w), in.h * in.w > 1 ? 3 : 1);
    return CINCEL_OK;
}

static size_t layer_norm_aux_bytes(const struct layer *layer, const struct layer_plans *plans, int n)
{
    (void)layer;
    (void)plans;
    return 2 * (size_t)n * sizeof(float); /* mean, inv_std */
}

static size_t layer_norm_workspace_bytes(const struct layer *layer, int n, bool training)
{
    const cincel_layer_norm_desc d = layer_desc(layer, n);
    return !training ? 0 : cincel_layer_norm_workspace_size(&d);
}

static cincel_status layer_norm_forward(const struct layer_call *call)
{
    const cincel_layer_norm_desc d = layer_desc(call->layer, call->n);
    float *mean = call->training ? call->aux : NULL;
    return cincel_layer_norm_forward(call->ctx, &d, call->x, call->parameter[0], call->parameter[1], call->y,
                                     mean, mean ? mean + d.rows : NULL);
}

static cincel_status layer_norm_backward(const struct layer_call *call)
{
    const cincel_layer_norm_desc d = layer_desc(call->layer, call->n);
    const float *mean = call->aux;
    return cincel_layer_norm_backward(call->ctx, &d, call->x, call->dy, call->parameter[0], mean,
                                      mean + d.rows, call->dx ? call->dx : call->dy, call->gradient[0],
                                      call->gradient[1], call->ws);
}

const struct layer_kind cincel_layer_layer_norm = {
    .name = "layer_norm",
    .backward_reads_x = true,
    .infer = layer_norm_infer,
    .aux_bytes = layer_norm_aux_bytes,
    .workspace_bytes = layer_norm_workspace_bytes,
    .forward = layer_norm_forward,
    .backward = layer_norm_backward,
};

cincel_status cincel_model_add_layer_norm(cincel_model *model, float eps)
{
    const struct layer layer = {.kind = &cincel_layer_layer_norm, .as.norm = {eps, 0.0f}};
    return cincel_model_append(model, &layer);
}
