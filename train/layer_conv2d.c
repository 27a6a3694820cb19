#include "core/abi.h"
#include "core/status.h"
#include "train/model.h"

static cincel_conv_desc conv_desc(const struct layer *layer, int n, struct layer_activation activation)
{
    const cincel_conv2d_options *o = &layer->as.conv;
    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    d.n = n;
    d.groups = o->groups;
    d.ic = layer->in.c;
    d.ih = layer->in.h;
    d.iw = layer->in.w;
    d.oc = o->out_channels;
    d.kh = o->kernel_h;
    d.kw = o->kernel_w;
    d.stride_h = o->stride_h;
    d.stride_w = o->stride_w;
    d.pad_top = o->pad_top;
    d.pad_bottom = o->pad_bottom;
    d.pad_left = o->pad_left;
    d.pad_right = o->pad_right;
    d.dilation_h = o->dilation_h;
    d.dilation_w = o->dilation_w;
    d.activation = activation.act;
    d.alpha = activation.alpha;
    return d;
}

static cincel_status conv2d_infer(struct layer *layer)
{
    const cincel_conv2d_options *o = &layer->as.conv;
    if (layer->in.flat_h * layer->in.flat_w != 1) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "conv2d: its input is flattened");
    }
    const cincel_conv_desc d = conv_desc(layer, 1, (struct layer_activation){CINCEL_ACT_NONE, 0.0f});
    layer->out = (struct layer_shape){0, 0, d.oc, 1, 1};
    const cincel_status status = cincel_conv_output_size(&d, &layer->out.h, &layer->out.w);
    if (status != CINCEL_OK) return status;

    const size_t kh = (size_t)d.kh, kw = (size_t)d.kw, oc = (size_t)d.oc, ic = (size_t)(d.ic / d.groups);
    const size_t fan_in = ic * kh * kw, fan_out = oc * kh * kw; /* as torch.nn.init counts them */
    cincel_layer_weight(
        layer,
        &(struct layer_tensor){
            .rows = oc, .h = kh, .w = kw, .c = ic, .ndim = 4, .fan_in = fan_in, .fan_out = fan_out},
        oc, o->bias);
    /* a count for people: it may wrap where the sizes are refused right after */
    layer->flops = 2 * (uint64_t)layer->out.h * (uint64_t)layer->out.w * fan_in * oc;
    return CINCEL_OK;
}

static cincel_status conv2d_plan(cincel_context *ctx, const struct layer *layer, int n, cincel_pass pass,
                                 struct layer_activation fused, const cincel_options *options,
                                 cincel_plan **out)
{
    const cincel_conv_desc d = conv_desc(layer, n, fused);
    return cincel_conv_plan(ctx, &d, pass, options, out);
}

static cincel_status conv2d_forward(const struct layer_call *call)
{
    return cincel_conv_forward(call->plans->pass[CINCEL_FORWARD], call->x, call->parameter[0],
                               call->parameter[1], call->y, call->ws);
}

static cincel_status conv2d_backward(const struct layer_call *call)
{
    const cincel_status status =
        cincel_conv_backward_weights(call->plans->pass[CINCEL_BACKWARD_WEIGHTS], call->x, call->dy, NULL,
                                     call->gradient[0], call->gradient[1], call->ws);
    if (status != CINCEL_OK || !call->dx) return status;
    return cincel_conv_backward_data(call->plans->pass[CINCEL_BACKWARD_DATA], call->dy, call->parameter[0],
                                     NULL, call->dx, call->ws);
}

const struct layer_kind cincel_layer_conv2d = {
    .name = "conv2d",
    .fuses_activation = true,
    .affine = true,
    .backward_reads_x = true,
    .infer = conv2d_infer,
    .plan = conv2d_plan,
    .forward = conv2d_forward,
    .backward = conv2d_backward,
};

cincel_status cincel_model_add_conv2d(cincel_model *model, const cincel_conv2d_options *o)
{
    if (!o) return cincel_fail(CINCEL_INVALID_ARGUMENT, "conv2d: options are NULL");
    struct layer layer = {.kind = &cincel_layer_conv2d, .as.conv = CINCEL_CONV2D_OPTIONS_INIT};
    const cincel_status status =
        cincel_struct_in("conv2d", o, sizeof *o, sizeof layer.as.conv, &layer.as.conv);
    if (status != CINCEL_OK) return status;
    return cincel_model_append(model, &layer);
}
