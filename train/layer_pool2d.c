#include "core/abi.h"
#include "core/status.h"
#include "train/model.h"

static cincel_pool_desc pool_desc(const struct layer *layer, int n)
{
    const cincel_pool2d_options *o = &layer->as.pool;
    cincel_pool_desc d = CINCEL_POOL_DESC_INIT;
    d.kind = o->kind;
    d.n = n;
    d.c = layer->in.c;
    d.ih = layer->in.h;
    d.iw = layer->in.w;
    d.kh = o->kernel_h;
    d.kw = o->kernel_w;
    d.stride_h = o->stride_h;
    d.stride_w = o->stride_w;
    d.pad_top = o->pad_top;
    d.pad_bottom = o->pad_bottom;
    d.pad_left = o->pad_left;
    d.pad_right = o->pad_right;
    d.oh = o->out_h;
    d.ow = o->out_w;
    return d;
}

static cincel_status pool2d_infer(struct layer *layer)
{
    if (layer->in.flat_h * layer->in.flat_w != 1) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: its input is flattened", layer->kind->name);
    }
    const cincel_pool_desc d = pool_desc(layer, 1);
    layer->out = (struct layer_shape){0, 0, layer->in.c, 1, 1};
    return cincel_pool_output_size(&d, &layer->out.h, &layer->out.w);
}

static cincel_status pool2d_plan(cincel_context *ctx, const struct layer *layer, int n, cincel_pass pass,
                                 struct layer_activation fused, const cincel_options *options,
                                 cincel_plan **out)
{
    (void)fused;
    if (pass == CINCEL_BACKWARD_WEIGHTS) return CINCEL_OK;
    const cincel_pool_desc d = pool_desc(layer, n);
    return cincel_pool_plan(ctx, &d, pass, options, out);
}

static size_t pool2d_aux_bytes(const struct layer *layer, const struct layer_plans *plans, int n)
{
    (void)layer;
    (void)n; /* the plan's */
    return cincel_pool_argmax_size(plans->pass[CINCEL_FORWARD]);
}

static cincel_status pool2d_forward(const struct layer_call *call)
{
    return cincel_pool_forward(call->plans->pass[CINCEL_FORWARD], call->x, call->y, call->aux, call->ws);
}

static cincel_status pool2d_backward(const struct layer_call *call)
{
    if (!call->dx) return CINCEL_OK;
    return cincel_pool_backward(call->plans->pass[CINCEL_BACKWARD_DATA], call->dy, call->aux, call->dx,
                                call->ws);
}

const struct layer_kind cincel_layer_max_pool2d = {
    .name = "max_pool2d",
    .selects = true, /* padding never wins */
    .infer = pool2d_infer,
    .plan = pool2d_plan,
    .aux_bytes = pool2d_aux_bytes,
    .forward = pool2d_forward,
    .backward = pool2d_backward,
};

const struct layer_kind cincel_layer_avg_pool2d = {
    .name = "avg_pool2d",
    .infer = pool2d_infer,
    .plan = pool2d_plan,
    .forward = pool2d_forward,
    .backward = pool2d_backward,
};

cincel_status cincel_model_add_pool2d(cincel_model *model, const cincel_pool2d_options *o)
{
    if (!o) return cincel_fail(CINCEL_INVALID_ARGUMENT, "pool2d: options are NULL");
    struct layer layer = {.as.pool = CINCEL_POOL2D_OPTIONS_INIT};
    const cincel_status status =
        cincel_struct_in("pool2d", o, sizeof *o, sizeof layer.as.pool, &layer.as.pool);
    if (status != CINCEL_OK) return status;
    /* an unknown kind is answered by the pool descriptor's own check */
    layer.kind = layer.as.pool.kind == CINCEL_POOL_MAX ? &cincel_layer_max_pool2d : &cincel_layer_avg_pool2d;
    return cincel_model_append(model, &layer);
}

cincel_status cincel_model_add_max_pool2d(cincel_model *model, int kernel, int stride, int pad)
{
    cincel_pool2d_options o = CINCEL_POOL2D_OPTIONS_INIT;
    o.kernel_h = o.kernel_w = kernel;
    o.stride_h = o.stride_w = stride;
    o.pad_top = o.pad_bottom = o.pad_left = o.pad_right = pad;
    return cincel_model_add_pool2d(model, &o);
}
