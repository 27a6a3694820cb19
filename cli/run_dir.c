#include "cli/run_dir.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "train/reader.h"

enum {
    SUMMARY_MOST = 1 << 20, /* bytes: it is a page of text */
    EXTENT_MOST = 1 << 16,  /* of height and width: beyond any picture a model here is for */
    CHANNELS_MOST = 1 << 16,
    CLASSES_MOST = 1 << 24
};

char *run_path(const char *dir, const char *file)
{
    char *path;
    return asprintf(&path, "%s/%s", dir, file) < 0 ? NULL : path;
}

static cincel_status read_summary(const char *path, json_t **out)
{
    struct cincel_reader *reader;
    cincel_status status = cincel_reader_open_plain(path, &reader);
    if (status != CINCEL_OK) return status;
    const size_t size = cincel_reader_left(reader);
    void *text = NULL;
    if (size > SUMMARY_MOST)
        status = cincel_fail(CINCEL_FORMAT_ERROR, "%s: %zu bytes are no summary of a run", path, size);
    else
        status = cincel_reader_block(reader, size, &text, "the summary");
    cincel_reader_close(reader);
    if (status != CINCEL_OK) return status;

    json_error_t error;
    json_t *summary = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    free(text);
    if (!summary)
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: is no JSON: line %d: %s", path, error.line, error.text);
    *out = summary;
    return CINCEL_OK;
}

static cincel_status take_extent(const char *path, const json_t *summary, const char *field, int most,
                                 int *out)
{
    const json_t *value = json_object_get(summary, field);
    if (!json_is_integer(value)) return cincel_fail(CINCEL_FORMAT_ERROR, "%s: %s is no number", path, field);
    const json_int_t number = json_integer_value(value);
    if (number < 1 || number > most)
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: %s is %lld, must be 1 to %d", path, field,
                           (long long)number, most);
    *out = (int)number;
    return CINCEL_OK;
}

static cincel_status take_facts(const char *path, const json_t *summary, struct run_model *out)
{
    const char *model = json_string_value(json_object_get(summary, "model"));
    if (!model) return cincel_fail(CINCEL_FORMAT_ERROR, "%s: model is no string", path);
    if (strlen(model) >= sizeof out->model)
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: model '%.40s...' is no model's name", path, model);
    strcpy(out->model, model);
    cincel_status status = take_extent(path, summary, "height", EXTENT_MOST, &out->height);
    if (status == CINCEL_OK) status = take_extent(path, summary, "width", EXTENT_MOST, &out->width);
    if (status == CINCEL_OK) status = take_extent(path, summary, "channels", CHANNELS_MOST, &out->channels);
    if (status == CINCEL_OK) status = take_extent(path, summary, "classes", CLASSES_MOST, &out->classes);
    return status;
}

static cincel_status load_model(const char *summary, const char *weights, const struct run_model *facts,
                                cincel_model **out)
{
    cincel_model *model;
    cincel_status status = cincel_model_builtin(facts->model, facts->height, facts->width, facts->channels,
                                                facts->classes, &model);
    /* what is wrong with the model's arguments is wrong with the file they come from */
    if (status == CINCEL_INVALID_ARGUMENT)
        status = cincel_fail(CINCEL_FORMAT_ERROR, "%s: %s", summary, cincel_error_message());
    if (status != CINCEL_OK) return status;
    status = cincel_model_load(model, weights);
    if (status == CINCEL_OK)
        *out = model;
    else
        cincel_model_destroy(model);
    return status;
}

cincel_status run_open(const char *dir, struct run_model *facts, cincel_model **model)
{
    char *path = run_path(dir, RUN_SUMMARY), *weights = run_path(dir, RUN_WEIGHTS);
    json_t *summary = NULL;
    struct run_model found;
    cincel_status status = CINCEL_OK;
    if (!path || !weights) status = cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for a file name", dir);
    if (status == CINCEL_OK) status = read_summary(path, &summary);
    if (status == CINCEL_OK) status = take_facts(path, summary, &found);
    if (status == CINCEL_OK) status = load_model(path, weights, &found, model);
    if (status == CINCEL_OK) *facts = found;
    json_decref(summary);
    free(path);
    free(weights);
    return status;
}
