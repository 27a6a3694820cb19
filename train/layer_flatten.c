#include <limits.h>

#include "core/status.h"
#include "train/model.h"

static cincel_status flatten_infer(struct layer *layer)
{
    const struct layer_shape in = layer->in;
    const size_t features = layer_shape_count(in);
    if (features > INT_MAX) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "flatten: input %dx%dx%d has more than %d features", in.h,
                           in.w, in.c, INT_MAX);
    }
    layer->out = (struct layer_shape){1, 1, (int)features, in.h * in.flat_h, in.w * in.flat_w};
    return CINCEL_OK;
}

/* The features stay in H,W,C order; the weights file is where PyTorch's C,H,W is put right. */
const struct layer_kind cincel_layer_flatten = {
    .name = "flatten",
    .selects = true,
    .view = true,
    .infer = flatten_infer,
};

cincel_status cincel_model_add_flatten(cincel_model *model)
{
    const struct layer layer = {.kind = &cincel_layer_flatten};
    return cincel_model_append(model, &layer);
}
