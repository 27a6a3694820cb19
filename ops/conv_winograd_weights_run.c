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
    call->v = cincel_carve(c, p->v_blocks * p->s.planes * p->v_plane * sizeof(float));
    call->y = cincel_carve(c, p->y_blocks * p->s.planes * p->y_plane * sizeof(float));
    call->w = cincel_carve(c, p->w_floats * sizeof(float));
    call->total = p->slices > 1 ? cincel_carve(c, p->w_floats * sizeof(float)) : call->w;
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
    size_t cut;
    while (cincel_claim(worker, p->dz_cuts, &cut))
        cincel_epilogue_gradient_cut(&p->epilogue, call->t, call->dz, p->dz_floats, cut);
}

static void sum_image(const struct call *call, size_t image)
{
    const struct cincel_prepared *p = call->p;
    const size_t pixels = p->s.out_pixels;
    float *sum = call->sums + image * p->oc;
    memset(sum, 0, p->oc * sizeof *sum);
    p->isa->vector->column_sum(call->dy + image * pixels * p->oc, p->oc, pixels, p->oc, sum);
}

/* One tile's transform, to `blocks` blocks of `width` channels, the last of which takes what remains. */
static void transform_blocks(void (*transform)(const struct cincel_winograd_gather_args *args),
                             struct cincel_winograd_gather_args *args, size_t blocks, size_t width,
                             size_t channels, size_t block_floats)
{
    for (size_t block = 0; block < blocks; block++) {
        args->count = block + 1 < blocks ? width : channels - block * width;
        transform(args);
        args->src += args->count;
        args->dst += block_floats;
    }
}

