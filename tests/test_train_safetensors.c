/* safetensors: round trips, and files that are cut, damaged or written to mislead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/philox.h"
#include "tests/support/cases.h"
#include "tests/support/scratch.h"
#include "train/safetensors.h"

static void fill_squares(void *user, float *out)
{
    const size_t count = *(const size_t *)user;
    for (size_t i = 0; i < count; i++) out[i] = (float)(i * i);
}

static const float weights[6] = {1, -2, 3.5f, 4, 5, 1e-40f};
static size_t squares = 4;
static const struct cincel_tensor_source sources[] = {
    {"conv1.weight", CINCEL_TENSOR_F32, 4, {2, 1, 3, 1}, weights, NULL, NULL},
    {"empty", CINCEL_TENSOR_F32, 2, {0, 7}, weights, NULL, NULL},
    {"made", CINCEL_TENSOR_F32, 1, {4}, NULL, fill_squares, &squares},
    {"scalar \"\\\xc3\xa9", CINCEL_TENSOR_F32, 0, {0}, weights + 2, NULL, NULL},
};
static const struct cincel_tensor_metadata metadata[] = {{"format", "pt"}, {"choice", "a \"b\"\nc"}};

static void write_sample(struct scratch *s)
{
    assert_int_equal(cincel_tensor_file_write(scratch_path(s, "w"), sources, 4, metadata, 2), CINCEL_OK);
}

static void test_round_trip(void **state)
{
    struct scratch *s = *state;
    write_sample(s);
    struct cincel_tensor_file *file;
    assert_int_equal(cincel_tensor_file_open(scratch_path(s, "w"), &file), CINCEL_OK);
    assert_int_equal(cincel_tensor_file_count(file), 4);
    for (size_t i = 0; i < 4; i++) {
        const struct cincel_tensor_entry *entry;
        assert_int_equal(
            cincel_tensor_file_find(file, sources[i].name, sources[i].ndim, sources[i].shape, &entry),
            CINCEL_OK);
        assert_string_equal(cincel_tensor_file_entry(file, i)->name, sources[i].name);
        float got[6] = {0};
        assert_in_range(entry->count, 0, 6);
        cincel_tensor_file_read(file, entry, got);
        static const float made[4] = {0, 1, 4, 9};
        assert_memory_equal(got, sources[i].data ? sources[i].data : made, entry->count * sizeof(float));
    }
    assert_string_equal(cincel_tensor_file_metadata(file, "format"), "pt");
    assert_string_equal(cincel_tensor_file_metadata(file, "choice"), "a \"b\"\nc");
    assert_null(cincel_tensor_file_metadata(file, "none"));

    const struct cincel_tensor_entry *entry;
    assert_int_equal(cincel_tensor_file_find(file, "conv2.weight", 1, &squares, &entry), CINCEL_FORMAT_ERROR);
    assert_non_null(strstr(cincel_error_message(), "'conv2.weight': is missing"));
    assert_int_equal(cincel_tensor_file_find(file, "conv1.weight", 4, (const size_t[]){2, 3, 1, 1}, &entry),
                     CINCEL_FORMAT_ERROR);
    assert_non_null(strstr(cincel_error_message(), "[2 x 1 x 3 x 1], the model has [2 x 3 x 1 x 1]"));
    cincel_tensor_file_close(file);
}

/* The bytes themselves, so that reader and writer cannot agree on something else than the format. */
static void test_bytes(void **state)
{
    struct scratch *s = *state;
    static const float data[2] = {1, -2};
    const struct cincel_tensor_source one = {"a", CINCEL_TENSOR_F32, 1, {2}, data, NULL, NULL};
    assert_int_equal(cincel_tensor_file_write(scratch_path(s, "w"), &one, 1, NULL, 0), CINCEL_OK);
    static const char text[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}  ";
    size_t size;
    uint8_t *bytes = scratch_read(s, "w", &size);
    assert_int_equal(size, 8 + strlen(text) + 8);
    assert_int_equal(strlen(text) % 8, 0);
    assert_memory_equal(bytes, ((const uint8_t[]){sizeof text - 1, 0, 0, 0, 0, 0, 0, 0}), 8);
    assert_memory_equal(bytes + 8, text, strlen(text));
    assert_memory_equal(bytes + 8 + strlen(text), ((const uint8_t[]){0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0}), 8);
    free(bytes);
}

