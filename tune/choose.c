#include "tune/choose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "tune/cost.h"
#include "tune/measure.h"

static const float farthest = 3.0f;       /* neighbours: doublings, all extents together */
static const double default_budget = 2.0; /* seconds a plan */

/* A growing list of candidates; `leanest` remembers what the workspace limit turned away. */
struct list {
    const struct cincel_target *t;
    const struct cincel_problem *p;
    size_t max_workspace; /* 0: none */
    size_t reserved;      /* of it, whatever the candidate */
    size_t leanest;       /* smallest refused workspace; SIZE_MAX: none refused */
    struct cincel_candidate *item;
    size_t count, room;
    bool no_memory;
};

static bool list_add(void *user, const struct cincel_algo *algo, const struct cincel_choice *c)
{
    struct list *list = user;
    const size_t bytes = list->reserved + algo->workspace(list->t, list->p, c);
    if (list->max_workspace && bytes > list->max_workspace) {
        list->leanest = cincel_min(list->leanest, bytes);
        return true;
    }
    if (list->count == list->room) {
        const size_t room = list->room ? 2 * list->room : 64;
        struct cincel_candidate *grown = realloc(list->item, room * sizeof *grown);
        if (!grown) {
            list->no_memory = true;
            return false;
        }
        list->item = grown;
        list->room = room;
    }
    list->item[list->count++] =
        (struct cincel_candidate){.algo = algo,
                                  .choice = *c,
                                  .predicted = cincel_predict_seconds(list->t, list->p, algo, c),
                                  .measured = HUGE_VAL};
    return true;
}

static int by_predicted(const void *a, const void *b)
{
    const double x = ((const struct cincel_candidate *)a)->predicted;
    const double y = ((const struct cincel_candidate *)b)->predicted;
    return (x > y) - (x < y);
}

const char *cincel_source_name(cincel_plan_source source)
{
    static const char *const names[] = {"model", "profile: exact", "profile: neighbour", "measured", "given"};
    return names[source];
}

/* Thread counts worth trying: 1, 2, 4, … and all that are allowed; 0 past the end. */
static int next_threads(int threads, int most)
{
    if (threads == most) return 0;
    return 2 * threads < most ? 2 * threads : most;
}

/* The cost model alone sees each row with its default knobs; a measurement sees every knob value. */
static void collect(struct list *list, enum cincel_breadth breadth, int most_threads, double error_budget,
                    char why[CINCEL_WHY])
{
    for (int threads = 1; threads && !list->no_memory; threads = next_threads(threads, most_threads))
        cincel_choice_enumerate(list->t, list->p, breadth, threads, error_budget, list_add, list, why);
}

/*
 * The model's choice of a sorted list: the numeric half is the one that is best on one thread, the schedule
 * half the best for all. So the bits do not depend on the number of threads, although an algorithm that gains
 * little on one thread and more on many may be passed over.
 */
static size_t choose_predicted(const struct cincel_candidate *item, size_t count)
{
    size_t alone = 0, best = 0;
    while (alone < count && item[alone].choice.threads != 1) alone++;
    if (alone == count) return 0;
    while (
        !cincel_choice_same_bits(item[best].algo, &item[best].choice, item[alone].algo, &item[alone].choice))
        best++;
    return best;
}

static cincel_status nothing_fits(const struct list *list, const char *name, const char *why)
{
    if (list->no_memory) return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory to plan", name);
    if (list->leanest != SIZE_MAX)
        return cincel_fail(CINCEL_UNSUPPORTED,
                           "%s: max_workspace_bytes %zu is too small, the leanest plan needs %zu", name,
                           list->max_workspace, list->leanest);
    return cincel_fail(CINCEL_UNSUPPORTED, "%s: no algorithm serves this problem: %s", name, why);
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
        out->algo = cincel_algo_find(p, c.algo);
        out->choice = c;
        out->source = CINCEL_SOURCE_NEIGHBOUR;
        out->seconds = cincel_predict_seconds(with->target, p, out->algo, &c);
        return true;
    }
    return false;
}

/* The problem's own entry, else a neighbour's; false where neither serves. */
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

