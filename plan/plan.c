/* What all plans have in common: choosing, building, describing, checking calls, running. */
#include "plan/plan.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/abi.h"
#include "core/memory.h"
#include "core/status.h"
#include "tune/choose.h"

static const char *const kind_names[] = {"conv", "linear", "pool", "conv_transpose", "rnn"};
static const char *const pass_names[] = {"forward", "backward_data", "backward_weights", "backward"};

static cincel_status read_options(const cincel_options *given, const char *name, cincel_options *out)
{
    *out = (cincel_options)CINCEL_OPTIONS_INIT;
    if (!given) return CINCEL_OK;
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s: options", name);
    const cincel_status st = cincel_struct_in(prefix, given, sizeof *out, sizeof *out, out);
    if (st != CINCEL_OK) return st;
    if ((int)out->effort < CINCEL_PROFILE || out->effort > CINCEL_CONFIRM)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: options.effort is %d, no such value", name,
                           (int)out->effort);
    if (out->threads < 0)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: options.threads is %d, must be ≥ 0", name,
                           out->threads);
    if (!(out->budget_seconds >= 0.0))
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: options.budget_seconds is %g, must be ≥ 0", name,
                           out->budget_seconds);
    return CINCEL_OK;
}

/* Expected speed: arithmetic against the FMA peak, or bytes a second where there is none to speak of. */
static void describe_speed(const struct cincel_plan *plan, double seconds, char *out, size_t size)
{
    const double flops = cincel_problem_flops(&plan->problem);
    const double peak = plan->ctx->target.gflops * 1e9 * plan->choice.threads;
    if (flops > 0.0)
        snprintf(out, size, "%.3g ms, %.0f %% of peak", seconds * 1e3, 100.0 * flops / seconds / peak);
    else
        snprintf(out, size, "%.3g ms, %.1f GB/s", seconds * 1e3,
                 cincel_problem_bytes(&plan->problem) / seconds * 1e-9);
}

/* The conversions' part of a call: bandwidth bound. */
static double conversion_seconds(const struct cincel_plan *plan)
{
    return cincel_layouts_traffic(&plan->layouts) / (plan->ctx->target.gbytes * 1e9 * plan->choice.threads);
}

static void describe(struct cincel_plan *plan, const struct cincel_decision *d)
{
    char key[160], speed[64], converts[64] = "";
    for (int i = 0; i < plan->layouts.count; i++)
        cincel_append_name(converts, sizeof converts, plan->layouts.item[i].name);
    cincel_problem_key(&plan->problem, key, sizeof key);
    cincel_choice_print(&plan->problem, &plan->choice, plan->choice_text);
    describe_speed(plan, d->seconds + conversion_seconds(plan), speed, sizeof speed);
    snprintf(plan->description, sizeof plan->description, "%s: %s | %s | %s%s%s%s%s", key, plan->choice_text,
             speed, cincel_source_name(d->source), d->disturbed[0] ? ", disturbed: " : "", d->disturbed,
             plan->layouts.count ? " | converts " : "", converts);
    plan->disturbed = d->disturbed[0] != '\0';
}

cincel_status cincel_plan_create_framed(cincel_context *ctx, const struct cincel_plan_frame *frame,
                                        const struct cincel_problem *given_problem,
                                        const cincel_options *given, cincel_plan **out)
{
    const char *name = kind_names[frame->kind];
    cincel_options options;
    struct cincel_decision decision;
    struct cincel_problem problem = *given_problem;
    struct cincel_layouts layouts;
    size_t reserved;
    cincel_status st = read_options(given, name, &options);
    if (st != CINCEL_OK) return st;
    if (!cincel_layouts_plan(&problem, frame->accumulates, &layouts) ||
        __builtin_add_overflow(layouts.bytes, frame->own_bytes, &reserved))
        return cincel_fail(CINCEL_UNSUPPORTED, "%s: layout: converted tensors together are too large", name);
    const struct cincel_chooser chooser = {&ctx->target, ctx->team, ctx->profile, ctx->error_budget};
    st = cincel_choose(&chooser, &problem, &options, reserved, name, &decision);
    if (st != CINCEL_OK) return st;

    cincel_plan *plan = calloc(1, sizeof *plan);
    if (!plan) return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for a plan", name);
    *plan = (cincel_plan){.ctx = ctx,
                          .kind = frame->kind,
                          .pass = frame->pass,
                          .problem = problem,
                          .layouts = layouts,
                          .own_bytes = frame->own_bytes,
                          .algo = decision.algo,
                          .choice = decision.choice,
                          .timing = {sizeof plan->timing, decision.source, decision.seconds,
                                     decision.default_seconds, decision.spread},
                          .threads_allowed = decision.threads};
    plan->workspace_bytes = reserved + plan->algo->workspace(&ctx->target, &plan->problem, &plan->choice);
    st = plan->algo->build(&ctx->target, &plan->problem, &plan->choice, &plan->prepared);
    if (st != CINCEL_OK) {
        free(plan);
        return st;
    }
    describe(plan, &decision);
    if (decision.note[0])
        cincel_context_log(ctx, "%s passed over: %s",
                           decision.source == CINCEL_SOURCE_MEASURED ? "tune: candidate" : "profile: entry",
                           decision.note);
    cincel_context_log(ctx, "plan: %s", plan->description);
    *out = plan;
    return CINCEL_OK;
}

