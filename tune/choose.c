#include "tune/choose.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/status.h"
#include "tune/cost.h"
#include "tune/measure.h"

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
        (struct cincel_candidate){algo, *c, cincel_predict_seconds(list->t, list->p, algo, c), HUGE_VAL};
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
static void collect(struct list *list, enum cincel_breadth breadth, int most_threads, double error_budget,
                    char why[CINCEL_WHY])
{
    for (int threads = 1; threads && !list->no_memory; threads = next_threads(threads, most_threads))
        cincel_choice_enumerate(list->t, list->p, breadth, threads, error_budget, list_add, list, why);
}

/*
 * The model's choice: the numeric half is the one that is best on one thread, the schedule half the best for
 * all. So the bits do not depend on the number of threads, although an algorithm that gains little on one
 * thread and more on many may be passed over.
 */
static const struct cincel_candidate *choose_predicted(const struct list *list)
{
    const struct cincel_candidate *item = list->item, *end = item + list->count, *alone = item;
    while (alone < end && alone->choice.threads != 1) alone++;
    if (alone == end) return item;
    while (!cincel_choice_same_bits(item->algo, &item->choice, alone->algo, &alone->choice)) item++;
    return item;
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

static cincel_status choose_given(const struct cincel_target *t, const struct cincel_problem *p,
                                  const cincel_options *o, size_t reserved, double error_budget,
                                  const char *name, struct cincel_decision *out)
{
    char why[CINCEL_WHY];
    struct cincel_choice c;
    if (!cincel_choice_parse(p, o->choice, &c, why) || !cincel_choice_check(t, p, &c, error_budget, why))
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: options.choice: %s", name, why);
    const struct cincel_algo *algo = cincel_algo_find(p, c.algo);
    const size_t bytes = reserved + algo->workspace(t, p, &c);
    if (o->max_workspace_bytes && bytes > o->max_workspace_bytes)
        return cincel_fail(CINCEL_UNSUPPORTED,
                           "%s: max_workspace_bytes %zu is too small, this choice needs %zu", name,
                           o->max_workspace_bytes, bytes);
    *out = (struct cincel_decision){algo, c, cincel_predict_seconds(t, p, algo, &c), "given"};
    return CINCEL_OK;
}

cincel_status cincel_choose(const struct cincel_target *t, struct cincel_team *team,
                            const struct cincel_problem *p, const cincel_options *o, size_t reserved,
                            double error_budget, const char *name, struct cincel_decision *out)
{
    if (o->choice) return choose_given(t, p, o, reserved, error_budget, name, out);

    const int team_size = t->machine->threads;
    const int threads = o->threads > 0 && o->threads < team_size ? o->threads : team_size;
    const bool measure = o->effort == CINCEL_MEASURE;
    struct list list = {
        .t = t, .p = p, .max_workspace = o->max_workspace_bytes, .reserved = reserved, .leanest = SIZE_MAX};
    char why[CINCEL_WHY] = "the table has none for it";
    cincel_status st = CINCEL_OK;

    collect(&list, measure ? CINCEL_ALL_KNOBS : CINCEL_DEFAULT_KNOBS, threads, error_budget, why);
    if (!measure && !list.no_memory && list.count == 0 && list.leanest != SIZE_MAX)
        collect(&list, CINCEL_ALL_KNOBS, threads, error_budget, why); /* is there a leaner one? */
    if (list.no_memory || list.count == 0) {
        st = nothing_fits(&list, name, why);
        goto done;
    }
    qsort(list.item, list.count, sizeof *list.item, by_predicted);
    if (measure) {
        const double budget = o->budget_seconds > 0.0 ? o->budget_seconds : default_budget;
        st = cincel_measure(t, team, p, budget, o->cancel, list.item, list.count);
        if (st != CINCEL_OK) goto done;
    }
    const struct cincel_candidate *best = measure ? &list.item[0] : choose_predicted(&list);
    *out = (struct cincel_decision){best->algo, best->choice, measure ? best->measured : best->predicted,
                                    measure ? "measured" : "model"};
done:
    free(list.item);
    return st;
}
