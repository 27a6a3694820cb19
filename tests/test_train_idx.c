/* IDX files: what they hold, every way they can lie about it, and the data sets made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include "core/philox.h"
#include "tests/support/cases.h"
#include "tests/support/scratch.h"
#include "train/idx.h"

#include "cincel/train.h"

/* 3 images of 2 x 4, labels 7 0 9 */
static const uint8_t images[] = {0, 0, 8, 3, 0, 0, 0,  3,  0,  0,  0,  2,  0,  0,   0,   4,   0,  1,  2,  3,
                                 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 128, 200, 255, 20, 21, 22, 23};
static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 9};

static size_t gzip(const uint8_t *bytes, size_t size, uint8_t *out, size_t room)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)bytes;
    z.avail_in = (uInt)size;
    z.next_out = out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static cincel_status read_bytes(struct scratch *s, const void *bytes, size_t size, int ndim,
                                struct cincel_idx *out)
{
    return cincel_idx_read(scratch_write(s, "x", bytes, size), ndim, out);
}

/* Refused, by a message that names the file and holds `words`. */
static void expect_refused(struct scratch *s, const void *bytes, size_t size, int ndim, const char *words)
{
    struct cincel_idx idx;
    assert_int_equal(read_bytes(s, bytes, size, ndim, &idx), CINCEL_FORMAT_ERROR);
    const char *text = cincel_error_message();
    if (!strstr(text, s->path) || !strstr(text, words)) fail_msg("message lacks '%s': %s", words, text);
    assert_null(strchr(text, '\n'));
}

static void test_reads(void **state)
{
    struct scratch *s = *state;
    struct cincel_idx idx;
    uint8_t packed[256];
    const size_t packed_size = gzip(images, sizeof images, packed, sizeof packed);
    for (int gz = 0; gz < 2; gz++) {
        assert_int_equal(
            read_bytes(s, gz ? packed : images, gz ? packed_size : sizeof images, CINCEL_IDX_IMAGES, &idx),
            CINCEL_OK);
        assert_int_equal(idx.shape[0], 3);
        assert_int_equal(idx.shape[1], 2);
        assert_int_equal(idx.shape[2], 4);
        assert_memory_equal(idx.data, images + 16, 24);
        cincel_idx_free(&idx);
    }
    assert_int_equal(read_bytes(s, labels, sizeof labels, CINCEL_IDX_LABELS, &idx), CINCEL_OK);
    assert_int_equal(idx.shape[0], 3);
    assert_memory_equal(idx.data, labels + 8, 3);
    cincel_idx_free(&idx);
}

/* A file cut at any byte, plain and compressed, and a file with one byte more. */
static void test_truncated_anywhere(void **state)
{
    struct scratch *s = *state;
    for (size_t size = 0; size < sizeof images; size++)
        expect_refused(s, images, size, CINCEL_IDX_IMAGES, "truncated");
    for (size_t size = 0; size < sizeof labels; size++)
        expect_refused(s, labels, size, CINCEL_IDX_LABELS, "truncated");
    uint8_t packed[256];
    const size_t packed_size = gzip(images, sizeof images, packed, sizeof packed);
    for (size_t size = 0; size < packed_size; size++) expect_refused(s, packed, size, CINCEL_IDX_IMAGES, "");

    uint8_t longer[sizeof images + 1] = {0};
    memcpy(longer, images, sizeof images);
    expect_refused(s, longer, sizeof longer, CINCEL_IDX_IMAGES, "longer than");
    expect_refused(s, packed, gzip(longer, sizeof longer, packed, sizeof packed), CINCEL_IDX_IMAGES,
                   "longer than");
}

