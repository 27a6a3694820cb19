/* cincel doctor: what keeps this machine from being as fast as it could be, and what to do about it. */
#include <jansson.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/doctor_checks.h"
#include "cli/options.h"

static void print_text(const struct doctor_finding *f)
{
    static const char *const marks[] = {"    ", "hint", "  !!"};
    printf("%s  %-11s %s\n", marks[f->state], f->name, f->text);
    if (f->advice[0]) printf("%18s-> %s\n", "", f->advice);
}

static int examine(const struct doctor_subject *subject, bool json)
{
    struct doctor_finding f;
    json_t *list = json ? json_array() : NULL;
    int problems = 0, hints = 0;
    for (int i = 0; doctor_check(subject, i, &f); i++) {
        problems += f.state == DOCTOR_PROBLEM;
        hints += f.state == DOCTOR_HINT;
        if (json)
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:s, s:s}", "name", f.name, "state",
                                            doctor_state_name(f.state), "text", f.text, "advice", f.advice));
        else
            print_text(&f);
    }
    if (json) {
        json_t *all = json_pack("{s:i, s:i, s:o}", "problems", problems, "hints", hints, "findings", list);
        if (!all) {
            fputs("cincel: doctor: no memory for the JSON text\n", stderr);
            return CLI_FAILURE;
        }
        json_dumpf(all, stdout, JSON_INDENT(2)); /* main checks stdout */
        putchar('\n');
        json_decref(all);
    } else {
        printf("\n%d problem%s, %d hint%s\n", problems, problems == 1 ? "" : "s", hints,
               hints == 1 ? "" : "s");
    }
    return problems ? CLI_FAILURE : CLI_SUCCESS;
}

int cli_doctor(int argc, char **argv)
{
    bool json = false;
    const struct cli_option options[] = {
        {.name = "json", .kind = CLI_FLAG, .value = &json, .help = "print one JSON object"},
    };
    const struct cli_syntax syntax = {
        .command = "doctor",
        .operands = "",
        .about =
            "Looks for what makes this machine slower than it could be (limits, other load, clocks, memory,\n"
            "profiles) and says what to do about it. Exit code 1 if there is a problem.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int operands, code;
    if (!cli_parse(&syntax, argc, argv, &operands, &code)) return code;
    struct doctor_subject subject = {.root = "", .machine = CINCEL_MACHINE_INFO_INIT, .seconds = 0.3};
    cincel_status status = cincel_context_create(NULL, &subject.ctx);
    if (status == CINCEL_OK) status = cincel_machine_describe(subject.ctx, &subject.machine);
    code = status == CINCEL_OK ? examine(&subject, json) : cli_report(status);
    cincel_context_destroy(subject.ctx);
    return code;
}
