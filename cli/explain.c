/* cincel explain: which ways there are to compute a problem, which one is taken, and why. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/problem_text.h"
#include "cli/tuning.h"
#include "core/status.h"
#include "plan/plan.h"
#include "tune/candidates.h"

struct request {
    bool json, measure;
    int64_t threads, top;
    double budget;
};

/* All that is said of a problem. */
struct explanation {
    const struct request *request;
    cincel_context *ctx;
    struct cincel_problem problem;
    char key[CINCEL_PROBLEM_KEY];
    int threads;
    struct cincel_decision decision; /* what a plan would take */
    struct cincel_candidates all;
    struct cincel_measure_report report;
};

static double peak_percent(const struct explanation *e, int threads, double seconds)
{
    return 1e-7 * cincel_problem_flops(&e->problem) / seconds / (e->ctx->target.gflops * threads);
}

static cincel_status choose(struct explanation *e)
{
    const cincel_context *ctx = e->ctx;
    const struct cincel_chooser chooser = {&ctx->target, ctx->team, ctx->profile, ctx->error_budget};
    cincel_options o = CINCEL_OPTIONS_INIT;
    o.threads = e->threads;
    return cincel_choose(&chooser, &e->problem, &o, 0, "explain", &e->decision);
}

static cincel_status collect(struct explanation *e)
{
    const cincel_context *ctx = e->ctx;
    e->all = (struct cincel_candidates){.t = &ctx->target, .p = &e->problem, .leanest = SIZE_MAX};
    cincel_status status = cincel_candidates_fill(&e->all, true, e->threads, ctx->error_budget, "explain");
    if (status != CINCEL_OK || !e->request->measure) return status;
    const struct cincel_measure_limits limits = {.budget = e->request->budget, .cancel = interrupt_catch()};
    return cincel_measure(&ctx->target, ctx->team, &e->problem, &limits, e->all.item, e->all.count,
                          &e->report);
}

/* The i-th algorithm of the problem's operator and pass that does not serve it; NULL past the last. */
static const struct cincel_algo *refused(const struct explanation *e, int i, char why[CINCEL_WHY])
{
    for (const struct cincel_algo *const *a = cincel_algos; *a; a++) {
        if ((*a)->op != e->problem.op || (*a)->pass != e->problem.pass) continue;
        if (cincel_candidates_refusal(&e->ctx->target, &e->problem, *a, e->ctx->error_budget, why) &&
            i-- == 0)
            return *a;
    }
    return NULL;
}

/* ---------------------------------------------------------------------------------------- text -- */

static void print_candidate(const struct explanation *e, const struct cincel_candidate *c)
{
    char choice[CINCEL_CHOICE_TEXT], measured[16] = "-", percent[16] = "-";
    const double seconds = isfinite(c->measured) ? c->measured : c->predicted;
    cincel_choice_print(&e->problem, &c->choice, choice);
    if (isfinite(c->measured)) snprintf(measured, sizeof measured, "%.4f", 1e3 * c->measured);
    if (cincel_problem_flops(&e->problem) > 0.0)
        snprintf(percent, sizeof percent, "%.0f %%", peak_percent(e, c->choice.threads, seconds));
    printf("%12.4f  %11s  %9s  %s%s%s\n", 1e3 * c->predicted, measured, percent, choice,
           c->standard ? "  (untuned)" : "", c->wrong ? "  (wrong results)" : "");
}

static void print_limits(const struct explanation *e)
{
    const struct cincel_target *t = &e->ctx->target;
    const double flops = cincel_problem_flops(&e->problem), bytes = cincel_problem_bytes(&e->problem);
    printf("work       %.4g MFLOP, %.4g MB; on one core at least %.4g ms by the FMA peak (%.0f GFLOP/s),\n"
           "           %.4g ms from memory (%.0f GB/s)\n",
           1e-6 * flops, 1e-6 * bytes, 1e-6 * flops / t->gflops, t->gflops, 1e-6 * bytes / t->gbytes,
           t->gbytes);
}

