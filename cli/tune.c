/* cincel tune: measures which choice is fastest for each problem, and keeps it in a profile. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cincel/train.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/tune_problems.h"
#include "core/status.h"
#include "plan/plan.h"
#include "tune/profile_file.h"

enum { MAX_THREAD_COUNTS = 16 };

struct request {
    const char *shapes, *model, *input, *threads, *passes, *profile;
    int64_t batch, outputs;
    double budget; /* seconds in all; 0: two a problem */
    bool resume;
    int thread_count[MAX_THREAD_COUNTS], thread_counts;
    unsigned pass_bits;
    int sample[3];
};

/* A problem at a number of threads. */
struct task {
    const struct tune_problem *what;
    int threads;
    double weight; /* of its share of the budget */
    bool skipped;  /* --resume: was there */
    bool done;
    cincel_plan_timing timing;
};

struct session {
    cincel_context *ctx;
    struct tune_problems problems;
    struct task *task;
    size_t tasks, finished;
    double seconds_left;
    char path[8192];
    const volatile int *cancel;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --------------------------------------------------------------------------------- progress -- */

/* "51.3 GFLOP/s, 49 % of peak"; "12.1 GB/s" where nothing is multiplied. */
static void speed_text(const struct session *s, const struct task *t, double seconds, char *out, size_t size)
{
    const double flops = cincel_problem_flops(&t->what->problem);
    if (flops > 0.0)
        snprintf(out, size, "%.1f GFLOP/s, %.0f %% of peak", 1e-9 * flops / seconds,
                 1e-7 * flops / seconds / (s->ctx->target.gflops * t->threads));
    else
        snprintf(out, size, "%.1f GB/s", 1e-9 * cincel_problem_bytes(&t->what->problem) / seconds);
}

static const char *const pass_names[] = {"fwd", "bwd_data", "bwd_weights"};

/* The line that a terminal shows while a problem is measured. */
static void show_progress(const struct session *s, const struct task *t, const char *last)
{
    fprintf(stderr, "\r%zu/%zu  %s %s t%d%s%s  %.0f s left\033[K", s->finished, s->tasks, t->what->name,
            pass_names[t->what->problem.pass], t->threads, *last ? "  last: " : "", last,
            s->seconds_left > 0.0 ? s->seconds_left : 0.0);
    fflush(stderr);
}

static void print_table(const struct session *s)
{
    double sum = 0.0, untuned = 0.0;
    printf("%-20s %-11s %7s  %11s  %11s  %6s  %s\n", "problem", "pass", "threads", "default ms", "tuned ms",
           "gain", "speed");
    for (size_t i = 0; i < s->tasks; i++) {
        const struct task *t = &s->task[i];
        char speed[64];
        if (!t->done) continue;
        speed_text(s, t, t->timing.seconds, speed, sizeof speed);
        printf("%-20s %-11s %7d  %11.4f  %11.4f  %5.2fx  %s%s\n", t->what->name,
               pass_names[t->what->problem.pass], t->threads, 1e3 * t->timing.default_seconds,
               1e3 * t->timing.seconds, t->timing.default_seconds / t->timing.seconds, speed,
               t->skipped ? " (from the profile)" : "");
        sum += t->timing.seconds;
        untuned += t->timing.default_seconds;
    }
    if (sum > 0.0)
        printf("%-20s %-11s %7s  %11.4f  %11.4f  %5.2fx\n", "together", "", "", 1e3 * untuned, 1e3 * sum,
               untuned / sum);
    printf("profile: %s\n", s->path);
}

/* ----------------------------------------------------------------------------------- tuning -- */

static cincel_status plan_task(struct session *s, const struct task *t, cincel_effort effort, double budget,
                               cincel_plan **plan)
{
    const bool pool = t->what->problem.op == CINCEL_OP_POOL;
    cincel_options o = CINCEL_OPTIONS_INIT;
    o.effort = effort;
    o.threads = t->threads;
    o.budget_seconds = budget;
    o.cancel = s->cancel;
    return cincel_plan_create(s->ctx, pool ? CINCEL_PLAN_POOL : CINCEL_PLAN_CONV, &t->what->problem, &o,
                              plan);
}

/* Half of the budget goes to all alike, half by what the model expects their time to be. */
static cincel_status share_budget(struct session *s)
{
    double sum = 0.0;
    cincel_status status = CINCEL_OK;
    for (size_t i = 0; i < s->tasks && status == CINCEL_OK; i++) {
        cincel_plan *plan;
        if (s->task[i].skipped) continue;
        status = plan_task(s, &s->task[i], CINCEL_ESTIMATE, 0.0, &plan);
        if (status != CINCEL_OK) break;
        s->task[i].weight = plan->timing.seconds;
        sum += plan->timing.seconds;
        cincel_plan_destroy(plan);
    }
    const double left = (double)(s->tasks - s->finished);
    for (size_t i = 0; i < s->tasks && sum > 0.0; i++)
        s->task[i].weight = s->task[i].skipped ? 0.0 : 0.5 / left + 0.5 * s->task[i].weight / sum;
    return status;
}

/* What the file has already. */
static cincel_status resume(struct session *s)
{
    struct cincel_profile_content content;
    struct cincel_profile_entry e;
    char key[CINCEL_PROBLEM_KEY], machine[96];
    cincel_status status = cincel_profile_read(s->path, &content);
    if (status != CINCEL_OK) return status;
    cincel_machine_key(&s->ctx->machine, s->ctx->isas[0]->name, machine, sizeof machine);
    if (content.there) status = cincel_profile_check_machine(s->path, &content.facts, machine);
    for (size_t i = 0; i < s->tasks && status == CINCEL_OK; i++) {
        struct task *t = &s->task[i];
        cincel_problem_key(&t->what->problem, key, sizeof key);
        if (!cincel_profile_find(content.profile, key, t->threads, &e)) continue;
        t->skipped = t->done = true;
        t->timing = (cincel_plan_timing){sizeof t->timing, CINCEL_SOURCE_EXACT, e.seconds, e.default_seconds,
                                         e.spread};
        s->finished++;
    }
    cincel_profile_destroy(content.profile);
    return status;
}

static cincel_status run_tasks(struct session *s, double budget)
{
    const bool terminal = progress_on(stderr).terminal;
    char last[64] = "";
    double weight = 1.0;
    cincel_status status = CINCEL_OK;
    s->seconds_left = budget;
    for (size_t i = 0; i < s->tasks && status == CINCEL_OK && !*s->cancel; i++) {
        struct task *t = &s->task[i];
        cincel_plan *plan;
        if (t->skipped) continue;
        if (terminal) show_progress(s, t, last);
        const double begin = now(), share = weight > 0.0 ? t->weight / weight : 1.0;
        /* even where the budget is spent the untuned choice is timed, and so a finished entry made */
        const double own = s->seconds_left > 0.0 ? s->seconds_left * (share < 1.0 ? share : 1.0) : 0.0;
        status = plan_task(s, t, CINCEL_MEASURE, own > 1e-3 ? own : 1e-3, &plan);
        if (status != CINCEL_OK) break;
        if (!*s->cancel) status = cincel_profile_append(plan, s->path); /* what was cut short is no result */
        t->timing = plan->timing;
        t->done = !*s->cancel && status == CINCEL_OK;
        s->finished += t->done;
        cincel_plan_destroy(plan);
        speed_text(s, t, t->timing.seconds, last, sizeof last);
        weight -= t->weight;
        s->seconds_left -= now() - begin;
    }
    if (terminal) fputs("\r\033[K", stderr);
    return status;
}

static cincel_status make_tasks(struct session *s, const struct request *r)
{
    s->tasks = s->problems.count * (size_t)r->thread_counts;
    if (s->tasks == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "tune: nothing to tune");
    s->task = calloc(s->tasks, sizeof *s->task);
    if (!s->task) return cincel_fail(CINCEL_OUT_OF_MEMORY, "tune: no memory for %zu problems", s->tasks);
    for (size_t i = 0; i < s->tasks; i++) {
        s->task[i].what = &s->problems.item[i / (size_t)r->thread_counts];
        s->task[i].threads = r->thread_count[i % (size_t)r->thread_counts];
    }
    return CINCEL_OK;
}

static cincel_status open_session(struct session *s, struct request *r)
{
    cincel_config config = CINCEL_CONFIG_INIT;
    for (int i = 0; i < r->thread_counts; i++)
        if (r->thread_count[i] > config.threads) config.threads = r->thread_count[i];
    cincel_status status = cincel_context_create(&config, &s->ctx);
    if (status != CINCEL_OK) return status;
    if (r->thread_counts == 0) r->thread_count[r->thread_counts++] = cincel_context_threads(s->ctx);
    if (!r->profile) {
        status = cincel_profile_path(s->ctx, CINCEL_PROFILE_USER, s->path, sizeof s->path);
    } else if ((size_t)snprintf(s->path, sizeof s->path, "%s", r->profile) >= sizeof s->path) {
        status = cincel_fail(CINCEL_INVALID_ARGUMENT, "tune: --profile is too long");
    }
    if (status == CINCEL_OK && r->shapes)
        status = tune_problems_read(&s->problems, r->shapes, (int)r->batch, r->pass_bits);
    if (status == CINCEL_OK && r->model)
        status = tune_problems_of_model(&s->problems, r->model, r->sample, (int)r->outputs,
                                        r->batch ? (int)r->batch : 64, r->pass_bits);
    return status == CINCEL_OK ? make_tasks(s, r) : status;
}

static int tune(struct request *r)
{
    struct session s = {.cancel = interrupt_catch()};
    cincel_status status = open_session(&s, r);
    if (status == CINCEL_OK && r->resume) status = resume(&s);
    if (status == CINCEL_OK) status = share_budget(&s);
    if (status == CINCEL_OK) {
        status = run_tasks(&s, r->budget > 0.0 ? r->budget : 2.0 * (double)(s.tasks - s.finished));
        print_table(&s);
    }
    int code = cli_report(status);
    if (status == CINCEL_OK && *s.cancel) {
        fprintf(stderr, "cincel: tune: interrupted, %zu of %zu finished; --resume goes on\n", s.finished,
                s.tasks);
        code = interrupt_code();
    }
    free(s.task);
    tune_problems_free(&s.problems);
    cincel_context_destroy(s.ctx);
    return code;
}

/* ------------------------------------------------------------------------------- command line -- */

/* "1,2" */
static bool parse_threads(struct request *r)
{
    for (const char *s = r->threads; s && *s;) {
        char *end;
        const long value = strtol(s, &end, 10);
        if (end == s || value < 1 || value > 1024 || r->thread_counts == MAX_THREAD_COUNTS) return false;
        if (*end && (*end != ',' || !end[1])) return false;
        r->thread_count[r->thread_counts++] = (int)value;
        s = *end ? end + 1 : end;
    }
    return true;
}

/* "fwd,bwd_data" */
static bool parse_passes(struct request *r)
{
    r->pass_bits = r->passes ? 0 : TUNE_ALL_PASSES;
    for (const char *s = r->passes; s && *s;) {
        const size_t length = strcspn(s, ",");
        int pass = 0;
        while (pass < 3 && (strlen(pass_names[pass]) != length || strncmp(s, pass_names[pass], length) != 0))
            pass++;
        if (pass == 3 || (s[length] && !s[length + 1])) return false;
        r->pass_bits |= 1u << pass;
        s += length + (s[length] == ',');
    }
    return r->pass_bits != 0;
}

static bool parse_input(struct request *r)
{
    int used = -1, *v = r->sample;
    if (sscanf(r->input, "%5dx%5dx%5d%n", &v[0], &v[1], &v[2], &used) != 3) return false;
    return used >= 0 && !r->input[used] && v[0] > 0 && v[1] > 0 && v[2] > 0;
}

int cli_tune(int argc, char **argv)
{
    struct request r = {.input = "28x28x1", .outputs = 10};
    const struct cli_option options[] = {
        {.name = "shapes",
         .kind = CLI_TEXT,
         .value = &r.shapes,
         .argument = "FILE",
         .help = "problems, one a line, as in bench/shapes"},
        {.name = "model",
         .kind = CLI_TEXT,
         .value = &r.model,
         .argument = "NAME",
         .help = "what a training step of a built-in model runs"},
        {.name = "input",
         .kind = CLI_TEXT,
         .value = &r.input,
         .argument = "HxWxC",
         .help = "shape of the model's samples (28x28x1)"},
        {.name = "outputs",
         .kind = CLI_INTEGER,
         .value = &r.outputs,
         .argument = "N",
         .min = 1,
         .max = 1 << 24,
         .help = "the model's classes or targets (10)"},
        {.name = "batch",
         .kind = CLI_INTEGER,
         .value = &r.batch,
         .argument = "N",
         .min = 1,
         .max = 1e6,
         .help = "samples a step (the file's; 64 for a model)"},
        {.name = "threads",
         .kind = CLI_TEXT,
         .value = &r.threads,
         .argument = "1,2",
         .help = "numbers of threads to tune for (one a physical core)"},
        {.name = "passes",
         .kind = CLI_TEXT,
         .value = &r.passes,
         .argument = "LIST",
         .help = "of fwd,bwd_data,bwd_weights (all)"},
        {.name = "budget",
         .kind = CLI_NUMBER,
         .value = &r.budget,
         .argument = "S",
         .min = 0.001,
         .max = 1e7,
         .help = "seconds in all (2 a problem)"},
        {.name = "profile",
         .kind = CLI_TEXT,
         .value = &r.profile,
         .argument = "FILE",
         .help = "where the results go (the user's: cincel profile path)"},
        {.name = "resume",
         .kind = CLI_FLAG,
         .value = &r.resume,
         .help = "leave out what the profile has already"},
    };
    const struct cli_syntax syntax = {
        .command = "tune",
        .operands = "",
        .about = "Times the ways to compute each problem against each other and adds the fastest to a "
                 "profile, from\n"
                 "which all later plans on this machine are made. Finished problems survive Ctrl-C.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int operands, code;
    if (!cli_parse(&syntax, argc, argv, &operands, &code)) return code;
    if (!r.shapes && !r.model) return cli_usage_error("tune: --shapes or --model says what to tune");
    if (!parse_threads(&r))
        return cli_usage_error("tune: --threads is \"%s\", must be numbers 1 … 1024 with commas", r.threads);
    if (!parse_passes(&r))
        return cli_usage_error("tune: --passes is \"%s\", must be of fwd,bwd_data,bwd_weights", r.passes);
    if (!parse_input(&r)) return cli_usage_error("tune: --input is \"%s\", must be HxWxC", r.input);
    return tune(&r);
}
