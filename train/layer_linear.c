#include <limits.h>

#include "core/status.h"
#include "train/model.h"

static cincel_status linear_infer(struct layer *layer)
{
    const struct layer_shape in = layer->in;
    const int out = layer->as.linear.out;
    if (out <= 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "linear: out is %d, must be > 0", out);
    if (in.w != 1) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "linear: input is %dx%dx%d, flatten it first", in.h, in.w,
                           in.c);
    }
    layer->out = (struct layer_shape){in.h, 1, out, 1, 1};
    const size_t h = (size_t)in.flat_h, w = (size_t)in.flat_w, features = (size_t)in.c;
    cincel_layer_weight(layer,
                        &(struct layer_tensor){.rows = (size_t)out,
                                               .h = h,
                                               .w = w,
                                               .c = features / (h * w),
                                               .ndim = 2,
                                               .fan_in = features,
                                               .fan_out = (size_t)out},
                        (size_t)out, layer->as.linear.bias);
    layer->flops = 2 * (uint64_t)in.h * (uint64_t)features * (uint64_t)out;
    return CINCEL_OK;
}

static cincel_status linear_plan(cincel_context *ctx, const struct layer *layer, int n, cincel_pass pass,
                                 struct layer_activation fused, const cincel_options *options,
                                 cincel_plan **out)
{
    cincel_linear_desc d = CINCEL_LINEAR_DESC_INIT;
    if (n > INT_MAX / layer->in.h) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "linear: batch %d of %d steps overflows", n, layer->in.h);
    }
    d.n = n * layer->in.h; /* positions of a sequence are rows like any others */
    d.in = layer->in.c;
    d.out = layer->out.c;
    d.activation = fused.act;
    d.alpha = fused.alpha;
    return cincel_linear_plan(ctx, &d, pass, options, out);
}

static cincel_status linear_forward(const struct layer_call *call)
{
    return cincel_linear_forward(call->plans->pass[CINCEL_FORWARD], call->x, call->parameter[0],
                                 call->parameter[1], call->y, call->ws);
}

static cincel_status linear_backward(const struct layer_call *call)
{
    const cincel_status status =
        cincel_linear_backward_weights(call->plans->pass[CINCEL_BACKWARD_WEIGHTS], call->x, call->dy, NULL,
                                       call->gradient[0], call->gradient[1], call->ws);
    if (status != CINCEL_OK || !call->dx) return status;
    return cincel_linear_backward_data(call->plans->pass[CINCEL_BACKWARD_DATA], call->dy, call->parameter[0],
                                       NULL, call->dx, call->ws);
}

const struct layer_kind cincel_layer_linear = {
    .name = "linear",
    .fuses_activation = true,
    .backward_reads_x = true,
    .infer = linear_infer,
    .plan = linear_plan,
    .forward = linear_forward,
    .backward = linear_backward,
};

cincel_status cincel_model_add_linear(cincel_model *model, int out_features, int bias)
{
    const struct layer layer = {.kind = &cincel_layer_linear, .as.linear = {out_features, bias != 0}};
    return cincel_model_append(model, &layer);
}
