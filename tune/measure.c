#include "tune/measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/memory.h"
#include "core/status.h"
#include "tune/trial.h"

/* A candidate this much slower than the best so far does not come back in the next round. */
static const double drop_ratio = 1.25;
/* One whose very first run, which brings its pages and its code in, takes this much longer is not timed. */
static const double hopeless_ratio = 3.0;
/* What the model expects to be this much slower than its best is tried by chance only: twice its worst error.
 */
static const double implausible_ratio = 4.0;
/* One of so many tries goes to a candidate drawn from all that are left. */
enum { CHANCE_EVERY = 6 };
/* Parts of the budget by whose end the first tries and the rounds of survivors are over. */
static const double explore_until = 0.55, rounds_until = 0.75;
/* Those who meet in the final. */
enum { FINALISTS = 4 };
/* Less than this over the untuned choice is no gain: it scatters as much. */
static const double least_gain = 1.01;
/* Timed spans are at least this long, so that the clock and one interrupt don't decide; what is done before
   each run may take so many times longer. */
static const double min_span = 200e-6, most_overhead = 4.0;
/* A sample that another process interrupted is repeated so often. */
enum { REPEATS = 2 };

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

struct session {
    const struct cincel_target *t;
    struct cincel_team *team;
    const struct cincel_measure_limits *limits;
    struct cincel_measure_report *report;
    struct cincel_trial trial;
    int threads;     /* of the layers around this one */
    bool read;       /* the output is too large to stay in L2: its reader counts */
    double read_min; /* the quickest pass over it; HUGE_VAL: none */
    double begin, best;
    void *workspace; /* of all candidates, one after the other: its pages stay */
    size_t workspace_bytes;
    uint32_t random;
};

static size_t draw(struct session *s, size_t below)
{
    s->random = s->random * 1664525u + 1013904223u;
    return (size_t)(((uint64_t)s->random * below) >> 32);
}

/* Is this part of the budget spent? */
static bool over(const struct session *s, double part)
{
    return now() - s->begin > part * s->limits->budget || (s->limits->cancel && *s->limits->cancel);
}

/* ------------------------------------------------------------------------------------ one sample -- */

static cincel_status grow_workspace(struct session *s, size_t bytes)
{
    if (bytes <= s->workspace_bytes) return CINCEL_OK;
    cincel_aligned_free(s->workspace);
    s->workspace_bytes = 0;
    s->workspace = cincel_aligned_alloc(bytes);
    if (!s->workspace)
        return cincel_fail(CINCEL_OUT_OF_MEMORY, "tune: no memory for a workspace of %zu bytes", bytes);
    s->workspace_bytes = bytes;
    return CINCEL_OK;
}

static struct cincel_tensors tensors_of(const struct session *s)
{
    struct cincel_tensors tensors = s->trial.tensors;
    tensors.workspace = s->workspace;
    return tensors;
}

/* One run and what its output's reader waits for. */
static double time_run(struct session *s, const struct cincel_candidate *c,
                       const struct cincel_prepared *prepared)
{
    const struct cincel_tensors tensors = tensors_of(s);
    cincel_trial_settle(&s->trial, s->team, s->threads);
    const double begin = now();
    c->algo->run(prepared, &tensors, s->team);
    const double done = now();
    if (!s->read) return done - begin;
    cincel_trial_read_output(&s->trial, s->team, s->threads);
    const double end = now();
    s->read_min = fmin(s->read_min, end - done);
    return end - begin;
}

/* The first run, checked; false: wrong, or too slow to be looked at again. */
static bool first_run(struct session *s, struct cincel_candidate *c, const struct cincel_prepared *prepared)
{
    char why[CINCEL_WHY];
    const struct cincel_tensors tensors = tensors_of(s);
    cincel_trial_spoil(&s->trial);
    const double begin = now();
    c->algo->run(prepared, &tensors, s->team);
    const double took = now() - begin;
    c->checked = true;
    s->report->tried++;
    if (!cincel_trial_verify(&s->trial, c->algo, &c->choice, why)) {
        char text[CINCEL_CHOICE_TEXT];
        cincel_choice_print(s->trial.p, &c->choice, text);
        if (s->report->wrong++ == 0)
            snprintf(s->report->first_wrong, sizeof s->report->first_wrong, "%s %s", text, why);
        c->wrong = true;
        c->measured = HUGE_VAL;
        return false;
    }
    if (took < hopeless_ratio * s->best || c->standard || s->limits->exhaustive) return true;
    c->measured = fmin(c->measured, took);
    return false;
}

