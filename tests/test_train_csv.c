/* CSV files: what RFC 4180 allows is read, what it does not is a sentence with a line; tables as data sets.
 */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "tests/support/scratch.h"
#include "tests/support/status.h"
#include "train/csv.h"
#include "train/dataset.h"

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

/* `text` is read as rows x columns numbers `value`, with (names non-NULL) or without a header. */
static void expect(struct scratch *s, const char *text, size_t rows, size_t columns, const float *value,
                   const char *const *names)
{
    struct cincel_csv csv;
    must(cincel_csv_read(scratch_write(s, "t.csv", text, strlen(text)), CINCEL_CSV_HEADER_AUTO, &csv));
    if (csv.rows != rows || csv.columns != columns) {
        fail_msg("%zu x %zu, expected %zu x %zu: %s", csv.rows, csv.columns, rows, columns, text);
    }
    assert_memory_equal(csv.value, value, rows * columns * sizeof *value);
    assert_true((csv.name != NULL) == (names != NULL));
    for (size_t i = 0; names && i < columns; i++) assert_string_equal(csv.name[i], names[i]);
    cincel_csv_free(&csv);
}

static void reads_what_the_rfc_allows(void **state)
{
    struct scratch *s = *state;
    static const float four[] = {1, -2.5f, 300, 0.04f};
    static const char *const ab[] = {"a", "b"}, *const odd[] = {"a, \"b\"\nc", " d "};
    expect(s, "1,-2.5\n3e2,.04\n", 2, 2, four, NULL);
    expect(s, "1,-2.5\r\n3E+2,4e-2", 2, 2, four, NULL); /* CRLF, the last record without */
    expect(s, "a,b\n1,-2.5\n300,0.04\n", 2, 2, four, ab);
    expect(s, "\xef\xbb\xbf\"a\" , b\t\r\n\r\n 1 ,\"-2.5\"\n\n+3e2,0.04\n\n\r\n", 2, 2, four, ab);
    expect(s, "\"a, \"\"b\"\"\nc\",\" d \"\n\"1\",-2.5\n300,.04", 2, 2, four, odd);
    expect(s, "7", 1, 1, (const float[]){7}, NULL);
    expect(s, "1,b\n1,2\n", 1, 2, (const float[]){1, 2}, (const char *const[]){"1", "b"});
    expect(s, ",b\n1,2\n", 1, 2, (const float[]){1, 2}, (const char *const[]){"", "b"});
}

static void header_may_be_said(void **state)
{
    struct scratch *s = *state;
    struct cincel_csv csv;
    const char *years = "1990,1991\n3,4\n", *path = scratch_write(s, "years.csv", years, strlen(years));
    must(cincel_csv_read(path, CINCEL_CSV_HEADER_YES, &csv));
    assert_int_equal(csv.rows, 1);
    size_t column;
    must(cincel_csv_column(path, &csv, "1991", &column)); /* a name */
    assert_int_equal(column, 1);
    must(cincel_csv_column(path, &csv, "1", &column)); /* no name, so a number */
    assert_int_equal(column, 0);
    says(cincel_csv_column(path, &csv, "3", &column), CINCEL_INVALID_ARGUMENT,
         "no column \"3\" among its 2: 1990, 1991");
    says(cincel_csv_column(path, &csv, "0", &column), CINCEL_INVALID_ARGUMENT, "no column \"0\"");
    says(cincel_csv_column(path, &csv, "-1", &column), CINCEL_INVALID_ARGUMENT, "no column \"-1\"");
    says(cincel_csv_column(path, &csv, "99999999999999999999", &column), CINCEL_INVALID_ARGUMENT,
         "no column");
    cincel_csv_free(&csv);
    must(cincel_csv_read(path, CINCEL_CSV_HEADER_NO, &csv));
    assert_int_equal(csv.rows, 2);
    cincel_csv_free(&csv);
    path = scratch_write(s, "named.csv", "\n\na,b\n3,4\n", 10);
    says(cincel_csv_read(path, CINCEL_CSV_HEADER_NO, &csv), CINCEL_FORMAT_ERROR,
         "line 3: \"a\" is no finite");
}

/* A decimal comma in the locale changes nothing, where the machine has such a locale. */
static void locale_does_not_matter(void **state)
{
    struct scratch *s = *state;
    const char *kept = setlocale(LC_NUMERIC, NULL);
    char name[64];
    snprintf(name, sizeof name, "%s", kept);
    const bool comma = setlocale(LC_NUMERIC, "de_DE.UTF-8") || setlocale(LC_NUMERIC, "fr_FR.UTF-8");
    expect(s, "1.5,2\n", 1, 2, (const float[]){1.5f, 2}, NULL);
    setlocale(LC_NUMERIC, name);
    if (!comma) print_message("no locale with a decimal comma here\n");
}