static void transform_tile(const struct call *call, size_t tile, size_t at)
{
    const struct cincel_prepared *p = call->p;
    struct cincel_winograd_gather_args x = {.dst = call->v + at * p->v_row, .plane = p->v_plane};
    struct cincel_winograd_gather_args dy = {.dst = call->y + at * p->y_row,
                                             .plane = p->y_plane,
                                             .src_row = p->s.rows.dilation * p->s.rows.out_step * p->oc,
                                             .src_col = p->s.cols.dilation * p->s.cols.out_step * p->oc};
    cincel_winograd_source(&p->s, call->t->x, p->ic, tile, &x);
    struct cincel_winograd_output_args place;
    dy.src = call->dy + cincel_winograd_place(&p->s, tile, &place) * p->oc;
    dy.row_end = place.rows;
    dy.col_end = place.cols;
    transform_blocks(p->wino->input, &x, p->v_blocks, p->v_width, p->ic, p->s.planes * p->v_plane);
    transform_blocks(p->wino->gradient, &dy, p->y_blocks, p->y_width, p->oc, p->s.planes * p->y_plane);
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
    while (cincel_claim(worker, sums + pieces, &cut)) {
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

/* Channels begin … end−1, where tiles of W begin. By blocks V and Y come from the last cache: before each
   tile of W some lines of the next tiles' are called into L2, from the line of tile 0 on. */
struct rows {
    size_t begin, end;
    size_t v_ahead, y_ahead;             /* floats from the present tiles to the next ones */
    size_t v_lines, y_lines, first_tile; /* lines for each tile; 0: none */
};

static void call_ahead(const float *at, size_t lines)
{
    enum { LINE = CINCEL_ALIGN / sizeof(float) };
    for (size_t i = 0; i < lines; i++) __builtin_prefetch(at + i * LINE, 0, 2);
}

/* A panel of W, from some tiles of a plane; x and w are the first row's. */
static void multiply_panel(const struct cincel_prepared *p, const struct rows *rows,
                           struct cincel_outer_args args)
{
    enum { LINE = CINCEL_ALIGN / sizeof(float) };
    const float *v = args.x + rows->v_ahead + rows->first_tile * rows->v_lines * LINE;
    const float *y = args.dy + rows->y_ahead + rows->first_tile * rows->y_lines * LINE;
    size_t at = rows->begin, end = 0; /* of the span */
    for (int i = 0; i < p->cover.spans; i++) {
        const size_t mr = (size_t)p->cover.span[i].row->mr;
        end += p->cover.span[i].count * mr;
        for (; at < cincel_min(end, rows->end); at += mr) {
            call_ahead(v, rows->v_lines);
            call_ahead(y, rows->y_lines);
            v += rows->v_lines * LINE;
            y += rows->y_lines * LINE;
            p->cover.span[i].row->run(&args);
            args.x += mr;
            args.w += mr * p->nr;
        }
    }
}

/*
 * The same of all planes that share a weight, from tiles begin … end−1; x and dy are those of plane 0 and
 * tile `begin`. Planes take turns, counted from the slice's beginning, so that rounds do not show in the
 * chain.
 */
static void multiply_planes(const struct cincel_prepared *p, const struct cincel_winograd_sharers *of,
                            const struct rows *rows, const struct cincel_outer_args *base, size_t begin,
                            size_t end)
{
    const size_t turn = of->rows * of->cols > 1 ? WINOGRAD_TURN : end - begin;
    struct cincel_outer_args args = *base;
    for (size_t tile = begin; tile < end; tile += turn)
        for (size_t i = of->row; i < of->row + of->rows; i++)
            for (size_t j = of->col; j < of->col + of->cols; j++) {
                const struct cincel_winograd_range all = cincel_winograd_tiles_of(&p->s, i, j);
                const size_t from = cincel_min(cincel_max(tile, all.begin), end);
                const size_t to = cincel_min(cincel_min(tile + turn, end), all.end);
                const size_t plane = i * p->s.cols.a + j;
                args.pixels = from < to ? to - from : 0;
                if (args.pixels == 0 && args.load_w) continue; /* else it clears W */
                args.x = base->x + plane * p->v_plane + (from - begin) * p->v_row;
                args.dy = base->dy + plane * p->y_plane + (from - begin) * p->y_row;
                multiply_panel(p, rows, args);
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
    while (cincel_claim(worker, weights * p->column_blocks, &cut)) {
        /* the last ones are shared by most planes: they go first */
        const size_t weight = weights - 1 - cut / p->column_blocks;
        const size_t first = cut % p->column_blocks * p->block_panels;
        const struct cincel_winograd_sharers of = cincel_winograd_sharers(&p->s, weight);
        for (size_t panel = first; panel < cincel_min(first + p->block_panels, p->panels); panel++) {
            args.dy = call->y + panel * p->nr;
            args.w = call->w + weight * p->w_plane + panel * p->w_panel;
            args.n = (int)cincel_min(p->nr, p->oc - panel * p->nr);
            multiply_planes(p, &of, &(struct rows){.end = p->ic}, &args, begin, end);
            if (ends_slice) add_slice(call, round / p->rounds, weight * p->w_plane + panel * p->w_panel);
        }
    }
}

/* Channels begin … end−1 of a panel, from `w`, where the first of them is in plane 0, to dw. */
static void store(const struct call *call, size_t panel, size_t begin, size_t end, const float *w, float *own)
{
    const struct cincel_prepared *p = call->p;
    const size_t taps = p->s.taps, run = (end - begin) * p->nr;
    p->wino->weights_gradient(&(struct cincel_winograd_gather_args){.src = w,
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
    while (cincel_claim(worker, p->panels * slices + 1, &cut)) {
        const size_t begin = cut % slices * p->pack_rows;
        if (cut < p->panels * slices)
            store(call, cut / slices, begin, cincel_min(begin + p->pack_rows, p->ic),
                  call->total + cut / slices * p->w_panel + begin * p->nr, own);
        else if (call->t->db)
            store_sums(call);
    }
}

/* A claim by blocks: some channels and panels, from the tiles to dw. */
static void block_cut(const struct call *call, size_t v_block, size_t y_block, float *own)
{
    const struct cincel_prepared *p = call->p;
    const size_t first = y_block * p->block_panels, panels = cincel_min(p->block_panels, p->panels - first);
    const size_t begin = v_block * p->v_width, end = v_block + 1 < p->v_blocks ? begin + p->v_width : p->ic;
    const size_t column = cincel_div_up(end - begin, (size_t)p->cover.span[0].row->mr); /* tiles of a panel */
    const size_t v_floats = p->own_tiles * p->v_row, y_floats = p->own_tiles * p->y_row;
    struct rows rows = {
        .begin = begin,
        .end = end,
        .v_ahead = v_floats,
        .y_ahead = y_floats,
        .v_lines = cincel_div_up(v_floats * sizeof(float), panels * column * CINCEL_ALIGN),
        .y_lines = cincel_div_up(y_floats * sizeof(float), panels * column * CINCEL_ALIGN),
    };
    struct cincel_outer_args args = {
        .images = 1, .rows = 1, .x_px = (ptrdiff_t)p->v_row, .dy_px = (ptrdiff_t)p->y_row};
    const float *v = call->v + v_block * p->s.planes * p->v_plane;
    const float *y = call->y + y_block * p->s.planes * p->y_plane;
    for (size_t weight = 0; weight < p->s.u_planes; weight++) {
        const struct cincel_winograd_sharers of = cincel_winograd_sharers(&p->s, weight);
        for (size_t tile = 0; tile < p->s.count; tile += p->own_tiles)
            for (size_t panel = 0; panel < panels; panel++) {
                args.load_w = tile > 0;
                rows.first_tile = panel * column;
                args.x = v + tile * p->v_row;
                args.dy = y + tile * p->y_row + panel * p->nr;
                args.w = own + weight * p->w_plane + panel * p->w_panel;
                args.n = (int)cincel_min(p->nr, p->oc - (first + panel) * p->nr);
                multiply_planes(p, &of, &rows, &args, tile, cincel_min(tile + p->own_tiles, p->s.count));
            }
    }
    for (size_t panel = 0; panel < panels; panel++)
        for (size_t row = begin; row < end; row += p->pack_rows)
            store(call, first + panel, row, cincel_min(row + p->pack_rows, end),
                  own + panel * p->w_panel + (row - begin) * p->nr, own + p->private_w);
}

static void multiply_blocks(const struct call *call, struct cincel_worker *worker)
{
    const struct cincel_prepared *p = call->p;
    const size_t cuts = p->y_blocks * p->v_blocks;
    float *own = call->private + (size_t)worker->id * p->private_floats;
    size_t cut;
    while (cincel_claim(worker, cuts + 1, &cut))
        if (cut < cuts)
            block_cut(call, cut % p->v_blocks, cut / p->v_blocks, own);
        else if (call->t->db)
            store_sums(call);
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
    else if (call->p->by_blocks)
        multiply_blocks(call, worker);
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
    cincel_team_run(team, p->threads, (p->gradient ? 1 : 0) + 2 * p->rounds * p->slices + !p->by_blocks, body,
                    &call);
}
