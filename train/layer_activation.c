#include <math.h>

#include "core/status.h"
#include "train/model.h"

static cincel_status activation_infer(struct layer *layer)
{
    layer->out = layer->in;
    return CINCEL_OK;
}

static cincel_status activation_forward(const struct layer_call *call)
{
    const struct layer *layer = call->layer;
    const size_t count = (size_t)call->n * layer_shape_count(layer->out);
    return cincel_activation_forward(call->ctx, layer->kind->activation, layer->alpha, call->x, call->y,
                                     count);
}

/* x and y are both handed on; only the one that the row names below is kept until now, and read. */
static cincel_status activation_backward(const struct layer_call *call)
{
    const struct layer *layer = call->layer;
    if (!call->dx) return CINCEL_OK;
    const size_t count = (size_t)call->n * layer_shape_count(layer->out);
    return cincel_activation_backward(call->ctx, layer->kind->activation, layer->alpha, call->x, call->y,
                                      call->dy, call->dx, count);
}

/* As layers of their own only where nothing before them can fuse them (schedule.c). */
#define ROW(kind_name, act, reads_x)         \
    [act] = {.name = (kind_name),            \
             .activation = (act),            \
             .backward_reads_x = (reads_x),  \
             .backward_reads_y = !(reads_x), \
             .infer = activation_infer,      \
             .forward = activation_forward,  \
             .backward = activation_backward}

const struct layer_kind cincel_layer_activation[] = {
    ROW("relu", CINCEL_ACT_RELU, false),
    ROW("leaky_relu", CINCEL_ACT_LEAKY_RELU, false),
    ROW("elu", CINCEL_ACT_ELU, false),
    ROW("sigmoid", CINCEL_ACT_SIGMOID, false),
    ROW("tanh", CINCEL_ACT_TANH, false),
    ROW("gelu", CINCEL_ACT_GELU, true),
    ROW("gelu_tanh", CINCEL_ACT_GELU_TANH, true),
    ROW("silu", CINCEL_ACT_SILU, true),
};
#undef ROW
enum { ACTIVATIONS = sizeof cincel_layer_activation / sizeof cincel_layer_activation[0] };

cincel_status cincel_model_add_activation(cincel_model *model, cincel_activation act, float alpha)
{
    if ((int)act <= CINCEL_ACT_NONE || (int)act >= ACTIVATIONS) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "activation: act is %d, must be one of cincel_activation",
                           (int)act);
    }
    const bool sloped = act == CINCEL_ACT_LEAKY_RELU || act == CINCEL_ACT_ELU;
    const struct layer_kind *kind = &cincel_layer_activation[act];
    if (sloped && (!isfinite(alpha) || alpha <= 0.0f)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: alpha is %g, must be finite and > 0", kind->name,
                           (double)alpha);
    }
    const struct layer layer = {.kind = kind, .alpha = sloped ? alpha : 0.0f};
    return cincel_model_append(model, &layer);
}

cincel_status cincel_model_add_relu(cincel_model *model)
{
    return cincel_model_add_activation(model, CINCEL_ACT_RELU, 0.0f);
}