static void print_decision(const struct explanation *e)
{
    const struct cincel_decision *d = &e->decision;
    char choice[CINCEL_CHOICE_TEXT];
    cincel_choice_print(&e->problem, &d->choice, choice);
    printf("chosen     %s\n           %.4g ms %s; source: %s", choice, 1e3 * d->seconds,
           d->source == CINCEL_SOURCE_EXACT ? "measured" : "expected", cincel_source_name(d->source));
    if (d->source == CINCEL_SOURCE_EXACT)
        printf(" (untuned %.4g ms: x%.2f)", 1e3 * d->default_seconds, d->default_seconds / d->seconds);
    if (d->source == CINCEL_SOURCE_NEIGHBOUR) printf(" (%s)", d->neighbour);
    if (d->source == CINCEL_SOURCE_MODEL)
        printf(" (the profile has %zu entries, none of them near)", cincel_profile_entries(e->ctx));
    if (d->note[0]) printf("\n           the profile's own entry is not valid: %s", d->note);
    putchar('\n');
}

static void print_text(const struct explanation *e)
{
    char why[CINCEL_WHY], disturbed[96] = "";
    const struct cincel_algo *algo;
    const size_t top = (size_t)e->request->top;
    size_t threads_1 = 0;
    for (size_t i = 0; i < e->all.count; i++) threads_1 += e->all.item[i].choice.threads == 1;
    printf("problem    %s, at most %d thread%s\n", e->key, e->threads, e->threads == 1 ? "" : "s");
    print_limits(e);
    print_decision(e);
    printf("candidates %zu, %zu of them on one thread%s\n\n%12s  %11s  %9s  choice\n", e->all.count,
           threads_1, e->request->measure ? "" : "; --measure times them", "predicted ms", "measured ms",
           "of peak");
    for (size_t i = 0; i < e->all.count && i < top; i++) print_candidate(e, &e->all.item[i]);
    if (e->all.count > top) printf("%12s  and %zu more, --top N shows N\n", "", e->all.count - top);
    if (e->request->measure) cincel_contention_text(&e->report.contention, disturbed, sizeof disturbed);
    if (e->report.wrong) printf("wrong results: %zu, first: %s\n", e->report.wrong, e->report.first_wrong);
    if (disturbed[0]) printf("disturbed: %s\n", disturbed);
    for (int i = 0; (algo = refused(e, i, why)); i++)
        printf("%s  %-12s %s\n", i ? "" : "\nrefused\n", algo->name, why);
}

/* ---------------------------------------------------------------------------------------- JSON -- */

static json_t *candidate_json(const struct explanation *e, const struct cincel_candidate *c)
{
    char choice[CINCEL_CHOICE_TEXT];
    const double seconds = isfinite(c->measured) ? c->measured : c->predicted;
    cincel_choice_print(&e->problem, &c->choice, choice);
    return json_pack("{s:s, s:f, s:o, s:f, s:b, s:b}", "choice", choice, "predicted_seconds", c->predicted,
                     "measured_seconds", isfinite(c->measured) ? json_real(c->measured) : json_null(),
                     "percent_of_peak", peak_percent(e, c->choice.threads, seconds), "untuned", c->standard,
                     "wrong", c->wrong);
}

