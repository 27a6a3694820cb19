/* cincel profile: the results of tuning, shown, compared, checked and merged. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cincel/cincel.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "core/status.h"
#include "plan/plan.h"
#include "tune/profile_file.h"

struct request {
    bool json, force;
    const char *one, *two; /* files; NULL: not given */
};

/* A file, or the user's where none is named; `path` has room for PATH_MAX bytes. */
static cincel_status find_file(const cincel_context *ctx, const char *given, char *path, size_t size)
{
    if (!given) return cincel_profile_path(ctx, CINCEL_PROFILE_USER, path, size);
    if ((size_t)snprintf(path, size, "%s", given) < size) return CINCEL_OK;
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "profile: the file name is too long");
}

static cincel_status read_file(const char *path, struct cincel_profile_content *content)
{
    const cincel_status status = cincel_profile_read(path, content);
    if (status != CINCEL_OK || content->there) return status;
    cincel_profile_destroy(content->profile);
    return cincel_fail(CINCEL_IO_ERROR, "%s: no such file, or empty", path);
}

static int print_json(json_t *json)
{
    if (!json) return cli_report(cincel_fail(CINCEL_OUT_OF_MEMORY, "profile: no memory"));
    json_dumpf(json, stdout, JSON_INDENT(2)); /* main checks stdout */
    putchar('\n');
    json_decref(json);
    return CLI_SUCCESS;
}

/* ------------------------------------------------------------------------------------- show -- */

static json_t *entry_json(const struct cincel_profile_entry *e)
{
    return json_pack("{s:s, s:i, s:s, s:f, s:f, s:f}", "problem", e->key, "threads", e->threads, "choice",
                     e->choice, "seconds", e->seconds, "spread", e->spread, "default_seconds",
                     e->default_seconds);
}

static int show_json(const char *path, const struct cincel_profile_content *content)
{
    struct cincel_profile_entry e;
    json_t *facts = json_object(), *entries = json_array();
    for (int i = 0; i < CINCEL_PROFILE_FACTS; i++)
        json_object_set_new(facts, cincel_profile_fact_names[i], json_string(content->facts.value[i]));
    for (size_t i = 0; cincel_profile_at(content->profile, i, &e); i++)
        json_array_append_new(entries, entry_json(&e));
    return print_json(json_pack("{s:s, s:o, s:I, s:o}", "file", path, "header", facts, "damaged_lines",
                                (json_int_t)content->damaged, "entries", entries));
}

static void show_text(const char *path, const struct cincel_profile_content *content)
{
    struct cincel_profile_entry e;
    printf("%s\n", path);
    for (int i = 0; i < CINCEL_PROFILE_FACTS; i++)
        printf("%-9s %s\n", cincel_profile_fact_names[i],
               content->facts.value[i][0] ? content->facts.value[i] : "unknown");
    printf("%zu entries, %zu damaged lines\n", cincel_profile_size(content->profile), content->damaged);
    for (size_t i = 0; cincel_profile_at(content->profile, i, &e); i++)
        printf("\n%s, at most %d thread%s\n  %s\n  %.6g ms, median x%.3f; untuned %.6g ms: gain x%.2f\n",
               e.key, e.threads, e.threads == 1 ? "" : "s", e.choice, 1e3 * e.seconds, e.spread,
               1e3 * e.default_seconds, cincel_profile_gain(&e));
}

static int show(cincel_context *ctx, const struct request *r)
{
    char path[8192];
    struct cincel_profile_content content;
    int code = CLI_SUCCESS;
    cincel_status status = find_file(ctx, r->one, path, sizeof path);
    if (status == CINCEL_OK) status = read_file(path, &content);
    if (status != CINCEL_OK) return cli_report(status);
    if (r->json)
        code = show_json(path, &content);
    else
        show_text(path, &content);
    cincel_profile_destroy(content.profile);
    return code;
}

/* ------------------------------------------------------------------------------------ merge -- */