static bool same_choice(const struct cincel_candidate *a, const struct cincel_candidate *b)
{
    return a->algo == b->algo && a->choice.threads == b->choice.threads &&
           strcmp(a->choice.isa, b->choice.isa) == 0 && strcmp(a->choice.row, b->choice.row) == 0 &&
           memcmp(a->choice.knob, b->choice.knob, sizeof a->choice.knob) == 0;
}

/* Puts the model's choice among item[0 … untuned−1], which item[untuned] and those after it repeat, in front
   of the latter. None untuned: its choice among all. */
static void lead_with_standard(struct list *list, size_t untuned)
{
    const size_t best = choose_predicted(list->item, untuned ? untuned : list->count);
    struct cincel_candidate standard = list->item[best];
    size_t kept = 1;
    standard.standard = true;
    if (untuned == 0) {
        list->item[best] = list->item[0];
        list->item[0] = standard;
        return;
    }
    for (size_t i = untuned; i < list->count; i++) {
        const struct cincel_candidate c = list->item[i];
        if (!same_choice(&c, &standard)) list->item[kept++] = c;
    }
    list->item[0] = standard;
    list->count = kept;
}

/* Fills the list for the effort, the untuned choice first. */
static cincel_status fill(struct list *list, bool measure, int threads, double error_budget, const char *name)
{
    char why[CINCEL_WHY] = "the table has none for it";
    collect(list, CINCEL_DEFAULT_KNOBS, threads, error_budget, why);
    const size_t untuned = list->count;
    if (!list->no_memory && (measure || (list->count == 0 && list->leanest != SIZE_MAX)))
        collect(list, CINCEL_ALL_KNOBS, threads, error_budget, why); /* is there a leaner, a faster one? */
    if (list->no_memory || list->count == 0) return nothing_fits(list, name, why);
    qsort(list->item, untuned, sizeof *list->item, by_predicted);
    qsort(list->item + untuned, list->count - untuned, sizeof *list->item, by_predicted);
    lead_with_standard(list, untuned);
    return CINCEL_OK;
}

/* Keeps what a measurement found, unless a limit of this plan's own stood in its way. */
static cincel_status keep(const struct cincel_chooser *with, const struct list *list, int threads,
                          const struct cincel_decision *d, const char *name)
{
    struct cincel_profile_entry e = {
        .seconds = d->seconds, .spread = d->spread, .default_seconds = d->default_seconds, .measured = true};
    if (!with->profile || with->target->reproducible || list->leanest != SIZE_MAX) return CINCEL_OK;
    cincel_profile_identify(&e, list->p, threads);
    cincel_choice_print(list->p, &d->choice, e.choice);
    if (cincel_profile_put(with->profile, &e, CINCEL_PROFILE_NEWER, NULL)) return CINCEL_OK;
    return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for the profile", name);
}

static cincel_status choose_measured(const struct cincel_chooser *with, const cincel_options *o, int threads,
                                     struct list *list, const char *name, struct cincel_decision *out)
{
    const double budget = o->budget_seconds > 0.0 ? o->budget_seconds : default_budget;
    const struct cincel_measure_limits limits = {.budget = budget, .cancel = o->cancel};
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
    const bool measure = o->effort == CINCEL_MEASURE;
    cincel_status st = CINCEL_OK;
    if (o->choice) {
        st = choose_given(with, p, o, reserved, name, &d);
        if (st == CINCEL_OK) *out = d;
        return st;
    }
    if (o->effort == CINCEL_PROFILE && with->profile && !with->target->reproducible &&
        choose_tuned(with, p, o, reserved, threads, &d)) {
        d.threads = threads;
        *out = d;
        return CINCEL_OK;
    }

    struct list list = {.t = with->target,
                        .p = p,
                        .max_workspace = o->max_workspace_bytes,
                        .reserved = reserved,
                        .leanest = SIZE_MAX};
    st = fill(&list, measure, threads, with->error_budget, name);
    if (st == CINCEL_OK && measure) {
        st = choose_measured(with, o, threads, &list, name, &d);
    } else if (st == CINCEL_OK) {
        d.algo = list.item[0].algo;
        d.choice = list.item[0].choice;
        d.source = CINCEL_SOURCE_MODEL;
        d.seconds = list.item[0].predicted;
    }
    free(list.item);
    d.threads = threads;
    if (st == CINCEL_OK) *out = d;
    return st;
}
