/*
 * A model's parameters in PyTorch's layout: channels before rows and columns, for convolutions (OIHW)
 * and for the columns of a linear layer behind a flatten alike; see struct layer_tensor.
 */
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "train/model.h"
#include "train/safetensors.h"

struct tensor_view {
    const float *data;
    const struct layer_tensor *tensor;
};

/* Number of element (row, y, x, c) in the file. */
static size_t file_index(const struct layer_tensor *t, size_t row, size_t y, size_t x, size_t c)
{
    return ((row * t->c + c) * t->h + y) * t->w + x;
}

static void to_file_order(void *user, float *out)
{
    const struct tensor_view *view = user;
    const struct layer_tensor *t = view->tensor;
    const float *from = view->data;
    for (size_t row = 0; row < t->rows; row++) {
        for (size_t y = 0; y < t->h; y++) {
            for (size_t x = 0; x < t->w; x++) {
                for (size_t c = 0; c < t->c; c++) out[file_index(t, row, y, x, c)] = *from++;
            }
        }
    }
}

static void from_file_order(const struct layer_tensor *t, const float *from, float *out)
{
    for (size_t row = 0; row < t->rows; row++) {
        for (size_t y = 0; y < t->h; y++) {
            for (size_t x = 0; x < t->w; x++) {
                for (size_t c = 0; c < t->c; c++) *out++ = from[file_index(t, row, y, x, c)];
            }
        }
    }
}

static void file_shape(const struct layer_tensor *t, size_t shape[CINCEL_TENSOR_DIMS])
{
    memset(shape, 0, CINCEL_TENSOR_DIMS * sizeof *shape);
    shape[0] = t->rows;
    if (t->ndim == 2) shape[1] = t->c * t->h * t->w;
    if (t->ndim == 4) {
        shape[1] = t->c;
        shape[2] = t->h;
        shape[3] = t->w;
    }
}

cincel_status cincel_model_save(const cincel_model *model, const char *path)
{
    if (!model) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: model is NULL");
    if (!path) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: path is NULL");
    if (!model->tensors) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: no parameters to save");
    struct cincel_tensor_source *source = calloc(model->tensors, sizeof *source);
    struct tensor_view *view = calloc(model->tensors, sizeof *view);
    cincel_status status = CINCEL_OK;
    if (!source || !view) status = cincel_fail(CINCEL_OUT_OF_MEMORY, "model: no memory");
    for (size_t i = 0; i < model->tensors && status == CINCEL_OK; i++) {
        const struct layer_tensor *t = cincel_model_tensor(model, i);
        view[i] = (struct tensor_view){layer_tensor_in(model->parameters, t), t};
        source[i] = (struct cincel_tensor_source){
            .name = t->name, .ndim = t->ndim, .fill = to_file_order, .user = &view[i]};
        file_shape(t, source[i].shape);
    }
    if (status == CINCEL_OK) {
        /* what PyTorch's own tools write, and some of its loaders insist on */
        const struct cincel_tensor_metadata metadata[] = {{"format", "pt"}};
        status = cincel_tensor_file_write(path, source, model->tensors, metadata, 1);
    }
    free(view);
    free(source);
    return status;
}

/* Finds every tensor of the model in the file, and no other. entry [model->tensors]. */
static cincel_status match_tensors(const cincel_model *model, const struct cincel_tensor_file *file,
                                   const char *path, const struct cincel_tensor_entry **entry)
{
    for (size_t i = 0; i < model->tensors; i++) {
        const struct layer_tensor *t = cincel_model_tensor(model, i);
        size_t shape[CINCEL_TENSOR_DIMS];
        file_shape(t, shape);
        const cincel_status status = cincel_tensor_file_find(file, t->name, t->ndim, shape, &entry[i]);
        if (status != CINCEL_OK) return status;
    }
    for (size_t f = 0; f < cincel_tensor_file_count(file); f++) {
        const struct cincel_tensor_entry *found = cincel_tensor_file_entry(file, f);
        size_t i = 0;
        while (i < model->tensors && entry[i] != found) i++;
        if (i == model->tensors) {
            return cincel_fail(CINCEL_FORMAT_ERROR, "%s: tensor \"%s\" is not in the model", path,
                               found->name);
        }
    }
    return CINCEL_OK;
}

cincel_status cincel_model_load(cincel_model *model, const char *path)
{
    if (!model) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: model is NULL");
    if (!path) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: path is NULL");
    if (!model->tensors) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: no parameters to load");
    struct cincel_tensor_file *file;
    cincel_status status = cincel_tensor_file_open(path, &file);
    if (status != CINCEL_OK) return status;

    const struct cincel_tensor_entry **entry = calloc(model->tensors, sizeof *entry);
    float *raw = malloc(model->count * sizeof *raw); /* room for any one tensor */
    if (!entry || !raw) status = cincel_fail(CINCEL_OUT_OF_MEMORY, "model: no memory");
    if (status == CINCEL_OK) status = match_tensors(model, file, path, entry);
    for (size_t i = 0; i < model->tensors && status == CINCEL_OK; i++) {
        const struct layer_tensor *t = cincel_model_tensor(model, i);
        cincel_tensor_file_read(file, entry[i], raw);
        from_file_order(t, raw, layer_tensor_in(model->parameters, t));
    }
    free(raw);
    free(entry);
    cincel_tensor_file_close(file);
    return status;
}
