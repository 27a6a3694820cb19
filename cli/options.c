#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cli_usage_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("cincel: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return CLI_USAGE;
}

int cli_report(cincel_status status)
{
    if (status == CINCEL_OK) return CLI_SUCCESS;
    fprintf(stderr, "cincel: %s\n", cincel_error_message());
    return status == CINCEL_INVALID_ARGUMENT ? CLI_USAGE : CLI_FAILURE;
}

/* ------------------------------------------------------------------------------------- help -- */

static int print_label(FILE *out, const struct cli_option *o)
{
    return fprintf(out, "  --%s%s%s", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
}

static int label_width(const struct cli_option *o)
{
    return (int)(strlen("  --") + strlen(o->name) + (o->argument ? 1 + strlen(o->argument) : 0));
}

static void print_help(const struct cli_syntax *s)
{
    static const struct cli_option help = {.name = "help", .kind = CLI_FLAG, .help = "show this text"};
    int widest = label_width(&help);
    for (int i = 0; i < s->option_count; i++) {
        if (label_width(&s->options[i]) > widest) widest = label_width(&s->options[i]);
    }
    printf("Usage: cincel %s%s%s [OPTION]…\n\n%s\n\nOptions:\n", s->command, *s->operands ? " " : "",
           s->operands, s->about);
    for (int i = 0; i <= s->option_count; i++) {
        const struct cli_option *o = i < s->option_count ? &s->options[i] : &help;
        const int width = print_label(stdout, o);
        printf("%*s%s\n", widest - width + 2, "", o->help);
    }
}

/* ---------------------------------------------------------------------------------- parsing -- */

static const struct cli_option *find_option(const struct cli_syntax *s, const char *name, size_t length)
{
    for (int i = 0; i < s->option_count; i++) {
        const struct cli_option *o = &s->options[i];
        if (strlen(o->name) == length && memcmp(o->name, name, length) == 0) return o;
    }
    return NULL;
}

static int read_integer(const struct cli_syntax *s, const struct cli_option *o, const char *text)
{
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || (double)value < o->min || (double)value > o->max) {
        return cli_usage_error("%s: --%s is \"%s\", must be a whole number %.0f … %.0f", s->command, o->name,
                               text, o->min, o->max);
    }
    *(int64_t *)o->value = value;
    return CLI_SUCCESS;
}

static int read_number(const struct cli_syntax *s, const struct cli_option *o, const char *text)
{
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || value < o->min || value > o->max) {
        return cli_usage_error("%s: --%s is \"%s\", must be a number %g … %g", s->command, o->name, text,
                               o->min, o->max);
    }
    *(double *)o->value = value;
    return CLI_SUCCESS;
}

static int read_value(const struct cli_syntax *s, const struct cli_option *o, const char *text)
{
    switch (o->kind) {
    case CLI_FLAG: *(bool *)o->value = true; return CLI_SUCCESS;
    case CLI_INTEGER: return read_integer(s, o, text);
    case CLI_NUMBER: return read_number(s, o, text);
    case CLI_TEXT: break;
    }
    if (!*text) return cli_usage_error("%s: --%s is empty", s->command, o->name);
    *(const char **)o->value = text;
    return CLI_SUCCESS;
}

/* One option at argv[*at]; *at moves on to its value where that is an argument of its own. */
static int read_option(const struct cli_syntax *s, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2;
    const size_t length = strcspn(name, "=");
    const char *text = name[length] ? name + length + 1 : NULL;
    const struct cli_option *o = find_option(s, name, length);
    if (!o) {
        return cli_usage_error("%s: unknown option --%.*s (see cincel %s --help)", s->command, (int)length,
                               name, s->command);
    }
    if (o->kind == CLI_FLAG && text) {
        return cli_usage_error("%s: --%s takes no value, was given \"%s\"", s->command, o->name, text);
    }
    if (o->kind != CLI_FLAG && !text) {
        /* what looks like an option is one: a forgotten value must not swallow it */
        if (*at + 1 >= argc || strncmp(argv[*at + 1], "--", 2) == 0) {
            return cli_usage_error("%s: --%s needs a value %s", s->command, o->name, o->argument);
        }
        text = argv[++*at];
    }
    return read_value(s, o, text);
}

static bool over(int *exit_code, int code)
{
    *exit_code = code;
    return false;
}

bool cli_parse(const struct cli_syntax *s, int argc, char **argv, int *operands, int *exit_code)
{
    int count = 0;
    bool options_ended = false;
    for (int at = 1; at < argc; at++) {
        char *argument = argv[at];
        const bool dashed = !options_ended && argument[0] == '-' && argument[1];
        if (dashed && strcmp(argument, "--") == 0) {
            options_ended = true;
        } else if (dashed && strcmp(argument, "--help") == 0) {
            print_help(s);
            return over(exit_code, CLI_SUCCESS);
        } else if (dashed && argument[1] == '-') {
            const int code = read_option(s, argc, argv, &at);
            if (code) return over(exit_code, code);
        } else if (dashed) {
            return over(exit_code, cli_usage_error("%s: unknown option %s (see cincel %s --help)", s->command,
                                                   argument, s->command));
        } else {
            argv[++count] = argument;
        }
    }
    if (count > s->max_operands) {
        return over(exit_code,
                    cli_usage_error("%s: unexpected argument \"%s\"", s->command, argv[s->max_operands + 1]));
    }
    if (count < s->min_operands) {
        return over(exit_code, cli_usage_error("%s: missing argument; usage: cincel %s %s", s->command,
                                               s->command, s->operands));
    }
    *operands = count;
    return true;
}
