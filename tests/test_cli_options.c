/* Options of a subcommand: both spellings of a value, ranges, operands, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/options.h"

struct values {
    bool flag;
    int64_t count;
    double rate;
    const char *out;
    int operands, code;
    char *argv[16];
};

/* Parses a line of words; the words live as long as *v. */
static bool parse(struct values *v, char *line)
{
    *v = (struct values){.count = 10, .rate = 0.5, .out = "default", .operands = -1, .code = -1};
    int argc = 0;
    char *rest = NULL;
    for (char *word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        v->argv[argc++] = word;
    const struct cli_option options[] = {
        {.name = "flag", .kind = CLI_FLAG, .value = &v->flag, .help = "a flag"},
        {.name = "count",
         .kind = CLI_INTEGER,
         .value = &v->count,
         .argument = "N",
         .min = -1,
         .max = 1000,
         .help = "n"},
        {.name = "rate",
         .kind = CLI_NUMBER,
         .value = &v->rate,
         .argument = "X",
         .min = 0,
         .max = 1,
         .help = "x"},
        {.name = "out", .kind = CLI_TEXT, .value = &v->out, .argument = "DIR", .help = "where"},
    };
    const struct cli_syntax syntax = {"do", "FILE…", "Does.", 1, 2, options, 4};
    return cli_parse(&syntax, argc, v->argv, &v->operands, &v->code);
}

static void test_accepted(void **state)
{
    (void)state;
    struct values v;
    char defaults[] = "do a";
    assert_true(parse(&v, defaults));
    assert_true(!v.flag && v.count == 10 && v.rate == 0.5 && v.operands == 1);
    assert_string_equal(v.out, "default");
    char all[] = "do --count 7 a --rate=0.25 --flag --out=x=y b";
    assert_true(parse(&v, all));
    assert_true(v.flag && v.count == 7 && v.rate == 0.25 && v.operands == 2);
    assert_string_equal(v.out, "x=y");
    assert_string_equal(v.argv[1], "a");
    assert_string_equal(v.argv[2], "b");
    char last_wins[] = "do a --count=1 --count -1 --rate 1e-3";
    assert_true(parse(&v, last_wins));
    assert_true(v.count == -1 && v.rate == 1e-3);
    char ended[] = "do --flag -- --count -";
    assert_true(parse(&v, ended));
    assert_int_equal(v.operands, 2);
    assert_string_equal(v.argv[1], "--count");
    assert_string_equal(v.argv[2], "-");
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "do",
        "do a b c",
        "do a --nope",
        "do a --coun 3",
        "do a --counts 3",
        "do a --count",
        "do a --count --flag",
        "do a --count=",
        "do a --count=x",
        "do a --count=3x",
        "do a --count=1001",
        "do a --count=-2",
        "do a --count=1e2",
        "do a --rate=1.5",
        "do a --rate=nan",
        "do a --rate=inf",
        "do a --rate=-0.1",
        "do a --rate=",
        "do a --rate=0.1.2",
        "do a --out=",
        "do a --flag=1",
        "do a -f",
        "do a --count=99999999999999999999",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct values v;
        char line[64];
        snprintf(line, sizeof line, "%s", lines[i]);
        if (parse(&v, line)) fail_msg("accepted: %s", lines[i]);
        assert_int_equal(v.code, CLI_USAGE);
    }
}

static void test_help_ends_with_success(void **state)
{
    (void)state;
    struct values v;
    char line[] = "do --count 3 --help --nope";
    assert_false(parse(&v, line));
    assert_int_equal(v.code, CLI_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_help_ends_with_success),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
