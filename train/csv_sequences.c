/* A table whose rows are the steps of sequences: rows with the same number in one column belong together. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "train/csv.h"
#include "train/dataset.h"

/* The parts of a table, [rows] each but for x, and what is the table's own. */
struct sequences {
    size_t target, sequence; /* columns */
    size_t count;
    int *lengths;
    float *x; /* [rows][columns − 2] */
    int32_t *labels;
    float *targets;
    int classes;
};

static cincel_status find_columns(const char *path, const cincel_csv_options *o, const struct cincel_csv *csv,
                                  struct sequences *s)
{
    if (csv->columns < 3) {
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: has %zu columns: no inputs beside sequence and target",
                           path, csv->columns);
    }
    cincel_status status = cincel_csv_column(path, csv, o->sequence, &s->sequence);
    s->target = csv->columns - 1;
    if (status == CINCEL_OK && o->target) status = cincel_csv_column(path, csv, o->target, &s->target);
    if (status == CINCEL_OK && s->target == s->sequence) {
        status = cincel_fail(CINCEL_INVALID_ARGUMENT, "csv: sequence and target are both column %zu",
                             s->target + 1);
    }
    return status;
}

/* The target of a row: of the sequence that ends there, or its own. */
static cincel_status take_target(const char *path, const struct cincel_csv *csv, size_t row, size_t at,
                                 struct sequences *s)
{
    const float value = csv->value[row * csv->columns + s->target];
    if (!s->labels) {
        s->targets[at] = value;
        return CINCEL_OK;
    }
    if (!cincel_class_of(value, &s->labels[at])) {
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: row %zu, column %zu: %g is no class, 0, 1, …", path,
                           row + 1, s->target + 1, (double)value);
    }
    if (s->labels[at] >= s->classes) s->classes = s->labels[at] + 1;
    return CINCEL_OK;
}

static cincel_status take_rows(const char *path, const struct cincel_csv *csv, bool step_labels,
                               struct sequences *s)
{
    float *x = s->x;
    cincel_status status = CINCEL_OK;
    for (size_t row = 0; row < csv->rows && status == CINCEL_OK; row++) {
        const float *from = csv->value + row * csv->columns;
        for (size_t c = 0; c < csv->columns; c++)
            if (c != s->target && c != s->sequence) *x++ = from[c];
        const bool begins = row == 0 || from[s->sequence] != from[s->sequence - csv->columns];
        s->count += begins;
        s->lengths[s->count - 1]++;
        status = take_target(path, csv, row, step_labels ? row : s->count - 1, s);
    }
    return status;
}

/* The names of the channels, then the target's. */
static cincel_status take_names(const char *path, const struct cincel_csv *csv, const struct sequences *s,
                                bool has_target, cincel_dataset *data)
{
    if (!csv->name) return CINCEL_OK;
    size_t at = 0;
    data->column = calloc(csv->columns, sizeof *data->column);
    bool complete = data->column != NULL;
    for (size_t c = 0; c < csv->columns && complete; c++) {
        if (c == s->target || c == s->sequence) continue;
        complete = (data->column[at++] = strdup(csv->name[c])) != NULL;
    }
    if (complete && has_target) complete = (data->column[at] = strdup(csv->name[s->target])) != NULL;
    return complete ? CINCEL_OK : cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory", path);
}

cincel_status cincel_csv_sequences(const char *path, const cincel_csv_options *o, struct cincel_csv *csv,
                                   cincel_dataset **out)
{
    struct sequences s = {0};
    cincel_dataset *data = NULL;
    if (o->step_labels && !o->labels) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "csv: step_labels is %d, but the targets are numbers",
                           o->step_labels);
    }
    cincel_status status = find_columns(path, o, csv, &s);
    if (status != CINCEL_OK) return status;
    s.lengths = calloc(csv->rows, sizeof *s.lengths);
    s.x = calloc(csv->rows, (csv->columns - 2) * sizeof *s.x);
    if (o->labels)
        s.labels = calloc(csv->rows, sizeof *s.labels);
    else
        s.targets = calloc(csv->rows, sizeof *s.targets);
    if (!s.lengths || !s.x || !(s.labels || s.targets))
        status = cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for its %zu rows", path, csv->rows);
    if (status == CINCEL_OK) status = take_rows(path, csv, o->step_labels != 0, &s);
    if (status == CINCEL_OK) {
        const cincel_ragged r = {sizeof r,       s.count,   0,        (int)csv->columns - 2,
                                 s.lengths,      s.x,       s.labels, s.targets,
                                 o->step_labels, s.classes, 1};
        status = cincel_dataset_ragged(&r, &data);
    }
    if (status == CINCEL_OK) status = take_names(path, csv, &s, !o->labels, data);
    free(s.targets);
    free(s.labels);
    free(s.x);
    free(s.lengths);
    if (status == CINCEL_OK)
        *out = data;
    else
        cincel_dataset_destroy(data);
    return status;
}
