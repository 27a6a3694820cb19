/* Winograd convolution, forward and backward-data: the work of one call. The scheme: conv_winograd.h. */
#include <assert.h>

#include "core/memory.h"
#include "ops/conv_winograd.h"

/* One call: its buffers and the parts of its workspace. */
struct call {
    const struct cincel_prepared *p;
    const struct cincel_tensors *t;
    const float *source; /* x, dy, or dy behind the activation's gradient */
    float *out;          /* y or dx */
    const float *u;      /* of all weights; NULL: each claim transforms its own */
    float *packing;      /* where they are still to be made, or NULL */
    float *v, *dz;       /* shared; unused where the plan says so */
    char *private;       /* one part a worker */
};

/* A worker's part of the workspace. */
struct scratch {
    float *u, *v, *m;
    float *w; /* weights of a panel on their way to U */
};

/* ------------------------------------------------------------------------------------- weights -- */

/* Rows too short, and too far apart, for the machine to guess: a tap of some outputs' weights, which come
   next after all taps of these (1x512x7x7 to 512 on Zen 3, whose weights are 9.4 MB: 3.8 ms, so 3.4). Any
   address does no harm. */
static void ask_ahead(const float *w, size_t ld, size_t count, size_t rows)
{
    const size_t line = CINCEL_ALIGN / sizeof(float);
    for (size_t row = 0; row < rows; row++, w += ld)
        for (size_t at = 0; at < count; at += line) __builtin_prefetch(w + at, 0, 2);
}

/*
 * Rows k_begin … k_end−1 of panel `panel`, transformed, to U at `dst`: packed [tap][k][nr] first, where all
 * k·nr weights of a tap are one run. Backward-data meets the taps in reverse.
 */
static void transform_weights(const struct call *call, size_t panel, size_t k_begin, size_t k_end, float *w,
                              float *dst, size_t plane)
{
    const struct cincel_prepared *p = call->p;
    const struct cincel_pack_row *pack = p->isa->pack;
    const size_t nr = (size_t)p->row->nr, taps = p->s.taps, run = (k_end - k_begin) * nr;
    const size_t group = panel / p->group_panels, column = panel % p->group_panels * nr;
    const int n = (int)cincel_min(nr, p->n - column);
    for (size_t tap = 0; tap < taps; tap++) {
        if (p->forward) {
            const float *src = call->t->w + ((group * p->n + column) * taps + tap) * p->k + k_begin;
            ask_ahead(k_end < p->k ? src + (k_end - k_begin) : src + nr * taps * p->k - k_begin, taps * p->k,
                      k_end - k_begin, (size_t)n);
            pack->transpose(src, taps * p->k, k_end - k_begin, n, (int)nr, w + tap * run);
        } else {
            pack->copy(call->t->w + ((group * p->k + k_begin) * taps + taps - 1 - tap) * p->n + column,
                       taps * p->n, k_end - k_begin, n, (int)nr, w + tap * run);
        }
    }
    p->wino->weights(&(struct cincel_winograd_gather_args){.src = w,
                                                           .src_row = p->s.cols.r * run,
                                                           .src_col = run,
                                                           .row_end = (int)p->s.rows.r,
                                                           .col_end = (int)p->s.cols.r,
                                                           .dst = dst,
                                                           .plane = plane,
                                                           .count = run});
}

/* A claim of the weights' transformation: some rows of a panel. */
static void pack_cut(const struct call *call, size_t cut, float *w)
{
    const struct cincel_prepared *p = call->p;
    const size_t slices = cincel_div_up(p->k, p->pack_rows), nr = (size_t)p->row->nr;
    const size_t panel = cut / slices, k = cut % slices * p->pack_rows;
    transform_weights(call, panel, k, cincel_min(k + p->pack_rows, p->k), w,
                      call->packing + panel * p->all_u.panel + k * nr, p->all_u.plane);
}

