#include <png.h>
#include <string.h>

#include "cli/image_formats.h"
#include "core/status.h"

/* Any colour and depth to 8-bit grey; what is transparent lies on white paper. */
cincel_status image_read_png(const char *path, const uint8_t *bytes, size_t size, struct image *out)
{
    png_image png;
    memset(&png, 0, sizeof png);
    png.version = PNG_IMAGE_VERSION;
    struct image image = {.grey = NULL};
    cincel_status status = CINCEL_OK;
    if (png_image_begin_read_from_memory(&png, bytes, size))
        status = image_allocate(path, png.width, png.height, &image);
    if (image.grey) {
        static const png_color white = {255, 255, 255};
        png.format = PNG_FORMAT_GRAY;
        png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB; /* else 16-bit files would be taken for linear light */
        png_image_finish_read(&png, &white, image.grey, 0, NULL);
    }
    if (status == CINCEL_OK && PNG_IMAGE_FAILED(png))
        status = cincel_fail(CINCEL_FORMAT_ERROR, "%s: PNG damaged: %s", path, png.message);
    png_image_free(&png);
    if (status == CINCEL_OK)
        *out = image;
    else
        image_free(&image);
    return status;
}
