/* The container behind cincel_dataset, for the files that fill one (idx, digits, memory). */
#ifndef CINCEL_TRAIN_DATASET_H
#define CINCEL_TRAIN_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "cincel/train.h"

struct cincel_dataset {
    const char *name; /* a literal */
    size_t count;
    int height, width, channels;
    int classes;      /* 0: `targets` instead of `labels` */
    int target_count; /* a sample */
    size_t sample;    /* height·width·channels */
    uint8_t *bytes;   /* [count][sample], 0 … 255 stands for 0 … 1; NULL where `numbers` is set */
    float *numbers;   /* [count][sample] */
    int32_t *tokens;  /* [count·sample + 1]: sample and labels are cut from it; NULL unless that is so */
    int positions;    /* labels a sample */
    int32_t *labels;  /* [count][positions], 0 … classes−1 or CINCEL_LABEL_IGNORED */
    float *targets;   /* [count][target_count] */
    char **column;    /* [sample + target_count], what the inputs and targets are called; NULL: nothing */
    float value[256]; /* of each byte */
};

/* Takes over `bytes` and `labels` (malloc), also when it fails. */
cincel_status cincel_dataset_from_bytes(const char *name, size_t count, int height, int width, int channels,
                                        int classes, uint8_t *bytes, int32_t *labels, cincel_dataset **out);

/* A data set whose name and sizes are set and whose arrays the caller fills with malloc; NULL: no memory. */
cincel_dataset *cincel_dataset_new(const char *name, size_t count, int height, int width, int channels,
                                   int classes, int target_count);

/* table [rows][columns], as cincel_dataset_standardise does it */
void cincel_standardise(float *table, size_t rows, size_t columns, const float *mean, const float *deviation);

#endif