static void prepare(const struct call *call, struct cincel_worker *worker, const struct scratch *scratch)
{
    const struct cincel_prepared *p = call->p;
    const size_t pack_cuts = call->packing ? p->pack_cuts : 0;
    size_t cut;
    while (cincel_claim(worker, pack_cuts + p->dz_cuts, &cut)) {
        if (cut < pack_cuts) {
            pack_cut(call, cut, scratch->w);
            continue;
        }
        cincel_epilogue_gradient_cut(&p->epilogue, call->t, call->dz, p->dz_floats, cut - pack_cuts);
    }
}

/* --------------------------------------------------------------------------------------- tiles -- */

/* Tiles begin … end−1 of `channels` channels from `channel` on, a piece of which lies together. */
static void transform_sources(const struct call *call, size_t begin, size_t end, size_t channel,
                              size_t channels, float *v)
{
    const struct cincel_prepared *p = call->p;
    const size_t piece = p->groups > 1 ? channels : p->part;
    struct cincel_winograd_gather_args args = {.plane = p->v_plane};
    for (size_t tile = begin; tile < end; tile++, v += p->v_row) {
        cincel_winograd_source(&p->s, call->source + channel, p->sources, tile, &args);
        args.dst = v;
        for (size_t left = channels; left > 0; left -= args.count) {
            args.count = cincel_min(left, piece);
            p->input(&args);
            args.src += args.count;
            args.dst += p->v_part;
        }
    }
}

/* Tiles begin … end−1 of `count` columns from `column` on, out of M. */
static void transform_outputs(const struct call *call, size_t begin, size_t end, size_t column, size_t count,
                              const float *m)
{
    const struct cincel_prepared *p = call->p;
    struct cincel_winograd_output_args args = {
        .plane = p->m_plane,
        .dst_row = p->s.rows.dilation * p->s.rows.out_step * p->outputs,
        .dst_col = p->s.cols.dilation * p->s.cols.out_step * p->outputs,
        .count = count,
        .bias = p->forward && call->t->bias ? call->t->bias + column : NULL,
        .load_dst = p->accumulate,
        .act = p->forward ? cincel_epilogue_in_tile(&p->epilogue) : CINCEL_ACT_NONE,
    };
    for (size_t tile = begin; tile < end; tile++, m += p->m_row) {
        args.src = m;
        args.dst = call->out + cincel_winograd_place(&p->s, tile, &args) * p->outputs + column;
        p->output(&args);
        if (!p->forward) continue;
        for (size_t i = 0; i < (size_t)args.rows; i++)
            for (size_t j = 0; j < (size_t)args.cols; j++)
                cincel_epilogue_row(&p->epilogue, args.dst + i * args.dst_row + j * args.dst_col, count);
    }
}

/* ------------------------------------------------------------------------------------ products -- */

/* M (+)= V · U for a panel of a plane, `tiles` rows and k of them; what is read next, `ahead_floats` behind
   `ahead`, is called into L2 meanwhile. */
static void multiply_plane(const struct cincel_prepared *p, const float *u, const float *v, size_t tiles,
                           size_t k, bool load, const float *ahead, size_t ahead_floats, float *m)
{
    const size_t nr = (size_t)p->row->nr;
    const size_t ahead_tile = ahead_floats / cincel_div_up(tiles, (size_t)p->row->mr);
    struct cincel_strip_args args = {.a = v,
                                     .ahead = ahead,
                                     .ahead_tile = ahead_tile,
                                     .ahead_step = ahead_tile / k,
                                     .lda = p->v_row,
                                     .b = u,
                                     .c = m,
                                     .ldc = p->m_row,
                                     .m = tiles,
                                     .n = (int)nr,
                                     .load_c = load,
                                     .act = CINCEL_ACT_NONE};
    for (size_t left = k; left > 0; left -= args.k) {
        args.k = cincel_min(left, p->part);
        p->row->strip(&args);
        args.a += p->v_part;
        args.b += args.k * nr;
        args.load_c = 1;
    }
}

/* The same for all planes and `panels` panels; u, v and m are those of plane 0 and tile `begin`. Planes that
   share weights follow each other. */
