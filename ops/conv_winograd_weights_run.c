/* Winograd's weight gradient: the work of one call. The scheme: conv_winograd_weights.h. */
#include <assert.h>
#include <string.h>

#include "core/memory.h"
#include "ops/conv_winograd_weights.h"

/* One call: its buffers and the parts of its workspace. */
struct call {
    const struct cincel_prepared *p;
    const struct cincel_tensors *t;
    const float *dy; /* behind the activation's gradient where there is one */
    float *v, *y;
    float *w;     /* of a slice */
    float *total; /* of all slices; w where there is one */
    float *sums;  /* of dy, [image][oc] */
    float *dz;
    float *private;
};

static void carve(const struct cincel_prepared *p, struct cincel_carver *c, struct call *call)
{
    call->v = cincel_carve(c, p->s.planes * p->v_plane * sizeof(float));
    call->y = cincel_carve(c, p->s.planes * p->y_plane * sizeof(float));
    call->w = cincel_carve(c, p->s.u_planes * p->w_plane * sizeof(float));
    call->total = p->slices > 1 ? cincel_carve(c, p->s.u_planes * p->w_plane * sizeof(float)) : call->w;
    call->sums = cincel_carve(c, p->s.images * p->oc * sizeof(float));
    call->dz = cincel_carve(c, p->dz_floats * sizeof(float));
    call->private = cincel_carve(c, p->private_floats * (size_t)p->threads * sizeof(float));
}

size_t cincel_winograd_weights_workspace(const struct cincel_prepared *p)
{
    struct cincel_carver c = {NULL, 0};
    struct call call;
    carve(p, &c, &call);
    return c.used;
}

static void differentiate(const struct call *call, struct cincel_worker *worker)
{
    const struct cincel_prepared *p = call->p;
    const size_t each = cincel_round_up(cincel_div_up(p->dz_floats, p->dz_cuts), 16);
    size_t cut;
    while ((cut = cincel_claim(worker)) < p->dz_cuts) {
        const size_t begin = cincel_min(cut * each, p->dz_floats);
        cincel_epilogue_gradient(&p->epilogue, call->t->y_in + begin, call->t->dy + begin, call->dz + begin,
                                 cincel_min(each, p->dz_floats - begin));
    }
}

static void sum_image(const struct call *call, size_t image)
{
    const struct cincel_prepared *p = call->p;
    const size_t pixels = p->s.out_pixels;
    float *sum = call->sums + image * p->oc;
    memset(sum, 0, p->oc * sizeof *sum);
    p->isa->vector->column_sum(call->dy + image * pixels * p->oc, p->oc, pixels, p->oc, sum);
}

static void transform_tile(const struct call *call, size_t tile, size_t at)
{
    const struct cincel_prepared *p = call->p;
    struct cincel_winograd_gather_args x = {
        .dst = call->v + at * p->v_row, .plane = p->v_plane, .count = p->ic};
    struct cincel_winograd_gather_args dy = {.dst = call->y + at * p->y_row,
                                             .plane = p->y_plane,
                                             .count = p->oc,
                                             .src_row = p->s.rows.dilation * p->s.rows.out_step * p->oc,
                                             .src_col = p->s.cols.dilation * p->s.cols.out_step * p->oc};
    cincel_winograd_source(&p->s, call->t->x, p->ic, tile, &x);
    dy.src = call->dy + cincel_winograd_place(&p->s, tile, &dy.row_end, &dy.col_end) * p->oc;
    p->wino->input(&x);
    p->wino->gradient(&dy);
}

/* The tiles of a round, counted through the slices: the first, and *end. */
static size_t round_tiles(const struct cincel_prepared *p, size_t round, size_t *end)
{
    const size_t slice = round / p->rounds * p->slice_tiles;
    const size_t begin = slice + round % p->rounds * p->round_tiles;
    *end = cincel_min(cincel_min(begin + p->round_tiles, slice + p->slice_tiles), p->s.count);
    return cincel_min(begin, *end);
}

/* V and Y of a round; with the first one goes db. */
static void transform(const struct call *call, struct cincel_worker *worker, size_t round)
{
    enum { TILES = 4 };
    const struct cincel_prepared *p = call->p;
    const size_t sums = round == 0 && call->t->db ? p->s.images : 0;
    size_t end;
    const size_t begin = round_tiles(p, round, &end);
    const size_t pieces = cincel_div_up(end - begin, TILES);
    size_t cut;
    while ((cut = cincel_claim(worker)) < sums + pieces) {
        if (cut < sums) {
            sum_image(call, cut);
            continue;
        }
        const size_t first = begin + (cut - sums) * TILES;
        for (size_t tile = first; tile < cincel_min(first + TILES, end); tile++)
            transform_tile(call, tile, tile - begin);
    }
}

/* A finished panel of W to the total. */
static void add_slice(const struct call *call, size_t slice, size_t at)
{
    const size_t count = call->p->ic * call->p->nr;
    if (slice == 0)
        memcpy(call->total + at, call->w + at, count * sizeof(float));
    else
        call->p->isa->vector->add(call->w + at, call->total + at, count);
}

/* All channels of a panel of W, from some tiles of a plane. */
static void multiply_panel(const struct cincel_prepared *p, struct cincel_outer_args args)
{
    for (int i = 0; i < p->spans; i++)
        for (size_t left = p->span[i].count; left > 0; left--) {
            p->span[i].row->run(&args);
            args.x += p->span[i].row->mr;
            args.w += (size_t)p->span[i].row->mr * p->nr;
        }
}