static int merge(cincel_context *ctx, const struct request *r)
{
    char to[8192];
    cincel_profile_stats stats = CINCEL_PROFILE_STATS_INIT;
    cincel_status status = find_file(ctx, r->two, to, sizeof to);
    if (status == CINCEL_OK)
        status = cincel_profile_merge(to, r->one, r->force ? CINCEL_PROFILE_FORCE : 0, &stats);
    if (status != CINCEL_OK) return cli_report(status);
    if (r->json)
        return print_json(json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "file", to, "entries",
                                    (json_int_t)stats.entries, "added", (json_int_t)stats.added, "replaced",
                                    (json_int_t)stats.replaced, "kept", (json_int_t)stats.kept,
                                    "damaged_lines", (json_int_t)stats.damaged));
    printf("%s: of %zu entries %zu added, %zu replaced, %zu not better than what was there; %zu damaged "
           "lines skipped\n",
           to, stats.entries, stats.added, stats.replaced, stats.kept, stats.damaged);
    return CLI_SUCCESS;
}

/* ------------------------------------------------------------------------------------- diff -- */

/* Entries of `a` that `b` lacks or chooses otherwise for; both ways this covers all. */
static size_t differences(struct cincel_profile *a, struct cincel_profile *b, char sign, json_t *list)
{
    struct cincel_profile_entry mine, its;
    size_t count = 0;
    for (size_t i = 0; cincel_profile_at(a, i, &mine); i++) {
        if (cincel_profile_find(b, mine.key, mine.threads, &its) && strcmp(mine.choice, its.choice) == 0)
            continue;
        count++;
        if (list)
            json_array_append_new(list, entry_json(&mine));
        else
            printf("%c %s | t%d | %s | gain x%.2f\n", sign, mine.key, mine.threads, mine.choice,
                   cincel_profile_gain(&mine));
    }
    return count;
}

static int diff(cincel_context *ctx, const struct request *r)
{
    char second[8192];
    struct cincel_profile_content a, b;
    cincel_status status = find_file(ctx, r->two, second, sizeof second);
    if (status == CINCEL_OK) status = read_file(r->one, &a);
    if (status != CINCEL_OK) return cli_report(status);
    status = read_file(second, &b);
    if (status != CINCEL_OK) {
        cincel_profile_destroy(a.profile);
        return cli_report(status);
    }
    json_t *first = r->json ? json_array() : NULL, *last = r->json ? json_array() : NULL;
    const size_t gone = differences(a.profile, b.profile, '-', first);
    const size_t come = differences(b.profile, a.profile, '+', last);
    cincel_profile_destroy(a.profile);
    cincel_profile_destroy(b.profile);
    if (r->json && print_json(json_pack("{s:o, s:o}", "first", first, "second", last))) return CLI_FAILURE;
    return gone + come ? CLI_FAILURE : CLI_SUCCESS;
}

/* ------------------------------------------------------------------------------------ check -- */

/* Why an entry is of no use on this context; "" if it is. */
static void judge(const cincel_context *ctx, const struct cincel_profile_entry *e, char why[CINCEL_WHY])
{
    struct cincel_problem p;
    struct cincel_choice c;
    why[0] = '\0';
    if (!cincel_problem_parse(e->key, &p)) {
        snprintf(why, CINCEL_WHY, "no such problem");
    } else if (cincel_choice_parse(&p, e->choice, &c, why)) {
        if (c.threads > ctx->machine.threads) c.threads = ctx->machine.threads;
        if (cincel_choice_check(&ctx->target, &p, &c, ctx->error_budget, why)) why[0] = '\0';
    }
}

