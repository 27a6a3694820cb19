#include "tune/measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/memory.h"
#include "core/status.h"

/* A candidate this much slower than the best so far does not come back in the next round. */
static const double drop_ratio = 1.25;
/* Rounds of a lone survivor. */
enum { MIN_ROUNDS = 3 };
/* Timed spans are at least this long, so that the clock and one interrupt don't decide. */
static const double min_span = 200e-6;

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

/* Element counts of the tensors of a problem; 0: not part of it. */
struct counts {
    size_t x, w, bias, y;
};

static struct counts tensor_counts(const struct cincel_problem *p)
{
    if (p->op == CINCEL_OP_POOL) {
        const cincel_pool_desc *d = &p->pool.d;
        return (struct counts){.x = (size_t)d->n * d->ih * d->iw * d->c,
                               .y = (size_t)d->n * p->pool.oh * p->pool.ow * d->c};
    }
    const cincel_conv_desc *d = &p->conv.d;
    return (struct counts){.x = (size_t)d->n * d->ih * d->iw * d->ic,
                           .w = (size_t)d->oc * d->kh * d->kw * (d->ic / d->groups),
                           .bias = (size_t)d->oc,
                           .y = (size_t)d->n * p->conv.oh * p->conv.ow * d->oc};
}

struct arena {
    float *x, *w, *bias, *y, *dy;
    void *argmax;
};

static void arena_free(struct arena *a)
{
    cincel_aligned_free(a->x);
    cincel_aligned_free(a->w);
    cincel_aligned_free(a->bias);
    cincel_aligned_free(a->y);
    cincel_aligned_free(a->dy);
    cincel_aligned_free(a->argmax);
}

/* Values in −1 … 1 without a pattern a predictor could learn; speed depends on them in no other way. */
static float *random_floats(size_t count)
{
    float *v = cincel_aligned_alloc((count ? count : 1) * sizeof *v);
    uint32_t state = 0x9e3779b9u;
    for (size_t i = 0; v && i < count; i++) {
        state = state * 1664525u + 1013904223u;
        v[i] = (float)(int32_t)state * 0x1p-31f;
    }
    return v;
}

static bool arena_create(const struct cincel_problem *p, struct arena *a)
{
    const struct counts s = tensor_counts(p);
    const size_t argmax_bytes = s.y * cincel_problem_argmax_bytes(p) + 1;
    *a = (struct arena){random_floats(s.x), random_floats(s.w), random_floats(s.bias),
                        random_floats(s.y), random_floats(s.y), cincel_aligned_alloc(argmax_bytes)};
    if (a->argmax) memset(a->argmax, 0, argmax_bytes);
    return a->x && a->w && a->bias && a->y && a->dy && a->argmax;
}

static struct cincel_tensors arena_tensors(const struct arena *a, const struct cincel_problem *p)
{
    const bool forward = p->pass == CINCEL_FORWARD;
    return (struct cincel_tensors){
        .x = a->x,
        .w = a->w,
        .bias = a->bias,
        .dy = a->dy,
        .y_in = a->y,
        .y = forward ? a->y : NULL,
        .dx = p->pass == CINCEL_BACKWARD_DATA ? a->x : NULL,
        .dw = p->pass == CINCEL_BACKWARD_WEIGHTS ? a->w : NULL,
        .db = p->pass == CINCEL_BACKWARD_WEIGHTS ? a->bias : NULL,
        .argmax_out = forward ? a->argmax : NULL,
        .argmax_in = a->argmax,
    };
}

/* One sample of a candidate: an untimed run (its new workspace's pages are touched there), then as many
   timed ones as fill the minimal span; the fastest counts. */
static cincel_status sample(const struct cincel_target *t, struct cincel_team *team,
                            const struct cincel_problem *p, struct cincel_tensors tensors,
                            struct cincel_candidate *c)
{
    struct cincel_prepared *prepared = NULL;
    cincel_status st = c->algo->build(t, p, &c->choice, &prepared);
    if (st != CINCEL_OK) return st;
    const size_t bytes = c->algo->workspace(t, p, &c->choice);
    tensors.workspace = cincel_aligned_alloc(bytes);
    if (bytes && !tensors.workspace) {
        st = cincel_fail(CINCEL_OUT_OF_MEMORY, "tune: no memory for a workspace of %zu bytes", bytes);
        goto done;
    }
    c->algo->run(prepared, &tensors, team);
    const double begin = now();
    double end = begin, fastest = HUGE_VAL;
    do {
        const double start = end;
        c->algo->run(prepared, &tensors, team);
        end = now();
        fastest = fmin(fastest, end - start);
    } while (end - begin < min_span);
    c->measured = fmin(c->measured, fastest);
    c->round[c->rounds++] = (float)fastest;
done:
    cincel_aligned_free(tensors.workspace);
    c->algo->discard(prepared);
    return st;
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

/* The next survivors: those not much slower than the best, and the untuned choice. Both kinds end up in front
   of the rest, in order. */
static size_t survivors(struct cincel_candidate *candidates, size_t alive)
{
    const double limit = drop_ratio * candidates[0].measured;
    size_t kept = 0;
    for (size_t i = 0; i < alive; i++) {
        const struct cincel_candidate c = candidates[i];
        if (c.measured > limit && !c.standard) continue;
        memmove(candidates + kept + 1, candidates + kept, (i - kept) * sizeof c);
        candidates[kept++] = c;
    }
    return kept;
}

static int by_measured(const void *a, const void *b)
{
    const double x = ((const struct cincel_candidate *)a)->measured;
    const double y = ((const struct cincel_candidate *)b)->measured;
    return (x > y) - (x < y);
}

cincel_status cincel_measure(const struct cincel_target *t, struct cincel_team *team,
                             const struct cincel_problem *p, double budget, const volatile int *cancel,
                             struct cincel_candidate *candidates, size_t count)
{
    struct arena arena;
    cincel_status st = CINCEL_OK;
    const double deadline = now() + budget;
    if (!arena_create(p, &arena)) {
        st = cincel_fail(CINCEL_OUT_OF_MEMORY, "tune: no memory for the tensors of the problem");
        goto done;
    }
    const struct cincel_tensors tensors = arena_tensors(&arena, p);
    size_t alive = count;
    bool over = false;
    for (int round = 0; round < CINCEL_MEASURE_ROUNDS && !over && (alive > 1 || round < MIN_ROUNDS);
         round++) {
        for (size_t i = 0; i < alive && !over; i++) {
            st = sample(t, team, p, tensors, &candidates[i]);
            if (st != CINCEL_OK) goto done;
            over = now() > deadline || (cancel && *cancel);
        }
        qsort(candidates, alive, sizeof *candidates, by_measured);
        alive = survivors(candidates, alive);
    }
done:
    arena_free(&arena);
    return st;
}
