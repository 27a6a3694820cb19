#include "tune/choose.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "tune/candidates.h"
#include "tune/cost.h"

static const float farthest = 3.0f; /* neighbours: doublings, all extents together */
/* A neighbour that gained less vouches for the untuned choice: its own was then a matter of its size, or of
   chance (a store past the caches that suits a large tensor makes a small one a third slower). */
static const double worth_copying = 1.05;
static const double default_budget = 2.0; /* seconds a plan */

const char *cincel_source_name(cincel_plan_source source)
{
    static const char *const names[] = {"model", "profile: exact", "profile: neighbour", "measured", "given"};
    return names[source];
}

static cincel_status choose_given(const struct cincel_chooser *with, const struct cincel_problem *p,
                                  const cincel_options *o, size_t reserved, const char *name,
                                  struct cincel_decision *out)
{
    const struct cincel_target *t = with->target;
    char why[CINCEL_WHY];
    struct cincel_choice c;
    if (!cincel_choice_parse(p, o->choice, &c, why) ||
        !cincel_choice_check(t, p, &c, with->error_budget, why))
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: options.choice: %s", name, why);
    const struct cincel_algo *algo = cincel_algo_find(p, c.algo);
    const size_t bytes = reserved + algo->workspace(t, p, &c);
    if (o->max_workspace_bytes && bytes > o->max_workspace_bytes)
        return cincel_fail(CINCEL_UNSUPPORTED,
                           "%s: max_workspace_bytes %zu is too small, this choice needs %zu", name,
                           o->max_workspace_bytes, bytes);
    *out = (struct cincel_decision){.algo = algo,
                                    .choice = c,
                                    .source = CINCEL_SOURCE_GIVEN,
                                    .seconds = cincel_predict_seconds(t, p, algo, &c)};
    return CINCEL_OK;
}

/* ------------------------------------------------------------------------- from the profile -- */

/* A choice as it stands in an entry, for at most `threads` threads here. */
static bool adopt(const struct cincel_chooser *with, const struct cincel_problem *p,
                  const struct cincel_profile_entry *e, int threads, struct cincel_choice *c,
                  char why[CINCEL_WHY])
{
    if (!cincel_choice_parse(p, e->choice, c, why)) return false;
    if (c->threads > threads) c->threads = threads;
    return cincel_choice_check(with->target, p, c, with->error_budget, why);
}

static bool fits(const struct cincel_chooser *with, const struct cincel_problem *p, const cincel_options *o,
                 size_t reserved, const struct cincel_choice *c)
{
    const size_t own = cincel_algo_find(p, c->algo)->workspace(with->target, p, c);
    return o->max_workspace_bytes == 0 || reserved + own <= o->max_workspace_bytes;
}

/* A neighbour that used all the threads it was allowed says nothing about more: the cost model does. */
static void widen(const struct cincel_chooser *with, const struct cincel_problem *p,
                  const struct cincel_profile_entry *e, int threads, struct cincel_choice *c)
{
    const struct cincel_algo *algo = cincel_algo_find(p, c->algo);
    struct cincel_choice wide = *c;
    char why[CINCEL_WHY];
    if (e->threads >= threads || c->threads < e->threads) return;
    wide.threads = threads;
    if (cincel_choice_check(with->target, p, &wide, with->error_budget, why) &&
        cincel_predict_seconds(with->target, p, algo, &wide) <
            cincel_predict_seconds(with->target, p, algo, c))
        *c = wide;
}

/* Leaves out->algo NULL where the neighbour vouches for the untuned choice. */
static bool choose_neighbour(const struct cincel_chooser *with, const struct cincel_problem *p,
                             const cincel_options *o, size_t reserved,
                             const struct cincel_profile_entry *like, struct cincel_decision *out)
{
    enum { NEIGHBOURS = 4 };
    struct cincel_profile_entry near[NEIGHBOURS];
    struct cincel_choice c;
    char why[CINCEL_WHY];
    const int count = cincel_profile_nearest(with->profile, like, farthest, near, NEIGHBOURS);
    for (int i = 0; i < count; i++) {
        if (!adopt(with, p, &near[i], like->threads, &c, why)) continue;
        widen(with, p, &near[i], like->threads, &c);
        if (!fits(with, p, o, reserved, &c)) continue;
        out->source = CINCEL_SOURCE_NEIGHBOUR;
        snprintf(out->neighbour, sizeof out->neighbour, "%s", near[i].key);
        if (cincel_profile_gain(&near[i]) < worth_copying) return true;
        out->algo = cincel_algo_find(p, c.algo);
        out->choice = c;
        out->seconds = cincel_predict_seconds(with->target, p, out->algo, &c);
        return true;
    }
    return false;
}

/* The problem's own entry, else a neighbour's (see there); false where neither serves. */
static bool choose_tuned(const struct cincel_chooser *with, const struct cincel_problem *p,
                         const cincel_options *o, size_t reserved, int threads, struct cincel_decision *out)
{
    struct cincel_profile_entry like, e;
    struct cincel_choice c;
    if (cincel_profile_size(with->profile) == 0) return false;
    cincel_profile_identify(&like, p, threads);
    if (cincel_profile_find(with->profile, like.key, threads, &e) && !e.refused) {
        if (!adopt(with, p, &e, threads, &c, out->note)) {
            cincel_profile_refuse(with->profile, like.key, threads);
        } else if (fits(with, p, o, reserved, &c)) {
            *out = (struct cincel_decision){.algo = cincel_algo_find(p, c.algo),
                                            .choice = c,
                                            .source = CINCEL_SOURCE_EXACT,
                                            .seconds = e.seconds,
                                            .default_seconds = e.default_seconds,
                                            .spread = e.spread};
            return true;
        }
    }
    return choose_neighbour(with, p, o, reserved, &like, out);
}