static void test_truncated_anywhere(void **state)
{
    struct scratch *s = *state;
    write_sample(s);
    size_t size;
    uint8_t *bytes = scratch_read(s, "w", &size);
    struct cincel_tensor_file *file;
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(cincel_tensor_file_parse(bytes, cut, "cut", &file), CINCEL_FORMAT_ERROR);
    uint8_t *longer = calloc(1, size + 4);
    memcpy(longer, bytes, size);
    assert_int_equal(cincel_tensor_file_parse(longer, size + 4, "long", &file), CINCEL_FORMAT_ERROR);
    free(longer);
    free(bytes);
}

/* Reads every tensor: whatever passed the checks must lie in the file. */
static void read_all(struct cincel_tensor_file *file, size_t file_size)
{
    for (size_t i = 0; i < cincel_tensor_file_count(file); i++) {
        const struct cincel_tensor_entry *entry = cincel_tensor_file_entry(file, i);
        assert_true(entry->count <= file_size / sizeof(float));
        float *out = malloc(entry->count * sizeof(float) + 1);
        cincel_tensor_file_read(file, entry, out);
        free(out);
    }
    cincel_tensor_file_close(file);
}

static void test_bit_flips(void **state)
{
    struct scratch *s = *state;
    write_sample(s);
    size_t size;
    uint8_t *bytes = scratch_read(s, "w", &size);
    struct cincel_tensor_file *file;
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (cincel_tensor_file_parse(bytes, size, "flipped", &file) == CINCEL_OK) read_all(file, size);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    const long cases = test_cases(5000);
    for (long i = 0; i < cases; i++) { /* several bytes at once, mostly digits and brackets */
        const struct cincel_random random = {(uint64_t)i, 1, 0};
        uint8_t *copy = malloc(size);
        memcpy(copy, bytes, size);
        for (uint32_t hit = 0; hit < 3; hit++)
            copy[cincel_random_below(&random, 2 * hit, (uint32_t)size)] =
                (uint8_t) "0123456789[]{},:\" -e."[cincel_random_below(&random, 2 * hit + 1, 21)];
        if (cincel_tensor_file_parse(copy, size, "damaged", &file) == CINCEL_OK) read_all(file, size);
        free(copy);
    }
    free(bytes);
}

/* A header text in front of `data` zero bytes. */
static cincel_status parse_text(const char *header, size_t data)
{
    const uint64_t length = strlen(header);
    uint8_t *bytes = calloc(1, 8 + length + data);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    struct cincel_tensor_file *file;
    const cincel_status status = cincel_tensor_file_parse(bytes, 8 + length + data, "f", &file);
    if (status == CINCEL_OK) read_all(file, 8 + length + data);
    free(bytes);
    return status;
}

