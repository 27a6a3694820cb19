/*
 * Pooling of whole images to one pixel ("global"), forward: an image is cut into slices of pixels, so that
 * one image alone feeds all threads; a second phase puts the slices of each image together.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/status.h"
#include "ops/pool.h"

/* Below, an image is done within the time that a second phase costs. */
enum { MIN_SLICES = 4 };

struct cincel_prepared {
    cincel_pool_forward_kernel *kernel;
    size_t images, channels;
    size_t cells;                   /* of an image */
    size_t slices, cells_per_slice; /* an image */
    size_t argmax_bytes;
    float scale;
    int threads;
};

/* Cells of a slice: whole groups, and enough floats for a cut. Fixed by the problem: slices decide bits. */
static size_t cells_per_slice(const struct cincel_problem *p)
{
    const size_t cells = cincel_div_up(CINCEL_POOL_CUT_FLOATS, (size_t)p->pool.d.c);
    return cincel_div_up(cells, CINCEL_POOL_GROUP) * CINCEL_POOL_GROUP;
}

static size_t image_cells(const struct cincel_problem *p)
{
    return (size_t)p->pool.d.ih * (size_t)p->pool.d.iw;
}

static size_t image_slices(const struct cincel_problem *p)
{
    return cincel_div_up(image_cells(p), cells_per_slice(p));
}

bool cincel_pool_is_sliced(const struct cincel_problem *p, char why[CINCEL_WHY])
{
    const cincel_pool_desc *d = &p->pool.d;
    if (d->kh != d->ih || d->kw != d->iw || p->pool.oh != 1 || p->pool.ow != 1 || d->pad_top || d->pad_left) {
        snprintf(why, CINCEL_WHY, "a window of %dx%d is not the whole image of %dx%d", d->kh, d->kw, d->ih,
                 d->iw);
        return false;
    }
    if (image_slices(p) >= MIN_SLICES) return true;
    snprintf(why, CINCEL_WHY, "an image of %dx%dx%d is less than %d slices", d->ih, d->iw, d->c, MIN_SLICES);
    return false;
}

static bool slices_check(const struct cincel_target *t, const struct cincel_problem *p,
                         const struct cincel_choice *c, char why[CINCEL_WHY])
{
    (void)t, (void)c;
    return cincel_pool_is_sliced(p, why);
}

static void slices_defaults(const struct cincel_target *t, const struct cincel_problem *p,
                            struct cincel_choice *c)
{
    (void)t, (void)p, (void)c; /* no knobs */
}

static void slices_cost(const struct cincel_target *t, const struct cincel_problem *p,
                        const struct cincel_choice *c, struct cincel_cost *out)
{
    (void)t;
    const size_t cuts = (size_t)p->pool.d.n * image_slices(p), threads = (size_t)c->threads;
    out->flops = (double)p->pool.d.n * (double)image_cells(p) * p->pool.d.c;
    out->efficiency = 0.07; /* as "rows" */
    out->bytes = cincel_problem_bytes(p);
    out->balance = (double)(cincel_div_up(cuts, threads) * threads) / (double)cuts;
    out->calls = (double)p->pool.d.n * (double)image_cells(p) / CINCEL_POOL_GROUP + (double)cuts;
    out->cuts = (double)cuts;
    out->phases = 2.0;
}

static double slices_chain(const struct cincel_problem *p, const struct cincel_choice *c)
{
    (void)c;
    if (p->pool.d.kind == CINCEL_POOL_MAX) return 1.0;
    return CINCEL_POOL_GROUP + (double)(cells_per_slice(p) / CINCEL_POOL_GROUP) + (double)image_slices(p);
}

/* Results of the slices, [image][slice][channel]: values, cells and, per image, which slice won. */
static size_t partial_bytes(const struct cincel_problem *p)
{
    return cincel_round_up((size_t)p->pool.d.n * image_slices(p) * (size_t)p->pool.d.c * sizeof(float),
                           CINCEL_ALIGN);
}

static size_t slices_workspace(const struct cincel_target *t, const struct cincel_problem *p,
                               const struct cincel_choice *c)
{
    (void)t, (void)c;
    if (p->pool.d.kind != CINCEL_POOL_MAX) return partial_bytes(p);
    return 2 * partial_bytes(p) + (size_t)p->pool.d.n * (size_t)p->pool.d.c * sizeof(int32_t);
}

static void slices_discard(struct cincel_prepared *s) { free(s); }

