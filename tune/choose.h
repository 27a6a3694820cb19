/* Which way is best here: problem and options in, choice out. */
#ifndef CINCEL_TUNE_CHOOSE_H
#define CINCEL_TUNE_CHOOSE_H

#include "ops/algo.h"
#include "tune/profile.h"

enum { CINCEL_NOTE = CINCEL_CHOICE_TEXT + CINCEL_WHY };

struct cincel_decision {
    const struct cincel_algo *algo;
    struct cincel_choice choice;
    int threads; /* allowed: the choice may use fewer */
    cincel_plan_source source;
    double seconds;         /* expected or measured */
    double default_seconds; /* of the untuned choice, measured beside it; 0: unknown */
    double spread;          /* median over fastest, where measured; 0: unknown */
    char note[CINCEL_NOTE]; /* why an entry of the profile was passed over, or a candidate as wrong; "" */
    char neighbour[CINCEL_PROBLEM_KEY]; /* whose entry it is, of source NEIGHBOUR */
    char disturbed[96];                 /* what others took of the machine while it measured; "" */
};

/* As descriptions name it: "given", "model", "measured", "profile: exact", "profile: neighbour". */
const char *cincel_source_name(cincel_plan_source source);

/* What there is to choose with. */
struct cincel_chooser {
    const struct cincel_target *target;
    struct cincel_team *team;       /* MEASURE runs candidates on it */
    struct cincel_profile *profile; /* NULL: none is read, nothing is kept */
    double error_budget;
};

/*
 * `options` is complete (not NULL). `reserved` bytes of a plan's workspace belong to the plan itself: they
 * count against options.max_workspace_bytes. `name` is the operator in messages. MEASURE puts what it finds
 * into the profile; CONFIRM times what is there for the problem against the untuned choice; PROFILE looks
 * there for the problem, then for its nearest neighbours, then asks the cost model; ESTIMATE asks the cost
 * model alone.
 */
cincel_status cincel_choose(const struct cincel_chooser *with, const struct cincel_problem *p,
                            const cincel_options *options, size_t reserved, const char *name,
                            struct cincel_decision *out);

#endif
