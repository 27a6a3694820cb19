#include "ops/channels.h"

#include <string.h>

/* --------------------------------------------------------------------------- bias and activation -- */

/* A cut stays in L1 between bias and activation; the bias of narrow rows is repeated to this length. */
enum { CUT_FLOATS = 4096, TILE_FLOATS = 512 };

struct finish {
    const struct cincel_vector_row *vector;
    const float *bias;
    cincel_activation act;
    float alpha;
    float *y;
    size_t rows, channels, cut_rows;
};

/* y[i] += bias[i mod channels] over whole rows. */
static void add_bias(const struct finish *f, const float *tile, size_t tile_rows, float *y, size_t rows)
{
    for (size_t done = 0; done < rows; done += tile_rows) {
        const size_t now = cincel_min(tile_rows, rows - done);
        f->vector->add(tile, y + done * f->channels, now * f->channels);
    }
}

static void finish_body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct finish *f = data;
    float tile[TILE_FLOATS];
    const size_t repeats = cincel_max(TILE_FLOATS / f->channels, 1),
                 cuts = cincel_div_up(f->rows, f->cut_rows);
    for (size_t i = 0; f->bias && repeats > 1 && i < repeats; i++)
        memcpy(tile + i * f->channels, f->bias, f->channels * sizeof(float));
    size_t cut;
    while (cincel_claim(worker, cuts, &cut)) {
        const size_t first = cut * f->cut_rows, rows = cincel_min(f->cut_rows, f->rows - first);
        float *y = f->y + first * f->channels;
        if (f->bias) add_bias(f, repeats > 1 ? tile : f->bias, repeats, y, rows);
        if (f->act != CINCEL_ACT_NONE)
            f->vector->act_forward((int)f->act, f->alpha, y, y, rows * f->channels);
    }
}

void cincel_channels_finish(const struct cincel_crew *crew, const float *bias, cincel_activation act,
                            float alpha, float *y, size_t rows, size_t channels)
{
    struct finish f = {
        crew->isa->vector, bias, act, alpha, y, rows, channels, cincel_max(CUT_FLOATS / channels, 1)};
    if (!bias && act == CINCEL_ACT_NONE) return;
    cincel_team_run(crew->team, cincel_crew_threads(crew, rows * channels, CINCEL_FLOATS_A_THREAD), 1,
                    finish_body, &f);
}

/* ------------------------------------------------------------------------------------------ sums -- */

/* At most so many slices, of at least so many rows. */
enum { SLICES_MAX = 64, SLICE_ROWS_MIN = 256 };

struct sum {
    const struct cincel_vector_row *vector;
    const float *x;
    size_t rows, channels, slices, slice_rows, stride;
    float *scratch, *sum;
    int accumulate;
};

static size_t rows_of_slice(size_t rows)
{
    return cincel_max(cincel_div_up(rows, SLICES_MAX), SLICE_ROWS_MIN);
}

size_t cincel_channels_scratch(size_t rows, size_t channels)
{
    return cincel_div_up(rows, rows_of_slice(rows)) * cincel_round_up(channels, CINCEL_LINE_FLOATS);
}

static void add_slices(const struct sum *s)
{
    if (!s->accumulate) memset(s->sum, 0, s->channels * sizeof(float));
    for (size_t i = 0; i < s->slices; i++) s->vector->add(s->scratch + i * s->stride, s->sum, s->channels);
}

static void sum_body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct sum *s = data;
    size_t cut;
    if (phase == 1) {
        if (cincel_claim(worker, 1, &cut)) add_slices(s);
        return;
    }
    while (cincel_claim(worker, s->slices, &cut)) {
        const size_t first = cut * s->slice_rows;
        float *out = s->scratch + cut * s->stride;
        memset(out, 0, s->channels * sizeof(float));
        s->vector->column_sum(s->x + first * s->channels, s->channels,
                              cincel_min(s->slice_rows, s->rows - first), s->channels, out);
    }
}

void cincel_channels_sum(const struct cincel_crew *crew, const float *x, size_t rows, size_t channels,
                         float *scratch, float *sum, int accumulate)
{
    struct sum s = {.vector = crew->isa->vector,
                    .x = x,
                    .rows = rows,
                    .channels = channels,
                    .slice_rows = rows_of_slice(rows),
                    .stride = cincel_round_up(channels, CINCEL_LINE_FLOATS),
                    .scratch = scratch,
                    .sum = sum,
                    .accumulate = accumulate};
    s.slices = cincel_div_up(rows, s.slice_rows);
    cincel_team_run(crew->team, cincel_crew_threads(crew, rows * channels, CINCEL_FLOATS_A_THREAD), 2,
                    sum_body, &s);
}
