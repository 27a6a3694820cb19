/* What the training layer draws random numbers for: distinct purposes are independent streams. Numbers,
   once released, keep their meaning: a seed must go on giving the same run. */
#ifndef CINCEL_TRAIN_RANDOM_H
#define CINCEL_TRAIN_RANDOM_H

#include <stddef.h>
#include <stdint.h>

enum random_purpose {
    RANDOM_SPLIT = 1,            /* index: sample; which part validates */
    RANDOM_SHUFFLE = 2,          /* epoch: epoch; index: sample */
    RANDOM_TEST_SPLIT = 3,       /* index: sample; which part of a single file tests */
    RANDOM_STREAM = 4,           /* epoch: epoch; where the streams of an epoch begin */
    RANDOM_SYNTHETIC = 0x100,    /* + what: the synthetic data sets */
    RANDOM_GENERATE = 5,         /* index: character; text that is generated */
    RANDOM_BATCHES = 6,          /* epoch: epoch; index: batch; the order of batches made by length */
    RANDOM_SERIES = 0x180,       /* index: row; the synthetic time series */
    RANDOM_INIT = 0x10000,       /* + number of the parameter tensor; index: element */
    RANDOM_DROPOUT = 0x20000000, /* + number of the layer; epoch: step; index: element (cincel_dropout) */
};

/* Fisher–Yates, each exchange drawn by its own number: the order depends on seed, purpose and epoch alone. */
void cincel_shuffle(size_t *index, size_t count, uint64_t seed, enum random_purpose purpose, uint32_t epoch);

/* index[0 … count−1] becomes the permutation of 0 … count−1 whose last part validates. */
void cincel_validation_order(size_t *index, size_t count, uint64_t seed);

/* A part of `count` samples, rounded down. */
static inline size_t cincel_part_of(size_t count, double fraction)
{
    return (size_t)((double)count * fraction);
}

#endif
