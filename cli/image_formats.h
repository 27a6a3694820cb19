/* The readers behind image.c: one file a format, built where its library is found. */
#ifndef CINCEL_CLI_IMAGE_FORMATS_H
#define CINCEL_CLI_IMAGE_FORMATS_H

#include "cli/image.h"

/* One picture from the bytes of a whole file; `path` is for messages. */
typedef cincel_status image_decoder(const char *path, const uint8_t *bytes, size_t size, struct image *out);

image_decoder image_read_png, image_read_jpeg;

/* Memory for one picture, its size checked. */
cincel_status image_allocate(const char *path, uint64_t width, uint64_t height, struct image *out);

#endif
