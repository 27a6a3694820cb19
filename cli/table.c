#include "cli/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/json_numbers.h"
#include "core/status.h"
#include "train/csv.h"
#include "train/dataset.h"
#include "train/random.h"

static const double TEST_PART = 0.1;

static cincel_status out_of_memory(const char *path)
{
    return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for its table", path);
}

bool table_is_file(const char *path)
{
    struct stat facts;
    return path && stat(path, &facts) == 0 && S_ISREG(facts.st_mode);
}

void table_free(struct run_table *table)
{
    for (size_t i = 0; table->column && i < table->inputs; i++) free(table->column[i]);
    free(table->column);
    free(table->target);
    free(table->mean);
    free(table->deviation);
    *table = (struct run_table){0};
}

static bool allocate(struct run_table *table, size_t inputs, size_t targets, bool named)
{
    table->inputs = inputs;
    table->targets = targets;
    table->mean = calloc(inputs + targets, sizeof *table->mean);
    table->deviation = calloc(inputs + targets, sizeof *table->deviation);
    if (named) table->column = calloc(inputs, sizeof *table->column);
    return table->mean && table->deviation && (!named || table->column);
}

/* ---------------------------------------------------------------------------------------- training -- */

/* Names of the columns, and which of the file's is the target. */
static cincel_status take_columns(const char *path, const char *target, const cincel_dataset *data,
                                  const cincel_dataset_info *info, struct run_table *table)
{
    const bool named = cincel_dataset_column(data, 0) != NULL;
    if (!allocate(table, (size_t)info->channels, (size_t)info->targets, named)) return out_of_memory(path);
    struct cincel_csv csv; /* a second look: the data set has the target behind the inputs */
    size_t column = table->inputs;
    cincel_status status = cincel_csv_read(path, CINCEL_CSV_HEADER_AUTO, &csv);
    if (status != CINCEL_OK) return status;
    if (target) status = cincel_csv_column(path, &csv, target, &column);
    table->target_column = (int)column + 1;
    bool complete = true;
    if (status == CINCEL_OK && named) {
        table->target = strdup(csv.name[column]);
        complete = table->target != NULL;
    }
    for (size_t i = 0; named && i < table->inputs && complete && status == CINCEL_OK; i++) {
        table->column[i] = strdup(cincel_dataset_column(data, i));
        complete = table->column[i] != NULL;
    }
    cincel_csv_free(&csv);
    return status == CINCEL_OK && !complete ? out_of_memory(path) : status;
}

/* Mean and deviation of the samples that will be trained on. */
static cincel_status fit(const cincel_dataset *train, cincel_objective_kind objective, uint64_t seed,
                         double validation_fraction, struct run_table *table)
{
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    cincel_status status = cincel_dataset_describe(train, &info);
    if (status != CINCEL_OK) return status;
    size_t *index = calloc(info.count, sizeof *index);
    if (!index) return out_of_memory(info.name);
    cincel_validation_order(index, info.count, seed);
    const size_t count = info.count - cincel_part_of(info.count, validation_fraction);
    status = cincel_dataset_moments(train, index, count, table->mean, table->deviation);
    free(index);
    if (status == CINCEL_OK && objective == CINCEL_OBJECTIVE_BCE) { /* 0 and 1 must stay what they are */
        table->mean[table->inputs] = 0.0f;
        table->deviation[table->inputs] = 1.0f;
    }
    return status;
}

static cincel_status read_training(const char *path, const char *test_path, const char *target,
                                   cincel_objective_kind objective, uint64_t seed, struct run_table *table,
                                   cincel_dataset **train, cincel_dataset **test)
{
    cincel_csv_options o = CINCEL_CSV_OPTIONS_INIT;
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    cincel_dataset *whole = NULL;
    o.target = target;
    o.labels = objective == CINCEL_OBJECTIVE_CROSS_ENTROPY;
    cincel_status status = cincel_dataset_csv(path, &o, &whole);
    if (status == CINCEL_OK) status = cincel_dataset_describe(whole, &info);
    if (status == CINCEL_OK) status = take_columns(path, target, whole, &info, table);
    if (status == CINCEL_OK && !test_path) {
        status = cincel_dataset_split(whole, TEST_PART, seed, train, test);
    } else if (status == CINCEL_OK) {
        *train = whole;
        whole = NULL;
        status = cincel_dataset_csv(test_path, &o, test);
    }
    cincel_dataset_destroy(whole);
    return status;
}

/* Is the file as the one trained on? */
static cincel_status check_columns(const char *path, const struct run_table *table,
                                   const cincel_dataset *data)
{
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    const cincel_status status = cincel_dataset_describe(data, &info);
    if (status != CINCEL_OK) return status;
    if ((size_t)info.channels != table->inputs) {
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: %d columns beside the target, the model takes %zu", path,
                           info.channels, table->inputs);
    }
    for (size_t i = 0; table->column && i < table->inputs; i++) {
        const char *name = cincel_dataset_column(data, i);
        if (name && strcmp(name, table->column[i]) != 0) {
            return cincel_fail(CINCEL_FORMAT_ERROR,
                               "%s: input %zu is \"%.40s\", the model takes \"%.40s\" there", path, i + 1,
                               name, table->column[i]);
        }
    }
    return CINCEL_OK;
}

cincel_status table_open_training(const char *path, const char *test_path, const char *target,
                                  cincel_objective_kind objective, uint64_t seed, double validation_fraction,
                                  struct run_table *table, cincel_dataset **train, cincel_dataset **test)
{
    cincel_status status = read_training(path, test_path, target, objective, seed, table, train, test);
    if (status == CINCEL_OK) status = check_columns(test_path ? test_path : path, table, *test);
    if (status == CINCEL_OK) status = fit(*train, objective, seed, validation_fraction, table);
    if (status == CINCEL_OK) status = cincel_dataset_standardise(*train, table->mean, table->deviation);
    if (status == CINCEL_OK) status = cincel_dataset_standardise(*test, table->mean, table->deviation);
    return status;
}