static cincel_status slices_build(const struct cincel_target *t, const struct cincel_problem *p,
                                  const struct cincel_choice *c, struct cincel_prepared **out)
{
    struct cincel_prepared *s = malloc(sizeof *s);
    if (!s) return cincel_fail(CINCEL_OUT_OF_MEMORY, "pool: no memory for the plan");
    *s = (struct cincel_prepared){
        .kernel = cincel_pool_forward_kernel_of(cincel_isa_find(t, c->isa), p),
        .images = (size_t)p->pool.d.n,
        .channels = (size_t)p->pool.d.c,
        .cells = image_cells(p),
        .slices = image_slices(p),
        .cells_per_slice = cells_per_slice(p),
        .argmax_bytes = cincel_problem_argmax_bytes(p),
        .scale = cincel_pool_scale(&p->pool.d, p->pool.d.ih, p->pool.d.iw),
        .threads = c->threads,
    };
    *out = s;
    return CINCEL_OK;
}

/* --------------------------------------------------------------------------------------- the run -- */

struct slices_job {
    const struct cincel_prepared *s;
    const struct cincel_tensors *t;
    float *value;    /* [image][slice][channel] */
    int32_t *cell;   /* the same; NULL: not wanted */
    int32_t *winner; /* [image][channel]: slices */
};

/* Adds rows x[0 … count−1] of `channels` floats to y, or takes their maxima, the numbers of the rows
   beginning with `first`. */
static void reduce_rows(const struct cincel_prepared *s, const float *x, size_t first, size_t count,
                        float scale, float *y, int32_t *argmax)
{
    ptrdiff_t offset[CINCEL_POOL_GROUP];
    int32_t index[CINCEL_POOL_GROUP];
    for (size_t i = 0; i < CINCEL_POOL_GROUP; i++) offset[i] = (ptrdiff_t)(i * s->channels);
    struct cincel_pool_forward_args args = {
        .offset = offset,
        .index = index,
        .lines = 1,
        .pixels = 1,
        .channels = s->channels,
        .y = y,
        .argmax = argmax,
        .wide = 1,
        .scale = 1.0f,
    };
    for (size_t row = 0; row < count; row += args.taps) {
        args.taps = cincel_min(count - row, CINCEL_POOL_GROUP);
        for (size_t i = 0; i < args.taps; i++) index[i] = (int32_t)(first + row + i);
        args.x = x + row * s->channels;
        args.resume = row > 0;
        if (row + args.taps == count) args.scale = scale;
        s->kernel(&args);
    }
}

static void reduce_slice(const struct slices_job *job, size_t number)
{
    const struct cincel_prepared *s = job->s;
    const size_t first = number % s->slices * s->cells_per_slice;
    const size_t count = cincel_min(s->cells - first, s->cells_per_slice);
    const float *x = job->t->x + (number / s->slices * s->cells + first) * s->channels;
    const size_t out = number * s->channels;
    reduce_rows(s, x, first, count, 1.0f, job->value + out, job->cell ? job->cell + out : NULL);
}

static void join_slices(const struct slices_job *job, size_t image)
{
    const struct cincel_prepared *s = job->s;
    const size_t out = image * s->channels, partial = out * s->slices;
    int32_t *winner = job->cell ? job->winner + out : NULL;
    reduce_rows(s, job->value + partial, 0, s->slices, s->scale, job->t->y + out, winner);
    for (size_t c = 0; winner && c < s->channels; c++) {
        const int32_t cell = job->cell[partial + (size_t)winner[c] * s->channels + c];
        if (s->argmax_bytes == 1)
            ((uint8_t *)job->t->argmax_out)[out + c] = (uint8_t)cell;
        else
            ((int32_t *)job->t->argmax_out)[out + c] = cell;
    }
}

static void slices_body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct slices_job *job = data;
    const size_t cuts = phase == 0 ? job->s->images * job->s->slices : job->s->images;
    for (size_t cut; cincel_claim(worker, cuts, &cut);) (phase == 0 ? reduce_slice : join_slices)(job, cut);
}

static void slices_run(const struct cincel_prepared *s, const struct cincel_tensors *t,
                       struct cincel_team *team)
{
    const size_t partial = cincel_round_up(s->images * s->slices * s->channels * sizeof(float), CINCEL_ALIGN);
    char *ws = t->workspace;
    struct slices_job job = {.s = s, .t = t, .value = t->workspace};
    if (s->argmax_bytes && t->argmax_out) {
        job.cell = (int32_t *)(void *)(ws + partial);
        job.winner = (int32_t *)(void *)(ws + 2 * partial);
    }
    cincel_team_run(team, s->threads, 2, slices_body, &job);
}

const struct cincel_algo cincel_algo_pool_slices = {
    .name = "slices",
    .op = CINCEL_OP_POOL,
    .pass = CINCEL_FORWARD,
    .row = cincel_pool_no_row,
    .check = slices_check,
    .defaults = slices_defaults,
    .cost = slices_cost,
    .workspace = slices_workspace,
    .error = 1e-7,
    .chain = slices_chain,
    .build = slices_build,
    .discard = slices_discard,
    .run = slices_run,
};
