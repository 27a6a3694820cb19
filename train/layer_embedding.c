/* Layers that take tokens, whole numbers from 0 as floats: an embedding and its plain form, one-hot. */
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "train/model.h"

/* Whole numbers beyond it have no exact float. */
enum { TOKENS_MOST = 1 << 24 };

static cincel_status tokens_infer(struct layer *layer)
{
    const struct layer_shape in = layer->in;
    const char *kind = layer->kind->name;
    const int vocabulary = layer->as.embedding.vocabulary, width = layer->as.embedding.width;
    if (vocabulary <= 0 || vocabulary > TOKENS_MOST) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: vocabulary is %d, must be 1 to %d", kind, vocabulary,
                           TOKENS_MOST);
    }
    if (width <= 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: width is %d, must be > 0", kind, width);
    if (in.c != 1 || in.flat_h * in.flat_w != 1) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: input is %dx%dx%d, must have one token a position",
                           kind, in.h, in.w, in.c);
    }
    layer->out = (struct layer_shape){in.h, in.w, width, 1, 1};
    return CINCEL_OK;
}

static size_t token_count(const struct layer *layer, int n)
{
    return (size_t)n * (size_t)layer->in.h * (size_t)layer->in.w;
}

static size_t tokens_workspace_bytes(const struct layer *layer, int n, bool training)
{
    (void)training;
    return token_count(layer, n) * sizeof(int32_t);
}

/* The tokens of x as integers, in the workspace. */
static cincel_status read_tokens(const struct layer_call *call, const int32_t **out)
{
    const struct layer *layer = call->layer;
    const size_t count = token_count(layer, call->n);
    const float most = (float)layer->as.embedding.vocabulary;
    int32_t *ids = call->ws;
    for (size_t i = 0; i < count; i++) {
        const float token = call->x[i];
        if (!(token >= 0.0f && token < most) || token != floorf(token)) {
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: layer %s: token %zu is %g, must be 0, 1, … %d",
                               layer->kind->name, layer->name, i, (double)token,
                               layer->as.embedding.vocabulary - 1);
        }
        ids[i] = (int32_t)token;
    }
    *out = ids;
    return CINCEL_OK;
}

static cincel_status tokens_append(cincel_model *model, const struct layer *proto)
{
    if (model && model->layers > 0) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT,
                           "%s: takes tokens, must be the first layer, is number %zu", proto->kind->name,
                           model->layers);
    }
    return cincel_model_append(model, proto);
}

/* ---------------------------------------------------------------------------------------- embedding -- */

static cincel_status embedding_infer(struct layer *layer)
{
    const cincel_status status = tokens_infer(layer);
    if (status != CINCEL_OK) return status;
    layer->tensor[0] = (struct layer_tensor){.suffix = "weight",
                                             .rows = (size_t)layer->as.embedding.vocabulary,
                                             .h = 1,
                                             .w = 1,
                                             .c = (size_t)layer->as.embedding.width,
                                             .ndim = 2,
                                             .role = TENSOR_NORMAL};
    layer->tensors = 1;
    return CINCEL_OK;
}

static cincel_status embedding_forward(const struct layer_call *call)
{
    const struct layer *layer = call->layer;
    const int32_t *ids;
    const cincel_status status = read_tokens(call, &ids);
    if (status != CINCEL_OK) return status;
    return cincel_embedding_forward(call->ctx, ids, call->parameter[0], token_count(layer, call->n),
                                    (size_t)layer->as.embedding.vocabulary, (size_t)layer->as.embedding.width,
                                    call->y);
}

static cincel_status embedding_backward(const struct layer_call *call)
{
    const struct layer *layer = call->layer;
    const int32_t *ids;
    const cincel_status status = read_tokens(call, &ids);
    if (status != CINCEL_OK) return status;
    return cincel_embedding_backward(call->ctx, ids, call->dy, token_count(layer, call->n),
                                     (size_t)layer->as.embedding.vocabulary,
                                     (size_t)layer->as.embedding.width, call->gradient[0]);
}

const struct layer_kind cincel_layer_embedding = {
    .name = "embedding",
    .backward_reads_x = true,
    .infer = embedding_infer,
    .workspace_bytes = tokens_workspace_bytes,
    .forward = embedding_forward,
    .backward = embedding_backward,
};

cincel_status cincel_model_add_embedding(cincel_model *model, int vocabulary, int width)
{
    const struct layer layer = {.kind = &cincel_layer_embedding, .as.embedding = {vocabulary, width}};
    return tokens_append(model, &layer);
}

/* ------------------------------------------------------------------------------------------ one-hot -- */

static cincel_status one_hot_forward(const struct layer_call *call)
{
    const struct layer *layer = call->layer;
    const size_t count = token_count(layer, call->n), width = (size_t)layer->as.embedding.width;
    const int32_t *ids;
    const cincel_status status = read_tokens(call, &ids);
    if (status != CINCEL_OK) return status;
    memset(call->y, 0, count * width * sizeof *call->y);
    for (size_t i = 0; i < count; i++) call->y[i * width + (size_t)ids[i]] = 1.0f;
    return CINCEL_OK;
}

/* Nothing to train, and nothing before it. */
static cincel_status one_hot_backward(const struct layer_call *call)
{
    (void)call;
    return CINCEL_OK;
}

const struct layer_kind cincel_layer_one_hot = {
    .name = "one_hot",
    .infer = tokens_infer,
    .workspace_bytes = tokens_workspace_bytes,
    .forward = one_hot_forward,
    .backward = one_hot_backward,
};

cincel_status cincel_model_add_one_hot(cincel_model *model, int vocabulary)
{
    const struct layer layer = {.kind = &cincel_layer_one_hot, .as.embedding = {vocabulary, vocabulary}};
    return tokens_append(model, &layer);
}
