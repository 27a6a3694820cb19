#include <stdlib.h>

#include "cli/image.h"
#include "tests/fuzz/memory_file.h"

/* What is read can be sampled, and samples lie in 0 … 1. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct image image;
    if (image_read(memory_file(bytes, size), &image) != CINCEL_OK) return 0;
    float x[9 * 7];
    image_sample(&image, image.count - 1, IMAGE_INVERT_AUTO, 9, 7, x);
    for (int i = 0; i < 9 * 7; i++) {
        if (!(x[i] >= 0 && x[i] <= 1)) abort();
    }
    image_free(&image);
    return 0;
}
