/* Winograd's weight gradient in slices: the work of one call. The scheme: conv_winograd_slices.h. */
#include <assert.h>
#include <string.h>

#include "core/memory.h"
#include "ops/conv_winograd_slices.h"

/* One call: its buffers and the parts of its workspace. */
struct call {
    const struct cincel_prepared *p;
    const struct cincel_tensors *t;
    const float *dy; /* behind the activation's gradient where there is one */
    float *parts;    /* dw of each slice, where there are several */
    float *sums;     /* of dy, [slice][oc] */
    float *dz;
    char *private;
};

/* A worker's part of the workspace. */
struct scratch {
    float *v, *y, *w, *own;
};

static size_t carve(const struct cincel_prepared *p, void *base, struct call *call)
{
    struct cincel_carver c = {base, 0};
    call->parts = cincel_carve(&c, (p->slices > 1 ? p->slices * p->dw_floats : 0) * sizeof(float));
    call->sums = cincel_carve(&c, p->slices * p->oc * sizeof(float));
    call->dz = cincel_carve(&c, p->dz_floats * sizeof(float));
    call->private = cincel_carve(&c, p->private_bytes * (size_t)p->threads);
    return c.used;
}

size_t cincel_winograd_slices_workspace(const struct cincel_prepared *p)
{
    struct call unused;
    return carve(p, NULL, &unused);
}

/* Groups first … end−1, and the tiles of a step or of a slice. */
struct piece {
    size_t first, end;
    size_t begin_tile, end_tile;
};

/* V and Y of a piece. */
static void transform(const struct call *call, const struct piece *piece, const struct scratch *mine)
{
    const struct cincel_prepared *p = call->p;
    const size_t groups = piece->end - piece->first;
    struct cincel_winograd_gather_args x = {.dst = mine->v, .plane = p->v_plane, .count = groups * p->k};
    struct cincel_winograd_gather_args dy = {.dst = mine->y,
                                             .plane = p->y_plane,
                                             .src_row = p->s.rows.dilation * p->s.rows.out_step * p->oc,
                                             .src_col = p->s.cols.dilation * p->s.cols.out_step * p->oc,
                                             .count = groups * p->n};
    for (size_t tile = piece->begin_tile; tile < piece->end_tile; tile++) {
        struct cincel_winograd_output_args place;
        cincel_winograd_source(&p->s, call->t->x + piece->first * p->k, p->ic, tile, &x);
        dy.src = call->dy + cincel_winograd_place(&p->s, tile, &place) * p->oc + piece->first * p->n;
        dy.row_end = place.rows;
        dy.col_end = place.cols;
        p->wino->input(&x);
        p->wino->gradient(&dy);
        x.dst += p->v_row;
        dy.dst += p->y_row;
    }
}

/* One panel of W of a plane, over the tiles of `args`. */
static void multiply_panel(const struct cincel_prepared *p, struct cincel_outer_args args)
{
    for (int i = 0; i < p->cover.spans; i++) {
        const struct cincel_outer_row *row = p->cover.span[i].row;
        for (size_t count = p->cover.span[i].count; count > 0; count--) {
            row->run(&args);
            args.x += row->mr;
            args.w += (size_t)row->mr * p->nr;
        }
    }
}

/* W (+)= V · Y of a piece. */
static void multiply(const struct cincel_prepared *p, const struct piece *piece, bool load,
                     const struct scratch *mine)
{
    const size_t groups = piece->end - piece->first;
    for (size_t plane = 0; plane < p->s.planes; plane++) {
        const struct cincel_winograd_range all =
            cincel_winograd_tiles_of(&p->s, plane / p->s.cols.a, plane % p->s.cols.a);
        const size_t from = cincel_min(cincel_max(piece->begin_tile, all.begin), piece->end_tile);
        const size_t to = cincel_min(piece->end_tile, all.end), at = from - piece->begin_tile;
        if (from >= to && load) continue; /* else W is cleared */
        struct cincel_outer_args args = {.images = 1,
                                         .rows = 1,
                                         .pixels = from < to ? to - from : 0,
                                         .x_px = (ptrdiff_t)p->v_row,
                                         .dy_px = (ptrdiff_t)p->y_row,
                                         .load_w = load};
        for (size_t unit = 0; unit < groups * p->panels; unit++) {
            const size_t group = unit / p->panels, column = unit % p->panels * p->nr;
            args.x = mine->v + plane * p->v_plane + at * p->v_row + group * p->k;
            args.dy = mine->y + plane * p->y_plane + at * p->y_row + group * p->n + column;
            args.w = mine->w + plane * p->w_plane + unit * p->w_panel;
            args.n = (int)cincel_min(p->nr, p->n - column);
            multiply_panel(p, args);
        }
    }
}

