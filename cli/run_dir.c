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

static const char *const objectives[] = {
    [CINCEL_OBJECTIVE_CROSS_ENTROPY] = "cross-entropy",
    [CINCEL_OBJECTIVE_BCE] = "bce",
    [CINCEL_OBJECTIVE_MSE] = "mse",
    [CINCEL_OBJECTIVE_L1] = "l1",
    [CINCEL_OBJECTIVE_HUBER] = "huber",
};
enum { OBJECTIVES = sizeof objectives / sizeof objectives[0] };

const char *run_objective_name(int kind) { return kind >= 0 && kind < OBJECTIVES ? objectives[kind] : NULL; }

bool run_objective_find(const char *name, cincel_objective_kind *out)
{
    for (int i = 0; i < OBJECTIVES; i++) {
        if (strcmp(name, objectives[i]) != 0) continue;
        *out = (cincel_objective_kind)i;
        return true;
    }
    return false;
}

void run_model_release(struct run_model *model)
{
    table_free(&model->table);
    text_free(&model->text);
    series_free(&model->series);
}

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

static cincel_status take_objective(const char *path, const json_t *summary, cincel_objective *out)
{
    const json_t *loss = json_object_get(summary, "loss");
    const char *name = json_string_value(loss);
    if (loss && (!name || !run_objective_find(name, &out->kind)))
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: loss is no objective's name", path);
    const json_t *delta = json_object_get(summary, "delta");
    if (delta) out->delta = (float)json_number_value(delta);
    return CINCEL_OK; /* delta is checked where it is used */
}

static cincel_status take_facts(const char *path, const json_t *summary, struct run_model *out)
{
    const char *model = json_string_value(json_object_get(summary, "model"));
    if (!model) return cincel_fail(CINCEL_FORMAT_ERROR, "%s: model is no string", path);
    if (strlen(model) >= sizeof out->model)
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: model '%.40s...' is no model's name", path, model);
    *out = (struct run_model){.objective = CINCEL_OBJECTIVE_INIT};
    strcpy(out->model, model);
    cincel_status status = take_extent(path, summary, "height", EXTENT_MOST, &out->height);
    if (status == CINCEL_OK) status = take_extent(path, summary, "width", EXTENT_MOST, &out->width);
    if (status == CINCEL_OK) status = take_extent(path, summary, "channels", CHANNELS_MOST, &out->channels);
    if (status == CINCEL_OK) status = take_objective(path, summary, &out->objective);
    const bool classes = out->objective.kind == CINCEL_OBJECTIVE_CROSS_ENTROPY;
    if (status == CINCEL_OK && classes)
        status = take_extent(path, summary, "classes", CLASSES_MOST, &out->classes);
    if (status == CINCEL_OK && !classes)
        status = take_extent(path, summary, "targets", CLASSES_MOST, &out->targets);
    const json_t *table = json_object_get(summary, "table");
    if (status == CINCEL_OK && table && (out->height != 1 || out->width != 1))
        status = cincel_fail(CINCEL_FORMAT_ERROR, "%s: a table, but samples of %dx%d", path, out->height,
                             out->width);
    if (status == CINCEL_OK && table)
        status = table_from_json(path, table, (size_t)out->channels, (size_t)out->targets, &out->table);
    const json_t *text = json_object_get(summary, "text"), *series = json_object_get(summary, "series");
    if (status == CINCEL_OK && text) status = text_from_json(path, text, out->classes, &out->text);
    if (status == CINCEL_OK && series)
        status = series_from_json(path, series, (size_t)out->channels, &out->series);
    const size_t width = out->series.target < 0 ? out->series.columns : 1;
    if (status == CINCEL_OK && series && (size_t)out->targets % width != 0)
        status = cincel_fail(CINCEL_FORMAT_ERROR, "%s: targets is %d, no multiple of %zu columns", path,
                             out->targets, width);
    return status;
}

static cincel_status load_model(const char *summary, const char *weights, const struct run_model *facts,
                                int height, cincel_model **out)
{
    cincel_model *model;
    cincel_status status =
        cincel_model_builtin(facts->model, height, facts->width, facts->channels, run_outputs(facts), &model);
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

/* steps 0: those it was trained on */
static cincel_status open_run(const char *dir, int steps, struct run_model *facts, cincel_model **model)
{
    char *path = run_path(dir, RUN_SUMMARY), *weights = run_path(dir, RUN_WEIGHTS);
    json_t *summary = NULL;
    struct run_model found = {.objective = CINCEL_OBJECTIVE_INIT};
    cincel_status status = CINCEL_OK;
    if (!path || !weights) status = cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for a file name", dir);
    if (status == CINCEL_OK) status = read_summary(path, &summary);
    if (status == CINCEL_OK) status = take_facts(path, summary, &found);
    if (status == CINCEL_OK) status = load_model(path, weights, &found, steps ? steps : found.height, model);
    if (status == CINCEL_OK)
        *facts = found;
    else
        run_model_release(&found);
    json_decref(summary);
    free(path);
    free(weights);
    return status;
}

cincel_status run_open(const char *dir, struct run_model *facts, cincel_model **model)
{
    return open_run(dir, 0, facts, model);
}

cincel_status run_open_steps(const char *dir, int steps, struct run_model *facts, cincel_model **model)
{
    return open_run(dir, steps, facts, model);
}
