/* Data sets of numbers: a CSV file as one, cutting one in two, bringing its columns to mean 0 and
 * deviation 1. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/abi.h"
#include "core/memory.h"
#include "core/status.h"
#include "train/csv.h"
#include "train/dataset.h"
#include "train/random.h"

static const char csv_name[] = "CSV";

/* ----------------------------------------------------------------------------------------- CSV files -- */

bool cincel_class_of(float value, int32_t *label)
{
    static const int MOST = 1 << 24; /* whole numbers beyond it have no exact float */
    if (!(value >= 0.0f && value < (float)MOST) || value != floorf(value)) return false;
    *label = (int32_t)value;
    return true;
}

/* The target column as classes; *classes: one more than the largest. */
static cincel_status take_labels(const char *path, const struct cincel_csv *csv, size_t target,
                                 int32_t *labels, int *classes)
{
    *classes = 0;
    for (size_t row = 0; row < csv->rows; row++) {
        const float value = csv->value[row * csv->columns + target];
        if (!cincel_class_of(value, &labels[row])) {
            return cincel_fail(CINCEL_FORMAT_ERROR, "%s: row %zu, column %zu: %g is no class, 0, 1, …", path,
                               row + 1, target + 1, (double)value);
        }
        if (labels[row] >= *classes) *classes = labels[row] + 1;
    }
    return CINCEL_OK;
}

/* Names in the order of the data set; they are the table's own. */
static void take_names(struct cincel_csv *csv, size_t target, bool has_target, char **column)
{
    size_t at = 0;
    for (size_t i = 0; i < csv->columns; i++) {
        if (i != target) column[at++] = csv->name[i];
    }
    if (has_target)
        column[at] = csv->name[target];
    else
        free(csv->name[target]);
    free(csv->name);
    csv->name = NULL;
}

static cincel_status fill(const char *path, struct cincel_csv *csv, size_t target, bool labels,
                          cincel_dataset *data)
{
    const size_t inputs = csv->columns - 1;
    size_t count;
    if (!cincel_mul(csv->rows, inputs, &count)) {
        return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: %zu rows overflow", path, csv->rows);
    }
    data->numbers = calloc(count, sizeof *data->numbers);
    if (labels)
        data->labels = calloc(csv->rows, sizeof *data->labels);
    else
        data->targets = calloc(csv->rows, sizeof *data->targets);
    if (csv->name) data->column = calloc(csv->columns, sizeof *data->column);
    if (!data->numbers || !(labels ? (void *)data->labels : data->targets) || (csv->name && !data->column)) {
        return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for its %zu rows", path, csv->rows);
    }
    for (size_t row = 0; row < csv->rows; row++) {
        const float *from = csv->value + row * csv->columns;
        float *to = data->numbers + row * inputs;
        memcpy(to, from, target * sizeof *to);
        memcpy(to + target, from + target + 1, (inputs - target) * sizeof *to);
        if (!labels) data->targets[row] = from[target];
    }
    cincel_status status = CINCEL_OK;
    if (labels) status = take_labels(path, csv, target, data->labels, &data->classes);
    if (status == CINCEL_OK && csv->name) take_names(csv, target, !labels, data->column);
    return status;
}

/* Each row a sample. */
static cincel_status table_samples(const char *path, const cincel_csv_options *o, struct cincel_csv *csv,
                                   cincel_dataset **out)
{
    size_t target = csv->columns - 1;
    if (csv->columns < 2)
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: has one column: no inputs beside the target", path);
    cincel_status status = o->target ? cincel_csv_column(path, csv, o->target, &target) : CINCEL_OK;
    if (status != CINCEL_OK) return status;
    cincel_dataset *data =
        cincel_dataset_new(csv_name, csv->rows, 1, 1, (int)(csv->columns - 1), 0, o->labels ? 0 : 1);
    status = data ? fill(path, csv, target, o->labels != 0, data)
                  : cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory", path);
    if (status == CINCEL_OK)
        *out = data;
    else
        cincel_dataset_destroy(data);
    return status;
}

