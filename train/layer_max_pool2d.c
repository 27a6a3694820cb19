#include "core/status.h"
#include "train/model.h"

static cincel_pool_desc pool_desc(const struct layer *layer, int n)
{
    cincel_pool_desc d = CINCEL_POOL_DESC_INIT;
    d.kind = CINCEL_POOL_MAX;
    d.n = n;
    d.c = layer->in.c;
    d.ih = layer->in.h;
    d.iw = layer->in.w;
    d.kh = d.kw = layer->as.pool.kernel;
    d.stride_h = d.stride_w = layer->as.pool.stride;
    d.pad_top = d.pad_bottom = d.pad_left = d.pad_right = layer->as.pool.pad;
    return d;
}

static cincel_status max_pool2d_infer(struct layer *layer)
{
    if (layer->in.flat_h * layer->in.flat_w != 1) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "max_pool2d: its input is flattened");
    }
    const cincel_pool_desc d = pool_desc(layer, 1);
    layer->out = (struct layer_shape){0, 0, layer->in.c, 1, 1};
    return cincel_pool_output_size(&d, &layer->out.h, &layer->out.w);
}

static cincel_status max_pool2d_plan(cincel_context *ctx, const struct layer *layer, int n, cincel_pass pass,
                                     struct layer_activation fused, const cincel_options *options,
                                     cincel_plan **out)
{
    (void)fused;
    if (pass == CINCEL_BACKWARD_WEIGHTS) return CINCEL_OK;
    const cincel_pool_desc d = pool_desc(layer, n);
    return cincel_pool_plan(ctx, &d, pass, options, out);
}

static size_t max_pool2d_aux_bytes(const struct layer_plans *plans)
{
    return cincel_pool_argmax_size(plans->pass[CINCEL_FORWARD]);
}

static cincel_status max_pool2d_forward(const struct layer_call *call)
{
    return cincel_pool_forward(call->plans->pass[CINCEL_FORWARD], call->x, call->y, call->aux, call->ws);
}

static cincel_status max_pool2d_backward(const struct layer_call *call)
{
    if (!call->dx) return CINCEL_OK;
    return cincel_pool_backward(call->plans->pass[CINCEL_BACKWARD_DATA], call->dy, call->aux, call->dx,
                                call->ws);
}

const struct layer_kind cincel_layer_max_pool2d = {
    .name = "max_pool2d",
    .selects = true, /* padding never wins */
    .infer = max_pool2d_infer,
    .plan = max_pool2d_plan,
    .aux_bytes = max_pool2d_aux_bytes,
    .forward = max_pool2d_forward,
    .backward = max_pool2d_backward,
};

cincel_status cincel_model_add_max_pool2d(cincel_model *model, int kernel, int stride, int pad)
{
    const struct layer layer = {.kind = &cincel_layer_max_pool2d, .as.pool = {kernel, stride, pad}};
    return cincel_model_append(model, &layer);
}
