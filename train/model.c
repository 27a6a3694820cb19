#include "train/model.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/abi.h"
#include "core/memory.h"
#include "core/status.h"

enum { NAME_BYTES = 128 };

/* Numbers in a sample or a parameter tensor: far above any model, far below what overflows with a batch. */
static const size_t COUNT_LIMIT = (size_t)1 << 40;

static bool count_fits(size_t a, size_t b, size_t c, size_t d)
{
    size_t total;
    return cincel_mul(a, b, &total) && cincel_mul(total, c, &total) && cincel_mul(total, d, &total) &&
           total <= COUNT_LIMIT;
}

cincel_status cincel_model_create(int height, int width, int channels, cincel_model **out)
{
    if (!out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: out is NULL");
    if (height <= 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: height is %d, must be > 0", height);
    if (width <= 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: width is %d, must be > 0", width);
    if (channels <= 0) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: channels is %d, must be > 0", channels);
    }
    if (!count_fits((size_t)height, (size_t)width, (size_t)channels, 1)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: sample %dx%dx%d is too large", height, width,
                           channels);
    }
    cincel_model *model = calloc(1, sizeof *model);
    if (!model) return cincel_fail(CINCEL_OUT_OF_MEMORY, "model: no memory");
    model->in = (struct layer_shape){height, width, channels, 1, 1};
    *out = model;
    return CINCEL_OK;
}

static void layer_release(struct layer *layer)
{
    free(layer->name);
    for (int t = 0; t < layer->tensors + layer->states; t++) free(layer->tensor[t].name);
}

void cincel_model_destroy(cincel_model *model)
{
    if (!model) return;
    for (size_t i = 0; i < model->layers; i++) layer_release(&model->layer[i]);
    free(model->layer);
    cincel_workspace_destroy(model->parameters);
    cincel_workspace_destroy(model->state);
    free(model);
}

struct layer_shape cincel_model_out(const cincel_model *model)
{
    return model->layers ? model->layer[model->layers - 1].out : model->in;
}

/* Gives the layer and its tensors their names; on failure it keeps those it had. */
static cincel_status layer_set_name(struct layer *layer, const char *name)
{
    const int tensors = layer->tensors + layer->states;
    char *own = strdup(name);
    char *tensor[LAYER_TENSORS] = {NULL};
    bool complete = own != NULL;
    for (int t = 0; t < tensors && complete; t++) {
        const size_t bytes = strlen(name) + strlen(layer->tensor[t].suffix) + 2;
        tensor[t] = malloc(bytes);
        complete = tensor[t] != NULL;
        if (complete) snprintf(tensor[t], bytes, "%s.%s", name, layer->tensor[t].suffix);
    }
    if (!complete) {
        free(own);
        for (int t = 0; t < tensors; t++) free(tensor[t]);
        return cincel_fail(CINCEL_OUT_OF_MEMORY, "model: no memory");
    }
    layer_release(layer);
    layer->name = own;
    for (int t = 0; t < tensors; t++) layer->tensor[t].name = tensor[t];
    return CINCEL_OK;
}

/* Places tensors [count] of the layer behind what the block holds; *block: its length in floats, in and out.
 */
static cincel_status place_tensors(struct layer *layer, struct layer_tensor *tensors, int count,
                                   size_t *block)
{
    for (int t = 0; t < count; t++) {
        struct layer_tensor *tensor = &tensors[t];
        if (!count_fits(tensor->rows, tensor->h, tensor->w, tensor->c)) {
            return cincel_fail(CINCEL_INVALID_ARGUMENT,
                               "%s: %s of %zu x %zu x %zu x %zu numbers is too large", layer->kind->name,
                               tensor->suffix, tensor->rows, tensor->c, tensor->h, tensor->w);
        }
        tensor->count = tensor->rows * tensor->h * tensor->w * tensor->c;
        tensor->offset = *block;
        *block += cincel_round_up(tensor->count, CINCEL_ALIGN / sizeof(float));
    }
    return CINCEL_OK;
}

/* A block of `after` floats that begins as `from` [before] does; the rest is 0. */
static cincel_status grown_block(const float *from, size_t before, size_t after, float **out)
{
    void *memory;
    const cincel_status status = cincel_workspace_create(after * sizeof(float), &memory);
    if (status != CINCEL_OK) return status;
    float *grown = memory;
    if (before) memcpy(grown, from, before * sizeof(float));
    if (after > before) memset(grown + before, 0, (after - before) * sizeof(float));
    *out = grown;
    return CINCEL_OK;
}

static cincel_status reserve_layer(cincel_model *model)
{
    if (model->layers < model->capacity) return CINCEL_OK;
    const size_t capacity = model->capacity ? 2 * model->capacity : 16;
    struct layer *layer = realloc(model->layer, capacity * sizeof *layer);
    if (!layer) return cincel_fail(CINCEL_OUT_OF_MEMORY, "model: no memory");
    model->layer = layer;
    model->capacity = capacity;
    return CINCEL_OK;
}

void cincel_layer_weight(struct layer *layer, const struct layer_tensor *weight, size_t outputs, int bias)
{
    layer->tensor[0] = *weight;
    layer->tensor[0].suffix = "weight";
    layer->tensor[1] = (struct layer_tensor){.suffix = "bias",
                                             .rows = outputs,
                                             .h = 1,
                                             .w = 1,
                                             .c = 1,
                                             .ndim = 1,
                                             .fan_in = weight->fan_in,
                                             .fan_out = weight->fan_out,
                                             .role = TENSOR_BIAS};
    layer->tensors = bias ? 2 : 1;
}

cincel_status cincel_model_append(cincel_model *model, const struct layer *proto)
{
    assert(proto->kind && (!proto->continues || (model && model->layers > 0)));
    if (!model) return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: model is NULL", proto->kind->name);
    if (atomic_load(&model->sealed)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: the model has a session, no layer can follow",
                           proto->kind->name);
    }
    struct layer layer = *proto;
    layer.in = cincel_model_out(model);
    cincel_status status = layer.kind->infer(&layer);
    size_t block = model->block, state_block = model->state_block;
    float *parameters = NULL, *state = NULL;
    if (status == CINCEL_OK &&
        !count_fits((size_t)layer.out.h, (size_t)layer.out.w, (size_t)layer.out.c, 1)) {
        status = cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: output %dx%dx%d is too large", layer.kind->name,
                             layer.out.h, layer.out.w, layer.out.c);
    }
    if (status == CINCEL_OK) status = place_tensors(&layer, layer.tensor, layer.tensors, &block);
    if (status == CINCEL_OK)
        status = place_tensors(&layer, layer.tensor + layer.tensors, layer.states, &state_block);
    if (status == CINCEL_OK) status = reserve_layer(model);
    if (status == CINCEL_OK) {
        char position[24];
        size_t modules = 0;
        for (size_t i = 0; i < model->layers; i++) modules += !model->layer[i].continues;
        snprintf(position, sizeof position, "%zu", modules);
        status = layer_set_name(&layer, layer.continues ? model->layer[model->layers - 1].name : position);
    }
    if (status == CINCEL_OK) status = grown_block(model->parameters, model->block, block, &parameters);
    if (status == CINCEL_OK) status = grown_block(model->state, model->state_block, state_block, &state);
    if (status != CINCEL_OK) {
        cincel_workspace_destroy(parameters);
        layer_release(&layer);
        return status;
    }
    cincel_workspace_destroy(model->parameters);
    cincel_workspace_destroy(model->state);
    model->parameters = parameters;
    model->block = block;
    model->state = state;
    model->state_block = state_block;
    model->layer[model->layers++] = layer;
    for (int t = 0; t < layer.tensors; t++) model->count += layer.tensor[t].count;
    model->tensors += (size_t)layer.tensors;
    model->states += (size_t)layer.states;
    return CINCEL_OK;
}