/* Runs that fill the minimal span, each from the same state; the fastest counts. */
static void sample(struct session *s, struct cincel_candidate *c, const struct cincel_prepared *prepared)
{
    double fastest = HUGE_VAL;
    for (int repeat = 0; repeat <= REPEATS; repeat++) {
        const long switches = cincel_contention_switches();
        const double begin = now();
        double timed = 0.0;
        do {
            const double took = time_run(s, c, prepared);
            timed += took;
            fastest = fmin(fastest, took);
        } while (timed < min_span && now() - begin < most_overhead * min_span);
        const bool interrupted = cincel_contention_switches() != switches;
        s->report->contention.samples++;
        s->report->contention.interrupted += interrupted;
        if (!interrupted || over(s, 1.0)) break;
    }
    c->measured = fmin(c->measured, fastest);
    if (c->rounds < CINCEL_MEASURE_ROUNDS) c->round[c->rounds++] = (float)fastest;
    s->best = fmin(s->best, c->measured);
}

static cincel_status build(struct session *s, const struct cincel_candidate *c,
                           struct cincel_prepared **prepared)
{
    const struct cincel_problem *p = s->trial.p;
    const cincel_status st = grow_workspace(s, c->algo->workspace(s->t, p, &c->choice));
    return st == CINCEL_OK ? c->algo->build(s->t, p, &c->choice, prepared) : st;
}

static cincel_status try_candidate(struct session *s, struct cincel_candidate *c)
{
    struct cincel_prepared *prepared = NULL;
    const cincel_status st = build(s, c, &prepared);
    if (st != CINCEL_OK) return st;
    if (c->checked || first_run(s, c, prepared)) sample(s, c, prepared);
    c->algo->discard(prepared);
    return CINCEL_OK;
}

/* ---------------------------------------------------------------------------------------- search -- */

/* All plausible ones once: the untuned choice, then in the model's order, with draws from the rest. */
static cincel_status explore(struct session *s, struct cincel_candidate *candidates, size_t count)
{
    const bool exhaustive = s->limits->exhaustive;
    size_t next = 1; /* all before it have been tried */
    double plausible = HUGE_VAL;
    for (size_t i = 0; i < count; i++)
        plausible = fmin(plausible, implausible_ratio * candidates[i].predicted);
    cincel_status st = try_candidate(s, &candidates[0]);
    for (size_t tries = 1; st == CINCEL_OK && next < count; tries++) {
        if (exhaustive ? s->limits->cancel && *s->limits->cancel : over(s, explore_until)) break;
        size_t at = next;
        if (!exhaustive && tries % CHANCE_EVERY == 0) at += draw(s, count - next);
        if (!exhaustive && at == next && candidates[at].predicted > plausible) break;
        st = candidates[at].checked ? CINCEL_OK : try_candidate(s, &candidates[at]);
        while (next < count && candidates[next].checked) next++;
    }
    return st;
}

static int by_measured(const void *a, const void *b)
{
    const double x = ((const struct cincel_candidate *)a)->measured;
    const double y = ((const struct cincel_candidate *)b)->measured;
    return (x > y) - (x < y);
}

/* Moves the survivors of a sorted list to its front: those not much slower than the best, at most `most`, and
   the untuned choice. */
static size_t survivors(struct cincel_candidate *candidates, size_t alive, size_t most)
{
    const double limit = drop_ratio * candidates[0].measured;
    size_t kept = 0;
    for (size_t i = 0; i < alive; i++) {
        const struct cincel_candidate c = candidates[i];
        if (c.wrong || ((c.measured > limit || kept >= most) && !c.standard)) continue;
        memmove(candidates + kept + 1, candidates + kept, (i - kept) * sizeof c);
        candidates[kept++] = c;
    }
    return kept;
}

static void shuffle(struct session *s, size_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++) order[i] = i;
    for (size_t i = count; i > 1; i--) {
        const size_t j = draw(s, i), swap = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swap;
    }
}

/* Rounds over half as many each time, until few are left; sorted at the end. */
static cincel_status halve(struct session *s, struct cincel_candidate *candidates, size_t count,
                           size_t *order, size_t *finalists)
{
    cincel_status st = CINCEL_OK;
    qsort(candidates, count, sizeof *candidates, by_measured);
    size_t alive = survivors(candidates, count, count);
    while (st == CINCEL_OK && alive > FINALISTS + 1 && !over(s, rounds_until)) {
        shuffle(s, order, alive);
        for (size_t i = 0; i < alive && st == CINCEL_OK && !over(s, rounds_until); i++)
            st = try_candidate(s, &candidates[order[i]]);
        qsort(candidates, alive, sizeof *candidates, by_measured);
        alive = survivors(candidates, alive, cincel_max(alive / 2, (size_t)FINALISTS));
    }
    *finalists = survivors(candidates, alive, FINALISTS);
    return st;
}

