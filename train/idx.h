/*
 * IDX, the format of the MNIST family: two zero bytes, a type, the number of dimensions, each dimension
 * as 4 bytes big-endian, then the numbers. Unsigned bytes are the only type in use and the only one read.
 */
#ifndef CINCEL_TRAIN_IDX_H
#define CINCEL_TRAIN_IDX_H

#include <stddef.h>
#include <stdint.h>

#include "cincel/cincel.h"

enum { CINCEL_IDX_LABELS = 1, CINCEL_IDX_IMAGES = 3 }; /* dimensions */

struct cincel_idx {
    size_t shape[CINCEL_IDX_IMAGES]; /* of images: count, height, width; of labels: count, 1, 1 */
    uint8_t *data;
};

/*
 * Reads a plain or .gz file of `ndim` dimensions, each > 0. Anything that does not fit is a format error
 * that names the file: another magic, the other kind of file, more or less data than the header states.
 * Release with cincel_idx_free.
 */
cincel_status cincel_idx_read(const char *path, int ndim, struct cincel_idx *out);
void cincel_idx_free(struct cincel_idx *idx);

#endif