void cincel_model_truncate(cincel_model *model, size_t layers)
{
    while (model->layers > layers) {
        struct layer *layer = &model->layer[--model->layers];
        for (int t = 0; t < layer->tensors; t++) model->count -= layer->tensor[t].count;
        model->tensors -= (size_t)layer->tensors;
        model->states -= (size_t)layer->states;
        layer_release(layer); /* the blocks keep their length */
    }
}

/* Where the module that layer i is (of) begins. */
static size_t module_begin(const cincel_model *model, size_t i)
{
    while (model->layer[i].continues) i--;
    return i;
}

cincel_status cincel_model_name(cincel_model *model, const char *name)
{
    if (!model) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: model is NULL");
    if (!name) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: name is NULL");
    if (!model->layers) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: no layer to name \"%s\"", name);
    const size_t length = strlen(name);
    if (length == 0 || length >= NAME_BYTES) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: name of %zu bytes, must have 1 to %d", length,
                           NAME_BYTES - 1);
    }
    bool number = true;
    for (const char *c = name; *c; c++) {
        number = number && isdigit((unsigned char)*c);
        if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '"' || *c == '\\') {
            return cincel_fail(CINCEL_INVALID_ARGUMENT,
                               "model: name \"%s\" has a space, quote, backslash or control character", name);
        }
    }
    if (number) { /* would collide with the position of another layer */
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: name \"%s\" is a number: those are positions",
                           name);
    }
    const size_t first = module_begin(model, model->layers - 1);
    for (size_t i = 0; i < first; i++) {
        if (strcmp(model->layer[i].name, name) == 0) {
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: name \"%s\" is taken by layer %zu", name, i);
        }
    }
    cincel_status status = CINCEL_OK;
    for (size_t i = first; i < model->layers && status == CINCEL_OK; i++)
        status = layer_set_name(&model->layer[i], name);
    return status;
}

