/* The `cincel` command from outside: exit codes, one-line errors, help, and what `info` prints. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "cincel/cincel.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, P_tmpdir "/cincel-cli-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    return setenv("XDG_CACHE_HOME", folder, 1) || unsetenv("CINCEL_ISA") || unsetenv("CINCEL_THREADS");
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

struct outcome {
    int code;
    char out[16384], err[4096];
};

static void read_back(const char *name, char *text, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

/* Runs `cincel` with shell words before (assignments) and after it. */
static void run(struct outcome *o, const char *before, const char *after)
{
    char command[1024];
    snprintf(command, sizeof command, "%s %s >'%s/out' 2>'%s/err' %s", before, CINCEL_COMMAND, folder, folder,
             after);
    const int status = system(command);
    assert_true(WIFEXITED(status));
    o->code = WEXITSTATUS(status);
    read_back("out", o->out, sizeof o->out);
    read_back("err", o->err, sizeof o->err);
}

static void assert_one_line(const char *text)
{
    const char *newline = strchr(text, '\n');
    assert_non_null(newline);
    assert_int_equal(newline[1], '\0');
}

static void test_wrong_usage(void **state)
{
    (void)state;
    static const struct {
        const char *before, *arguments, *error;
    } cases[] = {
        {"", "", "cincel: no command given"},
        {"", "paint", "cincel: unknown command \"paint\""},
        {"", "--paint", "cincel: unknown option \"--paint\""},
        {"", "help paint", "cincel: unknown command \"paint\""},
        {"", "info --paint", "cincel: info: unknown option --paint"},
        {"", "info --paint=3", "cincel: info: unknown option --paint "},
        {"", "info -p", "cincel: info: unknown option -p"},
        {"", "info --json=3", "cincel: info: --json takes no value, was given \"3\""},
        {"", "info twice", "cincel: info: unexpected argument \"twice\""},
        {"", "info -- --json", "cincel: info: unexpected argument \"--json\""},
        {"CINCEL_ISA=mmx", "info", "cincel: CINCEL_ISA is \"mmx\""},
        {"CINCEL_THREADS=0", "info", "cincel: CINCEL_THREADS is \"0\""},
        {"CINCEL_THREADS=-3", "info", "cincel: CINCEL_THREADS is \"-3\""},
        {"CINCEL_THREADS=abc", "info", "cincel: CINCEL_THREADS is \"abc\""},
        {"CINCEL_THREADS=99999999999999999999", "info", "cincel: CINCEL_THREADS is"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct outcome o;
        run(&o, cases[i].before, cases[i].arguments);
        assert_int_equal(o.code, 2);
        assert_string_equal(o.out, "");
        assert_one_line(o.err);
        if (strncmp(o.err, cases[i].error, strlen(cases[i].error)) != 0) fail_msg("%s", o.err);
    }
}

static void test_help_and_version(void **state)
{
    (void)state;
    struct outcome o, again;
    run(&o, "", "--version");
    assert_int_equal(o.code, 0);
    char expected[64];
    snprintf(expected, sizeof expected, "cincel %s\n", cincel_version());
    assert_string_equal(o.out, expected);
    run(&o, "", "--help");
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "info"));
    run(&o, "", "info --help");
    run(&again, "", "help info");
    assert_int_equal(o.code, 0);
    assert_int_equal(again.code, 0);
    assert_string_equal(o.out, again.out);
    assert_non_null(strstr(o.out, "--json"));
    assert_non_null(strstr(o.out, "--refresh"));
    assert_string_equal(o.err, "");
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value)) fail_msg("no number \"%s\"", key);
    return json_number_value(value);
}

static void test_info(void **state)
{
    (void)state;
    struct outcome o;
    run(&o, "CINCEL_THREADS=2", "info --json");
    assert_int_equal(o.code, 0);
    assert_string_equal(o.err, "");
    json_t *all = json_loads(o.out, 0, NULL);
    assert_non_null(all);
    assert_true(number(all, "threads") == 2);
    assert_true(number(all, "physical_cores") >= 1 && number(all, "memory_bytes") > 0);
    assert_true(number(json_object_get(all, "caches"), "l1d_bytes") > 0);
    const json_t *peaks = json_object_get(all, "peaks");
    assert_true(json_is_false(json_object_get(peaks, "from_cache")));
    assert_true(number(peaks, "gflops_1") > 0 && number(peaks, "gflops_team") > 0);
    const json_t *points = json_object_get(peaks, "bandwidth_gbytes");
    assert_true(json_array_size(points) >= 1);
    for (size_t i = 0; i < json_array_size(points); i++) {
        const json_t *point = json_array_get(points, i);
        assert_true(number(point, "working_set_bytes") > 0);
        assert_true(number(point, "read_1") > 0 && number(point, "triad_1") > 0);
        assert_true(number(point, "read_team") > 0 && number(point, "triad_team") > 0);
    }
    char isa[32], key[96];
    snprintf(isa, sizeof isa, "ISA in use    %s", json_string_value(json_object_get(all, "isa")));
    snprintf(key, sizeof key, "%s", json_string_value(json_object_get(all, "key")));
    json_decref(all);

    run(&o, "CINCEL_THREADS=2", "info"); /* the figures are remembered now */
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, isa));
    assert_non_null(strstr(o.out, key));
    assert_non_null(strstr(o.out, "FMA peak"));
    assert_non_null(strstr(o.out, "measured earlier"));

    run(&o, "CINCEL_THREADS=2", "info >/dev/full");
    assert_int_equal(o.code, 1);
    assert_one_line(o.err);
    assert_non_null(strstr(o.err, "cannot write to standard output: No space left on device"));
    run(&o, "CINCEL_THREADS=2", "info --json >&-");
    assert_int_equal(o.code, 1);
    assert_one_line(o.err);
}

static void test_capped_isa(void **state)
{
    (void)state;
    struct outcome o;
    run(&o, "CINCEL_ISA=generic CINCEL_THREADS=1", "info --json");
    assert_int_equal(o.code, 0);
    json_t *all = json_loads(o.out, 0, NULL);
    assert_non_null(all);
    assert_string_equal(json_string_value(json_object_get(all, "isa")), "generic");
    const json_t *peaks = json_object_get(all, "peaks");
    assert_true(number(peaks, "gflops_1") == number(peaks, "gflops_team"));
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_usage),
        cmocka_unit_test(test_help_and_version),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_capped_isa),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
