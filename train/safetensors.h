/*
 * The safetensors file format: an 8-byte little-endian header length, a JSON header that gives each
 * tensor's type, shape and place, then the data. F32 tensors, and I64 ones, whose numbers are handed in and
 * out as floats (exact up to 2^24, as counters here are); names, shapes and numbers pass through as they are.
 * What they mean to a model (PyTorch's layouts) is model_file.c's business.
 *
 * A file is read and checked whole before anything is handed out: once it is open, nothing can fail.
 */
#ifndef CINCEL_TRAIN_SAFETENSORS_H
#define CINCEL_TRAIN_SAFETENSORS_H

#include "cincel/cincel.h"

#define CINCEL_TENSOR_DIMS 8

enum cincel_tensor_type { CINCEL_TENSOR_F32 = 0, CINCEL_TENSOR_I64 };

struct cincel_tensor_entry {
    const char *name; /* as long as the file is open */
    enum cincel_tensor_type type;
    int ndim; /* 0: a scalar */
    size_t shape[CINCEL_TENSOR_DIMS];
    size_t count; /* product of shape, 1 for a scalar */
};

/* ------------------------------------------------------------------------------------- reading -- */

struct cincel_tensor_file;

cincel_status cincel_tensor_file_open(const char *path, struct cincel_tensor_file **out);
void cincel_tensor_file_close(struct cincel_tensor_file *file); /* NULL is allowed */

/* The same from memory, which is copied; `name` stands for the path in messages. */
cincel_status cincel_tensor_file_parse(const void *bytes, size_t size, const char *name,
                                       struct cincel_tensor_file **out);

/* Tensors in the order of their data. */
size_t cincel_tensor_file_count(const struct cincel_tensor_file *file);
const struct cincel_tensor_entry *cincel_tensor_file_entry(const struct cincel_tensor_file *file,
                                                           size_t index);

/* The tensor of this name with exactly this shape; its absence or another shape is a format error that
   names file, tensor and both shapes. */
cincel_status cincel_tensor_file_find(const struct cincel_tensor_file *file, const char *name, int ndim,
                                      const size_t *shape, const struct cincel_tensor_entry **out);

/* Copies the `entry->count` numbers of an entry of this file. */
void cincel_tensor_file_read(const struct cincel_tensor_file *file, const struct cincel_tensor_entry *entry,
                             float *out);

/* The value of a `__metadata__` key, NULL where there is none. */
const char *cincel_tensor_file_metadata(const struct cincel_tensor_file *file, const char *key);

/* ------------------------------------------------------------------------------------- writing -- */

struct cincel_tensor_source {
    const char *name;
    enum cincel_tensor_type type; /* I64 ones before all others: the data is not padded */
    int ndim;
    size_t shape[CINCEL_TENSOR_DIMS];
    const float *data;                    /* row-major; NULL: `fill` makes it */
    void (*fill)(void *user, float *out); /* writes all numbers of the tensor, in the order of the file */
    void *user;
};

struct cincel_tensor_metadata {
    const char *key, *value;
};

/* Replaces `path` as a whole or not at all (atomic_file.h). Tensors lie in the order given; names must
   differ. */
cincel_status cincel_tensor_file_write(const char *path, const struct cincel_tensor_source *tensors,
                                       size_t count, const struct cincel_tensor_metadata *metadata,
                                       size_t metadata_count);

#endif