/* The last few in turns, built once, until the rounds are full or the time is over. */
static cincel_status final(struct session *s, struct cincel_candidate *candidates, size_t count)
{
    struct cincel_prepared *prepared[FINALISTS + 1] = {NULL};
    size_t order[FINALISTS + 1];
    cincel_status st = CINCEL_OK;
    for (size_t i = 0; i < count && st == CINCEL_OK; i++) st = build(s, &candidates[i], &prepared[i]);
    for (int round = 0; round < CINCEL_MEASURE_ROUNDS && st == CINCEL_OK && !over(s, 1.0); round++) {
        shuffle(s, order, count);
        for (size_t i = 0; i < count && !over(s, 1.0); i++)
            sample(s, &candidates[order[i]], prepared[order[i]]);
    }
    for (size_t i = 0; i < count; i++)
        if (prepared[i]) candidates[i].algo->discard(prepared[i]);
    return st;
}

/* The read pass that every candidate's output costs is taken off again; the fastest first, unless the untuned
   choice is as good. */
static void conclude(const struct session *s, struct cincel_candidate *candidates, size_t count)
{
    const double off = isfinite(s->read_min) ? s->read_min : 0.0;
    for (size_t i = 0; i < count; i++) {
        struct cincel_candidate *c = &candidates[i];
        if (isfinite(c->measured)) c->measured = fmax(c->measured - off, 1e-9);
        if (c->earlier > 0.0 && !c->wrong) c->measured = fmin(c->measured, c->earlier);
        for (int r = 0; r < c->rounds; r++) c->round[r] = (float)fmax((double)c->round[r] - off, 1e-9);
    }
    qsort(candidates, count, sizeof *candidates, by_measured);
    size_t at = 0;
    while (at < count && !candidates[at].standard) at++;
    if (at == count || candidates[at].measured > least_gain * candidates[0].measured) return;
    const struct cincel_candidate standard = candidates[at];
    memmove(candidates + 1, candidates, at * sizeof standard);
    candidates[0] = standard;
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

double cincel_candidate_spread(const struct cincel_candidate *c)
{
    float sorted[CINCEL_MEASURE_ROUNDS];
    if (c->rounds == 0) return 1.0;
    memcpy(sorted, c->round, sizeof sorted);
    qsort(sorted, (size_t)c->rounds, sizeof *sorted, by_value);
    return (double)sorted[c->rounds / 2] / (double)sorted[0];
}

cincel_status cincel_measure(const struct cincel_target *t, struct cincel_team *team,
                             const struct cincel_problem *p, const struct cincel_measure_limits *limits,
                             struct cincel_candidate *candidates, size_t count,
                             struct cincel_measure_report *report)
{
    struct session s = {.t = t,
                        .team = team,
                        .limits = limits,
                        .report = report,
                        .threads = 1,
                        .read_min = HUGE_VAL,
                        .begin = now(),
                        .best = HUGE_VAL,
                        .random = 0x9e3779b9u};
    size_t finalists = 0, *order = malloc(count * sizeof *order);
    *report = (struct cincel_measure_report){.tried = 0};
    if (!order) return cincel_fail(CINCEL_OUT_OF_MEMORY, "tune: no memory for %zu candidates", count);
    cincel_status st = cincel_trial_create(t, p, &s.trial);
    if (st != CINCEL_OK) goto done;
    for (size_t i = 0; i < count; i++)
        s.threads = candidates[i].choice.threads > s.threads ? candidates[i].choice.threads : s.threads;
    s.read = s.trial.output[0].count * sizeof(float) > t->machine->topo.l2_bytes;
    cincel_contention_begin(&report->contention, t->isas[0]);
    st = explore(&s, candidates, count);
    if (limits->exhaustive) s.begin = now(); /* the budget is for what follows */
    if (st == CINCEL_OK) st = halve(&s, candidates, count, order, &finalists);
    if (st == CINCEL_OK) st = final(&s, candidates, finalists);
    cincel_contention_end(&report->contention);
    conclude(&s, candidates, count);
    if (st == CINCEL_OK && !isfinite(candidates[0].measured))
        st = cincel_fail(CINCEL_INTERNAL_ERROR, "tune: every way to compute this is wrong: %s",
                         report->first_wrong);
    cincel_aligned_free(s.workspace);
    cincel_trial_destroy(&s.trial);
done:
    free(order);
    return st;
}
