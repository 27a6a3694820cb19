#include "ops/dropout.h"

/* Shares begin at multiples of this: what the kernel asks of its first element. */
enum { GRAIN = 64 };

struct dropout {
    const struct cincel_dropout_row *row;
    struct cincel_dropout_args args;
    const float *x;
    float *y;
    size_t count;
};

static void body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct dropout *d = data;
    size_t end;
    const size_t begin = cincel_share(worker, d->count, GRAIN, &end);
    if (begin < end) d->row->run(&d->args, begin, d->x + begin, d->y + begin, end - begin);
}

void cincel_dropout_elements(const struct cincel_crew *crew, float p, uint64_t seed, uint64_t stream,
                             const float *x, float *y, size_t count)
{
    struct dropout d = {.row = crew->isa->dropout, .x = x, .y = y, .count = count};
    const uint32_t threshold = (uint32_t)cincel_min((size_t)((double)p * 0x1p16 + 0.5), 0xffff);
    d.args = (struct cincel_dropout_args){.seed = seed,
                                          .stream = stream,
                                          .threshold = threshold,
                                          .scale = (float)(0x1p16 / (0x1p16 - (double)threshold)),
                                          .past = y != x && cincel_crew_streams(crew, count)};
    cincel_team_run(crew->team, cincel_crew_threads(crew, count, CINCEL_EXPS_A_THREAD), 1, body, &d);
}