static void test_wrong_kind(void **state)
{
    struct scratch *s = *state;
    expect_refused(s, images, sizeof images, CINCEL_IDX_LABELS, "mislabelled");
    expect_refused(s, labels, sizeof labels, CINCEL_IDX_IMAGES, "mislabelled");
    uint8_t other[sizeof images];
    memcpy(other, images, sizeof images);
    other[2] = 0x0d;
    expect_refused(s, other, sizeof other, CINCEL_IDX_IMAGES, "type 0x0d");
    other[0] = 'P';
    expect_refused(s, other, sizeof other, CINCEL_IDX_IMAGES, "no IDX file");
    memcpy(other, images, sizeof images);
    other[11] = 0;
    expect_refused(s, other, sizeof other, CINCEL_IDX_IMAGES, "dimension 1 is 0");
}

#ifndef __has_feature /* clang's way to ask */
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) || \
    __has_feature(thread_sanitizer)
enum { LIMITABLE = 0 };
#else
enum { LIMITABLE = 1 };
#endif

/* Leaves 1 GiB of address space, where no sanitizer takes terabytes of it for itself. */
static void limit_memory(const struct rlimit *before)
{
    struct rlimit tight = *before;
    tight.rlim_cur = (rlim_t)1 << 30;
    if (LIMITABLE && tight.rlim_max >= tight.rlim_cur) assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
}

/* Sizes that no file could hold are refused before memory is asked for: with little of it to be had, they
   are still a format error and not a lack of memory. */
static void test_absurd_sizes(void **state)
{
    struct scratch *s = *state;
    static const uint8_t sizes[][12] = {
        {0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff}, /* overflows */
        {0x7f, 0xff, 0xff, 0xff, 0, 0, 0x40, 0, 0, 0, 0x40, 0},
        {0, 0xff, 0xff, 0xff, 0, 0, 0, 28, 0, 0, 0, 28},
        {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 1}, /* beyond an int */
    };
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    limit_memory(&before);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t file[sizeof images], packed[256];
        memcpy(file, images, sizeof images);
        memcpy(file + 4, sizes[i], 12);
        expect_refused(s, file, sizeof file, CINCEL_IDX_IMAGES, "");
        expect_refused(s, packed, gzip(file, sizeof file, packed, sizeof packed), CINCEL_IDX_IMAGES, "");
    }
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
}

/* A bit flipped in a compressed file is noticed, by gzip's checksum, or changes nothing (the time stamp
   and such, bits between the end of the data and the next byte). */
