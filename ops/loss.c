/* Element-wise losses: sums of slices, whose cuts depend on the count alone, in the order of the slices. */
#include "ops/loss.h"

/* At most so many slices, on the caller's stack, and none shorter than a thread is worth. */
enum { SLICES = 256, SLICE_FLOATS = CINCEL_EXPS_A_THREAD };

struct loss {
    const struct cincel_loss_row *row;
    cincel_loss_kind kind;
    float delta, scale;
    const float *x, *target;
    float *dx;
    int stream; /* dx goes past the caches */
    size_t count, slice, slices;
    double sum[SLICES];
};

static void body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    struct loss *l = data;
    size_t last;
    for (size_t s = cincel_share(worker, l->slices, 1, &last); s < last; s++) {
        const size_t at = s * l->slice, count = cincel_min(l->slice, l->count - at);
        l->sum[s] = l->row->run(l->kind, l->delta, l->scale, l->x + at, l->target + at,
                                l->dx ? l->dx + at : NULL, count, l->stream);
    }
}

void cincel_loss_elements(const struct cincel_crew *crew, cincel_loss_kind kind, float delta, const float *x,
                          const float *target, size_t count, double *loss, float *dx)
{
    struct loss l = {.row = crew->isa->loss,
                     .kind = kind,
                     .delta = delta,
                     .scale = (float)(1.0 / (double)count),
                     .x = x,
                     .target = target,
                     .dx = dx,
                     .stream = dx && dx != x && dx != target && cincel_crew_streams(crew, count),
                     .count = count};
    const size_t even = cincel_round_up(cincel_div_up(count, SLICES), CINCEL_LINE_FLOATS);
    l.slice = cincel_max(SLICE_FLOATS, even);
    l.slices = cincel_div_up(count, l.slice);
    const size_t floats = kind == CINCEL_LOSS_BCE_LOGITS ? CINCEL_EXPS_A_THREAD : CINCEL_FLOATS_A_THREAD;
    cincel_team_run(crew->team, cincel_crew_threads(crew, count, floats), 1, body, &l);

    double sum = 0.0;
    for (size_t s = 0; s < l.slices; s++) sum += l.sum[s];
    if (loss) *loss = sum / (double)count;
}