static int check(cincel_context *ctx, const struct request *r)
{
    char path[8192], why[CINCEL_WHY];
    struct cincel_profile_content content;
    struct cincel_profile_entry e;
    cincel_machine_info machine = CINCEL_MACHINE_INFO_INIT;
    size_t invalid = 0;
    cincel_status status = find_file(ctx, r->one, path, sizeof path);
    if (status == CINCEL_OK) status = cincel_machine_describe(ctx, &machine);
    if (status == CINCEL_OK) status = read_file(path, &content);
    if (status != CINCEL_OK) return cli_report(status);
    const bool foreign = strcmp(machine.key, cincel_profile_machine(&content.facts)) != 0;
    const size_t entries = cincel_profile_size(content.profile), damaged = content.damaged;
    json_t *list = r->json ? json_array() : NULL;
    for (size_t i = 0; cincel_profile_at(content.profile, i, &e); i++) {
        judge(ctx, &e, why);
        invalid += why[0] != '\0';
        if (why[0] && list)
            json_array_append_new(
                list, json_pack("{s:s, s:i, s:s}", "problem", e.key, "threads", e.threads, "why", why));
        else if (why[0])
            printf("%s | t%d: %s\n", e.key, e.threads, why);
    }
    cincel_profile_destroy(content.profile);
    if (list &&
        print_json(json_pack("{s:s, s:I, s:b, s:I, s:o}", "file", path, "entries", (json_int_t)entries,
                             "foreign", foreign, "damaged_lines", (json_int_t)damaged, "invalid", list)))
        return CLI_FAILURE;
    if (!list)
        printf("%s: %zu entries, %zu of them not valid here, %zu damaged lines%s\n", path, entries, invalid,
               damaged, foreign ? "; another machine's file" : "");
    return foreign || invalid || damaged ? CLI_FAILURE : CLI_SUCCESS;
}

/* ------------------------------------------------------------------------------------- path -- */

static int path(cincel_context *ctx, const struct request *r)
{
    static const char *const names[] = {"system", "user", "environment"};
    json_t *json = r->json ? json_object() : NULL;
    for (int layer = CINCEL_PROFILE_SYSTEM; layer <= CINCEL_PROFILE_ENVIRONMENT; layer++) {
        char file[8192];
        const bool named =
            cincel_profile_path(ctx, (cincel_profile_layer)layer, file, sizeof file) == CINCEL_OK;
        if (json)
            json_object_set_new(json, names[layer], named ? json_string(file) : json_null());
        else
            printf("%-12s %s\n", names[layer], named ? file : "-");
    }
    return json ? print_json(json) : CLI_SUCCESS;
}

/* ---------------------------------------------------------------------------------- command -- */

static const struct {
    const char *name;
    int least, most; /* files */
    int (*run)(cincel_context *ctx, const struct request *r);
} actions[] = {
    {"show", 0, 1, show},   {"merge", 1, 2, merge}, {"diff", 1, 2, diff},
    {"check", 0, 1, check}, {"path", 0, 0, path},
};
enum { ACTIONS = sizeof actions / sizeof *actions };

int cli_profile(int argc, char **argv)
{
    struct request r = {.json = false};
    const struct cli_option options[] = {
        {.name = "json", .kind = CLI_FLAG, .value = &r.json, .help = "print one JSON object"},
        {.name = "force", .kind = CLI_FLAG, .value = &r.force, .help = "merge another machine's file too"},
    };
    const struct cli_syntax syntax = {
        .command = "profile",
        .operands = "ACTION [FILE]…",
        .about =
            "The results of tuning. Where a file is left out it is the user's (see path).\n"
            "  show [FILE]         the entries: problem, choice, time, gain over the untuned choice\n"
            "  merge FROM [TO]     adds FROM to TO; of two entries the larger gain stays\n"
            "  diff FILE [OTHER]   entries that differ in their choice; exit code 1 if there are any\n"
            "  check [FILE]        damaged lines and entries not valid here; exit code 1 if there are any\n"
            "  path                the files of this machine, by layer: later ones have precedence",
        .min_operands = 1,
        .max_operands = 3,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int operands, code, action = 0;
    if (!cli_parse(&syntax, argc, argv, &operands, &code)) return code;
    while (action < ACTIONS && strcmp(actions[action].name, argv[1]) != 0) action++;
    if (action == ACTIONS) return cli_usage_error("profile: unknown action \"%s\"", argv[1]);
    const int files = operands - 1;
    if (files < actions[action].least || files > actions[action].most)
        return cli_usage_error("profile: %s takes %d to %d files, was given %d", argv[1],
                               actions[action].least, actions[action].most, files);
    r.one = files > 0 ? argv[2] : NULL;
    r.two = files > 1 ? argv[3] : NULL;
    cincel_context *ctx;
    const cincel_status status = cincel_context_create(NULL, &ctx);
    if (status != CINCEL_OK) return cli_report(status);
    code = actions[action].run(ctx, &r);
    cincel_context_destroy(ctx);
    return code;
}
