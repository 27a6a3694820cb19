#include "cli/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json_numbers.h"
#include "core/status.h"
#include "train/csv.h"
#include "train/dataset.h"
#include "train/series.h"

enum { BUILTIN_ROWS = 4000, BUILTIN_SEED = 1 };

static const char builtin_name[] = "the built-in series";

static cincel_status out_of_memory(const char *name)
{
    return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for its rows", name);
}

void series_free(struct run_series *series)
{
    free(series->mean);
    free(series->deviation);
    *series = (struct run_series){.columns = 0};
}

/* ----------------------------------------------------------------------------------------------- rows -- */

static cincel_status make_builtin(struct cincel_csv *out)
{
    *out = (struct cincel_csv){BUILTIN_ROWS, 1, malloc(BUILTIN_ROWS * sizeof(float)), NULL};
    if (!out->value) return out_of_memory(builtin_name);
    cincel_series_sines(out->value, BUILTIN_ROWS, BUILTIN_SEED);
    return CINCEL_OK;
}

static cincel_status read_rows(const char *path, struct cincel_csv *out)
{
    return path ? cincel_csv_read(path, CINCEL_CSV_HEADER_AUTO, out) : make_builtin(out);
}

/* Mean and deviation of the first `rows` rows; two passes, so that a large mean takes no digits. */
static void fit(const struct cincel_csv *csv, size_t rows, struct run_series *series)
{
    for (size_t c = 0; c < csv->columns; c++) {
        double sum = 0.0, square = 0.0;
        for (size_t r = 0; r < rows; r++) sum += (double)csv->value[r * csv->columns + c];
        const double mean = sum / (double)rows;
        for (size_t r = 0; r < rows; r++) {
            const double distance = (double)csv->value[r * csv->columns + c] - mean;
            square += distance * distance;
        }
        series->mean[c] = (float)mean;
        series->deviation[c] = (float)sqrt(square / (double)rows);
    }
}

/* ------------------------------------------------------------------------------------------- data sets -- */

/* Windows whose targets are in rows begin … end − 1. */
static cincel_status cut(const struct cincel_csv *csv, const struct run_series *series, size_t begin,
                         size_t end, int window, int horizon, cincel_dataset **out)
{
    const size_t back = begin < (size_t)window ? begin : (size_t)window;
    return cincel_dataset_windows(csv->value, csv->columns, begin - back, end, window, horizon,
                                  series->target, out);
}

static cincel_status prepare(const char *name, const char *target, const struct cincel_csv *csv, size_t rows,
                             struct run_series *series)
{
    series->columns = csv->columns;
    series->target = -1;
    series->mean = calloc(csv->columns, sizeof *series->mean);
    series->deviation = calloc(csv->columns, sizeof *series->deviation);
    if (!series->mean || !series->deviation) return out_of_memory(name);
    size_t column = 0;
    if (target) {
        const cincel_status status = cincel_csv_column(name, csv, target, &column);
        if (status != CINCEL_OK) return status;
        series->target = (int)column;
    }
    fit(csv, rows, series);
    return CINCEL_OK;
}

cincel_status series_open_training(const char *path, const char *target, int window, int horizon,
                                   struct run_series *series, cincel_dataset **train,
                                   cincel_dataset **validation, cincel_dataset **test)
{
    const char *name = path ? path : builtin_name;
    struct cincel_csv csv;
    cincel_status status = read_rows(path, &csv);
    if (status != CINCEL_OK) return status;
    const size_t tenth = csv.rows / 10, first = csv.rows - 2 * tenth, second = csv.rows - tenth;
    cincel_dataset *parts[3] = {NULL, NULL, NULL};
    series->builtin = path == NULL;
    if (tenth < (size_t)horizon || first < (size_t)window + (size_t)horizon) {
        status =
            cincel_fail(CINCEL_FORMAT_ERROR,
                        "%s: %zu rows are too few for a window of %d and a horizon of %d: a tenth of them "
                        "must be no less than the horizon, eight tenths no less than both",
                        name, csv.rows, window, horizon);
    }
    if (status == CINCEL_OK) status = prepare(name, target, &csv, first, series);
    if (status == CINCEL_OK) {
        cincel_standardise(csv.value, csv.rows, csv.columns, series->mean, series->deviation);
        status = cut(&csv, series, 0, first, window, horizon, &parts[0]);
    }
    if (status == CINCEL_OK) status = cut(&csv, series, first, second, window, horizon, &parts[1]);
    if (status == CINCEL_OK) status = cut(&csv, series, second, csv.rows, window, horizon, &parts[2]);
    cincel_csv_free(&csv);
    if (status != CINCEL_OK) {
        for (int i = 0; i < 3; i++) cincel_dataset_destroy(parts[i]);
        return status;
    }
    *train = parts[0];
    *validation = parts[1];
    *test = parts[2];
    return CINCEL_OK;
}

