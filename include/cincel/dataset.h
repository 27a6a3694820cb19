/* cincel-train: data sets. Conventions: train.h. */
#ifndef CINCEL_DATASET_H
#define CINCEL_DATASET_H

#include "cincel/cincel.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cincel_dataset cincel_dataset;

/* What a data set holds: `count` samples [height][width][channels]. */
typedef struct cincel_dataset_info {
    size_t size;
    const char *name; /* "mnist (IDX)", "synthetic digits": valid as long as the data set */
    size_t count;
    int height, width, channels;
    int classes;   /* labels are 0 … classes − 1; 0: the samples have targets */
    int targets;   /* numbers to predict, a sample; 0: the samples have labels */
    int positions; /* labels a sample: 1, or one a step of a sequence; 0: none */
    int ragged;    /* 1: samples are sequences that end at lengths of their own (cincel_dataset_lengths) */
} cincel_dataset_info;
#define CINCEL_DATASET_INFO_INIT                                  \
    {                                                             \
        sizeof(cincel_dataset_info), NULL, 0, 0, 0, 0, 0, 0, 0, 0 \
    }

/* IDX image and label files (MNIST family), plain or .gz; pixels are scaled to 0 … 1. Counts must
   agree; `classes` is one more than the largest label. A truncated or mislabelled file is an error that
   says what. */
CINCEL_API cincel_status cincel_dataset_idx(const char *images, const char *labels, cincel_dataset **out);

/* `{train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]` in a folder: ten classes, a label above 9 is an
   error. Either of `train` and `test` may be NULL: its files are then not touched. */
CINCEL_API cincel_status cincel_dataset_mnist(const char *folder, cincel_dataset **train,
                                              cincel_dataset **test);

/* Labelled 28x28 digits drawn as strokes under random affine and elastic deformation with noise,
   made from the seed alone. Its name says that it is synthetic. */
CINCEL_API cincel_status cincel_dataset_synthetic_digits(size_t count, uint64_t seed, cincel_dataset **out);

/* Samples in memory: x [count][h][w][c] and labels are copied. */
CINCEL_API cincel_status cincel_dataset_memory(const float *x, const int32_t *labels, size_t count,
                                               int height, int width, int channels, int classes,
                                               cincel_dataset **out);

/* The same with targets [count][target_count], finite numbers to predict. */
CINCEL_API cincel_status cincel_dataset_regression(const float *x, const float *targets, size_t count,
                                                   int height, int width, int channels, int target_count,
                                                   cincel_dataset **out);

/* Sequences in memory, one label a step: x [count][steps][channels] and labels [count][steps], each 0 …
   classes − 1 or CINCEL_LABEL_IGNORED, are copied. Samples are [steps][1][channels]. */
CINCEL_API cincel_status cincel_dataset_sequences(const float *x, const int32_t *labels, size_t count,
                                                  int steps, int channels, int classes, cincel_dataset **out);

/*
 * A long sequence of tokens, 0 … classes − 1, as samples [steps][1][1]: sample i is tokens i · steps … (i +
 * 1) · steps − 1 and is to predict the one behind each. There are (count − 1) / steps samples, which one must
 * be; what remains is left out. The tokens are copied. Samples that follow each other continue each other:
 * see cincel_train_options.stateful.
 */
CINCEL_API cincel_status cincel_dataset_tokens(const int32_t *tokens, size_t count, int steps, int classes,
                                               cincel_dataset **out);

/* Sequences of different lengths, one behind the other in memory; sequence i has lengths[i] steps. */
typedef struct cincel_ragged {
    size_t size;
    size_t count;          /* sequences */
    int steps;             /* of a sample: the longest's, or more; 0: the longest's */
    int channels;          /* numbers a step */
    const int *lengths;    /* [count], each ≥ 1 */
    const float *x;        /* [Σ lengths][channels] */
    const int32_t *labels; /* one of these two, the other is NULL: labels 0 … classes − 1, */
    const float *targets;  /* or numbers to predict, finite, [count][target_count] */
    int step_labels;       /* 1: labels [Σ lengths], one a step, CINCEL_LABEL_IGNORED where it counts for
                              nothing; 0: [count], one a sequence */
    int classes, target_count;
} cincel_ragged;
#define CINCEL_RAGGED_INIT                                              \
    {                                                                   \
        sizeof(cincel_ragged), 0, 0, 1, NULL, NULL, NULL, NULL, 0, 0, 0 \
    }

