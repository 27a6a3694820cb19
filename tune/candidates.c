#include "tune/candidates.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "tune/cost.h"

static bool list_add(void *user, const struct cincel_algo *algo, const struct cincel_choice *c)
{
    struct cincel_candidates *list = user;
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

/* Thread counts worth trying: 1, 2, 4, … and all that are allowed; 0 past the end. */
static int next_threads(int threads, int most)
{
    if (threads == most) return 0;
    return 2 * threads < most ? 2 * threads : most;
}

/* The cost model alone sees each row with its default knobs; a measurement sees every knob value. */
static void collect(struct cincel_candidates *list, enum cincel_breadth breadth, int most_threads,
                    double error_budget, char why[CINCEL_WHY])
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

static cincel_status nothing_fits(const struct cincel_candidates *list, const char *name, const char *why)
{
    if (list->no_memory) return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory to plan", name);
    if (list->leanest != SIZE_MAX)
        return cincel_fail(CINCEL_UNSUPPORTED,
                           "%s: max_workspace_bytes %zu is too small, the leanest plan needs %zu", name,
                           list->max_workspace, list->leanest);
    return cincel_fail(CINCEL_UNSUPPORTED, "%s: no algorithm serves this problem: %s", name, why);
}

static bool same_choice(const struct cincel_candidate *a, const struct cincel_candidate *b)
{
    return a->algo == b->algo && a->choice.threads == b->choice.threads &&
           strcmp(a->choice.isa, b->choice.isa) == 0 && strcmp(a->choice.row, b->choice.row) == 0 &&
           memcmp(a->choice.knob, b->choice.knob, sizeof a->choice.knob) == 0;
}

/* Puts the model's choice among item[0 … untuned−1], which item[untuned] and those after it repeat, in front
   of the latter. None untuned: its choice among all. */
static void lead_with_standard(struct cincel_candidates *list, size_t untuned)
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

cincel_status cincel_candidates_fill(struct cincel_candidates *list, bool measure, int threads,
                                     double error_budget, const char *name)
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

/* The first of its rows and their defaults that is refused speaks for all. */
bool cincel_candidates_refusal(const struct cincel_target *t, const struct cincel_problem *p,
                               const struct cincel_algo *algo, double error_budget, char why[CINCEL_WHY])
{
    const char *row;
    bool refused = false;
    snprintf(why, CINCEL_WHY, "no kernel for it here");
    for (const struct cincel_isa *const *isa = t->isas; *isa; isa++) {
        for (int i = 0; (row = algo->row(*isa, i)) != NULL; i++) {
            struct cincel_choice c = {.threads = 1};
            char other[CINCEL_WHY];
            snprintf(c.algo, sizeof c.algo, "%s", algo->name);
            snprintf(c.isa, sizeof c.isa, "%s", (*isa)->name);
            snprintf(c.row, sizeof c.row, "%s", row);
            algo->defaults(t, p, &c);
            if (cincel_choice_check(t, p, &c, error_budget, refused ? other : why)) return false;
            refused = true;
        }
    }
    return true;
}