cincel_status cincel_plan_create(cincel_context *ctx, enum cincel_plan_kind kind,
                                 const struct cincel_problem *problem, const cincel_options *options,
                                 cincel_plan **out)
{
    const struct cincel_plan_frame frame = {.kind = kind, .pass = problem->pass};
    return cincel_plan_create_framed(ctx, &frame, problem, options, out);
}

void cincel_plan_destroy(cincel_plan *plan)
{
    if (!plan) return;
    plan->algo->discard(plan->prepared);
    free(plan);
}

size_t cincel_plan_workspace_size(const cincel_plan *plan) { return plan ? plan->workspace_bytes : 0; }
const char *cincel_plan_describe(const cincel_plan *plan) { return plan ? plan->description : ""; }
const char *cincel_plan_choice(const cincel_plan *plan) { return plan ? plan->choice_text : ""; }

cincel_status cincel_plan_check_call(const cincel_plan *plan, enum cincel_plan_kind kind, cincel_pass pass,
                                     const struct cincel_pointer *required, const void *ws)
{
    const char *name = kind_names[kind];
    if (!plan) return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: plan is NULL", name);
    if (plan->kind != kind || plan->pass != pass)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: a %s %s call was given a plan for %s %s", name, name,
                           pass_names[pass], kind_names[plan->kind], pass_names[plan->pass]);
    for (; required->name; required++)
        if (!required->value)
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s is NULL", name, required->name);
    if (plan->workspace_bytes && !ws)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: ws is NULL, the plan needs %zu bytes", name,
                           plan->workspace_bytes);
    if ((uintptr_t)ws % CINCEL_ALIGN)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: ws is not aligned to %zu bytes", name, CINCEL_ALIGN);
    return CINCEL_OK;
}

struct cincel_crew cincel_plan_crew(const cincel_plan *plan)
{
    return (struct cincel_crew){plan->ctx->team, plan->choice.threads, plan->ctx->isas[0],
                                cincel_topology_cache(&plan->ctx->machine.topo)};
}

void cincel_plan_run_inner(const cincel_plan *plan, const struct cincel_tensors *tensors)
{
    const size_t reserved = plan->layouts.bytes + plan->own_bytes;
    struct cincel_tensors t = *tensors;
    if (t.workspace) t.workspace = (char *)t.workspace + reserved;
    plan->algo->run(plan->prepared, &t, plan->ctx->team);
}

void cincel_plan_run(const cincel_plan *plan, const struct cincel_tensors *tensors)
{
    const struct cincel_crew crew = cincel_plan_crew(plan);
    struct cincel_tensors inner;
    cincel_layouts_enter(&plan->layouts, &crew, tensors, &inner);
    cincel_plan_run_inner(plan, &inner);
    cincel_layouts_leave(&plan->layouts, &crew, tensors, &inner);
}

cincel_status cincel_workspace_create(size_t bytes, void **out)
{
    if (!out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "workspace: out is NULL");
    void *ws = cincel_aligned_alloc(bytes);
    if (bytes && !ws) return cincel_fail(CINCEL_OUT_OF_MEMORY, "workspace: no memory for %zu bytes", bytes);
    *out = ws;
    return CINCEL_OK;
}

void cincel_workspace_destroy(void *ws) { cincel_aligned_free(ws); }