/* W of a piece to dw, the whole's or the slice's. */
static void store(const struct call *call, const struct piece *piece, bool add, float *dw,
                  const struct scratch *mine)
{
    const struct cincel_prepared *p = call->p;
    const size_t taps = p->s.taps;
    struct cincel_winograd_gather_args args = {.src_row = p->s.cols.u * p->w_plane,
                                               .src_col = p->w_plane,
                                               .row_end = (int)p->s.rows.u,
                                               .col_end = (int)p->s.cols.u,
                                               .dst = mine->own};
    for (size_t unit = 0; unit < (piece->end - piece->first) * p->panels; unit++) {
        const size_t column = unit % p->panels * p->nr;
        float *const to = dw + ((piece->first + unit / p->panels) * p->n + column) * taps * p->k;
        for (size_t row = 0; row < p->k; row += p->pack_rows) {
            const size_t rows = cincel_min(p->pack_rows, p->k - row);
            args.src = mine->w + unit * p->w_panel + row * p->nr;
            args.count = args.plane = rows * p->nr;
            p->wino->weights_gradient(&args);
            for (size_t tap = 0; tap < taps; tap++)
                p->isa->pack->untranspose(mine->own + tap * args.plane, (int)p->nr, rows,
                                          (int)cincel_min(p->nr, p->n - column), to + tap * p->k + row,
                                          taps * p->k, add);
        }
    }
}

/* Of the slice's images and the block's channels. */
static void sum_dy(const struct call *call, size_t slice, const struct piece *piece)
{
    const struct cincel_prepared *p = call->p;
    const size_t from = cincel_winograd_slice(p, p->s.images, slice), channel = piece->first * p->n;
    const size_t images = cincel_winograd_slice(p, p->s.images, slice + 1) - from;
    const size_t count = (piece->end - piece->first) * p->n;
    float *sum = call->sums + slice * p->oc + channel;
    memset(sum, 0, count * sizeof *sum);
    if (images == 0) return;
    p->isa->vector->column_sum(call->dy + from * p->s.out_pixels * p->oc + channel, p->oc,
                               images * p->s.out_pixels, count, sum);
}

static void compute(const struct call *call, size_t cut, const struct scratch *mine)
{
    const struct cincel_prepared *p = call->p;
    const size_t slice = cut % p->slices, block = cut / p->slices;
    struct piece piece = {.first = block * p->block_groups,
                          .end = cincel_min((block + 1) * p->block_groups, p->groups)};
    const size_t begin = cincel_winograd_slice(p, p->s.count, slice);
    const size_t end = cincel_winograd_slice(p, p->s.count, slice + 1);
    for (size_t tile = begin; tile < end; tile += p->step_tiles) {
        piece.begin_tile = tile;
        piece.end_tile = cincel_min(tile + p->step_tiles, end);
        transform(call, &piece, mine);
        multiply(p, &piece, tile > begin, mine);
    }
    if (p->slices > 1)
        store(call, &piece, false, call->parts + slice * p->dw_floats, mine);
    else
        store(call, &piece, p->accumulate, call->t->dw, mine);
    if (call->t->db) sum_dy(call, slice, &piece);
}

/* Elements of the slices, `floats` apart, in their order, to `out`. */
static void add_slices(const struct cincel_prepared *p, float *slices, size_t floats, size_t count,
                       float *out)
{
    for (size_t slice = 1; slice < p->slices; slice++)
        p->isa->vector->add(slices + slice * floats, slices, count);
    if (p->accumulate)
        p->isa->vector->add(slices, out, count);
    else
        memcpy(out, slices, count * sizeof(float));
}

static void body(void *job, struct cincel_worker *worker, size_t phase)
{
    const struct call *call = job;
    const struct cincel_prepared *p = call->p;
    const size_t step = phase + !p->gradient; /* without an activation the first phase is left out */
    size_t cut;
    if (step == 0) {
        while (cincel_claim(worker, p->dz_cuts, &cut))
            cincel_epilogue_gradient_cut(&p->epilogue, call->t, call->dz, p->dz_floats, cut);
    } else if (step == 1) {
        struct cincel_carver c = {call->private + (size_t)worker->id * p->private_bytes, 0};
        struct scratch mine;
        mine.v = cincel_carve(&c, p->private_v * sizeof(float));
        mine.y = cincel_carve(&c, p->private_y * sizeof(float));
        mine.w = cincel_carve(&c, p->private_w * sizeof(float));
        mine.own = cincel_carve(&c, p->private_own * sizeof(float));
        while (cincel_claim(worker, p->slices * p->blocks, &cut)) compute(call, cut, &mine);
    } else {
        while (cincel_claim(worker, p->sum_cuts + 1, &cut))
            if (cut < p->sum_cuts)
                add_slices(p, call->parts + cut * WINOGRAD_S_SUM, p->dw_floats,
                           cincel_min(WINOGRAD_S_SUM, p->dw_floats - cut * WINOGRAD_S_SUM),
                           call->t->dw + cut * WINOGRAD_S_SUM);
            else if (call->t->db)
                add_slices(p, call->sums, p->oc, p->oc, call->t->db);
    }
}

void cincel_winograd_slices_run(const struct cincel_prepared *p, const struct cincel_tensors *t,
                                struct cincel_team *team)
{
    struct call call = {.p = p, .t = t};
    carve(p, t->workspace, &call);
    call.dy = p->gradient ? call.dz : t->dy;
    assert(t->x && call.dy && t->dw);
    cincel_team_run(team, p->threads, p->gradient ? 3 : 2, body, &call);
}
