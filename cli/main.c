/*
 * The `cincel` command. Data goes to stdout, messages to stderr; exit codes: 0 success, 1 failure,
 * 2 wrong usage.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cincel/cincel.h"
#include "cli/commands.h"
#include "cli/options.h"

/* A new subcommand is a row here, a line in commands.h and a file of its own. */
static const struct {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"info", "what this machine is and what it can reach", cli_info},
    {"doctor", "what makes this machine slower than it could be", cli_doctor},
    {"summary", "a built-in model: layers, shapes, parameters, FLOPs, memory", cli_summary},
    {"tune", "measure which kernels are fastest here, and keep it", cli_tune},
    {"explain", "how a problem would be computed here, and why", cli_explain},
    {"profile", "the results of tuning: show, merge, diff, check, path", cli_profile},
    {"train", "train a model; leaves weights, metrics and a summary", cli_train},
    {"eval", "how good a run's weights are on a test set", cli_eval},
    {"generate", "text as a trained model writes it", cli_generate},
    {"predict", "what a trained model takes pictures or rows of a table for", cli_predict},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static int find_command(const char *name)
{
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) return i;
    }
    return -1;
}

static int print_overview(void)
{
    puts("Usage: cincel COMMAND [ARGUMENT]…\n\n"
         "Trains convolutional and recurrent networks on CPUs.\n\nCommands:");
    for (int i = 0; i < COMMANDS; i++) printf("  %-10s  %s\n", commands[i].name, commands[i].summary);
    puts("  help        this text, or `cincel help COMMAND`\n\n"
         "`cincel COMMAND --help` explains a command; `cincel --version` prints the version.");
    return CLI_SUCCESS;
}

static int unknown_command(const char *name)
{
    return cli_usage_error("unknown %s \"%s\" (see cincel --help)", name[0] == '-' ? "option" : "command",
                           name);
}

static int help(int argc, char **argv)
{
    if (argc < 2) return print_overview();
    const int command = find_command(argv[1]);
    if (command < 0) return unknown_command(argv[1]);
    char flag[] = "--help";
    char *arguments[] = {argv[1], flag, NULL};
    return commands[command].run(2, arguments);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) return cli_usage_error("no command given (see cincel --help)");
    if (strcmp(argv[1], "--version") == 0) {
        printf("cincel %s\n", cincel_version());
        return CLI_SUCCESS;
    }
    if (strcmp(argv[1], "--help") == 0) return print_overview();
    if (strcmp(argv[1], "help") == 0) return help(argc - 1, argv + 1);
    const int command = find_command(argv[1]);
    return command < 0 ? unknown_command(argv[1]) : commands[command].run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is reported like a full disk */
    const int code = dispatch(argc, argv);
    const int failed_before = ferror(stdout);
    errno = 0;
    if (fclose(stdout) != 0 || failed_before) {
        fprintf(stderr, "cincel: cannot write to standard output: %s\n",
                errno ? strerror(errno) : "an earlier write failed");
        return code ? code : CLI_FAILURE;
    }
    return code;
}
