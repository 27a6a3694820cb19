/*
 * Options of a subcommand as a table, from which parsing and `--help` both follow:
 *
 *   bool json = false;
 *   int64_t epochs = 10;
 *   const struct cli_option options[] = {
 *       {.name = "json", .kind = CLI_FLAG, .value = &json, .help = "print one JSON object"},
 *       {.name = "epochs", .kind = CLI_INTEGER, .value = &epochs, .argument = "N", .min = 1, .max = 100000,
 *        .help = "passes over the training set (10)"},
 *   };
 *
 * Accepted are `--name value` and `--name=value`, in any place among the operands; `--` ends the options.
 */
#ifndef CINCEL_CLI_OPTIONS_H
#define CINCEL_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cincel/cincel.h"

enum { CLI_SUCCESS = 0, CLI_FAILURE = 1, CLI_USAGE = 2 }; /* exit codes */

enum cli_kind {
    CLI_FLAG,    /* bool; takes no value */
    CLI_INTEGER, /* int64_t, min … max */
    CLI_NUMBER,  /* double, finite, min … max */
    CLI_TEXT     /* const char *, not empty; points into argv */
};

struct cli_option {
    const char *name; /* without the dashes */
    enum cli_kind kind;
    void *value;          /* holds the default; written where the option is given */
    const char *argument; /* what the value is called in the help text: "N"; not for flags */
    double min, max;      /* of INTEGER (both below 2^53) and NUMBER */
    const char *help;     /* one line */
};

struct cli_syntax {
    const char *command;  /* "train" */
    const char *operands; /* "RUN_DIR IMAGE…", or "" */
    const char *about;    /* a sentence or two for the help text */
    int min_operands, max_operands;
    const struct cli_option *options;
    int option_count;
};

/*
 * Parses argv[1] … argv[argc−1] (argv[0] is the command's name). The operands are left, in order, in
 * argv[1] … argv[*operands]. Returns false where the command is over: *exit_code says how (help was
 * printed, or an error).
 */
bool cli_parse(const struct cli_syntax *syntax, int argc, char **argv, int *operands, int *exit_code);

/* "cincel: …" and a newline on stderr; returns CLI_USAGE. */
int cli_usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints cincel_error_message() on stderr; returns the exit code that belongs to the status. */
int cli_report(cincel_status status);

#endif
