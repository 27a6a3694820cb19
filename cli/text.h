/*
 * Text as runs see it: the characters that are the model's tokens, and how many of them a sample has. Both
 * are kept with the run.
 */
#ifndef CINCEL_CLI_TEXT_H
#define CINCEL_CLI_TEXT_H

#include <jansson.h>

#include "train/text.h"

struct run_text {
    struct cincel_vocabulary vocabulary; /* empty: the run is not on text */
};

void text_free(struct run_text *text);

/* Reads the file to train on: all but its last tenth; that validates. Samples are of `steps` characters. */
cincel_status text_open_training(const char *path, int steps, struct run_text *text, cincel_dataset **train,
                                 cincel_dataset **validation);

/* Another file, of the same characters. */
cincel_status text_open(const char *path, const struct run_text *text, int steps, cincel_dataset **out);

/* As a JSON object, NULL: no memory; and back from one, `path` for messages; `classes`: so many characters.
 */
json_t *text_to_json(const struct run_text *text);
cincel_status text_from_json(const char *path, const json_t *json, int classes, struct run_text *out);

#endif
