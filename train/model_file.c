/*
 * A model's tensors in PyTorch's layout: channels before rows and columns, for convolutions (OIHW) and for
 * the columns of a linear layer behind a flatten alike; see struct layer_tensor.
 */
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "train/model.h"
#include "train/safetensors.h"

struct tensor_view {
    float *data;
    const struct layer_tensor *tensor;
};

/* All tensors of the model, states too, in the order of the file: counters first, because their 8-byte
   numbers must lie at multiples of 8. NULL: no memory. */
static struct tensor_view *view_tensors(const cincel_model *model)
{
    const size_t count = model->tensors + model->states;
    struct tensor_view *views = calloc(count, sizeof *views);
    size_t at = 0;
    for (int counters = 1; views && counters >= 0; counters--) {
        for (size_t i = 0; i < count; i++) {
            const bool state = i >= model->tensors;
            const struct layer_tensor *t =
                state ? cincel_model_state(model, i - model->tensors) : cincel_model_tensor(model, i);
            if ((t->role == TENSOR_COUNTER) != (counters == 1)) continue;
            views[at++] =
                (struct tensor_view){layer_tensor_in(state ? model->state : model->parameters, t), t};
        }
    }
    return views;
}

static enum cincel_tensor_type file_type(const struct layer_tensor *t)
{
    return t->role == TENSOR_COUNTER ? CINCEL_TENSOR_I64 : CINCEL_TENSOR_F32;
}

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
    const size_t columns = t->c * t->h * t->w;
    switch (t->ndim) {
    case 1: shape[0] = t->rows * columns; break;
    case 2:
        shape[0] = t->rows;
        shape[1] = columns;
        break;
    case 3:
    case 4: {
        size_t *last = shape + t->ndim - 3;
        shape[0] = t->rows; /* 1 where there are three, and overwritten */
        last[0] = t->c;
        last[1] = t->h;
        last[2] = t->w;
        break;
    }
    }
}

cincel_status cincel_model_save(const cincel_model *model, const char *path)
{
    if (!model) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: model is NULL");
    if (!path) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: path is NULL");
    if (!model->tensors) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: no parameters to save");
    const size_t count = model->tensors + model->states;
    struct cincel_tensor_source *source = calloc(count, sizeof *source);
    struct tensor_view *view = view_tensors(model);
    cincel_status status = CINCEL_OK;
    if (!source || !view) status = cincel_fail(CINCEL_OUT_OF_MEMORY, "model: no memory");
    for (size_t i = 0; i < count && status == CINCEL_OK; i++) {
        const struct layer_tensor *t = view[i].tensor;
        source[i] = (struct cincel_tensor_source){
            .name = t->name, .type = file_type(t), .ndim = t->ndim, .fill = to_file_order, .user = &view[i]};
        file_shape(t, source[i].shape);
    }
    if (status == CINCEL_OK) {
        /* what PyTorch's own tools write, and some of its loaders insist on */
        const struct cincel_tensor_metadata metadata[] = {{"format", "pt"}};
        status = cincel_tensor_file_write(path, source, count, metadata, 1);
    }
    free(view);
    free(source);
    return status;
}

/* Finds every tensor of the model in the file, and no other. entry [count]. */
static cincel_status match_tensors(const struct tensor_view *view, size_t count,
                                   const struct cincel_tensor_file *file, const char *path,
                                   const struct cincel_tensor_entry **entry)
{
    for (size_t i = 0; i < count; i++) {
        const struct layer_tensor *t = view[i].tensor;
        size_t shape[CINCEL_TENSOR_DIMS];
        file_shape(t, shape);
        const cincel_status status = cincel_tensor_file_find(file, t->name, t->ndim, shape, &entry[i]);
        if (status != CINCEL_OK) return status;
        if (entry[i]->type != file_type(t)) {
            return cincel_fail(CINCEL_FORMAT_ERROR, "%s: tensor \"%s\" is of another type than the model's",
                               path, t->name);
        }
    }
    for (size_t f = 0; f < cincel_tensor_file_count(file); f++) {
        const struct cincel_tensor_entry *found = cincel_tensor_file_entry(file, f);
        size_t i = 0;
        while (i < count && entry[i] != found) i++;
        if (i == count) {
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

    const size_t count = model->tensors + model->states;
    const struct cincel_tensor_entry **entry = calloc(count, sizeof *entry);
    struct tensor_view *view = view_tensors(model);
    float *raw = malloc(cincel_model_snapshot_size(model) * sizeof *raw); /* room for any one tensor */
    if (!entry || !view || !raw) status = cincel_fail(CINCEL_OUT_OF_MEMORY, "model: no memory");
    if (status == CINCEL_OK) status = match_tensors(view, count, file, path, entry);
    for (size_t i = 0; i < count && status == CINCEL_OK; i++) {
        cincel_tensor_file_read(file, entry[i], raw);
        from_file_order(view[i].tensor, raw, view[i].data);
    }
    free(raw);
    free(view);
    free(entry);
    cincel_tensor_file_close(file);
    return status;
}