cincel_status cincel_dataset_csv(const char *path, const cincel_csv_options *o, cincel_dataset **out)
{
    cincel_csv_options mine = CINCEL_CSV_OPTIONS_INIT;
    if (!path) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: path is NULL");
    if (!out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: out is NULL");
    cincel_status status = o ? cincel_struct_in("csv", o, sizeof *o, sizeof mine, &mine) : CINCEL_OK;
    if (status != CINCEL_OK) return status;
    if (mine.header < CINCEL_CSV_HEADER_AUTO || mine.header > CINCEL_CSV_HEADER_NO) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "csv: header is %d, must be one of cincel_csv_header",
                           (int)mine.header);
    }
    struct cincel_csv csv;
    status = cincel_csv_read(path, mine.header, &csv);
    if (status != CINCEL_OK) return status;
    status =
        mine.sequence ? cincel_csv_sequences(path, &mine, &csv, out) : table_samples(path, &mine, &csv, out);
    cincel_csv_free(&csv);
    return status;
}

/* --------------------------------------------------------------------------------- cutting in two -- */

/* Samples index[0 … n−1] of a set that is not ragged, names apart. */
static cincel_dataset *copy_even(const cincel_dataset *data, const size_t *index, size_t n)
{
    cincel_dataset *copy = cincel_dataset_new(data->name, n, data->height, data->width, data->channels,
                                              data->classes, data->target_count);
    if (!copy) return NULL;
    const size_t sample = data->sample, targets = (size_t)data->target_count;
    const size_t positions = (size_t)data->positions;
    copy->positions = data->positions;
    if (data->bytes) copy->bytes = malloc(n * sample);
    if (data->numbers) copy->numbers = malloc(n * sample * sizeof *copy->numbers);
    if (data->labels) copy->labels = malloc(n * positions * sizeof *copy->labels);
    if (data->targets) copy->targets = malloc(n * targets * sizeof *copy->targets);
    if ((data->bytes && !copy->bytes) || (data->numbers && !copy->numbers) ||
        (data->labels && !copy->labels) || (data->targets && !copy->targets)) {
        cincel_dataset_destroy(copy);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        const size_t from = index[i];
        if (data->bytes) memcpy(copy->bytes + i * sample, data->bytes + from * sample, sample);
        if (data->numbers)
            memcpy(copy->numbers + i * sample, data->numbers + from * sample, sample * sizeof(float));
        if (data->labels)
            memcpy(copy->labels + i * positions, data->labels + from * positions,
                   positions * sizeof *copy->labels);
        if (data->targets)
            memcpy(copy->targets + i * targets, data->targets + from * targets, targets * sizeof(float));
    }
    return copy;
}

/* Samples index[0 … n−1] as a data set of their own; NULL: no memory. */
static cincel_dataset *copy_samples(const cincel_dataset *data, const size_t *index, size_t n)
{
    cincel_dataset *copy = data->begin ? cincel_ragged_copy(data, index, n) : copy_even(data, index, n);
    if (!copy || !data->column) return copy;
    const size_t columns = cincel_dataset_inputs(data) + (size_t)data->target_count;
    copy->column = calloc(columns, sizeof *copy->column);
    bool complete = copy->column != NULL;
    for (size_t i = 0; i < columns && complete; i++)
        complete = (copy->column[i] = strdup(data->column[i])) != NULL;
    if (complete) return copy;
    cincel_dataset_destroy(copy);
    return NULL;
}

cincel_status cincel_dataset_split(const cincel_dataset *data, double fraction, uint64_t seed,
                                   cincel_dataset **first, cincel_dataset **second)
{
    if (!data) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: data is NULL");
    if (!first || !second) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: first or second is NULL");
    if (!(fraction > 0.0 && fraction < 1.0)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: fraction is %g, must be > 0 and < 1", fraction);
    }
    if (data->tokens) {
        return cincel_fail(CINCEL_UNSUPPORTED, "dataset: samples of %s follow each other: not to be shuffled",
                           data->name);
    }
    const size_t count = data->count, part = cincel_part_of(count, fraction);
    if (part == 0 || part == count || count > UINT32_MAX) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: fraction %g of %zu samples leaves a part empty",
                           fraction, count);
    }
    size_t *index = calloc(count, sizeof *index);
    cincel_dataset *a = NULL, *b = NULL;
    if (index) {
        for (size_t i = 0; i < count; i++) index[i] = i;
        cincel_shuffle(index, count, seed, RANDOM_TEST_SPLIT, 0);
        a = copy_samples(data, index, count - part);
        b = copy_samples(data, index + (count - part), part);
    }
    free(index);
    if (!a || !b) {
        cincel_dataset_destroy(a);
        cincel_dataset_destroy(b);
        return cincel_fail(CINCEL_OUT_OF_MEMORY, "dataset: no memory for a copy of %zu samples", count);
    }
    *first = a;
    *second = b;
    return CINCEL_OK;
}

