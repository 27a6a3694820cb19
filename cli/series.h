/*
 * Time series as runs see them: a CSV file whose rows follow each other in time, or the built-in one. The
 * model takes a window of rows, all columns, and predicts the rows of the horizon behind it. Mean and
 * deviation of the part trained on are taken away from every column; they are kept with the run.
 */
#ifndef CINCEL_CLI_SERIES_H
#define CINCEL_CLI_SERIES_H

#include <jansson.h>
#include <stdbool.h>

#include "cincel/train.h"

struct run_series {
    size_t columns;          /* 0: the run is not on a series */
    int target;              /* the column that is predicted, from 0; −1: all of them */
    bool builtin;            /* not a file's */
    float *mean, *deviation; /* [columns] */
};

void series_free(struct run_series *series);

/*
 * Reads `path`, NULL: makes the built-in series. The first 80 % of the rows train, the next 10 % validate,
 * the last 10 % test: those are what is predicted, windows may begin before. `target`: a column, NULL: all.
 */
cincel_status series_open_training(const char *path, const char *target, int window, int horizon,
                                   struct run_series *series, cincel_dataset **train,
                                   cincel_dataset **validation, cincel_dataset **test);

/* Another file of as many columns, all of it; path NULL: the test part of the built-in series. */
cincel_status series_open(const char *path, const struct run_series *series, int window, int horizon,
                          cincel_dataset **out);

/* The last `window` rows of a file of as many columns, standardised, to `x` [window][columns]: what the rows
   behind its end are predicted from. */
cincel_status series_read_end(const char *path, const struct run_series *series, int window, float *x);

/* A standardised number of a column in the file's own units. */
double series_value(const struct run_series *series, size_t column, float standardised);

/* The mean square error of predicting that nothing changes: each column's last value, for the whole horizon.
 */
cincel_status series_naive_loss(const struct run_series *series, const cincel_dataset *data, double *out);

/* As a JSON object, NULL: no memory; and back from one, `path` for messages. */
json_t *series_to_json(const struct run_series *series);
cincel_status series_from_json(const char *path, const json_t *json, size_t columns, struct run_series *out);

#endif
