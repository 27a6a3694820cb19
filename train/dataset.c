#include "train/dataset.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/abi.h"
#include "core/memory.h"
#include "core/status.h"

static cincel_status out_of_memory(const char *name, size_t count)
{
    return cincel_fail(CINCEL_OUT_OF_MEMORY, "dataset: no memory for the %zu samples of %s", count, name);
}

static cincel_dataset *create(const char *name, size_t count, int height, int width, int channels,
                              int classes)
{
    cincel_dataset *data = calloc(1, sizeof *data);
    if (!data) return NULL;
    data->name = name;
    data->count = count;
    data->height = height;
    data->width = width;
    data->channels = channels;
    data->classes = classes;
    data->sample = (size_t)height * (size_t)width * (size_t)channels;
    for (int i = 0; i < 256; i++) data->value[i] = (float)i / 255.0f;
    return data;
}

cincel_status cincel_dataset_from_bytes(const char *name, size_t count, int height, int width, int channels,
                                        int classes, uint8_t *bytes, int32_t *labels, cincel_dataset **out)
{
    assert(name && bytes && labels && out);
    cincel_dataset *data = create(name, count, height, width, channels, classes);
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

static cincel_status check_memory(const float *x, const int32_t *labels, size_t count, const int extent[4],
                                  size_t *bytes)
{
    static const char *const names[4] = {"height", "width", "channels", "classes"};
    if (!x) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: x is NULL");
    if (!labels) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: labels is NULL");
    if (!count) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: count is 0, must be > 0");
    *bytes = sizeof *x;
    bool fits = cincel_mul(*bytes, count, bytes);
    for (int i = 0; i < 4; i++) {
        if (extent[i] <= 0)
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: %s is %d, must be > 0", names[i],
                               extent[i]);
        if (i < 3) fits = fits && cincel_mul(*bytes, (size_t)extent[i], bytes);
    }
    if (!fits || *bytes > PTRDIFF_MAX) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: %zu samples of %d x %d x %d overflow", count,
                           extent[0], extent[1], extent[2]);
    }
    for (size_t i = 0; i < count; i++) {
        if (labels[i] < 0 || labels[i] >= extent[3]) {
            return cincel_fail(CINCEL_INVALID_ARGUMENT,
                               "dataset: label %d of sample %zu is out of range: classes is %d",
                               (int)labels[i], i, extent[3]);
        }
    }
    return CINCEL_OK;
}

cincel_status cincel_dataset_memory(const float *x, const int32_t *labels, size_t count, int height,
                                    int width, int channels, int classes, cincel_dataset **out)
{
    if (!out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: out is NULL");
    const int extent[4] = {height, width, channels, classes};
    size_t bytes = 0;
    const cincel_status status = check_memory(x, labels, count, extent, &bytes);
    if (status != CINCEL_OK) return status;

    static const char name[] = "memory";
    cincel_dataset *data = create(name, count, height, width, channels, classes);
    if (data) {
        data->numbers = malloc(bytes);
        data->labels = malloc(count * sizeof *labels);
    }
    if (!data || !data->numbers || !data->labels) {
        cincel_dataset_destroy(data);
        return out_of_memory(name, count);
    }
    memcpy(data->numbers, x, bytes);
    memcpy(data->labels, labels, count * sizeof *labels);
    *out = data;
    return CINCEL_OK;
}

void cincel_dataset_destroy(cincel_dataset *data)
{
    if (!data) return;
    free(data->bytes);
    free(data->numbers);
    free(data->labels);
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
    return cincel_struct_out("dataset", &info, sizeof info, sizeof info, out);
}

static void copy_sample(const cincel_dataset *data, size_t i, float *x)
{
    if (data->numbers) {
        memcpy(x, data->numbers + i * data->sample, data->sample * sizeof *x);
        return;
    }
    const uint8_t *bytes = data->bytes + i * data->sample;
    for (size_t p = 0; p < data->sample; p++) x[p] = data->value[bytes[p]];
}

cincel_status cincel_dataset_gather(const cincel_dataset *data, const size_t *index, size_t n, float *x,
                                    int32_t *labels)
{
    if (!data) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: data is NULL");
    if (!index && n) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: index is NULL");
    for (size_t i = 0; i < n; i++) {
        if (index[i] >= data->count) {
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: index[%zu] is %zu, of %zu samples", i,
                               index[i], data->count);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (x) copy_sample(data, index[i], x + i * data->sample);
        if (labels) labels[i] = data->labels[index[i]];
    }
    return CINCEL_OK;
}