static void refuses_what_is_damaged(void **state)
{
    struct scratch *s = *state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "holds no record"},
        {"\n\r\n \n", "holds no record"},
        {"a,b\n", "holds no row"},
        {"1,2\n3\n", "line 2: 1 fields, the first record has 2"},
        {"1,2\n3,4\n5,6,7\n", "line 3: more than 2 fields"},
        {"1,2\n3,4\n5,", "line 3, column 2: \"\" is no finite number"},
        {"a,b\n1,2\n3,x\n", "line 3, column 2: \"x\""},
        {"a,b\n1,2\n3,0x10\n", "line 3, column 2"},
        {"a,b\n1,nan\n", "line 2, column 2: \"nan\""},
        {"a,b\n-inf,1\n", "line 2, column 1: \"-inf\""},
        {"a,b\n1e99,1\n", "line 2, column 1: \"1e99\""},
        {"a,b\n1.2.3,1\n", "column 1: \"1.2.3\""},
        {"a,b\n1 2,1\n", "column 1: \"1 2\""},
        {"a,b\n1,\"2\n3,4\n", "line 2: truncated: a quote is opened and never closed"},
        {"a,b\n1,\"2\"3\n", "line 2: text behind a closing quote"},
        {"a,b\n1,2\"3\n", "line 2: a quote inside a field"},
        {"a;b\n1;2\n", "line 2, column 1: \"1;2\""},
        {"\"a\nb\",c\n\n1,2\n\"3\",4,5\n", "line 5: more than 2 fields"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cincel_csv csv;
        const char *path = scratch_write(s, "bad.csv", cases[i].text, strlen(cases[i].text));
        says(cincel_csv_read(path, CINCEL_CSV_HEADER_AUTO, &csv), CINCEL_FORMAT_ERROR, cases[i].words);
        assert_non_null(strstr(cincel_error_message(), path));
    }
    struct cincel_csv csv;
    const char *path = scratch_write(s, "zero.csv", "1,2\n3,\0004\n", 9);
    says(cincel_csv_read(path, CINCEL_CSV_HEADER_AUTO, &csv), CINCEL_FORMAT_ERROR,
         "line 2: holds a zero byte");
    char *wide = malloc(1 << 18);
    memset(wide, '1', 1 << 18);
    path = scratch_write(s, "long.csv", wide, 1 << 18);
    says(cincel_csv_read(path, CINCEL_CSV_HEADER_AUTO, &csv), CINCEL_FORMAT_ERROR, "more than 4096 bytes");
    memset(wide, ',', 1 << 18);
    path = scratch_write(s, "wide.csv", wide, 1 << 18);
    says(cincel_csv_read(path, CINCEL_CSV_HEADER_AUTO, &csv), CINCEL_FORMAT_ERROR, "more than 65536 columns");
    free(wide);
    says(cincel_csv_read(scratch_path(s, "none.csv"), CINCEL_CSV_HEADER_AUTO, &csv), CINCEL_IO_ERROR,
         "none.csv: cannot open");
    says(cincel_csv_read(s->folder, CINCEL_CSV_HEADER_AUTO, &csv), CINCEL_IO_ERROR, "no regular file");
}

/* Larger than any buffer, plain and compressed; and the compressed one cut short. */
static void reads_long_files(void **state)
{
    struct scratch *s = *state;
    enum { ROWS = 20000 };
    char path[600];
    snprintf(path, sizeof path, "%s", scratch_path(s, "long.csv.gz"));
    gzFile gz = gzopen(path, "wb");
    assert_non_null(gz);
    for (int i = 0; i < ROWS; i++) gzprintf(gz, "%d,%d.25,-%d\r\n", i, i, i);
    gzclose(gz);
    struct cincel_csv csv;
    must(cincel_csv_read(path, CINCEL_CSV_HEADER_AUTO, &csv));
    assert_int_equal(csv.rows, ROWS);
    assert_int_equal(csv.columns, 3);
    for (int i = 0; i < ROWS; i++) {
        assert_true(csv.value[3 * i] == (float)i && csv.value[3 * i + 1] == (float)i + 0.25f &&
                    csv.value[3 * i + 2] == (float)-i);
    }
    cincel_csv_free(&csv);
    assert_int_equal(truncate(path, 30000), 0);
    says(cincel_csv_read(path, CINCEL_CSV_HEADER_AUTO, &csv), CINCEL_FORMAT_ERROR, "long.csv.gz");
}

/* ---------------------------------------------------------------------------------------- data sets -- */