static void multiply(const struct cincel_prepared *p, const float *u, const struct cincel_winograd_u *shape,
                     size_t panels, const float *v, size_t begin, size_t end, size_t k, bool load, float *m)
{
    const size_t nr = (size_t)p->row->nr, cols = p->s.cols.a;
    const bool own = p->order == WINOGRAD_BY_COLUMNS;
    for (size_t weight = 0; weight < p->s.u_planes; weight++) {
        const struct cincel_winograd_sharers of = cincel_winograd_sharers(&p->s, weight);
        for (size_t panel = 0; panel < panels; panel++)
            for (size_t i = of.row; i < of.row + of.rows; i++)
                for (size_t j = of.col; j < of.col + of.cols; j++) {
                    const struct cincel_winograd_range all = cincel_winograd_tiles_of(&p->s, i, j);
                    const size_t from = cincel_max(begin, all.begin), to = cincel_min(end, all.end);
                    if (from >= to) continue;
                    /* by columns V comes from the last cache: as much of the next plane for each panel */
                    const float *next =
                        own ? v + (i * cols + j + 1) * p->v_plane + (from - begin) * p->v_row : NULL;
                    const size_t share = (to - from) * p->v_row / panels;
                    const size_t channel = panel / p->group_panels * p->k;
                    multiply_plane(p, u + weight * shape->plane + panel * shape->panel,
                                   v + (i * cols + j) * p->v_plane + (from - begin) * p->v_row + channel,
                                   to - from, k, load, next ? next + panel * share : NULL, share,
                                   m + (i * cols + j) * p->m_plane + (from - begin) * p->m_row + panel * nr);
                }
    }
}

static void columns_cut(const struct call *call, size_t block, size_t begin, size_t end, const float *v,
                        const struct scratch *scratch)
{
    const struct cincel_prepared *p = call->p;
    const size_t nr = (size_t)p->row->nr, first = block * p->block_panels;
    const size_t panels = cincel_min(p->block_panels, p->panels - first);
    if (call->u)
        multiply(p, call->u + first * p->all_u.panel, &p->all_u, panels, v, begin, end, p->k, false,
                 scratch->m);
    else
        for (size_t k = 0; k < p->k; k += p->part) {
            const size_t k_end = cincel_min(k + p->part, p->k);
            for (size_t i = 0; i < panels; i++)
                for (size_t row = k; row < k_end; row += p->pack_rows)
                    transform_weights(call, first + i, row, cincel_min(row + p->pack_rows, k_end), scratch->w,
                                      scratch->u + i * p->own_u.panel + (row - k) * nr, p->own_u.plane);
            multiply(p, scratch->u, &p->own_u, panels, v + k / p->part * p->v_part, begin, end, k_end - k,
                     k > 0, scratch->m);
        }
    if (p->groups == 1) {
        transform_outputs(call, begin, end, first * nr, cincel_min(panels * nr, p->n - first * nr),
                          scratch->m);
        return;
    }
    /* groups that fill their panels are neighbours in M, too */
    const size_t together = p->n % nr == 0 ? panels : p->group_panels;
    for (size_t panel = 0; panel < panels; panel += together)
        transform_outputs(call, begin, end, (first + panel) / p->group_panels * p->n,
                          together / p->group_panels * p->n, scratch->m + panel * nr);
}

static void compute(const struct call *call, struct cincel_worker *worker, const struct scratch *scratch)
{
    const struct cincel_prepared *p = call->p;
    size_t cut;
    while (cincel_claim(worker, p->cuts, &cut)) {
        const size_t tiles = cut % p->tile_blocks, begin = tiles * p->block_tiles;
        const size_t end = cincel_min(begin + p->block_tiles, p->s.count);
        if (p->order != WINOGRAD_BY_TILES) {
            columns_cut(call, cut / p->tile_blocks, begin, end, call->v + tiles * p->v_block, scratch);
            continue;
        }
        const size_t first = p->groups > 1 ? cut / p->tile_blocks : 0;
        const size_t last = p->groups > 1 ? first : p->column_blocks - 1;
        const size_t groups = p->block_panels / p->group_panels, channel = first * groups * p->k;
        transform_sources(call, begin, end, channel,
                          p->groups > 1 ? cincel_min(groups * p->k, p->sources - channel) : p->k, scratch->v);
        for (size_t block = first; block <= last; block++)
            columns_cut(call, block, begin, end, scratch->v, scratch);
    }
}

