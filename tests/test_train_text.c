/* Text: what is read, what is refused, and tokens as samples that continue each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "tests/support/scratch.h"
#include "tests/support/status.h"
#include "train/text.h"
#include "train/trainer.h"

static int set_up(void **state)
{
    static struct scratch s;
    scratch_open(&s);
    *state = &s;
    return 0;
}

static int tear_down(void **state)
{
    scratch_close(*state);
    return 0;
}

static void files_are_read(void **state)
{
    struct scratch *s = *state;
    char *text;
    size_t bytes;
    static char large[300000];
    for (size_t i = 0; i < sizeof large; i++) large[i] = (char)('a' + i % 23);
    must(cincel_text_read(scratch_write(s, "t.txt", large, sizeof large), &text, &bytes));
    assert_int_equal(bytes, sizeof large);
    assert_memory_equal(text, large, bytes);
    free(text);
    gzFile gz = gzopen(scratch_path(s, "t.gz"), "wb");
    gzwrite(gz, large, sizeof large);
    gzclose(gz);
    must(cincel_text_read(scratch_path(s, "t.gz"), &text, &bytes));
    assert_int_equal(bytes, sizeof large);
    assert_memory_equal(text, large, bytes);
    free(text);
}

static void what_is_no_text_is_refused(void **state)
{
    struct scratch *s = *state;
    static const struct {
        const char *bytes, *message;
        size_t size;
    } bad[] = {
        {"", "is empty", 0},
        {"a\0b", "byte 2 is 0x00, NUL", 3},
        {"ab\x80", "byte 3 is 0x80, no UTF-8", 3},     /* a tail without a head */
        {"ab\xc3", "byte 3 is 0xc3", 3},               /* a head without a tail */
        {"\xc3(", "byte 1 is 0xc3", 2},                /* another tail than it must be */
        {"\xc0\xaf", "byte 1 is 0xc0", 2},             /* overlong */
        {"\xe0\x80\xaf", "byte 1 is 0xe0", 3},         /* overlong */
        {"\xed\xa0\x80", "byte 1 is 0xed", 3},         /* a surrogate */
        {"\xf4\x90\x80\x80", "byte 1 is 0xf4", 4},     /* past the last character */
        {"\xf8\x88\x80\x80\x80", "byte 1 is 0xf8", 5}, /* five bytes */
    };
    char *text = NULL;
    size_t size;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *path = scratch_write(s, "bad.txt", bad[i].bytes, bad[i].size);
        says(cincel_text_read(path, &text, &size), CINCEL_FORMAT_ERROR, bad[i].message);
    }
    says(cincel_text_read(scratch_path(s, "none.txt"), &text, &size), CINCEL_IO_ERROR, "none.txt");
    assert_null(text);
}

static void vocabularies_are_ordered(void **state)
{
    (void)state;
    static const char text[] = "b\xc3\xb1\n\xf0\x9f\x99\x82"
                               "a\xe2\x82\xac"
                               "ab"; /* b ñ newline 🙂 a € a b */
    static const uint32_t order[] = {'\n', 'a', 'b', 0xf1, 0x20ac, 0x1f642};
    static const int32_t expected[] = {2, 3, 0, 5, 1, 4, 1, 2};
    struct cincel_vocabulary v;
    int32_t tokens[sizeof text];
    size_t count;
    must(cincel_vocabulary_of("text", text, sizeof text - 1, &v));
    assert_int_equal(v.count, 6);
    assert_memory_equal(v.character, order, sizeof order);
    must(cincel_vocabulary_encode(&v, "text", text, sizeof text - 1, tokens, &count));
    assert_int_equal(count, 8);
    assert_memory_equal(tokens, expected, sizeof expected);
    char back[sizeof text] = "", one[CINCEL_UTF8_BYTES + 1];
    for (size_t i = 0; i < count; i++) {
        cincel_vocabulary_decode(&v, (size_t)tokens[i], one);
        strcat(back, one);
    }
    assert_string_equal(back, text);

    char *all = cincel_vocabulary_text(&v);
    struct cincel_vocabulary again;
    assert_string_equal(all, "\nab\xc3\xb1\xe2\x82\xac\xf0\x9f\x99\x82");
    must(cincel_vocabulary_of("text", all, strlen(all), &again));
    assert_int_equal(again.count, v.count);
    assert_memory_equal(again.character, v.character, sizeof order);

    says(cincel_vocabulary_encode(&v, "prompt", "ab\xc3\xb6", 4, tokens, &count), CINCEL_FORMAT_ERROR,
         "prompt: character 3 is '\xc3\xb6' (U+00F6)");
    says(cincel_vocabulary_encode(&v, "prompt", "\t", 1, tokens, &count), CINCEL_FORMAT_ERROR, "(U+0009)");
    says(cincel_vocabulary_of("text", "", 0, &again), CINCEL_FORMAT_ERROR, "text: is empty");
    free(all);
    cincel_vocabulary_free(&again);
    cincel_vocabulary_free(&v);
}

