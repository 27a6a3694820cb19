/* The container behind cincel_dataset, for the files that fill one (idx, digits, memory, ragged). */
#ifndef CINCEL_TRAIN_DATASET_H
#define CINCEL_TRAIN_DATASET_H

#include <stdbool.h>
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
    float *numbers;   /* [count][sample]; of ragged sets [begin[count]][channels] */
    size_t *begin;    /* [count + 1], of ragged sets: the first step of each sample among all; NULL: all have
                         `height` */
    int32_t *tokens;  /* [count·sample + 1]: sample and labels are cut from it; NULL unless that is so */
    int positions;    /* labels a sample */
    bool step_labels; /* of ragged sets: `labels` has one a step, positions is `height` */
    int32_t *labels; /* [count][positions], of those [begin[count]]; 0 … classes−1 or CINCEL_LABEL_IGNORED */
    float *targets;   /* [count][target_count] */
    char **column;    /* [cincel_dataset_inputs + target_count], what they are called; NULL: nothing */
    float value[256]; /* of each byte */
};

/* Takes over `bytes` and `labels` (malloc), also when it fails. */
cincel_status cincel_dataset_from_bytes(const char *name, size_t count, int height, int width, int channels,
                                        int classes, uint8_t *bytes, int32_t *labels, cincel_dataset **out);

/* A data set whose name and sizes are set and whose arrays the caller fills with malloc; NULL: no memory. */
cincel_dataset *cincel_dataset_new(const char *name, size_t count, int height, int width, int channels,
                                   int classes, int target_count);

/* Different inputs: the numbers of a sample, or the channels, which all steps of a ragged set have alike. */
static inline size_t cincel_dataset_inputs(const cincel_dataset *data)
{
    return data->begin ? (size_t)data->channels : data->sample;
}

/* Steps of sample i of a ragged set. */
static inline size_t cincel_ragged_length(const cincel_dataset *data, size_t i)
{
    return data->begin[i + 1] - data->begin[i];
}

/* Samples index[0 … n−1] of a ragged set as one of their own, names apart; NULL: no memory. */
cincel_dataset *cincel_ragged_copy(const cincel_dataset *data, const size_t *index, size_t n);

/* One sample of a ragged set, filled up: x [sample], labels [positions]. */
void cincel_ragged_gather_x(const cincel_dataset *data, size_t i, float *x);
void cincel_ragged_gather_labels(const cincel_dataset *data, size_t i, int32_t *labels);

/* Sorts samples index[0 … n−1] of a ragged set by their lengths, shortest first; the same order on every
   machine. */
void cincel_ragged_sort(const cincel_dataset *data, size_t *index, size_t n);

/* Samples in a random order become batches of about equal lengths: sorted within pools of 50 batches, which
   are shuffled; what makes no whole batch stays last. */
void cincel_ragged_batches(const cincel_dataset *data, size_t *index, size_t n, size_t batch, uint64_t seed,
                           uint32_t epoch);

/* Sequences of a table (cincel_csv_options.sequence), whose names go to the data set. */
struct cincel_csv;
cincel_status cincel_csv_sequences(const char *path, const cincel_csv_options *o, struct cincel_csv *csv,
                                   cincel_dataset **out);

/* A value of a table as a class: a whole number from 0 below 2^24; false: it is none. */
bool cincel_class_of(float value, int32_t *label);

/* table [rows][columns], as cincel_dataset_standardise does it */
void cincel_standardise(float *table, size_t rows, size_t columns, const float *mean, const float *deviation);

#endif