/* ---------------------------------------------------------------------- model and measuring -- */

/* Keeps what a measurement found, unless a limit of this plan's own stood in its way. */
static cincel_status keep(const struct cincel_chooser *with, const struct cincel_candidates *list,
                          int threads, const struct cincel_decision *d, const char *name)
{
    struct cincel_profile_entry e = {
        .seconds = d->seconds, .spread = d->spread, .default_seconds = d->default_seconds, .measured = true};
    if (!with->profile || with->target->reproducible || list->leanest != SIZE_MAX) return CINCEL_OK;
    cincel_profile_identify(&e, list->p, threads);
    cincel_choice_print(list->p, &d->choice, e.choice);
    if (cincel_profile_put(with->profile, &e, CINCEL_PROFILE_NEWER, NULL)) return CINCEL_OK;
    return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for the profile", name);
}

/* Reduces a list, which the untuned choice leads, to it and the one that the profile has for this very
   problem; what this context measured of both counts as a first visit. False, and all stay, where the profile
   has none. */
static bool keep_rivals(const struct cincel_chooser *with, const cincel_options *o, int threads,
                        size_t reserved, struct cincel_candidates *list)
{
    struct cincel_profile_entry e;
    struct cincel_choice c;
    char key[CINCEL_PROBLEM_KEY], why[CINCEL_WHY], untuned[CINCEL_CHOICE_TEXT];
    cincel_problem_key(list->p, key, sizeof key);
    if (!with->profile || with->target->reproducible ||
        !cincel_profile_find(with->profile, key, threads, &e) || e.refused ||
        !adopt(with, list->p, &e, threads, &c, why) || !fits(with, list->p, o, reserved, &c))
        return false;
    cincel_choice_print(list->p, &list->item[0].choice, untuned);
    const bool same = strcmp(untuned, e.choice) == 0;
    if (!same && list->count < 2) return false;
    list->item[0].earlier = e.measured ? e.default_seconds : 0.0;
    if (!same)
        list->item[1] = (struct cincel_candidate){.algo = cincel_algo_find(list->p, c.algo),
                                                  .choice = c,
                                                  .predicted = list->item[0].predicted,
                                                  .measured = HUGE_VAL,
                                                  .earlier = e.measured ? e.seconds : 0.0};
    list->count = same ? 1 : 2;
    return true;
}

static cincel_status choose_measured(const struct cincel_chooser *with, const cincel_options *o, int threads,
                                     size_t reserved, struct cincel_candidates *list, const char *name,
                                     struct cincel_decision *out)
{
    const bool duel = o->effort == CINCEL_CONFIRM && keep_rivals(with, o, threads, reserved, list);
    const struct cincel_measure_limits limits = {
        .budget = o->budget_seconds > 0.0 ? o->budget_seconds : default_budget,
        .exhaustive = duel, /* both must be timed, however little the budget */
        .cancel = o->cancel};
    struct cincel_measure_report report;
    const cincel_status st =
        cincel_measure(with->target, with->team, list->p, &limits, list->item, list->count, &report);
    if (st != CINCEL_OK) return st;
    const struct cincel_candidate *best = &list->item[0], *standard = best;
    while (!standard->standard) standard++;
    *out = (struct cincel_decision){.algo = best->algo,
                                    .choice = best->choice,
                                    .source = CINCEL_SOURCE_MEASURED,
                                    .seconds = best->measured,
                                    .default_seconds = standard->measured,
                                    .spread = cincel_candidate_spread(best)};
    if (report.wrong) memcpy(out->note, report.first_wrong, sizeof out->note);
    cincel_contention_text(&report.contention, out->disturbed, sizeof out->disturbed);
    return keep(with, list, threads, out, name);
}

cincel_status cincel_choose(const struct cincel_chooser *with, const struct cincel_problem *p,
                            const cincel_options *o, size_t reserved, const char *name,
                            struct cincel_decision *out)
{
    struct cincel_decision d = {.note = ""};
    const int team_size = with->target->machine->threads;
    const int threads = o->threads > 0 && o->threads < team_size ? o->threads : team_size;
    const bool measure = o->effort == CINCEL_MEASURE || o->effort == CINCEL_CONFIRM;
    cincel_status st = CINCEL_OK;
    if (o->choice) {
        st = choose_given(with, p, o, reserved, name, &d);
        if (st == CINCEL_OK) *out = d;
        return st;
    }
    if (o->effort == CINCEL_PROFILE && with->profile && !with->target->reproducible &&
        choose_tuned(with, p, o, reserved, threads, &d) && d.algo) {
        d.threads = threads;
        *out = d;
        return CINCEL_OK;
    }

    struct cincel_candidates list = {.t = with->target,
                                     .p = p,
                                     .max_workspace = o->max_workspace_bytes,
                                     .reserved = reserved,
                                     .leanest = SIZE_MAX};
    st = cincel_candidates_fill(&list, measure, threads, with->error_budget, name);
    if (st == CINCEL_OK && measure) {
        st = choose_measured(with, o, threads, reserved, &list, name, &d);
    } else if (st == CINCEL_OK) {
        d.algo = list.item[0].algo;
        d.choice = list.item[0].choice;
        d.seconds = list.item[0].predicted; /* the source is the model, or a neighbour that vouches for it */
    }
    free(list.item);
    d.threads = threads;
    if (st == CINCEL_OK) *out = d;
    return st;
}
