#include "cli/tuning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/progress.h"
#include "cli/report.h"
#include "core/status.h"
#include "plan/plan.h"
#include "tune/profile_file.h"

const char *const tuning_pass_names[] = {"fwd", "bwd_data", "bwd_weights", "bwd"};

/* The part of the budget that is kept for confirming what the search found, and the most of it that one
   problem takes: seconds. */
static const double second_visit = 0.15, longest_visit = 1.0;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

cincel_status tuning_context(const cincel_config *config, cincel_context **out)
{
    cincel_context *ctx;
    cincel_machine_peaks peaks = CINCEL_MACHINE_PEAKS_INIT;
    cincel_status status = cincel_context_create(config, &ctx);
    if (status != CINCEL_OK) return status;
    status = cincel_machine_measure(ctx, 0, &peaks);
    if (status == CINCEL_OK && peaks.from_cache) {
        *out = ctx;
        return CINCEL_OK;
    }
    cincel_context_destroy(ctx); /* a context reads the peaks when it is made */
    return status == CINCEL_OK ? cincel_context_create(config, out) : status;
}

/* -------------------------------------------------------------------------------- what to tune -- */

cincel_status tuning_prepare(struct tuning *t, const char *path, const int *threads, int thread_counts)
{
    cincel_status status = CINCEL_OK;
    if (!path)
        status = cincel_profile_path(t->ctx, CINCEL_PROFILE_USER, t->path, sizeof t->path);
    else if ((size_t)snprintf(t->path, sizeof t->path, "%s", path) >= sizeof t->path)
        status = cincel_fail(CINCEL_INVALID_ARGUMENT, "tune: the profile's name is too long");
    if (status != CINCEL_OK) return status;
    const size_t counts = (size_t)thread_counts;
    t->tasks = t->problems.count * counts;
    if (t->tasks == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "tune: nothing to tune");
    t->task = calloc(t->tasks, sizeof *t->task);
    if (!t->task) return cincel_fail(CINCEL_OUT_OF_MEMORY, "tune: no memory for %zu problems", t->tasks);
    for (size_t i = 0; i < t->tasks; i++) {
        t->task[i].what = &t->problems.item[i / counts];
        t->task[i].threads = threads[i % counts];
    }
    return CINCEL_OK;
}

cincel_status tuning_skip_known(struct tuning *t)
{
    struct cincel_profile_content content;
    struct cincel_profile_entry e;
    char key[CINCEL_PROBLEM_KEY], machine[96];
    cincel_status status = cincel_profile_read(t->path, &content);
    if (status != CINCEL_OK) return status;
    cincel_machine_key(&t->ctx->machine, t->ctx->isas[0]->name, machine, sizeof machine);
    if (content.there) status = cincel_profile_check_machine(t->path, &content.facts, machine);
    for (size_t i = 0; i < t->tasks && status == CINCEL_OK; i++) {
        struct tuning_task *task = &t->task[i];
        cincel_problem_key(&task->what->problem, key, sizeof key);
        if (!cincel_profile_find(content.profile, key, task->threads, &e)) continue;
        task->skipped = task->done = true;
        task->timing = (cincel_plan_timing){sizeof task->timing, CINCEL_SOURCE_EXACT, e.seconds,
                                            e.default_seconds, e.spread};
        snprintf(task->choice, sizeof task->choice, "%s", e.choice);
        t->finished++;
    }
    cincel_profile_destroy(content.profile);
    return status;
}

/* ------------------------------------------------------------------------------------ progress -- */

void tuning_speed_text(const struct tuning *t, const struct tuning_task *task, double seconds, char *out,
                       size_t size)
{
    const double flops = cincel_problem_flops(&task->what->problem);
    if (flops > 0.0)
        snprintf(out, size, "%.1f GFLOP/s, %.0f %% of peak", 1e-9 * flops / seconds,
                 1e-7 * flops / seconds / (t->ctx->target.gflops * task->threads));
    else
        snprintf(out, size, "%.1f GB/s", 1e-9 * cincel_problem_bytes(&task->what->problem) / seconds);
}

/* The line that a terminal shows while a problem is measured. */
static void show_progress(const struct tuning *t, const struct tuning_task *task, const char *note)
{
    fprintf(stderr, "\r%zu/%zu  %s %s t%d%s%s  %.0f s left\033[K", t->finished, t->tasks, task->what->name,
            tuning_pass_names[task->what->problem.pass], task->threads, *note ? "  " : "", note,
            t->seconds_left > 0.0 ? t->seconds_left : 0.0);
    fflush(stderr);
}

