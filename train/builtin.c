/* The models that can be had by name: one builder and one row each. */
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "train/model.h"

static cincel_status add_conv(cincel_model *model, int channels, int kernel, int pad)
{
    cincel_conv2d_options o = CINCEL_CONV2D_OPTIONS_INIT;
    o.out_channels = channels;
    o.kernel_h = o.kernel_w = kernel;
    o.pad_top = o.pad_bottom = o.pad_left = o.pad_right = pad;
    const cincel_status status = cincel_model_add_conv2d(model, &o);
    return status == CINCEL_OK ? cincel_model_add_relu(model) : status;
}

static cincel_status add_pool(cincel_model *model) { return cincel_model_add_max_pool2d(model, 2, 2, 0); }

/* `count` hidden layers with ReLU behind a flatten, then one of `outputs`. */
static cincel_status add_dense(cincel_model *model, const int *hidden, int count, int outputs)
{
    cincel_status status = cincel_model_add_flatten(model);
    for (int i = 0; i < count && status == CINCEL_OK; i++) {
        status = cincel_model_add_linear(model, hidden[i], 1);
        if (status == CINCEL_OK) status = cincel_model_add_relu(model);
    }
    return status == CINCEL_OK ? cincel_model_add_linear(model, outputs, 1) : status;
}

/* Two convolution layers and two fully connected ones. 421,642 parameters for 28 x 28 x 1 and 10 outputs. */
static cincel_status build_simplecnn(cincel_model *model, int outputs)
{
    static const int hidden[] = {128};
    cincel_status status = add_conv(model, 32, 3, 1);
    if (status == CINCEL_OK) status = add_pool(model);
    if (status == CINCEL_OK) status = add_conv(model, 64, 3, 1);
    if (status == CINCEL_OK) status = add_pool(model);
    return status == CINCEL_OK ? add_dense(model, hidden, 1, outputs) : status;
}

/*
 * LeNet-5 (LeCun et al., 1998) as it is built today: ReLU and max pooling for the scaled tanh and the
 * trained subsampling, every map of the second convolution sees all of the first's, a plain linear layer
 * for the radial basis functions. 61,706 parameters for 28 x 28 x 1, which its first layer pads to the
 * 32 x 32 of the paper, and 10 outputs.
 */
static cincel_status build_lenet5(cincel_model *model, int outputs)
{
    static const int hidden[] = {120, 84};
    cincel_status status = add_conv(model, 6, 5, 2);
    if (status == CINCEL_OK) status = add_pool(model);
    if (status == CINCEL_OK) status = add_conv(model, 16, 5, 0);
    if (status == CINCEL_OK) status = add_pool(model);
    return status == CINCEL_OK ? add_dense(model, hidden, 2, outputs) : status;
}

/* Pairs of 3x3 convolutions between poolings (Simonyan & Zisserman, 2015), three instead of five of them and
   half as wide: 584,170 parameters for 28 x 28 x 1 and 10 outputs. */
static cincel_status build_vgg_small(cincel_model *model, int outputs)
{
    static const int channels[] = {32, 64, 128}, hidden[] = {256};
    cincel_status status = CINCEL_OK;
    for (size_t i = 0; i < sizeof channels / sizeof channels[0] && status == CINCEL_OK; i++) {
        status = add_conv(model, channels[i], 3, 1);
        if (status == CINCEL_OK) status = add_conv(model, channels[i], 3, 1);
        if (status == CINCEL_OK) status = add_pool(model);
    }
    return status == CINCEL_OK ? add_dense(model, hidden, 1, outputs) : status;
}

/* Two hidden layers: for tables, and for pictures as a plain vector. */
static cincel_status build_mlp(cincel_model *model, int outputs)
{
    static const int hidden[] = {128, 64};
    return add_dense(model, hidden, 2, outputs);
}

/* A layer and its name, which is that of its tensors in the weights file. */
static cincel_status named(cincel_status added, cincel_model *model, const char *name)
{
    return added == CINCEL_OK ? cincel_model_name(model, name) : added;
}

/*
 * Characters one after the other, the next one from all before it: tokens as vectors of 64, two LSTMs of 256,
 * one output a character (Graves, 2013; Karpathy et al., 2016).
 */
static cincel_status build_charlstm(cincel_model *model, int outputs)
{
    cincel_rnn_options o = CINCEL_RNN_OPTIONS_INIT;
    o.hidden = 256;
    o.layers = 2;
    o.dropout = 0.1f;
    cincel_status status = named(cincel_model_add_embedding(model, outputs, 64), model, "embedding");
    if (status == CINCEL_OK) status = named(cincel_model_add_rnn(model, &o), model, "lstm");
    if (status == CINCEL_OK) status = named(cincel_model_add_linear(model, outputs, 1), model, "linear");
    return status;
}

/* A window of a time series, all steps of the horizon from the state behind it. */
static cincel_status build_forecast(cincel_model *model, int outputs)
{
    cincel_rnn_options o = CINCEL_RNN_OPTIONS_INIT;
    o.cell = CINCEL_GRU;
    o.hidden = 64;
    o.last_only = 1;
    cincel_status status = named(cincel_model_add_rnn(model, &o), model, "gru");
    if (status == CINCEL_OK) status = named(cincel_model_add_linear(model, outputs, 1), model, "linear");
    return status;
}

static const struct {
    const char *name;
    cincel_status (*build)(cincel_model *model, int outputs);
} builtins[] = {
    {"simplecnn", build_simplecnn}, {"lenet5", build_lenet5},
    {"vgg-small", build_vgg_small}, {"mlp", build_mlp},
    {"charlstm", build_charlstm},   {"forecast", build_forecast},
};
enum { BUILTINS = sizeof builtins / sizeof builtins[0] };

const char *cincel_model_builtin_name(size_t index) { return index < BUILTINS ? builtins[index].name : NULL; }

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

cincel_status cincel_model_builtin(const char *name, int height, int width, int channels, int outputs,
                                   cincel_model **out)
{
    if (!name) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: name is NULL");
    size_t i = 0;
    while (i < BUILTINS && strcmp(builtins[i].name, name) != 0) i++;
    if (i == BUILTINS) return fail_unknown(name);

    cincel_model *model;
    cincel_status status = cincel_model_create(height, width, channels, &model);
    if (status != CINCEL_OK) return status;
    status = builtins[i].build(model, outputs);
    if (status == CINCEL_OK && !out) status = cincel_fail(CINCEL_INVALID_ARGUMENT, "model: out is NULL");
    if (status != CINCEL_OK) {
        cincel_model_destroy(model);
        return status;
    }
    *out = model;
    return CINCEL_OK;
}