#define A(shape, offsets) "\"a\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define B(shape, offsets) "\"b\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void test_hostile_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        cincel_status status;
        const char *words;
    } cases[] = {
        {"{" A("[2]", "[0,8]") "}", 8, CINCEL_OK, ""},
        {"{\"__metadata__\":{\"k\":\"v\"}," A("[]", "[0,4]") "}   ", 4, CINCEL_OK, ""},
        {"{}", 0, CINCEL_OK, ""},
        {"{}", 1, CINCEL_FORMAT_ERROR, "1 bytes of data, the tensors take 0"},
        {"", 0, CINCEL_FORMAT_ERROR, "no JSON"},
        {"[]", 0, CINCEL_FORMAT_ERROR, "no JSON object"},
        {"{" A("[2]", "[0,8]") "} x", 8, CINCEL_FORMAT_ERROR, "no JSON"},
        {"{" A("[2]", "[0,8]") "," A("[2]", "[0,8]") "}", 8, CINCEL_FORMAT_ERROR, "duplicate"},
        {"{" A("[2]", "[0,8]") "," B("[2]", "[0,8]") "}", 8, CINCEL_FORMAT_ERROR, "'b': begins at byte 0"},
        {"{" A("[2]", "[0,8]") "," B("[1]", "[4,8]") "}", 8, CINCEL_FORMAT_ERROR, "'b': begins at byte 4"},
        {"{" A("[1]", "[0,4]") "," B("[1]", "[8,12]") "}", 12, CINCEL_FORMAT_ERROR, "'b': begins at byte 8"},
        {"{" A("[2]", "[4,12]") "}", 12, CINCEL_FORMAT_ERROR, "'a': begins at byte 4"},
        {"{" A("[2]", "[0,8]") "}", 12, CINCEL_FORMAT_ERROR, "12 bytes of data, the tensors take 8"},
        {"{" A("[2]", "[0,8]") "}", 4, CINCEL_FORMAT_ERROR, "leave the 4 bytes"},
        {"{" A("[2]", "[8,0]") "}", 8, CINCEL_FORMAT_ERROR, "[8, 0]"},
        {"{" A("[3]", "[0,8]") "}", 8, CINCEL_FORMAT_ERROR, "3 numbers do not take the 8 bytes"},
        {"{" A("[2]", "[0,8,9]") "}", 8, CINCEL_FORMAT_ERROR, "data_offsets"},
        {"{" A("[2]", "[0,-8]") "}", 8, CINCEL_FORMAT_ERROR, "data_offsets"},
        {"{" A("[2]", "[0,8.0]") "}", 8, CINCEL_FORMAT_ERROR, "data_offsets"},
        {"{" A("[2]", "[0,18446744073709551616]") "}", 8, CINCEL_FORMAT_ERROR, "no JSON"},
        {"{" A("[-2]", "[0,8]") "}", 8, CINCEL_FORMAT_ERROR, "shape"},
        {"{" A("[\"2\"]", "[0,8]") "}", 8, CINCEL_FORMAT_ERROR, "shape"},
        {"{" A("2", "[0,8]") "}", 8, CINCEL_FORMAT_ERROR, "shape is no array"},
        {"{" A("[4294967296,4294967296]", "[0,8]") "}", 8, CINCEL_FORMAT_ERROR, "shape overflows"},
        /* 2^62 numbers: times four bytes is 0 in 64 bits */
        {"{" A("[2147483648,2147483648]", "[0,0]") "}", 0, CINCEL_FORMAT_ERROR, "do not take"},
        {"{" A("[1,1,1,1,1,1,1,1,2]", "[0,8]") "}", 8, CINCEL_FORMAT_ERROR, "9 dimensions"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, CINCEL_UNSUPPORTED,
         "dtype is F64"},
        {"{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,8]}}", 8, CINCEL_FORMAT_ERROR, "dtype"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,8]}}", 8, CINCEL_FORMAT_ERROR, "dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, CINCEL_FORMAT_ERROR, "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, CINCEL_FORMAT_ERROR, "data_offsets"},
        {"{\"a\":[]}", 0, CINCEL_FORMAT_ERROR, "'a'"},
        {"{\"__metadata__\":{\"k\":1}}", 0, CINCEL_FORMAT_ERROR, "__metadata__"},
        {"{\"__metadata__\":[]}", 0, CINCEL_FORMAT_ERROR, "__metadata__"},
        {"{\"a\\u0000b\":{}}", 0, CINCEL_FORMAT_ERROR, "no JSON"},
        {"{\"\xff\":{}}", 0, CINCEL_FORMAT_ERROR, "no JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cincel_status status = parse_text(cases[i].header, cases[i].data);
        if (status != cases[i].status) fail_msg("%s: status %d", cases[i].header, status);
        if (status != CINCEL_OK && !strstr(cincel_error_message(), cases[i].words))
            fail_msg("%s: %s", cases[i].header, cincel_error_message());
    }
}

