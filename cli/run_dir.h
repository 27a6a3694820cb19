/*
 * A run directory, as `cincel train` leaves it and `eval` and `predict` take it up:
 *   summary.json          names the model and the shape of its samples ("model", "height", "width",
 *                         "channels", "classes"), and says how the run went
 *   metrics.csv           one line an epoch
 *   weights.safetensors   the best weights
 */
#ifndef CINCEL_CLI_RUN_DIR_H
#define CINCEL_CLI_RUN_DIR_H

#include "cincel/train.h"

#define RUN_SUMMARY "summary.json"
#define RUN_METRICS "metrics.csv"
#define RUN_WEIGHTS "weights.safetensors"

struct run_model {
    char model[32]; /* a built-in one: "simplecnn" */
    int height, width, channels, classes;
};

/* `dir/file`, for the caller to free; NULL when there is no memory. */
char *run_path(const char *dir, const char *file);

/* Builds the model that summary.json names and loads its weights. What is missing or makes no sense is an
   error that names file and field. */
cincel_status run_open(const char *dir, struct run_model *facts, cincel_model **model);

#endif
