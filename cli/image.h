/*
 * Pictures for `cincel predict`: PNG and JPEG (where the build has them) and IDX files, told apart by
 * their first bytes, brought to the samples a model takes.
 */
#ifndef CINCEL_CLI_IMAGE_H
#define CINCEL_CLI_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "cincel/cincel.h"

/* Grey, 0 black … 255 white. */
struct image {
    size_t count; /* 1, unless an IDX file */
    int height, width;
    uint8_t *grey; /* [count][height][width] */
    int is_idx;    /* already as the data sets hold them: never inverted */
};

enum image_invert { IMAGE_INVERT_AUTO, IMAGE_INVERT_YES, IMAGE_INVERT_NO };

/* Reads any picture; what is damaged, too large or of another format is an error that names the file. */
cincel_status image_read(const char *path, struct image *out);
void image_free(struct image *image);

/*
 * Picture `index` as a sample [height][width] of 0 … 1. It is scaled to fit, its sides in proportion, by
 * the average over the area each pixel covers; what it leaves free takes the mean of its border. Models
 * are trained on bright marks on black: AUTO inverts a PNG or JPEG whose border is brighter than half.
 */
void image_sample(const struct image *image, size_t index, enum image_invert invert, int height, int width,
                  float *out);

#endif