/* ---------------------------------------------------------------------------- evaluating, predicting -- */

cincel_status table_open(const char *path, const struct run_table *table, cincel_dataset **out)
{
    char number[24];
    snprintf(number, sizeof number, "%d", table->target_column);
    cincel_csv_options o = CINCEL_CSV_OPTIONS_INIT;
    o.target = table->target ? table->target : number;
    o.labels = table->targets == 0;
    cincel_dataset *data;
    cincel_status status = cincel_dataset_csv(path, &o, &data);
    if (status != CINCEL_OK) return status;
    status = check_columns(path, table, data);
    if (status == CINCEL_OK) status = cincel_dataset_standardise(data, table->mean, table->deviation);
    if (status == CINCEL_OK)
        *out = data;
    else
        cincel_dataset_destroy(data);
    return status;
}

/* Which of the file's columns input i is. */
static cincel_status find_input(const char *path, const struct run_table *table, const struct cincel_csv *csv,
                                size_t i, size_t *out)
{
    if (csv->name && table->column) {
        for (size_t c = 0; c < csv->columns; c++) {
            *out = c;
            if (strcmp(csv->name[c], table->column[i]) == 0) return CINCEL_OK;
        }
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: no column \"%.80s\", which the model takes", path,
                           table->column[i]);
    }
    const bool has_target = csv->columns == table->inputs + 1;
    if (!has_target && csv->columns != table->inputs) {
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: %zu columns, the model takes %zu", path, csv->columns,
                           table->inputs);
    }
    *out = i + (has_target && i + 1 >= (size_t)table->target_column);
    return CINCEL_OK;
}

cincel_status table_read_inputs(const char *path, const struct run_table *table, size_t *rows, float **out)
{
    struct cincel_csv csv;
    cincel_status status = cincel_csv_read(path, CINCEL_CSV_HEADER_AUTO, &csv);
    if (status != CINCEL_OK) return status;
    float *x = calloc(csv.rows, table->inputs * sizeof *x);
    if (!x) status = out_of_memory(path);
    for (size_t i = 0; i < table->inputs && status == CINCEL_OK; i++) {
        size_t column = 0;
        status = find_input(path, table, &csv, i, &column);
        for (size_t row = 0; row < csv.rows && status == CINCEL_OK; row++) {
            x[row * table->inputs + i] = csv.value[row * csv.columns + column];
        }
    }
    if (status == CINCEL_OK) {
        cincel_standardise(x, csv.rows, table->inputs, table->mean, table->deviation);
        *rows = csv.rows;
        *out = x;
    } else {
        free(x);
    }
    cincel_csv_free(&csv);
    return status;
}

/* -------------------------------------------------------------------------------------------- JSON -- */

json_t *table_to_json(const struct run_table *table)
{
    json_t *names = table->column ? json_array() : json_null();
    for (size_t i = 0; table->column && i < table->inputs; i++) {
        json_array_append_new(names, json_string(table->column[i]));
    }
    return json_pack("{s:s?, s:i, s:o, s:o, s:o}", "target", table->target, "target_column",
                     table->target_column, "columns", names, "mean",
                     json_numbers(table->mean, table->inputs + table->targets), "deviation",
                     json_numbers(table->deviation, table->inputs + table->targets));
}

static cincel_status take_names(const char *path, const json_t *json, struct run_table *out)
{
    const json_t *names = json_object_get(json, "columns");
    const char *target = json_string_value(json_object_get(json, "target"));
    if (!target || json_array_size(names) != out->inputs) {
        return cincel_fail(CINCEL_FORMAT_ERROR,
                           "%s: table.columns and table.target do not name %zu inputs and "
                           "the target",
                           path, out->inputs);
    }
    out->target = strdup(target);
    if (!out->target) return out_of_memory(path);
    for (size_t i = 0; i < out->inputs; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (!name) return cincel_fail(CINCEL_FORMAT_ERROR, "%s: table.columns[%zu] is no string", path, i);
        out->column[i] = strdup(name);
        if (!out->column[i]) return out_of_memory(path);
    }
    return CINCEL_OK;
}

cincel_status table_from_json(const char *path, const json_t *json, size_t inputs, size_t targets,
                              struct run_table *out)
{
    struct run_table table = {0};
    const bool named = !json_is_null(json_object_get(json, "columns"));
    const json_t *column = json_object_get(json, "target_column");
    const json_int_t number = json_integer_value(column);
    if (!json_is_object(json)) return cincel_fail(CINCEL_FORMAT_ERROR, "%s: table is no object", path);
    if (!json_is_integer(column) || number < 1 || (size_t)number > inputs + 1) {
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: table.target_column is not 1 to %zu", path, inputs + 1);
    }
    table.target_column = (int)number;
    cincel_status status = CINCEL_OK;
    if (!allocate(&table, inputs, targets, named)) status = out_of_memory(path);
    if (status == CINCEL_OK)
        status = json_take_numbers(path, "table", json, "mean", table.mean, inputs + targets);
    if (status == CINCEL_OK)
        status = json_take_numbers(path, "table", json, "deviation", table.deviation, inputs + targets);
    if (status == CINCEL_OK && named) status = take_names(path, json, &table);
    if (status == CINCEL_OK)
        *out = table;
    else
        table_free(&table);
    return status;
}
