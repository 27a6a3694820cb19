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

static const char *const kind_names[] = {"conv", "linear", "pool"};
static const char *const pass_names[] = {"forward", "backward_data", "backward_weights"};

static cincel_status read_options(const cincel_options *given, const char *name, cincel_options *out)
{
    *out = (cincel_options)CINCEL_OPTIONS_INIT;
    if (!given) return CINCEL_OK;
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s: options", name);
    const cincel_status st = cincel_struct_in(prefix, given, sizeof *out, sizeof *out, out);
    if (st != CINCEL_OK) return st;
    if (out->effort != CINCEL_PROFILE && out->effort != CINCEL_ESTIMATE && out->effort != CINCEL_MEASURE)
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

static void describe(struct cincel_plan *plan, const struct cincel_decision *d)
{
    char key[160], speed[64];
    cincel_problem_key(&plan->problem, key, sizeof key);
    cincel_choice_print(&plan->problem, &plan->choice, plan->choice_text);
    describe_speed(plan, d->seconds, speed, sizeof speed);
    snprintf(plan->description, sizeof plan->description, "%s: %s | %s | %s", key, plan->choice_text, speed,
             d->source);
}

cincel_status cincel_plan_create(cincel_context *ctx, enum cincel_plan_kind kind,
                                 const struct cincel_problem *problem, const cincel_options *given,
                                 cincel_plan **out)
{
    const char *name = kind_names[kind];
    cincel_options options;
    struct cincel_decision decision;
    cincel_status st = read_options(given, name, &options);
    if (st != CINCEL_OK) return st;
    st = cincel_choose(&ctx->target, ctx->team, problem, &options, ctx->error_budget, name, &decision);
    if (st != CINCEL_OK) return st;

    cincel_plan *plan = calloc(1, sizeof *plan);
    if (!plan) return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for a plan", name);
    *plan = (cincel_plan){
        .ctx = ctx, .kind = kind, .problem = *problem, .algo = decision.algo, .choice = decision.choice};
    plan->workspace_bytes = plan->algo->workspace(&ctx->target, &plan->problem, &plan->choice);
    st = plan->algo->build(&ctx->target, &plan->problem, &plan->choice, &plan->prepared);
    if (st != CINCEL_OK) {
        free(plan);
        return st;
    }
    describe(plan, &decision);
    cincel_context_log(ctx, "plan: %s", plan->description);
    *out = plan;
    return CINCEL_OK;
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
    if (plan->kind != kind || plan->problem.pass != pass)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: a %s %s call was given a plan for %s %s", name, name,
                           pass_names[pass], kind_names[plan->kind], pass_names[plan->problem.pass]);
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

void cincel_plan_run(const cincel_plan *plan, const struct cincel_tensors *tensors)
{
    plan->algo->run(plan->prepared, tensors, plan->ctx->team);
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