static const char houses[] = "rooms,price,area\n3,100,50\n4,120,60\n5,140,55\n3,90,45\n";

static void table_is_a_data_set(void **state)
{
    struct scratch *s = *state;
    const char *path = scratch_write(s, "houses.csv", houses, strlen(houses));
    cincel_csv_options o = CINCEL_CSV_OPTIONS_INIT;
    cincel_dataset *data;
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    o.target = "price";
    must(cincel_dataset_csv(path, &o, &data));
    must(cincel_dataset_describe(data, &info));
    assert_int_equal(info.count, 4);
    assert_int_equal(info.height * info.width, 1);
    assert_int_equal(info.channels, 2);
    assert_int_equal(info.classes, 0);
    assert_int_equal(info.targets, 1);
    assert_string_equal(info.name, "CSV");
    assert_string_equal(cincel_dataset_column(data, 0), "rooms");
    assert_string_equal(cincel_dataset_column(data, 1), "area");
    assert_string_equal(cincel_dataset_column(data, 2), "price");
    assert_null(cincel_dataset_column(data, 3));
    const size_t index[] = {2, 0};
    float x[4], targets[2];
    int32_t labels[2];
    must(cincel_dataset_gather_targets(data, index, 2, x, targets));
    assert_memory_equal(x, ((const float[]){5, 55, 3, 50}), sizeof x);
    assert_memory_equal(targets, ((const float[]){140, 100}), sizeof targets);
    says(cincel_dataset_gather(data, index, 2, x, labels), CINCEL_INVALID_ARGUMENT, "has targets, no labels");
    cincel_dataset_destroy(data);

    must(cincel_dataset_csv(path, NULL, &data)); /* the last column is the target */
    assert_string_equal(cincel_dataset_column(data, 2), "area");
    cincel_dataset_destroy(data);
    o.target = "1";
    o.labels = 1;
    must(cincel_dataset_csv(path, &o, &data));
    must(cincel_dataset_describe(data, &info));
    assert_int_equal(info.classes, 6);
    assert_int_equal(info.targets, 0);
    assert_string_equal(cincel_dataset_column(data, 0), "price");
    assert_null(cincel_dataset_column(data, 2));
    must(cincel_dataset_gather(data, index, 2, x, labels));
    assert_int_equal(labels[0], 5);
    says(cincel_dataset_gather_targets(data, index, 2, x, targets), CINCEL_INVALID_ARGUMENT, "no targets");
    cincel_dataset_destroy(data);
}

static void table_refuses(void **state)
{
    struct scratch *s = *state;
    const char *path = scratch_write(s, "t.csv", "a,b\n1,0.5\n2,-1\n", 15);
    cincel_csv_options o = CINCEL_CSV_OPTIONS_INIT;
    cincel_dataset *data = NULL;
    says(cincel_dataset_csv(NULL, NULL, &data), CINCEL_INVALID_ARGUMENT, "path is NULL");
    says(cincel_dataset_csv(path, NULL, NULL), CINCEL_INVALID_ARGUMENT, "out is NULL");
    o.labels = 1;
    says(cincel_dataset_csv(path, &o, &data), CINCEL_FORMAT_ERROR, "row 1, column 2: 0.5 is no class");
    o.target = "c";
    says(cincel_dataset_csv(path, &o, &data), CINCEL_INVALID_ARGUMENT, "no column \"c\" among its 2: a, b");
    o.header = (cincel_csv_header)7;
    says(cincel_dataset_csv(path, &o, &data), CINCEL_INVALID_ARGUMENT, "header is 7");
    path = scratch_write(s, "one.csv", "a\n1\n", 4);
    says(cincel_dataset_csv(path, NULL, &data), CINCEL_FORMAT_ERROR, "one column");
    static const float x[2] = {1, 2}, nan_target[2] = {1, NAN};
    says(cincel_dataset_regression(x, nan_target, 2, 1, 1, 1, 1, &data), CINCEL_INVALID_ARGUMENT,
         "target nan of sample 1");
    says(cincel_dataset_regression(x, x, 2, 1, 1, 1, 0, &data), CINCEL_INVALID_ARGUMENT, "target_count is 0");
    says(cincel_dataset_regression(x, NULL, 2, 1, 1, 1, 1, &data), CINCEL_INVALID_ARGUMENT,
         "targets is NULL");
    says(cincel_dataset_regression(NULL, x, 2, 1, 1, 1, 1, &data), CINCEL_INVALID_ARGUMENT, "x is NULL");
    assert_null(data);
}