void tuning_totals(const struct tuning *t, double *tuned, double *untuned)
{
    *tuned = *untuned = 0.0;
    for (size_t i = 0; i < t->tasks; i++) {
        if (!t->task[i].done) continue;
        *tuned += t->task[i].what->uses * t->task[i].timing.seconds;
        *untuned += t->task[i].what->uses * t->task[i].timing.default_seconds;
    }
}

void tuning_print_table(const struct tuning *t)
{
    double sum, untuned;
    size_t disturbed = 0;
    printf("%-20s %-11s %7s  %11s  %11s  %6s  %s\n", "problem", "pass", "threads", "default ms", "tuned ms",
           "gain", "speed");
    for (size_t i = 0; i < t->tasks; i++) {
        const struct tuning_task *task = &t->task[i];
        char speed[64];
        if (!task->done) continue;
        tuning_speed_text(t, task, task->timing.seconds, speed, sizeof speed);
        printf("%-20s %-11s %7d  %11.4f  %11.4f  %5.2fx  %s%s\n", task->what->name,
               tuning_pass_names[task->what->problem.pass], task->threads, 1e3 * task->timing.default_seconds,
               1e3 * task->timing.seconds, task->timing.default_seconds / task->timing.seconds, speed,
               task->skipped     ? " (from the profile)"
               : task->disturbed ? " (disturbed)"
                                 : "");
        disturbed += task->disturbed;
    }
    tuning_totals(t, &sum, &untuned);
    if (sum > 0.0)
        printf("%-20s %-11s %7s  %11.4f  %11.4f  %5.2fx\n", "together", "", "", 1e3 * untuned, 1e3 * sum,
               untuned / sum);
    if (disturbed)
        printf("disturbed: other programs or machines took much of the cores at %zu problem%s; cincel doctor "
               "says "
               "more, tuning again when they rest does better\n",
               disturbed, disturbed == 1 ? "" : "s");
    printf("profile: %s\n", t->path);
}

/* -------------------------------------------------------------------------------------- tuning -- */

static cincel_status plan_task(struct tuning *t, const struct tuning_task *task, cincel_effort effort,
                               double budget, cincel_plan **plan)
{
    static const enum cincel_plan_kind kinds[] = {[CINCEL_OP_CONV] = CINCEL_PLAN_CONV,
                                                  [CINCEL_OP_POOL] = CINCEL_PLAN_POOL,
                                                  [CINCEL_OP_RNN] = CINCEL_PLAN_RNN};
    const struct cincel_problem *p = &task->what->problem;
    cincel_options o = CINCEL_OPTIONS_INIT;
    o.effort = effort;
    o.threads = task->threads;
    o.budget_seconds = budget;
    o.cancel = t->cancel;
    return cincel_plan_create(t->ctx, kinds[p->op], p, &o, plan);
}

/* Half of the budget goes to all alike, half by what the model expects their part of a step to be. */
static cincel_status share_budget(struct tuning *t)
{
    double sum = 0.0;
    for (size_t i = 0; i < t->tasks; i++) {
        struct tuning_task *task = &t->task[i];
        cincel_plan *plan;
        if (task->skipped) continue;
        const cincel_status status = plan_task(t, task, CINCEL_ESTIMATE, 0.0, &plan);
        if (status != CINCEL_OK) return status;
        task->weight = task->what->uses * plan->timing.seconds;
        sum += task->weight;
        cincel_plan_destroy(plan);
    }
    const double left = (double)(t->tasks - t->finished);
    for (size_t i = 0; i < t->tasks && sum > 0.0; i++)
        t->task[i].weight = t->task[i].skipped ? 0.0 : 0.5 / left + 0.5 * t->task[i].weight / sum;
    return CINCEL_OK;
}

static cincel_status run_task(struct tuning *t, struct tuning_task *task, cincel_effort effort, double budget)
{
    const double begin = now();
    cincel_plan *plan;
    /* even where the budget is spent the untuned choice is timed, and so a finished entry made */
    cincel_status status = plan_task(t, task, effort, budget > 1e-3 ? budget : 1e-3, &plan);
    t->seconds_left -= now() - begin;
    if (status != CINCEL_OK) return status;
    if (!*t->cancel) {
        status = cincel_profile_append(plan, t->path);
        task->timing = plan->timing;
        task->disturbed = plan->disturbed;
        snprintf(task->choice, sizeof task->choice, "%s", plan->choice_text);
        t->finished += !task->done && status == CINCEL_OK;
        task->done = status == CINCEL_OK;
    } /* what was cut short is no result */
    cincel_plan_destroy(plan);
    return status;
}