static cincel_status check_columns(const char *name, const struct cincel_csv *csv,
                                   const struct run_series *series)
{
    if (csv->columns == series->columns) return CINCEL_OK;
    return cincel_fail(CINCEL_FORMAT_ERROR, "%s: %zu columns, the model takes %zu", name, csv->columns,
                       series->columns);
}

cincel_status series_open(const char *path, const struct run_series *series, int window, int horizon,
                          cincel_dataset **out)
{
    struct cincel_csv csv;
    if (!path && !series->builtin)
        return cincel_fail(CINCEL_INVALID_ARGUMENT,
                           "series: --data FILE.csv is needed: the run was on a file");
    cincel_status status = read_rows(path, &csv);
    if (status != CINCEL_OK) return status;
    status = check_columns(path ? path : builtin_name, &csv, series);
    if (status == CINCEL_OK && path && csv.rows < (size_t)window + (size_t)horizon) {
        status = cincel_fail(CINCEL_FORMAT_ERROR, "%s: %zu rows, the model's window and horizon take %d",
                             path, csv.rows, window + horizon);
    }
    if (status == CINCEL_OK) {
        cincel_standardise(csv.value, csv.rows, csv.columns, series->mean, series->deviation);
        const size_t begin = path ? 0 : csv.rows - csv.rows / 10;
        status = cut(&csv, series, begin, csv.rows, window, horizon, out);
    }
    cincel_csv_free(&csv);
    return status;
}

cincel_status series_read_end(const char *path, const struct run_series *series, int window, float *x)
{
    struct cincel_csv csv;
    cincel_status status = read_rows(path, &csv);
    if (status != CINCEL_OK) return status;
    status = check_columns(path, &csv, series);
    if (status == CINCEL_OK && csv.rows < (size_t)window)
        status = cincel_fail(CINCEL_FORMAT_ERROR, "%s: %zu rows, the model's window takes %d", path, csv.rows,
                             window);
    if (status == CINCEL_OK) {
        cincel_standardise(csv.value, csv.rows, csv.columns, series->mean, series->deviation);
        memcpy(x, csv.value + (csv.rows - (size_t)window) * csv.columns,
               (size_t)window * csv.columns * sizeof *x);
    }
    cincel_csv_free(&csv);
    return status;
}

double series_value(const struct run_series *series, size_t column, float standardised)
{
    const double deviation = series->deviation[column] > 0.0f ? (double)series->deviation[column] : 1.0;
    return (double)standardised * deviation + (double)series->mean[column];
}

cincel_status series_naive_loss(const struct run_series *series, const cincel_dataset *data, double *out)
{
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    cincel_status status = cincel_dataset_describe(data, &info);
    if (status != CINCEL_OK) return status;
    const size_t columns = series->columns, targets = (size_t)info.targets;
    const size_t width = series->target < 0 ? columns : 1, sample = (size_t)info.height * columns;
    float *x = malloc(sample * sizeof *x), *y = malloc(targets * sizeof *y);
    double sum = 0.0;
    if (!x || !y) status = out_of_memory("series");
    for (size_t i = 0; i < info.count && status == CINCEL_OK; i++) {
        status = cincel_dataset_gather_targets(data, &i, 1, x, y);
        const float *last = x + (sample - columns) + (series->target < 0 ? 0 : series->target);
        for (size_t t = 0; t < targets && status == CINCEL_OK; t++) {
            const double distance = (double)y[t] - (double)last[t % width];
            sum += distance * distance;
        }
    }
    free(x);
    free(y);
    if (status == CINCEL_OK) *out = sum / ((double)info.count * (double)targets);
    return status;
}

/* ----------------------------------------------------------------------------------------------- JSON -- */

json_t *series_to_json(const struct run_series *series)
{
    return json_pack("{s:i, s:b, s:o, s:o}", "target", series->target, "builtin", series->builtin, "mean",
                     json_numbers(series->mean, series->columns), "deviation",
                     json_numbers(series->deviation, series->columns));
}

cincel_status series_from_json(const char *path, const json_t *json, size_t columns, struct run_series *out)
{
    const json_t *target = json_object_get(json, "target");
    const json_int_t number = json_integer_value(target);
    if (!json_is_integer(target) || number < -1 || number >= (json_int_t)columns) {
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: series.target is not -1 to %zu", path, columns - 1);
    }
    struct run_series series = {.columns = columns,
                                .target = (int)number,
                                .builtin = json_is_true(json_object_get(json, "builtin")),
                                .mean = calloc(columns, sizeof(float)),
                                .deviation = calloc(columns, sizeof(float))};
    cincel_status status = CINCEL_OK;
    if (!series.mean || !series.deviation) status = out_of_memory(path);
    if (status == CINCEL_OK) status = json_take_numbers(path, "series", json, "mean", series.mean, columns);
    if (status == CINCEL_OK)
        status = json_take_numbers(path, "series", json, "deviation", series.deviation, columns);
    if (status == CINCEL_OK)
        *out = series;
    else
        series_free(&series);
    return status;
}