static int print_json(const struct explanation *e)
{
    const struct cincel_decision *d = &e->decision;
    char choice[CINCEL_CHOICE_TEXT], why[CINCEL_WHY];
    const struct cincel_algo *algo;
    json_t *candidates = json_array(), *refusals = json_array();
    cincel_choice_print(&e->problem, &d->choice, choice);
    for (size_t i = 0; i < e->all.count; i++)
        json_array_append_new(candidates, candidate_json(e, &e->all.item[i]));
    for (int i = 0; (algo = refused(e, i, why)); i++)
        json_array_append_new(refusals, json_pack("{s:s, s:s}", "algorithm", algo->name, "why", why));
    json_t *json =
        json_pack("{s:s, s:i, s:f, s:f, s:{s:s, s:s, s:f, s:f, s:s}, s:o, s:o}", "problem", e->key, "threads",
                  e->threads, "flops", cincel_problem_flops(&e->problem), "bytes",
                  cincel_problem_bytes(&e->problem), "chosen", "choice", choice, "source",
                  cincel_source_name(d->source), "seconds", d->seconds, "default_seconds", d->default_seconds,
                  "neighbour", d->neighbour, "candidates", candidates, "refused", refusals);
    if (!json) return cli_report(cincel_fail(CINCEL_OUT_OF_MEMORY, "explain: no memory"));
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)); /* main checks stdout */
    putchar('\n');
    json_decref(json);
    return CLI_SUCCESS;
}

/* ------------------------------------------------------------------------------------- command -- */

static int explain(const struct request *r, const char *text)
{
    struct explanation e = {.request = r};
    cincel_config config = CINCEL_CONFIG_INIT;
    int code = CLI_SUCCESS;
    config.threads = (int)r->threads;
    cincel_status status = problem_text_parse(text, &e.problem);
    if (status == CINCEL_OK)
        status = r->measure ? tuning_context(&config, &e.ctx) : cincel_context_create(&config, &e.ctx);
    if (status == CINCEL_OK) {
        cincel_problem_key(&e.problem, e.key, sizeof e.key);
        e.threads = cincel_context_threads(e.ctx);
        status = choose(&e);
    }
    if (status == CINCEL_OK) status = collect(&e);
    if (status != CINCEL_OK)
        code = cli_report(status);
    else if (r->json)
        code = print_json(&e);
    else
        print_text(&e);
    free(e.all.item);
    cincel_context_destroy(e.ctx);
    return code;
}

int cli_explain(int argc, char **argv)
{
    struct request r = {.top = 12, .budget = 2.0};
    const struct cli_option options[] = {
        {.name = "measure",
         .kind = CLI_FLAG,
         .value = &r.measure,
         .help = "time the candidates (nothing is kept)"},
        {.name = "budget",
         .kind = CLI_NUMBER,
         .value = &r.budget,
         .argument = "S",
         .min = 0.001,
         .max = 1e6,
         .help = "seconds for --measure (2)"},
        {.name = "threads",
         .kind = CLI_INTEGER,
         .value = &r.threads,
         .argument = "N",
         .max = 1024,
         .help = "at most so many (0: one a physical core)"},
        {.name = "top",
         .kind = CLI_INTEGER,
         .value = &r.top,
         .argument = "N",
         .min = 1,
         .max = 1e6,
         .help = "candidates to show (12; --json has all)"},
        {.name = "json", .kind = CLI_FLAG, .value = &r.json, .help = "print one JSON object"},
    };
    const struct cli_syntax syntax = {
        .command = "explain",
        .operands = "PROBLEM…",
        .about =
            "Shows how a problem would be computed here and why: the choice and where it comes from, the\n"
            "candidates with expected and measured times, and the algorithms that do not serve it.\n"
            "A problem is written as plans, profiles and plans.txt print it, or shorter:\n"
            "  cincel explain conv/fwd n8 ic64 ih56 oc64 k3 p1\n"
            "  cincel explain linear/bwd_weights n64 in3136 out128\n"
            "  cincel explain maxpool/fwd n8 c64 ih56 k2\n"
            "  cincel explain lstm/fwd t50 b32 i256 h256",
        .min_operands = 1,
        .max_operands = 16,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    char text[512] = "";
    int operands, code;
    size_t used = 0;
    if (!cli_parse(&syntax, argc, argv, &operands, &code)) return code;
    for (int i = 1; i <= operands && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i > 1 ? " " : "", argv[i]);
    if (used >= sizeof text) return cli_usage_error("explain: the problem is too long");
    return explain(&r, text);
}