/* Shared V: claims finer than the blocks, in which the tiles lie. */
static void transform_all(const struct call *call, struct cincel_worker *worker)
{
    enum { TILES = 4 };
    const struct cincel_prepared *p = call->p;
    const size_t pieces = cincel_div_up(p->block_tiles, TILES);
    size_t cut;
    while (cincel_claim(worker, pieces * p->tile_blocks, &cut)) {
        const size_t block = cut / pieces, at = cut % pieces * TILES;
        const size_t first = block * p->block_tiles, end = cincel_min(first + p->block_tiles, p->s.count);
        if (first + at >= end) continue;
        transform_sources(call, first + at, cincel_min(first + at + TILES, end), 0, p->k,
                          call->v + block * p->v_block + at * p->v_row);
    }
}

static void body(void *job, struct cincel_worker *worker, size_t phase)
{
    const struct call *call = job;
    const struct cincel_prepared *p = call->p;
    struct cincel_carver mine = {call->private + (size_t)worker->id * p->private_bytes, 0};
    struct scratch scratch;
    scratch.u = cincel_carve(&mine, p->private_u * sizeof(float));
    scratch.v = cincel_carve(&mine, p->private_v * sizeof(float));
    scratch.m = cincel_carve(&mine, p->private_m * sizeof(float));
    scratch.w = cincel_carve(&mine, p->private_w * sizeof(float));
    if (phase == 0)
        prepare(call, worker, &scratch);
    else if (phase == 1 && p->order != WINOGRAD_BY_TILES)
        transform_all(call, worker);
    else
        compute(call, worker, &scratch);
}

void cincel_winograd_run(const struct cincel_prepared *p, const struct cincel_tensors *t,
                         struct cincel_team *team)
{
    struct cincel_carver space = {t->workspace, 0};
    struct call call = {.p = p, .t = t};
    call.packing = cincel_carve(&space, p->u_floats * sizeof(float));
    call.v = cincel_carve(&space, p->v_floats * sizeof(float));
    call.dz = cincel_carve(&space, p->dz_floats * sizeof(float));
    call.private = space.base + space.used;
    call.source = p->forward ? t->x : p->gradient ? call.dz : t->dy;
    call.out = p->forward ? t->y : t->dx;
    if (p->u_floats == 0 || t->packed) call.packing = NULL;
    call.u = t->packed ? t->packed : call.packing;
    assert(call.source && (t->w || t->packed) && call.out);
    cincel_team_run(team, p->threads, p->order == WINOGRAD_BY_TILES ? 2 : 3, body, &call);
}

/* --------------------------------------------------------------------------- weights packed once -- */

size_t cincel_winograd_packed_bytes(const struct cincel_prepared *p)
{
    return p->s.u_planes * p->all_u.plane * sizeof(float);
}

static void pack_body(void *job, struct cincel_worker *worker, size_t phase)
{
    const struct call *call = job;
    float w[WINOGRAD_PACK_FLOATS] __attribute__((aligned(64)));
    size_t cut;
    (void)phase;
    while (cincel_claim(worker, call->p->pack_cuts, &cut)) pack_cut(call, cut, w);
}

void cincel_winograd_pack_weights(const struct cincel_prepared *p, const float *w, void *packed,
                                  struct cincel_team *team)
{
    const struct cincel_tensors tensors = {.w = w};
    struct call call = {.p = p, .t = &tensors, .packing = packed};
    assert(p->s.taps * (size_t)p->row->nr * p->pack_rows <= WINOGRAD_PACK_FLOATS);
    cincel_team_run(team, p->threads, 1, pack_body, &call);
}
