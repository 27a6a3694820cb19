#include "plan_profile.h"

#include <stdio.h>

#include "plan/plan.h"
#include "tune/profile_file.h"

cincel_conv_desc cincel_bench_plan_problem(int n)
{
    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    d.n = n;
    d.ic = 8;
    d.oc = 16;
    d.ih = d.iw = 6;
    d.kh = d.kw = 3;
    return d;
}

static cincel_status model_choice(cincel_context *ctx, char choice[CINCEL_CHOICE_TEXT])
{
    const cincel_conv_desc d = cincel_bench_plan_problem(1);
    cincel_options options = CINCEL_OPTIONS_INIT;
    cincel_plan *plan;
    options.effort = CINCEL_ESTIMATE;
    const cincel_status status = cincel_conv_plan(ctx, &d, CINCEL_FORWARD, &options, &plan);
    if (status != CINCEL_OK) return status;
    snprintf(choice, CINCEL_CHOICE_TEXT, "%s", cincel_plan_choice(plan));
    cincel_plan_destroy(plan);
    return CINCEL_OK;
}

cincel_status cincel_bench_plan_profile(cincel_context *ctx, const char *path, int count)
{
    struct cincel_profile_entry entry = {.seconds = 1e-5, .spread = 1.1, .default_seconds = 2e-5};
    struct cincel_profile_facts facts;
    cincel_status status = model_choice(ctx, entry.choice);
    struct cincel_profile *profile = cincel_profile_create();
    if (!profile) status = CINCEL_OUT_OF_MEMORY;
    for (int n = 1; n <= count && status == CINCEL_OK; n++) {
        const cincel_conv_desc d = cincel_bench_plan_problem(n);
        struct cincel_problem problem;
        status = cincel_problem_conv(&d, CINCEL_FORWARD, "conv", &problem);
        if (status != CINCEL_OK) break;
        cincel_profile_identify(&entry, &problem, cincel_context_threads(ctx));
        if (!cincel_profile_put(profile, &entry, CINCEL_PROFILE_NEWER, NULL)) status = CINCEL_OUT_OF_MEMORY;
    }
    if (status == CINCEL_OK) {
        cincel_profile_facts_here(&ctx->machine, ctx->isas[0]->name, &facts);
        status = cincel_profile_rewrite(path, &facts, profile, CINCEL_PROFILE_NEWER, false, NULL);
    }
    cincel_profile_destroy(profile);
    return status;
}
