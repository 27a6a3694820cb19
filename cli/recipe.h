/* How `cincel train` trains a built-in model, and what `summary` and `tune` take its samples for, unless told
   otherwise. */
#ifndef CINCEL_CLI_RECIPE_H
#define CINCEL_CLI_RECIPE_H

#include "cincel/train.h"

enum recipe_data {
    RECIPE_SAMPLES, /* pictures or a table, whatever --data is */
    RECIPE_TEXT,
    RECIPE_SERIES
};

struct recipe {
    const char *model; /* NULL: every other */
    enum recipe_data data;
    int epochs, batch, patience;
    cincel_optimizer_kind optimizer;
    double clip_norm;
    int window, horizon; /* of sequences: steps a sample; of series: rows predicted */
    double lr[3];        /* by cincel_optimizer_kind */
    const char
        *input; /* height x width x channels: pictures of digits, an English text, a series of one column */
    int outputs;
};

/* Never NULL. */
const struct recipe *recipe_of(const char *model);

#endif