static void test_bit_flips(void **state)
{
    struct scratch *s = *state;
    uint8_t packed[256];
    const size_t size = gzip(images, sizeof images, packed, sizeof packed);
    size_t refused = 0;
    for (size_t bit = 0; bit < size * 8; bit++) {
        struct cincel_idx idx;
        packed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (read_bytes(s, packed, size, CINCEL_IDX_IMAGES, &idx) == CINCEL_OK) {
            assert_int_equal(idx.shape[0] * idx.shape[1] * idx.shape[2], 24);
            assert_memory_equal(idx.data, images + 16, 24);
            cincel_idx_free(&idx);
        } else {
            refused++;
        }
        packed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(refused > (size - 10) * 8 - 8);
}

/* Random damage to a plain file: refused, or read with the sizes the file then states. */
static void test_random_damage(void **state)
{
    struct scratch *s = *state;
    const long cases = test_cases(2000);
    for (long i = 0; i < cases; i++) {
        const struct cincel_random random = {(uint64_t)i, 0, 0};
        uint8_t file[sizeof images];
        memcpy(file, images, sizeof images);
        const uint32_t hits = 1 + cincel_random_below(&random, 0, 4);
        for (uint32_t h = 0; h < hits; h++)
            file[cincel_random_below(&random, 2 * h + 1, 20)] =
                (uint8_t)cincel_random_bits(&random, 2 * h + 2);
        const size_t size = sizeof file - cincel_random_below(&random, 20, 4);
        struct cincel_idx idx;
        if (read_bytes(s, file, size, CINCEL_IDX_IMAGES, &idx) != CINCEL_OK) continue;
        if (idx.shape[0] * idx.shape[1] * idx.shape[2] != size - 16) fail_msg("seed %ld", i);
        cincel_idx_free(&idx);
    }
}

static void test_no_file(void **state)
{
    struct scratch *s = *state;
    struct cincel_idx idx;
    assert_int_equal(cincel_idx_read(scratch_path(s, "none"), CINCEL_IDX_IMAGES, &idx), CINCEL_IO_ERROR);
    assert_non_null(strstr(cincel_error_message(), "none: cannot open: No such file"));
    assert_int_equal(cincel_idx_read(s->folder, CINCEL_IDX_IMAGES, &idx), CINCEL_IO_ERROR);
    assert_int_equal(cincel_idx_read("/dev/zero", CINCEL_IDX_IMAGES, &idx), CINCEL_IO_ERROR);
}

/* ---- data sets of them */

static void test_dataset(void **state)
{
    struct scratch *s = *state;
    char image_path[512];
    strcpy(image_path, scratch_write(s, "i", images, sizeof images));
    cincel_dataset *data;
    assert_int_equal(cincel_dataset_idx(image_path, scratch_write(s, "l", labels, sizeof labels), &data),
                     CINCEL_OK);
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    assert_int_equal(cincel_dataset_describe(data, &info), CINCEL_OK);
    assert_int_equal(info.count, 3);
    assert_int_equal(info.height, 2);
    assert_int_equal(info.width, 4);
    assert_int_equal(info.channels, 1);
    assert_int_equal(info.classes, 10);

    const size_t index[] = {2, 0};
    float x[16];
    int32_t l[2];
    assert_int_equal(cincel_dataset_gather(data, index, 2, x, l), CINCEL_OK);
    for (int p = 0; p < 8; p++) {
        assert_true(x[p] == (float)images[16 + 16 + p] / 255.0f);
        assert_true(x[8 + p] == (float)images[16 + p] / 255.0f);
    }
    assert_int_equal(l[0], 9);
    assert_int_equal(l[1], 7);
    cincel_dataset_destroy(data);

    const uint8_t two[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 0};
    assert_int_equal(cincel_dataset_idx(image_path, scratch_write(s, "l", two, sizeof two), &data),
                     CINCEL_FORMAT_ERROR);
    assert_non_null(strstr(cincel_error_message(), "3 images, but 2 labels"));
}

static void write_folder(struct scratch *s, const uint8_t *test_labels)
{
    scratch_write(s, "train-images-idx3-ubyte", images, sizeof images);
    scratch_write(s, "train-labels-idx1-ubyte", labels, sizeof labels);
    uint8_t packed[256];
    scratch_write(s, "t10k-images-idx3-ubyte.gz", packed, gzip(images, sizeof images, packed, sizeof packed));
    scratch_write(s, "t10k-labels-idx1-ubyte.gz", packed,
                  gzip(test_labels, sizeof labels, packed, sizeof packed));
}

static void test_folder(void **state)
{
    struct scratch *s = *state;
    write_folder(s, labels);
    cincel_dataset *train = NULL, *test = NULL;
    assert_int_equal(cincel_dataset_mnist(s->folder, &train, &test), CINCEL_OK);
    cincel_dataset_destroy(train);
    cincel_dataset_destroy(test);

    uint8_t bad[sizeof labels];
    memcpy(bad, labels, sizeof labels);
    bad[9] = 10;
    write_folder(s, bad);
    train = test = NULL;
    assert_int_equal(cincel_dataset_mnist(s->folder, &train, &test), CINCEL_FORMAT_ERROR);
    assert_non_null(
        strstr(cincel_error_message(), "t10k-labels-idx1-ubyte.gz: label 10 of sample 1 is out of range"));
    assert_null(train);
    assert_int_equal(cincel_dataset_mnist(s->folder, &train, NULL), CINCEL_OK);
    cincel_dataset_destroy(train);

    assert_int_equal(unlink(scratch_path(s, "train-labels-idx1-ubyte")), 0);
    assert_int_equal(cincel_dataset_mnist(s->folder, &train, &test), CINCEL_IO_ERROR);
    const char *text = cincel_error_message();
    assert_non_null(strstr(text, s->folder));
    assert_non_null(strstr(text, "train-labels-idx1-ubyte.gz"));
    assert_int_equal(cincel_dataset_mnist(scratch_path(s, "nowhere"), &train, &test), CINCEL_IO_ERROR);
    assert_non_null(strstr(cincel_error_message(), "nowhere: cannot open folder: No such file"));
}

static void test_null(void **state)
{
    (void)state;
    cincel_dataset *data;
    assert_int_equal(cincel_dataset_idx(NULL, "l", &data), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_dataset_idx("i", NULL, &data), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_dataset_idx("i", "l", NULL), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_dataset_mnist(NULL, &data, &data), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_dataset_mnist(".", NULL, NULL), CINCEL_INVALID_ARGUMENT);
}

/* ---- the real thing */

/* FNV-1a over the samples as they are handed out. */
static uint64_t digest(const cincel_dataset *data, size_t count, size_t sample, size_t *histogram)
{
    uint64_t hash = 0xcbf29ce484222325;
    float *x = malloc(sample * sizeof *x);
    for (size_t i = 0; i < count; i++) {
        int32_t label;
        assert_int_equal(cincel_dataset_gather(data, &i, 1, x, &label), CINCEL_OK);
        histogram[label]++;
        for (size_t p = 0; p < sample; p++) hash = (hash ^ (uint64_t)(x[p] * 255.0f + 0.5f)) * 0x100000001b3;
        hash = (hash ^ (uint64_t)label) * 0x100000001b3;
    }
    free(x);
    return hash;
}

/* Where scripts/quickstart looks too: $CINCEL_DATA, else data/ in the source tree. */
static cincel_status open_mnist(cincel_dataset **train, cincel_dataset **test)
{
    static const char *const places[] = {"", "/mnist", "/mnist10k"};
    const char *base = getenv("CINCEL_DATA");
    cincel_status status = CINCEL_IO_ERROR;
    for (size_t i = 0; i < sizeof places / sizeof *places && status != CINCEL_OK; i++) {
        char folder[1024];
        snprintf(folder, sizeof folder, "%s%s", base ? base : CINCEL_GOLDEN_DIR "/../../data", places[i]);
        status = cincel_dataset_mnist(folder, train, test);
    }
    return status;
}

static void test_mnist(void **state)
{
    (void)state;
    cincel_dataset *train, *test;
    if (open_mnist(&train, &test) != CINCEL_OK) {
        print_message("skipped: no MNIST files in $CINCEL_DATA or data/\n");
        skip();
    }
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    assert_int_equal(cincel_dataset_describe(train, &info), CINCEL_OK);
    assert_int_equal(info.height, 28);
    assert_int_equal(info.width, 28);
    assert_int_equal(info.classes, 10);
    assert_true(info.count >= 8000);
    size_t histogram[10] = {0};
    const uint64_t hash = digest(train, info.count, 784, histogram);
    /* every class within a third of its share */
    for (int c = 0; c < 10; c++) assert_in_range(histogram[c], info.count / 15, info.count * 2 / 15);
    if (info.count == 8000) assert_true(hash == 0x8135853e88e3fbe6u);
    cincel_dataset_destroy(train);
    cincel_dataset_destroy(test);
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

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(test_reads),       IN_SCRATCH(test_truncated_anywhere),
        IN_SCRATCH(test_wrong_kind),  IN_SCRATCH(test_absurd_sizes),
        IN_SCRATCH(test_bit_flips),   IN_SCRATCH(test_random_damage),
        IN_SCRATCH(test_no_file),     IN_SCRATCH(test_dataset),
        IN_SCRATCH(test_folder),      cmocka_unit_test(test_null),
        cmocka_unit_test(test_mnist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
