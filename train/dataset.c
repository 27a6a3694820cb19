#include "train/dataset.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/abi.h"
#include "core/memory.h"
#include "core/status.h"

static cincel_status out_of_memory(const char *name, size_t count)
{
    return cincel_fail(CINCEL_OUT_OF_MEMORY, "dataset: no memory for the %zu samples of %s", count, name);
}

cincel_dataset *cincel_dataset_new(const char *name, size_t count, int height, int width, int channels,
                                   int classes, int target_count)
{
    cincel_dataset *data = calloc(1, sizeof *data);
    if (!data) return NULL;
    data->name = name;
    data->count = count;
    data->height = height;
    data->width = width;
    data->channels = channels;
    data->classes = classes;
    data->target_count = target_count;
    data->positions = target_count > 0 ? 0 : 1;
    data->sample = (size_t)height * (size_t)width * (size_t)channels;
    for (int i = 0; i < 256; i++) data->value[i] = (float)i / 255.0f;
    return data;
}

cincel_status cincel_dataset_from_bytes(const char *name, size_t count, int height, int width, int channels,
                                        int classes, uint8_t *bytes, int32_t *labels, cincel_dataset **out)
{
    assert(name && bytes && labels && out);
    cincel_dataset *data = cincel_dataset_new(name, count, height, width, channels, classes, 0);
    if (!data) {
        free(bytes);
        free(labels);
        return out_of_memory(name, count);
    }
    data->bytes = bytes;
    data->labels = labels;
    *out = data;
    return CINCEL_OK;
}

/* The samples of a set in memory: their bytes, and that they fit. */
static cincel_status check_samples(const float *x, size_t count, int height, int width, int channels,
                                   size_t *bytes)
{
    static const char *const names[] = {"height", "width", "channels"};
    const int extent[] = {height, width, channels};
    if (!x) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: x is NULL");
    if (!count) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: count is 0, must be > 0");
    *bytes = sizeof *x;
    bool fits = cincel_mul(*bytes, count, bytes);
    for (int i = 0; i < 3; i++) {
        if (extent[i] <= 0)
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: %s is %d, must be > 0", names[i],
                               extent[i]);
        fits = fits && cincel_mul(*bytes, (size_t)extent[i], bytes);
    }
    if (!fits || *bytes > PTRDIFF_MAX) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: %zu samples of %d x %d x %d overflow", count,
                           height, width, channels);
    }
    return CINCEL_OK;
}

/* Samples with `positions` labels each, of which CINCEL_LABEL_IGNORED may be one where `masks`. */
static cincel_status labelled_samples(const float *x, const int32_t *labels, size_t count, int height,
                                      int width, int channels, int classes, size_t positions, bool masks,
                                      cincel_dataset **out)
{
    if (!out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: out is NULL");
    if (!labels) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: labels is NULL");
    if (classes <= 0) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: classes is %d, must be > 0", classes);
    }
    size_t bytes = 0;
    const cincel_status status = check_samples(x, count, height, width, channels, &bytes);
    if (status != CINCEL_OK) return status;
    for (size_t i = 0; i < count * positions; i++) {
        if ((labels[i] < 0 && !(masks && labels[i] == CINCEL_LABEL_IGNORED)) || labels[i] >= classes) {
            return cincel_fail(CINCEL_INVALID_ARGUMENT,
                               "dataset: label %d of sample %zu is out of range: classes is %d",
                               (int)labels[i], i / positions, classes);
        }
    }
    static const char name[] = "memory";
    cincel_dataset *data = cincel_dataset_new(name, count, height, width, channels, classes, 0);
    if (data) {
        data->positions = (int)positions;
        data->numbers = malloc(bytes);
        data->labels = malloc(count * positions * sizeof *labels);
    }
    if (!data || !data->numbers || !data->labels) {
        cincel_dataset_destroy(data);
        return out_of_memory(name, count);
    }
    memcpy(data->numbers, x, bytes);
    memcpy(data->labels, labels, count * positions * sizeof *labels);
    *out = data;
    return CINCEL_OK;
}

cincel_status cincel_dataset_memory(const float *x, const int32_t *labels, size_t count, int height,
                                    int width, int channels, int classes, cincel_dataset **out)
{
    return labelled_samples(x, labels, count, height, width, channels, classes, 1, false, out);
}

cincel_status cincel_dataset_sequences(const float *x, const int32_t *labels, size_t count, int steps,
                                       int channels, int classes, cincel_dataset **out)
{
    if (steps <= 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: steps is %d, must be > 0", steps);
    return labelled_samples(x, labels, count, steps, 1, channels, classes, (size_t)steps, true, out);
}

cincel_status cincel_dataset_tokens(const int32_t *tokens, size_t count, int steps, int classes,
                                    cincel_dataset **out)
{
    if (!out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: out is NULL");
    if (!tokens) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: tokens is NULL");
    if (steps <= 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: steps is %d, must be > 0", steps);
    if (classes <= 0 || classes > 1 << 24) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: classes is %d, must be 1 to %d", classes,
                           1 << 24);
    }
    if (count <= (size_t)steps) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT,
                           "dataset: %zu tokens, a sample of %d steps and the token behind it take %zu",
                           count, steps, (size_t)steps + 1);
    }
    for (size_t i = 0; i < count; i++) {
        if (tokens[i] >= 0 && tokens[i] < classes) continue;
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: token %zu is %d, must be 0 to %d", i,
                           (int)tokens[i], classes - 1);
    }
    const size_t samples = (count - 1) / (size_t)steps, kept = samples * (size_t)steps + 1;
    static const char name[] = "tokens";
    cincel_dataset *data = cincel_dataset_new(name, samples, steps, 1, 1, classes, 0);
    if (data) data->tokens = malloc(kept * sizeof *tokens);
    if (!data || !data->tokens) {
        cincel_dataset_destroy(data);
        return out_of_memory(name, samples);
    }
    data->positions = steps;
    memcpy(data->tokens, tokens, kept * sizeof *tokens);
    *out = data;
    return CINCEL_OK;
}

