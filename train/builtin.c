/* The models that can be had by name: one builder and one row each. */
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "train/model.h"

/* conv 3x3 pad 1, ReLU, max pool 2 */
static cincel_status add_conv_block(cincel_model *model, int channels)
{
    cincel_conv2d_options o = CINCEL_CONV2D_OPTIONS_INIT;
    o.out_channels = channels;
    o.pad_top = o.pad_bottom = o.pad_left = o.pad_right = 1;
    cincel_status status = cincel_model_add_conv2d(model, &o);
    if (status == CINCEL_OK) status = cincel_model_add_relu(model);
    if (status == CINCEL_OK) status = cincel_model_add_max_pool2d(model, 2, 2, 0);
    return status;
}

/* 421,642 parameters for 28 x 28 x 1 and 10 classes. */
static cincel_status build_simplecnn(cincel_model *model, int classes)
{
    cincel_status status = add_conv_block(model, 32);
    if (status == CINCEL_OK) status = add_conv_block(model, 64);
    if (status == CINCEL_OK) status = cincel_model_add_flatten(model);
    if (status == CINCEL_OK) status = cincel_model_add_linear(model, 128, 1);
    if (status == CINCEL_OK) status = cincel_model_add_relu(model);
    if (status == CINCEL_OK) status = cincel_model_add_linear(model, classes, 1);
    return status;
}

static const struct {
    const char *name;
    cincel_status (*build)(cincel_model *model, int classes);
} builtins[] = {
    {"simplecnn", build_simplecnn},
};
enum { BUILTINS = sizeof builtins / sizeof builtins[0] };

static cincel_status fail_unknown(const char *name)
{
    char known[256] = "";
    for (size_t i = 0, used = 0; i < BUILTINS && used < sizeof known; i++) {
        const int wrote =
            snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", builtins[i].name);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: no built-in model \"%s\" (known: %s)", name, known);
}

cincel_status cincel_model_builtin(const char *name, int height, int width, int channels, int classes,
                                   cincel_model **out)
{
    if (!name) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: name is NULL");
    size_t i = 0;
    while (i < BUILTINS && strcmp(builtins[i].name, name) != 0) i++;
    if (i == BUILTINS) return fail_unknown(name);

    cincel_model *model;
    cincel_status status = cincel_model_create(height, width, channels, &model);
    if (status != CINCEL_OK) return status;
    status = builtins[i].build(model, classes);
    if (status == CINCEL_OK && !out) status = cincel_fail(CINCEL_INVALID_ARGUMENT, "model: out is NULL");
    if (status != CINCEL_OK) {
        cincel_model_destroy(model);
        return status;
    }
    *out = model;
    return CINCEL_OK;
}
