#include "ops/optim.h"

#include <math.h>

/* ---------------------------------------------------------------------------------------------- SGD -- */

struct sgd {
    const struct cincel_vector_row *row;
    float *w, *v;
    const float *dw;
    size_t count;
    float lr, momentum, weight_decay;
};

static void sgd_body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct sgd *s = data;
    size_t end;
    const size_t at = cincel_share(worker, s->count, CINCEL_LINE_FLOATS, &end);
    if (at >= end) return;
    s->row->sgd(s->w + at, s->dw + at, s->v ? s->v + at : NULL, end - at, s->lr, s->momentum,
                s->weight_decay);
}

void cincel_optim_sgd(const struct cincel_crew *crew, float *w, const float *dw, float *v, size_t count,
                      float lr, float momentum, float weight_decay)
{
    struct sgd s = {crew->isa->vector, w, v, dw, count, lr, momentum, weight_decay};
    cincel_team_run(crew->team, cincel_crew_threads(crew, count, CINCEL_FLOATS_A_THREAD), 1, sgd_body, &s);
}

/* --------------------------------------------------------------------------------------------- Adam -- */

struct adam {
    const struct cincel_vector_row *row;
    const struct cincel_adam_args *args;
};

static void adam_body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct adam *s = data;
    struct cincel_adam_args mine = *s->args;
    size_t end;
    const size_t at = cincel_share(worker, mine.count, CINCEL_LINE_FLOATS, &end);
    if (at >= end) return;
    mine.w += at;
    mine.dw += at;
    mine.m += at;
    mine.v += at;
    mine.count = end - at;
    s->row->adam(&mine);
}

void cincel_optim_adam(const struct cincel_crew *crew, const struct cincel_adam_args *args)
{
    struct adam s = {crew->isa->vector, args};
    const int threads = cincel_crew_threads(crew, args->count, CINCEL_FLOATS_A_THREAD);
    cincel_team_run(crew->team, threads, 1, adam_body, &s);
}

/* --------------------------------------------------------------------------------------------- norm -- */

/* As ops/loss.c cuts: at most so many slices, on the caller's stack, none shorter than a thread is worth. */
enum { SLICES = 256 };

struct norm {
    const struct cincel_softmax_row *row;
    const float *x;
    size_t count, slice, slices;
    double sum[SLICES];
};

static void norm_body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    struct norm *n = data;
    size_t last;
    for (size_t s = cincel_share(worker, n->slices, 1, &last); s < last; s++) {
        const float *x = n->x + s * n->slice;
        n->sum[s] = n->row->dot(x, x, cincel_min(n->slice, n->count - s * n->slice));
    }
}

double cincel_optim_norm(const struct cincel_crew *crew, const float *x, size_t count)
{
    struct norm n = {.row = crew->isa->softmax, .x = x, .count = count};
    n.slice =
        cincel_max(CINCEL_FLOATS_A_THREAD, cincel_round_up(cincel_div_up(count, SLICES), CINCEL_LINE_FLOATS));
    n.slices = cincel_div_up(count, n.slice);
    const int threads = cincel_crew_threads(crew, count, CINCEL_FLOATS_A_THREAD);
    cincel_team_run(crew->team, threads, 1, norm_body, &n);
    double sum = 0.0;
    for (size_t s = 0; s < n.slices; s++) sum += n.sum[s];
    return sqrt(sum);
}
