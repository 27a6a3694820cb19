/* Pictures of any kind as samples: colours, sizes, inversion, and files that are damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cli/image.h"
#include "core/philox.h"
#include "tests/support/cases.h"
#include "tests/support/scratch.h"

/* ---- PNG files, made by hand */

struct bytes {
    uint8_t at[4096];
    size_t size;
};

static void put(struct bytes *b, const void *data, size_t size)
{
    assert_true(b->size + size <= sizeof b->at);
    memcpy(b->at + b->size, data, size);
    b->size += size;
}

static void put_u32(struct bytes *b, uint32_t v)
{
    const uint8_t bytes[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    put(b, bytes, 4);
}

static void put_chunk(struct bytes *b, const char *type, const void *data, size_t size)
{
    put_u32(b, (uint32_t)size);
    const size_t begin = b->size;
    put(b, type, 4);
    put(b, data, size);
    put_u32(b, (uint32_t)crc32(0, b->at + begin, (uInt)(b->size - begin)));
}

/* `rows` hold a zero (no filter) in front of each row. */
static struct bytes png(uint32_t width, uint32_t height, uint8_t depth, uint8_t colour, const uint8_t *rows,
                        size_t size)
{
    struct bytes head = {.size = 0}, out = {.size = 0};
    put_u32(&head, width);
    put_u32(&head, height);
    put(&head, ((const uint8_t[]){depth, colour, 0, 0, 0}), 5);
    uint8_t packed[2048];
    uLongf packed_size = sizeof packed;
    assert_int_equal(compress(packed, &packed_size, rows, size), Z_OK);
    put(&out, "\x89PNG\r\n\x1a\n", 8);
    put_chunk(&out, "IHDR", head.at, head.size);
    put_chunk(&out, "IDAT", packed, packed_size);
    put_chunk(&out, "IEND", "", 0);
    return out;
}

static bool reads_png;

static cincel_status read_bytes(struct scratch *s, const struct bytes *b, struct image *out)
{
    return image_read(scratch_write(s, "x", b->at, b->size), out);
}

static void test_png_colours(void **state)
{
    if (!reads_png) skip();
    struct scratch *s = *state;
    static const struct {
        uint8_t depth, colour, row[2 * 8 + 1];
        size_t size;
        int grey[2];
    } cases[] = {
        {8, 0, {0, 10, 200}, 3, {10, 200}},
        {16, 0, {0, 10, 10, 200, 200}, 5, {10, 200}},
        {1, 0, {0, 0x40}, 2, {0, 255}},
        {8, 2, {0, 90, 90, 90, 0, 0, 0}, 7, {90, 0}},
        {8, 4, {0, 50, 255, 50, 0}, 5, {50, 255}}, /* transparent: white paper */
        {8, 6, {0, 7, 7, 7, 255, 9, 9, 9, 0}, 9, {7, 255}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct bytes file = png(2, 1, cases[i].depth, cases[i].colour, cases[i].row, cases[i].size);
        struct image image;
        if (read_bytes(s, &file, &image) != CINCEL_OK) fail_msg("%s", cincel_error_message());
        assert_int_equal(image.count, 1);
        assert_int_equal(image.width, 2);
        assert_int_equal(image.height, 1);
        for (int p = 0; p < 2; p++)
            assert_in_range(image.grey[p] + 2, cases[i].grey[p] + 1, cases[i].grey[p] + 3);
        image_free(&image);
    }
}

/* Green is brighter than blue. */
static void test_png_luminance(void **state)
{
    if (!reads_png) skip();
    const struct bytes file = png(2, 1, 8, 2, (const uint8_t[]){0, 0, 255, 0, 0, 0, 255}, 7);
    struct image image;
    assert_int_equal(read_bytes(*state, &file, &image), CINCEL_OK);
    assert_true(image.grey[0] > image.grey[1] + 50);
    image_free(&image);
}

static void test_png_damaged(void **state)
{
    if (!reads_png) skip();
    struct scratch *s = *state;
    uint8_t rows[9 * 9] = {0};
    const struct bytes file = png(8, 9, 8, 0, rows, sizeof rows);
    struct image image;
    for (struct bytes cut = file; cut.size-- > 0;) {
        /* all that may be missing is the end of the last, empty chunk */
        if (read_bytes(s, &cut, &image) == CINCEL_OK) {
            assert_true(cut.size + 12 >= file.size);
            image_free(&image);
        } else {
            assert_non_null(strstr(cincel_error_message(), s->path));
            assert_null(strchr(cincel_error_message(), '\n'));
        }
    }
    const struct bytes wide = png(1 << 30, 1, 8, 0, rows, 1), large = png(60000, 60000, 8, 0, rows, 1);
    assert_int_not_equal(read_bytes(s, &wide, &image), CINCEL_OK);
    assert_int_not_equal(read_bytes(s, &large, &image), CINCEL_OK);
    assert_non_null(strstr(cincel_error_message(), "60000 x 60000"));
}

/* golden/grey.jpg and colour.jpg (progressive): a dark block, 8 x 12, on a bright ground, 24 x 20. */
static void test_jpeg(void **state)
{
    struct scratch *s = *state;
    static const char *const names[] = {"grey.jpg", "colour.jpg"};
    for (int n = 0; n < 2; n++) {
        struct scratch golden = {.folder = CINCEL_GOLDEN_DIR};
        struct bytes file = {.size = 0};
        uint8_t *content = scratch_read(&golden, names[n], &file.size);
        assert_non_null(content);
        assert_true(file.size <= sizeof file.at);
        memcpy(file.at, content, file.size);
        free(content);

        struct image image;
        const cincel_status status = read_bytes(s, &file, &image);
        if (status == CINCEL_UNSUPPORTED) skip();
        if (status != CINCEL_OK) fail_msg("%s", cincel_error_message());
        assert_int_equal(image.width, 24);
        assert_int_equal(image.height, 20);
        for (int y = 0; y < 20; y++) {
            for (int x = 0; x < 24; x++) {
                const int dark = x >= 8 && x < 16 && y >= 4 && y < 16, grey = image.grey[y * 24 + x];
                assert_in_range(grey, dark ? 0 : 235, dark ? 40 : 255);
            }
        }
        image_free(&image);

        /* cut anywhere, but for the end mark: refused, with one line */
        for (struct bytes cut = file; cut.size-- > 0;) {
            if (read_bytes(s, &cut, &image) == CINCEL_OK) {
                assert_true(cut.size + 2 >= file.size);
                image_free(&image);
            } else {
                assert_non_null(strstr(cincel_error_message(), s->path));
            }
        }
    }
}

static void test_other_files(void **state)
{
    struct scratch *s = *state;
    struct image image;
    assert_int_equal(image_read(scratch_path(s, "none"), &image), CINCEL_IO_ERROR);
    assert_int_equal(image_read(s->folder, &image), CINCEL_IO_ERROR);
    assert_int_equal(image_read(scratch_write(s, "x", "", 0), &image), CINCEL_FORMAT_ERROR);
    assert_int_equal(image_read(scratch_write(s, "x", "GIF89a", 6), &image), CINCEL_FORMAT_ERROR);
    assert_non_null(strstr(cincel_error_message(), "no PNG, JPEG or IDX"));
    assert_int_not_equal(image_read(scratch_write(s, "x", "\xff\xd8\xff\xe0\0", 5), &image), CINCEL_OK);
    static const uint8_t idx[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6};
    assert_int_equal(image_read(scratch_write(s, "x", idx, sizeof idx), &image), CINCEL_OK);
    assert_int_equal(image.count, 2);
    assert_int_equal(image.width, 3);
    assert_true(image.is_idx);
    assert_memory_equal(image.grey, idx + 16, 6);
    image_free(&image);
}

/* ---- sampling */

static void test_same_size_is_exact(void **state)
{
    (void)state;
    uint8_t grey[28 * 28];
    for (int i = 0; i < 28 * 28; i++) grey[i] = (uint8_t)(i * 37 % 256);
    for (int p = 0; p < 28; p++) grey[p] = grey[27 * 28 + p] = grey[p * 28] = grey[p * 28 + 27] = 0;
    const struct image image = {1, 28, 28, grey, 0};
    float x[28 * 28];
    image_sample(&image, 0, IMAGE_INVERT_AUTO, 28, 28, x);
    for (int i = 0; i < 28 * 28; i++) assert_true(x[i] == (float)(grey[i] / 255.0));
    image_sample(&image, 0, IMAGE_INVERT_YES, 28, 28, x);
    for (int i = 0; i < 28 * 28; i++) assert_true(fabsf(x[i] - (1 - (float)(grey[i] / 255.0))) < 1e-6f);
}

/* A bright border is inverted when asked to find out, in a picture; never in an IDX file. */
static void test_invert(void **state)
{
    (void)state;
    uint8_t paper[9] = {255, 255, 250, 255, 0, 255, 255, 255, 255};
    const struct image picture = {1, 3, 3, paper, 0}, idx = {1, 3, 3, paper, 1};
    float x[9];
    image_sample(&picture, 0, IMAGE_INVERT_AUTO, 3, 3, x);
    assert_true(x[4] == 1 && x[0] == 0);
    image_sample(&picture, 0, IMAGE_INVERT_NO, 3, 3, x);
    assert_true(x[4] == 0 && x[0] == 1);
    image_sample(&idx, 0, IMAGE_INVERT_AUTO, 3, 3, x);
    assert_true(x[4] == 0 && x[0] == 1);
    image_sample(&idx, 0, IMAGE_INVERT_YES, 3, 3, x);
    assert_true(x[4] == 1 && x[0] == 0);
}

/* Any size to any size: samples stay in 0 … 1, a picture of one grey stays so, ink is kept: the mean over
   the picture's part of the sample is the picture's mean. */
static void test_any_size(void **state)
{
    (void)state;
    const long cases = test_cases(500);
    for (long i = 0; i < cases; i++) {
        const struct cincel_random r = {(uint64_t)i, 3, 0};
        const int h = 1 + (int)cincel_random_below(&r, 0, 70), w = 1 + (int)cincel_random_below(&r, 1, 70);
        const int oh = 1 + (int)cincel_random_below(&r, 2, 40), ow = 1 + (int)cincel_random_below(&r, 3, 40);
        uint8_t *grey = malloc((size_t)h * w);
        float *x = malloc((size_t)oh * ow * sizeof *x);
        double border = 0, sum = 0, edge = 0;
        for (int p = 0; p < h * w; p++) {
            grey[p] = (uint8_t)cincel_random_below(&r, 4 + (uint64_t)p, 256);
            const int y = p / w, c = p % w;
            sum += grey[p] / 255.0;
            if (y == 0 || c == 0 || y == h - 1 || c == w - 1) {
                border += grey[p] / 255.0;
                edge++;
            }
        }
        const struct image image = {1, h, w, grey, 0};
        image_sample(&image, 0, IMAGE_INVERT_NO, oh, ow, x);
        const double step = fmax((double)h / oh, (double)w / ow);
        double total = 0;
        for (int p = 0; p < oh * ow; p++) {
            if (!(x[p] >= 0 && x[p] <= 1)) fail_msg("seed %ld", i);
            total += x[p];
        }
        const double wanted = (sum + border / edge * (step * step * oh * ow - (double)h * w)) / (step * step);
        if (fabs(total - wanted) > 1e-4 * oh * ow) fail_msg("seed %ld: %g, not %g", i, total, wanted);

        memset(grey, 77, (size_t)h * w);
        image_sample(&image, 0, IMAGE_INVERT_NO, oh, ow, x);
        for (int p = 0; p < oh * ow; p++) {
            if (fabs(x[p] - 77 / 255.0) > 1e-6) fail_msg("seed %ld", i);
        }
        free(x);
        free(grey);
    }
}

static int setup(void **state)
{
    *state = malloc(sizeof(struct scratch));
    scratch_open(*state);
    return 0;
}

static int teardown(void **state)
{
    scratch_close(*state);
    free(*state);
    return 0;
}

/* Whether this build has libpng is told by what it says about a PNG file. */
static int find_png(void **state)
{
    struct scratch s;
    scratch_open(&s);
    const struct bytes file = png(1, 1, 8, 0, (const uint8_t[]){0, 0}, 2);
    struct image image = {.grey = NULL};
    const cincel_status status = read_bytes(&s, &file, &image);
    reads_png = status != CINCEL_UNSUPPORTED;
    image_free(&image);
    scratch_close(&s);
    (void)state;
    return 0;
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(test_png_colours),  IN_SCRATCH(test_png_luminance),
        IN_SCRATCH(test_png_damaged),  IN_SCRATCH(test_jpeg),
        IN_SCRATCH(test_other_files),  cmocka_unit_test(test_same_size_is_exact),
        cmocka_unit_test(test_invert), cmocka_unit_test(test_any_size),
    };
    return cmocka_run_group_tests(tests, find_png, NULL);
}