static void splits_are_a_partition(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    float x[COUNT], targets[COUNT];
    for (int i = 0; i < COUNT; i++) {
        x[i] = (float)i;
        targets[i] = (float)(10 * i);
    }
    cincel_dataset *data, *a, *b, *c, *d;
    must(cincel_dataset_regression(x, targets, COUNT, 1, 1, 1, 1, &data));
    must(cincel_dataset_split(data, 0.25, 7, &a, &b));
    must(cincel_dataset_split(data, 0.25, 8, &c, &d));
    bool seen[COUNT] = {false};
    size_t differ = 0;
    for (size_t i = 0; i < COUNT; i++) {
        const size_t second = i >= COUNT - 12, at = second ? i - (COUNT - 12) : i;
        float v, t, other;
        must(cincel_dataset_gather_targets(second ? b : a, &at, 1, &v, &t));
        must(cincel_dataset_gather_targets(second ? d : c, &at, 1, &other, NULL));
        assert_true(t == 10 * v && !seen[(int)v]);
        seen[(int)v] = true;
        differ += v != other;
    }
    assert_true(differ > COUNT / 2);
    cincel_dataset_destroy(a);
    cincel_dataset_destroy(b);
    cincel_dataset_destroy(c);
    cincel_dataset_destroy(d);
    says(cincel_dataset_split(data, 0.001, 1, &a, &b), CINCEL_INVALID_ARGUMENT, "leaves a part empty");
    says(cincel_dataset_split(data, 1.0, 1, &a, &b), CINCEL_INVALID_ARGUMENT, "fraction is 1");
    says(cincel_dataset_split(data, NAN, 1, &a, &b), CINCEL_INVALID_ARGUMENT, "fraction is nan");
    says(cincel_dataset_split(NULL, 0.5, 1, &a, &b), CINCEL_INVALID_ARGUMENT, "data is NULL");
    says(cincel_dataset_split(data, 0.5, 1, NULL, &b), CINCEL_INVALID_ARGUMENT, "first or second");
    cincel_dataset_destroy(data);
}

/* Means and deviations of part of the samples, one column far from 0, one constant. */
static void standardising_takes_mean_and_deviation_away(void **state)
{
    (void)state;
    static const float x[4 * 2] = {1e6f, 5, 1e6f + 2, 5, 1e6f + 4, 5, 77, 5}, targets[4] = {1, 3, 5, -9};
    static const size_t index[3] = {0, 1, 2}, all[4] = {0, 1, 2, 3};
    cincel_dataset *data;
    float mean[3], deviation[3], z[8], t[4];
    must(cincel_dataset_regression(x, targets, 4, 1, 1, 2, 1, &data));
    must(cincel_dataset_moments(data, index, 3, mean, deviation));
    const float wanted = (float)sqrt(8.0 / 3.0);
    assert_true(mean[0] == 1e6f + 2 && mean[1] == 5 && mean[2] == 3);
    assert_true(deviation[0] == wanted && deviation[1] == 0 && deviation[2] == wanted);
    must(cincel_dataset_standardise(data, mean, deviation));
    must(cincel_dataset_gather_targets(data, all, 4, z, t));
    assert_true(z[0] == -2 / wanted && z[1] == 0 && z[2] == 0 && z[4] == 2 / wanted && z[7] == 0);
    assert_true(t[0] == -2 / wanted && t[3] == -12 / wanted);
    says(cincel_dataset_moments(data, index, 0, mean, deviation), CINCEL_INVALID_ARGUMENT, "n is 0");
    says(cincel_dataset_moments(data, index, 3, NULL, deviation), CINCEL_INVALID_ARGUMENT, "mean");
    says(cincel_dataset_moments(NULL, index, 3, mean, deviation), CINCEL_INVALID_ARGUMENT, "data is NULL");
    deviation[1] = -1;
    says(cincel_dataset_standardise(data, mean, deviation), CINCEL_INVALID_ARGUMENT, "deviation[1] is -1");
    mean[2] = INFINITY;
    deviation[1] = 1;
    says(cincel_dataset_standardise(data, mean, deviation), CINCEL_INVALID_ARGUMENT, "mean[2] is inf");
    cincel_dataset_destroy(data);
    must(cincel_dataset_synthetic_digits(2, 1, &data));
    says(cincel_dataset_standardise(data, mean, deviation), CINCEL_UNSUPPORTED, "bytes");
    says(cincel_dataset_moments(data, index, 1, mean, deviation), CINCEL_UNSUPPORTED, "bytes");
    cincel_dataset_destroy(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_what_the_rfc_allows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(header_may_be_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(locale_does_not_matter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_is_damaged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_long_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(table_is_a_data_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(table_refuses, set_up, tear_down),
        cmocka_unit_test(splits_are_a_partition),
        cmocka_unit_test(standardising_takes_mean_and_deviation_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
