/* What `cincel train` is asked for. */
#ifndef CINCEL_CLI_TRAIN_REQUEST_H
#define CINCEL_CLI_TRAIN_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "cincel/train.h"
#include "cli/recipe.h"

struct train_request {
    const char *model, *data, *test, *target, *out, *schedule, *loss, *class_weights, *optimizer_name;
    int64_t epochs, batch, patience, seed, threads, window, horizon;
    enum recipe_data kind; /* of the model's data */
    double lr, momentum, weight_decay, clip_norm, delta, label_smoothing;
    double tune; /* seconds; 0: not at all */
    cincel_optimizer optimizer;
    cincel_lr_schedule lr_schedule;
    cincel_objective objective;
    bool table;            /* data is a CSV file, of a model that takes any samples */
    char default_out[256]; /* what `out` is where it was not given */
};

/*
 * Takes the command line, and from the model's recipe what it does not say; NULL where the command is over:
 * *exit_code says how (help was printed, or an error). There is one request a process; its texts are argv's.
 */
const struct train_request *train_request_parse(int argc, char **argv, int *exit_code);

#endif