cincel_status cincel_dataset_regression(const float *x, const float *targets, size_t count, int height,
                                        int width, int channels, int target_count, cincel_dataset **out)
{
    if (!out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: out is NULL");
    if (!targets) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: targets is NULL");
    if (target_count <= 0) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: target_count is %d, must be > 0", target_count);
    }
    size_t bytes = 0, target_bytes = 0;
    cincel_status status = check_samples(x, count, height, width, channels, &bytes);
    if (status == CINCEL_OK) status = check_samples(targets, count, 1, 1, target_count, &target_bytes);
    if (status != CINCEL_OK) return status;
    for (size_t i = 0; i < target_bytes / sizeof *targets; i++) {
        if (!isfinite(targets[i])) {
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: target %g of sample %zu is not finite",
                               (double)targets[i], i / (size_t)target_count);
        }
    }
    static const char name[] = "memory";
    cincel_dataset *data = cincel_dataset_new(name, count, height, width, channels, 0, target_count);
    if (data) {
        data->numbers = malloc(bytes);
        data->targets = malloc(target_bytes);
    }
    if (!data || !data->numbers || !data->targets) {
        cincel_dataset_destroy(data);
        return out_of_memory(name, count);
    }
    memcpy(data->numbers, x, bytes);
    memcpy(data->targets, targets, target_bytes);
    *out = data;
    return CINCEL_OK;
}

void cincel_dataset_destroy(cincel_dataset *data)
{
    if (!data) return;
    free(data->bytes);
    free(data->numbers);
    free(data->begin);
    free(data->tokens);
    free(data->labels);
    free(data->targets);
    const size_t columns = data->column ? cincel_dataset_inputs(data) + (size_t)data->target_count : 0;
    for (size_t i = 0; i < columns; i++) free(data->column[i]);
    free(data->column);
    free(data);
}

cincel_status cincel_dataset_describe(const cincel_dataset *data, cincel_dataset_info *out)
{
    if (!data) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: data is NULL");
    if (!out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: out is NULL");
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    info.name = data->name;
    info.count = data->count;
    info.height = data->height;
    info.width = data->width;
    info.channels = data->channels;
    info.classes = data->classes;
    info.targets = data->target_count;
    info.positions = data->positions;
    info.ragged = data->begin != NULL;
    return cincel_struct_out("dataset", &info, sizeof info, sizeof info, out);
}

static void copy_sample(const cincel_dataset *data, size_t i, float *x)
{
    if (data->begin) {
        cincel_ragged_gather_x(data, i, x);
        return;
    }
    if (data->numbers) {
        memcpy(x, data->numbers + i * data->sample, data->sample * sizeof *x);
        return;
    }
    if (data->tokens) {
        const int32_t *tokens = data->tokens + i * data->sample;
        for (size_t p = 0; p < data->sample; p++) x[p] = (float)tokens[p];
        return;
    }
    const uint8_t *bytes = data->bytes + i * data->sample;
    for (size_t p = 0; p < data->sample; p++) x[p] = data->value[bytes[p]];
}

static void copy_labels(const cincel_dataset *data, size_t i, int32_t *labels)
{
    if (data->begin) {
        cincel_ragged_gather_labels(data, i, labels);
        return;
    }
    const size_t positions = (size_t)data->positions;
    const int32_t *from = data->tokens ? data->tokens + i * data->sample + 1 : data->labels + i * positions;
    memcpy(labels, from, positions * sizeof *labels);
}

static cincel_status check_index(const cincel_dataset *data, const size_t *index, size_t n)
{
    if (!data) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: data is NULL");
    if (!index && n) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: index is NULL");
    for (size_t i = 0; i < n; i++) {
        if (index[i] >= data->count) {
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: index[%zu] is %zu, of %zu samples", i,
                               index[i], data->count);
        }
    }
    return CINCEL_OK;
}

cincel_status cincel_dataset_gather(const cincel_dataset *data, const size_t *index, size_t n, float *x,
                                    int32_t *labels)
{
    const cincel_status status = check_index(data, index, n);
    if (status != CINCEL_OK) return status;
    if (labels && data->target_count > 0) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: %s has targets, no labels", data->name);
    }
    const size_t positions = (size_t)data->positions;
    for (size_t i = 0; i < n; i++) {
        if (x) copy_sample(data, index[i], x + i * data->sample);
        if (labels) copy_labels(data, index[i], labels + i * positions);
    }
    return CINCEL_OK;
}

cincel_status cincel_dataset_gather_targets(const cincel_dataset *data, const size_t *index, size_t n,
                                            float *x, float *targets)
{
    const cincel_status status = check_index(data, index, n);
    if (status != CINCEL_OK) return status;
    if (targets && !data->targets) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: %s has labels, no targets", data->name);
    }
    const size_t count = (size_t)data->target_count;
    for (size_t i = 0; i < n; i++) {
        if (x) copy_sample(data, index[i], x + i * data->sample);
        if (targets) memcpy(targets + i * count, data->targets + index[i] * count, count * sizeof *targets);
    }
    return CINCEL_OK;
}

const char *cincel_dataset_column(const cincel_dataset *data, size_t index)
{
    if (!data || !data->column || index >= cincel_dataset_inputs(data) + (size_t)data->target_count)
        return NULL;
    return data->column[index];
}