/* Deeper than any parser should follow, and a header length that is not there. */
static void test_hostile_sizes(void **state)
{
    (void)state;
    enum { DEPTH = 1000000 };
    char *deep = malloc(DEPTH + 6);
    memcpy(deep, "{\"a\":", 5);
    memset(deep + 5, '[', DEPTH);
    deep[DEPTH + 5] = 0;
    assert_int_equal(parse_text(deep, 0), CINCEL_FORMAT_ERROR);
    free(deep);

    struct cincel_tensor_file *file;
    static const uint64_t lengths[] = {1, 100, (uint64_t)1 << 40, UINT64_MAX - 7, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        assert_int_equal(cincel_tensor_file_parse(&lengths[i], 8, "f", &file), CINCEL_FORMAT_ERROR);

    const size_t size = (size_t)9 << 20; /* a header beyond the limit, though the file has it */
    uint8_t *bytes = malloc(size);
    memset(bytes, ' ', size);
    const uint64_t length = size - 8;
    memcpy(bytes, &length, 8);
    assert_int_equal(cincel_tensor_file_parse(bytes, size, "f", &file), CINCEL_UNSUPPORTED);
    free(bytes);
}

/* A header length whose low bytes are gzip's magic is a header length. */
static void test_not_gzip(void **state)
{
    struct scratch *s = *state;
    const uint64_t length = 0x8b1f;
    char *bytes = malloc(8 + length);
    memcpy(bytes, &length, 8);
    memset(bytes + 8, ' ', length);
    memcpy(bytes + 8, "{}", 2);
    struct cincel_tensor_file *file;
    assert_int_equal(cincel_tensor_file_open(scratch_write(s, "w", bytes, 8 + length), &file), CINCEL_OK);
    cincel_tensor_file_close(file);
    free(bytes);
}

static void test_bad_sources(void **state)
{
    struct scratch *s = *state;
    const char *path = scratch_path(s, "w");
    struct cincel_tensor_source twice[2] = {sources[0], sources[0]};
    assert_int_equal(cincel_tensor_file_write(path, twice, 2, NULL, 0), CINCEL_INVALID_ARGUMENT);
    struct cincel_tensor_source bad = sources[0];
    bad.name = "__metadata__";
    assert_int_equal(cincel_tensor_file_write(path, &bad, 1, NULL, 0), CINCEL_INVALID_ARGUMENT);
    bad.name = "\xff";
    assert_int_equal(cincel_tensor_file_write(path, &bad, 1, NULL, 0), CINCEL_INVALID_ARGUMENT);
    bad.name = "huge";
    bad.shape[0] = SIZE_MAX / 4;
    assert_int_equal(cincel_tensor_file_write(path, &bad, 1, NULL, 0), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(scratch_count(s), 0);
}

/* No room for the new file: the old one stays, nothing else does. */
static void test_disk_full(void **state)
{
    struct scratch *s = *state;
    write_sample(s);
    size_t before_size, after_size;
    uint8_t *before = scratch_read(s, "w", &before_size);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (rlim_t room = 0; room < before_size; room += 13) {
        tight = old;
        tight.rlim_cur = room;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
        const cincel_status status = cincel_tensor_file_write(scratch_path(s, "w"), sources, 3, metadata, 1);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        if (status == CINCEL_OK) break;
        assert_int_equal(status, CINCEL_IO_ERROR);
        assert_int_equal(scratch_count(s), 1);
        uint8_t *after = scratch_read(s, "w", &after_size);
        assert_int_equal(after_size, before_size);
        assert_memory_equal(after, before, before_size);
        free(after);
    }
    signal(SIGXFSZ, SIG_DFL);
    free(before);
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

/* Whole numbers of 8 bytes come in and go out as floats, wherever they lie. */
static void test_whole_numbers(void **state)
{
    struct scratch *s = *state;
    static const float counts[2] = {3, 16777216}, one = 0.5f;
    const struct cincel_tensor_source mixed[] = {{"n", CINCEL_TENSOR_I64, 1, {2}, counts, NULL, NULL},
                                                 {"x", CINCEL_TENSOR_F32, 0, {0}, &one, NULL, NULL}};
    assert_int_equal(cincel_tensor_file_write(scratch_path(s, "w"), mixed, 2, NULL, 0), CINCEL_OK);
    size_t size;
    uint8_t *bytes = scratch_read(s, "w", &size);
    const int64_t expected[2] = {3, 16777216};
    assert_memory_equal(bytes + size - 4 - sizeof expected, expected, sizeof expected);
    free(bytes);
    struct cincel_tensor_file *file;
    assert_int_equal(cincel_tensor_file_open(scratch_path(s, "w"), &file), CINCEL_OK);
    assert_int_equal(cincel_tensor_file_entry(file, 0)->type, CINCEL_TENSOR_I64);
    assert_int_equal(cincel_tensor_file_entry(file, 1)->type, CINCEL_TENSOR_F32);
    float got[2];
    cincel_tensor_file_read(file, cincel_tensor_file_entry(file, 0), got);
    assert_memory_equal(got, counts, sizeof got);
    cincel_tensor_file_close(file);

    /* behind 4 bytes, and negative */
    static const char header[] = "{\"x\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
                                 "\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[4,12]}}";
    uint8_t raw[8 + sizeof header - 1 + 12] = {0};
    const uint64_t length = sizeof header - 1;
    const int64_t number = -7;
    memcpy(raw, &length, 8);
    memcpy(raw + 8, header, sizeof header - 1);
    memcpy(raw + 8 + length + 4, &number, 8);
    assert_int_equal(cincel_tensor_file_parse(raw, sizeof raw, "raw", &file), CINCEL_OK);
    cincel_tensor_file_read(file, cincel_tensor_file_entry(file, 1), got);
    assert_true(got[0] == -7.0f);
    cincel_tensor_file_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(test_round_trip),
        IN_SCRATCH(test_bytes),
        IN_SCRATCH(test_truncated_anywhere),
        IN_SCRATCH(test_bit_flips),
        cmocka_unit_test(test_hostile_headers),
        cmocka_unit_test(test_hostile_sizes),
        IN_SCRATCH(test_whole_numbers),
        IN_SCRATCH(test_not_gzip),
        IN_SCRATCH(test_bad_sources),
        IN_SCRATCH(test_disk_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