static void samples_continue_each_other(void **state)
{
    (void)state;
    static const int32_t tokens[] = {0, 1, 2, 3, 4, 5, 6, 0, 1};
    cincel_dataset *data, *none = NULL, *more = NULL;
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    must(cincel_dataset_tokens(tokens, 9, 3, 7, &data)); /* 3 more tokens would make a third sample */
    must(cincel_dataset_describe(data, &info));
    assert_int_equal(info.count, 2);
    assert_int_equal(info.height, 3);
    assert_int_equal(info.channels, 1);
    assert_int_equal(info.classes, 7);
    assert_int_equal(info.positions, 3);
    const size_t index[] = {1, 0};
    static const float expected[] = {3, 4, 5, 0, 1, 2};
    static const int32_t behind[] = {4, 5, 6, 1, 2, 3};
    float x[6];
    int32_t labels[6];
    must(cincel_dataset_gather(data, index, 2, x, labels));
    assert_memory_equal(x, expected, sizeof x);
    assert_memory_equal(labels, behind, sizeof labels);
    says(cincel_dataset_split(data, 0.5, 1, &none, &more), CINCEL_UNSUPPORTED, "follow each other");
    cincel_dataset_destroy(data);

    const cincel_status bad = CINCEL_INVALID_ARGUMENT;
    says(cincel_dataset_tokens(NULL, 9, 3, 7, &none), bad, "tokens is NULL");
    says(cincel_dataset_tokens(tokens, 9, 0, 7, &none), bad, "steps is 0");
    says(cincel_dataset_tokens(tokens, 3, 3, 7, &none), bad,
         "3 tokens, a sample of 3 steps and the token behind");
    says(cincel_dataset_tokens(tokens, 9, 3, 6, &none), bad, "token 6 is 6, must be 0 to 5");
    says(cincel_dataset_tokens(tokens, 9, 3, 0, &none), bad, "classes is 0");
    assert_null(none);
}

static void sequences_have_a_label_a_step(void **state)
{
    (void)state;
    static const float x[2][3][2] = {{{1, 2}, {3, 4}, {5, 6}}, {{7, 8}, {9, 10}, {11, 12}}};
    int32_t labels[2][3] = {{0, 1, CINCEL_LABEL_IGNORED}, {2, 1, 0}}, got[3];
    cincel_dataset *data, *first, *second;
    const size_t one = 1;
    float copy[6];
    must(cincel_dataset_sequences(&x[0][0][0], labels[0], 2, 3, 2, 3, &data));
    must(cincel_dataset_gather(data, &one, 1, copy, got));
    assert_memory_equal(copy, x[1], sizeof copy);
    assert_memory_equal(got, labels[1], sizeof got);
    must(cincel_dataset_split(data, 0.5, 1, &first, &second));
    const size_t zero = 0;
    int32_t parts[2][3];
    must(cincel_dataset_gather(first, &zero, 1, NULL, parts[0]));
    must(cincel_dataset_gather(second, &zero, 1, NULL, parts[1]));
    const bool swapped = parts[0][0] != labels[0][0];
    assert_memory_equal(parts[swapped], labels[0], sizeof got);
    assert_memory_equal(parts[!swapped], labels[1], sizeof got);
    cincel_dataset_destroy(second);
    cincel_dataset_destroy(first);
    cincel_dataset_destroy(data);
    labels[1][2] = -1;
    says(cincel_dataset_sequences(&x[0][0][0], labels[0], 2, 3, 2, 3, &data), CINCEL_INVALID_ARGUMENT,
         "label -1 of sample 1");
    says(cincel_dataset_sequences(&x[0][0][0], labels[0], 2, 0, 2, 3, &data), CINCEL_INVALID_ARGUMENT,
         "steps is 0");
}

/* Every sample is in one stream, once, and streams shorten from the last one. */
static void streams_take_all_samples(void **state)
{
    (void)state;
    for (size_t samples = 1; samples < 40; samples++) {
        for (size_t most = 1; most < 12; most++) {
            const struct streams s = cincel_streams(samples, most);
            bool seen[40] = {false};
            size_t total = 0;
            assert_true(s.count >= 1 && s.count <= most);
            for (size_t step = 0; step < s.length; step++) {
                const size_t n = cincel_streams_at(&s, step);
                assert_true(n == s.count || n + 1 == s.count);
                for (size_t b = 0; b < n; b++) {
                    const size_t at = b * s.length + step;
                    assert_true(at < samples && !seen[at]);
                    seen[at] = true;
                    total++;
                }
            }
            assert_int_equal(total, samples);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read),
        cmocka_unit_test(what_is_no_text_is_refused),
        cmocka_unit_test(vocabularies_are_ordered),
        cmocka_unit_test(samples_continue_each_other),
        cmocka_unit_test(sequences_have_a_label_a_step),
        cmocka_unit_test(streams_take_all_samples),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
