/* Data sets in memory and synthetic ones: what goes in comes out, what makes no sense is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cincel/train.h"

static void test_memory(void **state)
{
    (void)state;
    float x[3 * 2 * 2 * 2];
    for (int i = 0; i < 24; i++) x[i] = (float)i * 0.37f - 3;
    int32_t labels[3] = {4, 0, 2};
    cincel_dataset *data;
    assert_int_equal(cincel_dataset_memory(x, labels, 3, 2, 2, 2, 5, &data), CINCEL_OK);
    float copy[24];
    memcpy(copy, x, sizeof x);
    memset(x, 0, sizeof x); /* they were copied */
    memset(labels, 0, sizeof labels);

    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    assert_int_equal(cincel_dataset_describe(data, &info), CINCEL_OK);
    assert_int_equal(info.count, 3);
    assert_int_equal(info.channels, 2);
    assert_int_equal(info.classes, 5);

    const size_t index[] = {2, 0, 2};
    float got[24];
    int32_t got_labels[3];
    assert_int_equal(cincel_dataset_gather(data, index, 3, got, got_labels), CINCEL_OK);
    assert_memory_equal(got, copy + 16, 32);
    assert_memory_equal(got + 8, copy, 32);
    assert_memory_equal(got + 16, copy + 16, 32);
    assert_int_equal(got_labels[0], 2);
    assert_int_equal(got_labels[1], 4);
    assert_int_equal(cincel_dataset_gather(data, index, 3, NULL, NULL), CINCEL_OK);
    assert_int_equal(cincel_dataset_gather(data, NULL, 0, got, NULL), CINCEL_OK);

    const size_t beyond[] = {0, 3};
    got[0] = 77;
    assert_int_equal(cincel_dataset_gather(data, beyond, 2, got, NULL), CINCEL_INVALID_ARGUMENT);
    assert_non_null(strstr(cincel_error_message(), "index[1] is 3"));
    assert_true(got[0] == 77);
    assert_int_equal(cincel_dataset_gather(data, NULL, 1, got, NULL), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_dataset_gather(NULL, index, 1, got, NULL), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_dataset_describe(data, NULL), CINCEL_INVALID_ARGUMENT);
    cincel_dataset_destroy(data);
    cincel_dataset_destroy(NULL);
}

static void test_refuses(void **state)
{
    (void)state;
    const float x[4] = {0};
    const int32_t labels[2] = {1, 2}, negative[2] = {0, -1};
    cincel_dataset *data = NULL;
    static const struct {
        int h, w, c, classes;
        size_t count;
        const char *words;
    } cases[] = {
        {0, 1, 1, 3, 2, "height is 0"},
        {1, -1, 1, 3, 2, "width is -1"},
        {1, 1, 0, 3, 2, "channels is 0"},
        {1, 1, 1, 0, 2, "classes is 0"},
        {1, 1, 1, 3, 0, "count is 0"},
        {1, 1, 1, 2, 2, "label 2 of sample 1 is out of range"},
        {INT32_MAX, INT32_MAX, 1, 3, 2, "overflow"},
        {1, 1, 1, 3, SIZE_MAX / 2, "overflow"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(cincel_dataset_memory(x, labels, cases[i].count, cases[i].h, cases[i].w, cases[i].c,
                                               cases[i].classes, &data),
                         CINCEL_INVALID_ARGUMENT);
        if (!strstr(cincel_error_message(), cases[i].words)) fail_msg("%s", cincel_error_message());
    }
    assert_int_equal(cincel_dataset_memory(x, negative, 2, 1, 1, 1, 3, &data), CINCEL_INVALID_ARGUMENT);
    assert_non_null(strstr(cincel_error_message(), "label -1"));
    assert_int_equal(cincel_dataset_memory(NULL, labels, 2, 1, 1, 1, 3, &data), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_dataset_memory(x, NULL, 2, 1, 1, 1, 3, &data), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_dataset_memory(x, labels, 2, 1, 1, 1, 3, NULL), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_dataset_synthetic_digits(0, 1, &data), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_dataset_synthetic_digits(SIZE_MAX, 1, &data), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_dataset_synthetic_digits(1, 1, NULL), CINCEL_INVALID_ARGUMENT);
    assert_null(data);
}

/* A struct that did not come from its _INIT macro. */
static void test_struct_size(void **state)
{
    (void)state;
    cincel_dataset *data;
    assert_int_equal(cincel_dataset_synthetic_digits(1, 1, &data), CINCEL_OK);
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    info.size = 3;
    assert_int_equal(cincel_dataset_describe(data, &info), CINCEL_INVALID_ARGUMENT);
    cincel_dataset_destroy(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_struct_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
