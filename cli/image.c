#include "cli/image.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/image_formats.h"
#include "core/memory.h"
#include "core/status.h"
#include "train/idx.h"
#include "train/reader.h"

/* A picture is read whole: 64 million pixels are more than most cameras', and little enough to hold. */
enum { PIXELS_MOST = 64 << 20, FILE_MOST = 256 << 20, MAGIC_BYTES = 4 };

/* ------------------------------------------------------------------------------------- formats -- */

static bool is_png(const uint8_t *b) { return memcmp(b, "\x89PNG", 4) == 0; }
static bool is_jpeg(const uint8_t *b) { return memcmp(b, "\xff\xd8\xff", 3) == 0; }

static const struct format {
    const char *name;
    bool (*is)(const uint8_t *magic);
    image_decoder *decode; /* NULL: this build lacks the library */
} formats[] = {
#ifdef CINCEL_HAVE_PNG
    {"PNG", is_png, image_read_png},
#else
    {"PNG", is_png, NULL},
#endif
#ifdef CINCEL_HAVE_JPEG
    {"JPEG", is_jpeg, image_read_jpeg},
#else
    {"JPEG", is_jpeg, NULL},
#endif
};
enum { FORMATS = sizeof formats / sizeof *formats };

/* IDX files are read by the data sets' own code; a gzip file is taken for one. */
static bool is_idx(const uint8_t *b) { return (b[0] == 0 && b[1] == 0) || (b[0] == 0x1f && b[1] == 0x8b); }

/* ------------------------------------------------------------------------------------- reading -- */

cincel_status image_allocate(const char *path, uint64_t width, uint64_t height, struct image *out)
{
    if (!width || !height || width > PIXELS_MOST || height > PIXELS_MOST || width * height > PIXELS_MOST) {
        return cincel_fail(CINCEL_UNSUPPORTED, "%s: picture is %llu x %llu, must be 1 to %d pixels", path,
                           (unsigned long long)width, (unsigned long long)height, PIXELS_MOST);
    }
    uint8_t *grey = malloc((size_t)(width * height));
    if (!grey) {
        return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for %llu x %llu pixels", path,
                           (unsigned long long)width, (unsigned long long)height);
    }
    *out = (struct image){1, (int)height, (int)width, grey, 0};
    return CINCEL_OK;
}

static cincel_status read_idx(const char *path, struct image *out)
{
    struct cincel_idx idx;
    const cincel_status status = cincel_idx_read(path, CINCEL_IDX_IMAGES, &idx);
    if (status == CINCEL_OK)
        *out = (struct image){idx.shape[0], (int)idx.shape[1], (int)idx.shape[2], idx.data, 1};
    return status;
}

/* The whole file, at least MAGIC_BYTES. */
static cincel_status read_file(const char *path, uint8_t **out, size_t *size)
{
    struct cincel_reader *reader;
    cincel_status status = cincel_reader_open_plain(path, &reader);
    if (status != CINCEL_OK) return status;
    void *bytes = NULL;
    *size = cincel_reader_left(reader);
    if (*size < MAGIC_BYTES)
        status = cincel_fail(CINCEL_FORMAT_ERROR, "%s: %zu bytes are no picture", path, *size);
    else if (*size > FILE_MOST)
        status = cincel_fail(CINCEL_UNSUPPORTED, "%s: %zu bytes, pictures are read up to %d", path, *size,
                             FILE_MOST);
    else
        status = cincel_reader_block(reader, *size, &bytes, "the picture");
    cincel_reader_close(reader);
    if (status == CINCEL_OK) *out = bytes;
    return status;
}

static cincel_status decode(const char *path, const uint8_t *bytes, size_t size, struct image *out)
{
    for (int i = 0; i < FORMATS; i++) {
        if (!formats[i].is(bytes)) continue;
        if (formats[i].decode) return formats[i].decode(path, bytes, size, out);
        return cincel_fail(CINCEL_UNSUPPORTED, "%s: is a %s file, which this build was made without", path,
                           formats[i].name);
    }
    return cincel_fail(CINCEL_FORMAT_ERROR, "%s: is no PNG, JPEG or IDX file", path);
}

cincel_status image_read(const char *path, struct image *out)
{
    assert(path && out);
    uint8_t *bytes = NULL;
    size_t size;
    cincel_status status = read_file(path, &bytes, &size);
    if (status != CINCEL_OK) return status;
    if (is_idx(bytes))
        status = read_idx(path, out);
    else
        status = decode(path, bytes, size, out);
    free(bytes);
    return status;
}

void image_free(struct image *image)
{
    free(image->grey);
    image->grey = NULL;
}

/* ------------------------------------------------------------------------------------ sampling -- */

static double border_mean(const uint8_t *grey, int height, int width)
{
    double sum = 0;
    size_t count = 0;
    for (int y = 0; y < height; y++) {
        const int step = y == 0 || y == height - 1 || width == 1 ? 1 : width - 1;
        for (int x = 0; x < width; x += step, count++) sum += grey[(size_t)y * (size_t)width + (size_t)x];
    }
    return sum / (double)count;
}

/* Mean of the picture over [x0,x1) x [y0,y1); what lies outside it counts as `outside`. */
static double area_mean(const uint8_t *grey, int height, int width, const double x[2], const double y[2],
                        double outside)
{
    const double left = x[0] > 0 ? x[0] : 0, right = x[1] < width ? x[1] : width;
    const double top = y[0] > 0 ? y[0] : 0, bottom = y[1] < height ? y[1] : height;
    const double area = (x[1] - x[0]) * (y[1] - y[0]);
    if (left >= right || top >= bottom) return outside;
    double sum = 0;
    for (int j = (int)top; j < bottom; j++) {
        const double high = (j + 1 < bottom ? j + 1 : bottom) - (j > top ? j : top);
        const uint8_t *row = grey + (size_t)j * (size_t)width;
        double line = 0;
        for (int i = (int)left; i < right; i++)
            line += ((i + 1 < right ? i + 1 : right) - (i > left ? i : left)) * row[i];
        sum += high * line;
    }
    const double uncovered = area - (right - left) * (bottom - top);
    return (sum + fmax(uncovered, 0) * outside) / area; /* 0 may come out as a little less */
}

void image_sample(const struct image *image, size_t index, enum image_invert invert, int height, int width,
                  float *out)
{
    assert(image && index < image->count && height > 0 && width > 0 && out);
    const uint8_t *grey = image->grey + index * (size_t)image->height * (size_t)image->width;
    const double border = border_mean(grey, image->height, image->width);
    const bool bright = !image->is_idx && border > 127.5;
    const bool inverted = invert == IMAGE_INVERT_YES || (invert == IMAGE_INVERT_AUTO && bright);

    /* picture pixels a sample pixel, the same in both directions; the picture lies in the middle */
    const double down = (double)image->height / height, across = (double)image->width / width;
    const double step = down > across ? down : across;
    const double y0 = (image->height - step * height) / 2, x0 = (image->width - step * width) / 2;
    for (int j = 0; j < height; j++) {
        const double y[2] = {y0 + step * j, y0 + step * (j + 1)};
        for (int i = 0; i < width; i++) {
            const double x[2] = {x0 + step * i, x0 + step * (i + 1)};
            const double value = fmin(area_mean(grey, image->height, image->width, x, y, border) / 255, 1);
            out[(size_t)j * (size_t)width + (size_t)i] = (float)(inverted ? 1 - value : value);
        }
    }
}