size_t cincel_model_layers(const cincel_model *model) { return model ? model->layers : 0; }

cincel_status cincel_model_layer(const cincel_model *model, size_t index, cincel_layer_info *out)
{
    if (!model) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: model is NULL");
    if (!out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: out is NULL");
    if (index >= model->layers) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: layer %zu of %zu", index, model->layers);
    }
    const struct layer *layer = &model->layer[index];
    cincel_layer_info info = {sizeof info,  layer->name, layer->kind->name, layer->out.h, layer->out.w,
                              layer->out.c, 0,           layer->flops};
    for (int t = 0; t < layer->tensors; t++) info.parameters += layer->tensor[t].count;
    return cincel_struct_out("model", &info, sizeof info, sizeof info, out);
}

size_t cincel_model_parameters(const cincel_model *model) { return model ? model->count : 0; }

size_t cincel_model_parameter_count(const cincel_model *model) { return model ? model->tensors : 0; }

const struct layer_tensor *cincel_model_tensor(const cincel_model *model, size_t index)
{
    for (size_t i = 0; i < model->layers; i++) {
        const size_t tensors = (size_t)model->layer[i].tensors;
        if (index < tensors) return &model->layer[i].tensor[index];
        index -= tensors;
    }
    return NULL;
}

const struct layer_tensor *cincel_model_state(const cincel_model *model, size_t index)
{
    for (size_t i = 0; i < model->layers; i++) {
        const struct layer *layer = &model->layer[i];
        const size_t states = (size_t)layer->states;
        if (index < states) return &layer->tensor[(size_t)layer->tensors + index];
        index -= states;
    }
    return NULL;
}

size_t cincel_model_snapshot_size(const cincel_model *model) { return model->block + model->state_block; }

void cincel_model_take_snapshot(const cincel_model *model, float *out)
{
    if (model->block) memcpy(out, model->parameters, model->block * sizeof *out);
    if (model->state_block) memcpy(out + model->block, model->state, model->state_block * sizeof *out);
}

void cincel_model_restore_snapshot(cincel_model *model, const float *from)
{
    if (model->block) memcpy(model->parameters, from, model->block * sizeof *from);
    if (model->state_block) memcpy(model->state, from + model->block, model->state_block * sizeof *from);
}

cincel_status cincel_model_parameter(cincel_model *model, size_t index, cincel_parameter *out)
{
    if (!model) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: model is NULL");
    if (!out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: out is NULL");
    const struct layer_tensor *tensor = cincel_model_tensor(model, index);
    if (!tensor) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: parameter %zu of %zu", index, model->tensors);
    }
    const cincel_parameter parameter = {sizeof parameter, tensor->name,
                                        layer_tensor_in(model->parameters, tensor), tensor->count};
    return cincel_struct_out("model", &parameter, sizeof parameter, sizeof parameter, out);
}