/* ---------------------------------------------------------------------------------- standardising -- */

/* Of channel c of all steps of sequences index[0 … n−1]; in two passes, as below. */
static void channel_moments(const cincel_dataset *data, size_t c, const size_t *index, size_t n, float *mean,
                            float *deviation)
{
    const size_t channels = (size_t)data->channels;
    double sum = 0.0, square = 0.0;
    size_t steps = 0;
    for (size_t i = 0; i < n; i++) {
        steps += cincel_ragged_length(data, index[i]);
        for (size_t s = data->begin[index[i]]; s < data->begin[index[i] + 1]; s++)
            sum += data->numbers[s * channels + c];
    }
    const double average = sum / (double)steps;
    for (size_t i = 0; i < n; i++) {
        for (size_t s = data->begin[index[i]]; s < data->begin[index[i] + 1]; s++) {
            const double distance = data->numbers[s * channels + c] - average;
            square += distance * distance;
        }
    }
    *mean = (float)average;
    *deviation = (float)sqrt(square / (double)steps);
}

/* Of the column-th number of rows index[0 … n−1] of a table [][columns]; two passes, so that a large mean
   takes no digits from the deviation. */
static void moments(const float *table, size_t columns, size_t column, const size_t *index, size_t n,
                    float *mean, float *deviation)
{
    double sum = 0.0, square = 0.0;
    for (size_t i = 0; i < n; i++) sum += table[index[i] * columns + column];
    const double average = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        const double distance = table[index[i] * columns + column] - average;
        square += distance * distance;
    }
    *mean = (float)average;
    *deviation = (float)sqrt(square / (double)n);
}

cincel_status cincel_dataset_moments(const cincel_dataset *data, const size_t *index, size_t n, float *mean,
                                     float *deviation)
{
    if (!mean || !deviation) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: mean or deviation is NULL");
    }
    const cincel_status status = cincel_dataset_gather(data, index, n, NULL, NULL); /* checks the index */
    if (status != CINCEL_OK) return status;
    if (n == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: n is 0, must be > 0");
    if (!data->numbers) {
        return cincel_fail(CINCEL_UNSUPPORTED, "dataset: %s holds pictures as bytes, or tokens", data->name);
    }
    const size_t targets = (size_t)data->target_count, inputs = cincel_dataset_inputs(data);
    for (size_t c = 0; c < inputs; c++) {
        if (data->begin)
            channel_moments(data, c, index, n, &mean[c], &deviation[c]);
        else
            moments(data->numbers, inputs, c, index, n, &mean[c], &deviation[c]);
    }
    for (size_t c = 0; c < targets; c++)
        moments(data->targets, targets, c, index, n, &mean[inputs + c], &deviation[inputs + c]);
    return CINCEL_OK;
}

static cincel_status check_scale(const float *mean, const float *deviation, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(mean[i])) {
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: mean[%zu] is %g", i, (double)mean[i]);
        }
        if (!isfinite(deviation[i]) || deviation[i] < 0.0f) {
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: deviation[%zu] is %g, must be >= 0", i,
                               (double)deviation[i]);
        }
    }
    return CINCEL_OK;
}

void cincel_standardise(float *table, size_t rows, size_t columns, const float *mean, const float *deviation)
{
    for (size_t i = 0; i < rows; i++) {
        float *row = table + i * columns;
        for (size_t c = 0; c < columns; c++) {
            row[c] = (row[c] - mean[c]) / (deviation[c] > 0.0f ? deviation[c] : 1.0f);
        }
    }
}

cincel_status cincel_dataset_standardise(cincel_dataset *data, const float *mean, const float *deviation)
{
    if (!data) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: data is NULL");
    if (!mean || !deviation) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: mean or deviation is NULL");
    }
    if (!data->numbers) {
        return cincel_fail(CINCEL_UNSUPPORTED, "dataset: %s holds pictures as bytes, or tokens", data->name);
    }
    const size_t targets = (size_t)data->target_count, inputs = cincel_dataset_inputs(data);
    const size_t rows = data->begin ? data->begin[data->count] : data->count;
    const cincel_status status = check_scale(mean, deviation, inputs + targets);
    if (status != CINCEL_OK) return status;
    cincel_standardise(data->numbers, rows, inputs, mean, deviation);
    if (targets) cincel_standardise(data->targets, data->count, targets, mean + inputs, deviation + inputs);
    return CINCEL_OK;
}
