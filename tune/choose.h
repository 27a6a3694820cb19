/* Which way is best here: problem and options in, choice out. */
#ifndef CINCEL_TUNE_CHOOSE_H
#define CINCEL_TUNE_CHOOSE_H

#include "ops/algo.h"

struct cincel_decision {
    const struct cincel_algo *algo;
    struct cincel_choice choice;
    double seconds;     /* expected or measured */
    const char *source; /* "given", "model", "measured" */
};

/*
 * `options` is complete (not NULL). `reserved` bytes of a plan's workspace belong to the plan itself: they
 * count against options.max_workspace_bytes. `name` is the operator in messages. MEASURE runs candidates on
 * `team`; the other efforts run nothing. No profile exists yet: PROFILE means the cost model.
 */
cincel_status cincel_choose(const struct cincel_target *t, struct cincel_team *team,
                            const struct cincel_problem *p, const cincel_options *options, size_t reserved,
                            double error_budget, const char *name, struct cincel_decision *out);

#endif
