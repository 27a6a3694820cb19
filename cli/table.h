/*
 * Tables (CSV files) as runs see them: which columns the model takes and what it predicts, and the mean and
 * deviation that were taken away before training. They are kept with the run, so that `eval` and `predict`
 * treat other files in the same way.
 */
#ifndef CINCEL_CLI_TABLE_H
#define CINCEL_CLI_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "cincel/train.h"

struct run_table {
    size_t inputs;           /* 0: the run is not on a table */
    size_t targets;          /* 1; 0 where the target is a class */
    int target_column;       /* in the file trained on, from 1 */
    char *target;            /* its name and those of */
    char **column;           /* the inputs [inputs]; both NULL: the file had no header */
    float *mean, *deviation; /* [inputs + targets] */
};

void table_free(struct run_table *table);

/* Is the argument of --data a table: a regular file, not a folder? */
bool table_is_file(const char *path);

/*
 * Reads `path` to train on, and `test_path` or, where that is NULL, takes every tenth sample (by the seed)
 * away to test on. `target`: a column, NULL: the last. Both sets are standardised by the figures of the
 * samples that cincel_train will train on, given this seed and part to validate on; a target that is not a
 * plain number to predict stays as it is.
 */
cincel_status table_open_training(const char *path, const char *test_path, const char *target,
                                  cincel_objective_kind objective, uint64_t seed, double validation_fraction,
                                  struct run_table *table, cincel_dataset **train, cincel_dataset **test);

/* Another file with the same columns, standardised in the same way. */
cincel_status table_open(const char *path, const struct run_table *table, cincel_dataset **out);

/* The inputs of a file that need not have the target: x [rows][inputs], standardised, for the caller to free.
   Columns are found by name; in a file without a header they are as in the one trained on, or lack the
   target alone. */
cincel_status table_read_inputs(const char *path, const struct run_table *table, size_t *rows, float **x);

/* As a JSON object, NULL: no memory; and back from one, `path` for messages. */
json_t *table_to_json(const struct run_table *table);
cincel_status table_from_json(const char *path, const json_t *json, size_t inputs, size_t targets,
                              struct run_table *out);

#endif