/*
 * The same of all planes that share a weight, from `tiles` tiles; x and dy are those of plane 0 and the first
 * tile. Planes take turns, counted from the slice's beginning, so that rounds do not show in the chain.
 */
static void multiply_planes(const struct cincel_prepared *p, const struct cincel_winograd_sharers *of,
                            const struct cincel_outer_args *base, size_t tiles)
{
    const size_t turn = of->rows * of->cols > 1 ? WINOGRAD_TURN : tiles;
    struct cincel_outer_args args = *base;
    for (size_t tile = 0; tile < tiles; tile += turn)
        for (size_t i = of->row; i < of->row + of->rows; i++)
            for (size_t j = of->col; j < of->col + of->cols; j++) {
                const size_t plane = i * p->s.cols.a + j;
                args.x = base->x + plane * p->v_plane + tile * p->v_row;
                args.dy = base->dy + plane * p->y_plane + tile * p->y_row;
                args.pixels = cincel_min(turn, tiles - tile);
                multiply_panel(p, args);
                args.load_w = 1;
            }
}

static void multiply(const struct call *call, struct cincel_worker *worker, size_t round)
{
    const struct cincel_prepared *p = call->p;
    size_t end;
    const size_t begin = round_tiles(p, round, &end), weights = p->s.u_planes;
    const bool ends_slice = p->slices > 1 && (round + 1) % p->rounds == 0;
    struct cincel_outer_args args = {.images = 1,
                                     .rows = 1,
                                     .x = call->v,
                                     .x_px = (ptrdiff_t)p->v_row,
                                     .dy_px = (ptrdiff_t)p->y_row,
                                     .load_w = round % p->rounds > 0};
    size_t cut;
    while ((cut = cincel_claim(worker)) < weights * p->column_blocks) {
        /* the last ones are shared by most planes: they go first */
        const size_t weight = weights - 1 - cut / p->column_blocks;
        const size_t first = cut % p->column_blocks * p->block_panels;
        const struct cincel_winograd_sharers of = cincel_winograd_sharers(&p->s, weight);
        for (size_t panel = first; panel < cincel_min(first + p->block_panels, p->panels); panel++) {
            args.dy = call->y + panel * p->nr;
            args.w = call->w + weight * p->w_plane + panel * p->w_panel;
            args.n = (int)cincel_min(p->nr, p->oc - panel * p->nr);
            multiply_planes(p, &of, &args, end - begin);
            if (ends_slice) add_slice(call, round / p->rounds, weight * p->w_plane + panel * p->w_panel);
        }
    }
}

/* Some channels of a panel of W to dw. */
static void store(const struct call *call, size_t panel, size_t begin, size_t end, float *own)
{
    const struct cincel_prepared *p = call->p;
    const size_t taps = p->s.taps, run = (end - begin) * p->nr;
    p->wino->weights_gradient(
        &(struct cincel_winograd_gather_args){.src = call->total + panel * p->w_panel + begin * p->nr,
                                              .src_row = p->s.cols.u * p->w_plane,
                                              .src_col = p->w_plane,
                                              .row_end = (int)p->s.rows.u,
                                              .col_end = (int)p->s.cols.u,
                                              .dst = own,
                                              .plane = run,
                                              .count = run});
    for (size_t tap = 0; tap < taps; tap++)
        p->isa->pack->untranspose(
            own + tap * run, (int)p->nr, end - begin, (int)cincel_min(p->nr, p->oc - panel * p->nr),
            call->t->dw + (panel * p->nr * taps + tap) * p->ic + begin, taps * p->ic, p->accumulate);
}

static void store_sums(const struct call *call)
{
    const struct cincel_prepared *p = call->p;
    const struct cincel_vector_row *vector = p->isa->vector;
    for (size_t image = 1; image < p->s.images; image++)
        vector->add(call->sums + image * p->oc, call->sums, p->oc);
    if (p->accumulate)
        vector->add(call->sums, call->t->db, p->oc);
    else
        memcpy(call->t->db, call->sums, p->oc * sizeof(float));
}

static void finish(const struct call *call, struct cincel_worker *worker)
{
    const struct cincel_prepared *p = call->p;
    const size_t slices = cincel_div_up(p->ic, p->pack_rows);
    float *own = call->private + (size_t)worker->id * p->private_floats;
    size_t cut;
    while ((cut = cincel_claim(worker)) <= p->panels * slices) {
        const size_t begin = cut % slices * p->pack_rows;
        if (cut < p->panels * slices)
            store(call, cut / slices, begin, cincel_min(begin + p->pack_rows, p->ic), own);
        else if (call->t->db)
            store_sums(call);
    }
}

static void body(void *job, struct cincel_worker *worker, size_t phase)
{
    const struct call *call = job;
    if (call->p->gradient && phase-- == 0)
        differentiate(call, worker);
    else if (phase == 2 * call->p->rounds * call->p->slices)
        finish(call, worker);
    else if (phase % 2 == 0)
        transform(call, worker, phase / 2);
    else
        multiply(call, worker, phase / 2);
}

void cincel_winograd_weights_run(const struct cincel_prepared *p, const struct cincel_tensors *t,
                                 struct cincel_team *team)
{
    struct cincel_carver space = {t->workspace, 0};
    struct call call = {.p = p, .t = t};
    carve(p, &space, &call);
    call.dy = p->gradient ? call.dz : t->dy;
    assert(t->x && t->dy && t->dw);
    cincel_team_run(team, p->threads, (p->gradient ? 1 : 0) + 2 * p->rounds * p->slices + 1, body, &call);
}