/* The search: each problem's share of all but `reserve` seconds. */
static cincel_status search_all(struct tuning *t, double reserve, bool terminal)
{
    char last[80] = "";
    double weight = 1.0;
    cincel_status status = CINCEL_OK;
    for (size_t i = 0; i < t->tasks && status == CINCEL_OK && !*t->cancel; i++) {
        struct tuning_task *task = &t->task[i];
        if (task->skipped) continue;
        if (terminal) show_progress(t, task, last);
        const double share = weight > 0.0 ? task->weight / weight : 1.0;
        status = run_task(t, task, CINCEL_MEASURE, (t->seconds_left - reserve) * (share < 1.0 ? share : 1.0));
        weight -= task->weight;
        if (!task->done) continue;
        memcpy(last, "last: ", 7);
        tuning_speed_text(t, task, task->timing.seconds, last + 6, sizeof last - 6);
    }
    return status;
}

/* Found better than the untuned choice just now, or by visitors of our cores. */
static bool to_be_confirmed(const struct tuning_task *task)
{
    return task->done && !task->skipped && task->timing.default_seconds > task->timing.seconds;
}

/* The second visit, when the first has become a while ago; what is left of the budget, in equal parts. */
static cincel_status confirm_all(struct tuning *t, bool terminal)
{
    size_t left = 0;
    cincel_status status = CINCEL_OK;
    for (size_t i = 0; i < t->tasks; i++) left += to_be_confirmed(&t->task[i]);
    for (size_t i = 0; i < t->tasks && status == CINCEL_OK && !*t->cancel && t->seconds_left > 0.0; i++) {
        struct tuning_task *task = &t->task[i];
        if (!to_be_confirmed(task)) continue;
        if (terminal) show_progress(t, task, "confirming");
        const double share = t->seconds_left / (double)left--;
        status = run_task(t, task, CINCEL_CONFIRM, share < longest_visit ? share : longest_visit);
    }
    return status;
}

cincel_status tuning_run(struct tuning *t, double budget)
{
    const bool terminal = progress_on(stderr).terminal;
    cincel_status status = share_budget(t);
    t->seconds_left = budget > 0.0 ? budget : 2.0 * (double)(t->tasks - t->finished);
    if (status == CINCEL_OK) status = search_all(t, second_visit * t->seconds_left, terminal);
    if (status == CINCEL_OK) status = confirm_all(t, terminal);
    if (terminal) fputs("\r\033[K", stderr);
    return status;
}

/* Two a multiply-add; of pooling, which multiplies nothing, one a cell of a window. */
static double operations_of(const struct cincel_problem *p)
{
    if (p->op != CINCEL_OP_POOL) return cincel_problem_flops(p);
    const cincel_pool_desc *d = &p->pool.d;
    return (double)d->n * p->pool.oh * p->pool.ow * d->c * d->kh * d->kw;
}

cincel_status tuning_write_report(const struct tuning *t, const char *path)
{
    struct report r = {.machine = CINCEL_MACHINE_INFO_INIT, .peaks = CINCEL_MACHINE_PEAKS_INIT};
    struct report_entry *entry = calloc(t->tasks ? t->tasks : 1, sizeof *entry);
    if (!entry) return cincel_fail(CINCEL_OUT_OF_MEMORY, "tune: no memory for the report");
    for (size_t i = 0; i < t->tasks; i++) {
        const struct tuning_task *task = &t->task[i];
        const struct cincel_problem *p = &task->what->problem;
        if (task->done)
            entry[r.entries++] = (struct report_entry){.name = task->what->name,
                                                       .choice = task->choice,
                                                       .pass = (int)p->pass,
                                                       .threads = task->threads,
                                                       .operations = operations_of(p),
                                                       .bytes = cincel_problem_bytes(p),
                                                       .seconds = task->timing.seconds,
                                                       .default_seconds = task->timing.default_seconds,
                                                       .uses = task->what->uses};
    }
    r.entry = entry;
    cincel_status status = cincel_machine_describe(t->ctx, &r.machine);
    if (status == CINCEL_OK) status = cincel_machine_measure(t->ctx, 0, &r.peaks);
    if (status == CINCEL_OK) status = report_write(path, &r);
    free(entry);
    return status;
}

void tuning_release(struct tuning *t)
{
    free(t->task);
    tune_problems_free(&t->problems);
    t->task = NULL;
    t->tasks = 0;
}