/*
 * They as samples [steps][1][channels], all copied; only their own steps are kept. What is gathered is filled
 * up with zeros and CINCEL_LABEL_IGNORED behind a sequence's end, and cincel_dataset_lengths tells where that
 * is. Training and evaluation hand the lengths to the session (cincel_session_lengths) and make batches of
 * sequences that are about as long as each other.
 */
CINCEL_API cincel_status cincel_dataset_ragged(const cincel_ragged *r, cincel_dataset **out);

/* Steps of samples index[0 … n−1] to lengths [n]; of other sets than ragged ones all have `height`.
   Thread-safe. */
CINCEL_API cincel_status cincel_dataset_lengths(const cincel_dataset *data, const size_t *index, size_t n,
                                                int *lengths);

/* Does a CSV file begin with the names of its columns? */
typedef enum cincel_csv_header {
    CINCEL_CSV_HEADER_AUTO = 0, /* the first record is one if a field of it is no number */
    CINCEL_CSV_HEADER_YES,
    CINCEL_CSV_HEADER_NO
} cincel_csv_header;

/* How a CSV file is read. */
typedef struct cincel_csv_options {
    size_t size;
    const char *target; /* a column's name in the header or, if there is none such, its number from 1; NULL:
                           the last column */
    cincel_csv_header header;
    int labels;           /* 1: the target is a class, 0, 1, …; 0: a number to predict */
    const char *sequence; /* NULL, or a column as `target`: rows that follow each other with the same number
                             there are the steps of one sequence */
    int step_labels; /* of sequences with labels: 1: each row's own, a label a step; 0: that of the last row
                        is the sequence's, as a number to predict always is */
} cincel_csv_options;
#define CINCEL_CSV_OPTIONS_INIT                                              \
    {                                                                        \
        sizeof(cincel_csv_options), NULL, CINCEL_CSV_HEADER_AUTO, 0, NULL, 0 \
    }

/*
 * A table of numbers in a CSV file (RFC 4180, plain or .gz): samples 1 x 1 x (columns − 1), in the order of
 * the columns without the target; or, with `sequence`, as cincel_dataset_ragged has them, samples
 * [longest][1][columns − 2]. `o` may be NULL. A damaged file is an error that names line and column.
 */
CINCEL_API cincel_status cincel_dataset_csv(const char *path, const cincel_csv_options *o,
                                            cincel_dataset **out);

/* What input number `index` is called (of ragged sets: what channel), and after the inputs the targets; NULL
   where the source has no names. Valid as long as the data set. */
CINCEL_API const char *cincel_dataset_column(const cincel_dataset *data, size_t index);

/*
 * A seeded permutation cut in two: `second` gets the last fraction (0 < fraction < 1) of the samples, rounded
 * down, `first` the rest. Both are copies, and neither may be empty.
 */
CINCEL_API cincel_status cincel_dataset_split(const cincel_dataset *data, double fraction, uint64_t seed,
                                              cincel_dataset **first, cincel_dataset **second);

/*
 * Mean and standard deviation (of n, not n − 1) over samples index[0 … n−1], n > 0, of each number of a
 * sample and then of each target: mean and deviation [height·width·channels + targets]. Of ragged sets: of
 * each channel over all steps of these sequences, [channels + targets].
 */
CINCEL_API cincel_status cincel_dataset_moments(const cincel_dataset *data, const size_t *index, size_t n,
                                                float *mean, float *deviation);

/* Every number and target v becomes (v − mean) / deviation; where the deviation is 0, v − mean. Not for sets
   of pictures as bytes (IDX files, synthetic digits). Not while another thread reads the set. */
CINCEL_API cincel_status cincel_dataset_standardise(cincel_dataset *data, const float *mean,
                                                    const float *deviation);

/* Frees a data set, NULL is allowed; fills *out, whose size is set. */
CINCEL_API void cincel_dataset_destroy(cincel_dataset *data);
CINCEL_API cincel_status cincel_dataset_describe(const cincel_dataset *data, cincel_dataset_info *out);

/* Copies samples index[0 … n−1] to x [n][h][w][c] and labels [n][positions] (either may be NULL).
   Thread-safe. */
CINCEL_API cincel_status cincel_dataset_gather(const cincel_dataset *data, const size_t *index, size_t n,
                                               float *x, int32_t *labels);

/* The same with targets [n][targets]. */
CINCEL_API cincel_status cincel_dataset_gather_targets(const cincel_dataset *data, const size_t *index,
                                                       size_t n, float *x, float *targets);

#ifdef __cplusplus
}
#endif
#endif
