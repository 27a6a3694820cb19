/* What `cincel tune` is to tune: problems of a file of shapes or of a built-in model, each once. */
#ifndef CINCEL_CLI_TUNE_PROBLEMS_H
#define CINCEL_CLI_TUNE_PROBLEMS_H

#include "cincel/train.h"
#include "core/problem.h"

enum { TUNE_NAME = 64 };

struct tune_problem {
    char name[TUNE_NAME]; /* of the file's line or the model's layer, for messages */
    struct cincel_problem problem;
    int uses; /* how many layers of the model are this problem */
};

struct tune_problems {
    struct tune_problem *item;
    size_t count, room;
};

/* Which passes are taken: a bit (1 << pass) each. */
enum { TUNE_ALL_PASSES = 15 };

void tune_problems_free(struct tune_problems *problems);

/*
 * Adds the problems of a file: a line is a name and the columns that the files in bench/shapes explain: 15 in
 * all for a convolution, 12 for a pooling, 6 for a recurrent and 4 for a fully connected layer. `batch` > 0
 * stands in for the file's. FORMAT_ERROR names file, line and what is wrong.
 */
cincel_status tune_problems_read(struct tune_problems *problems, const char *path, int batch,
                                 unsigned passes);

/* Adds what the plans of a session solve. */
cincel_status tune_problems_of_session(struct tune_problems *problems, const cincel_session *session,
                                       unsigned passes);

/* Adds what a training step of a built-in model (for samples of height x width x channels) plans. */
cincel_status tune_problems_of_model(struct tune_problems *problems, const char *model, const int sample[3],
                                     int outputs, int batch, unsigned passes);

#endif
