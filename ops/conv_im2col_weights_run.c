/* Backward-weights by im2col: the work of a call. The scheme: conv_im2col_weights.h. */
#include "ops/conv_im2col_weights.h"

#include <assert.h>
#include <string.h>

#include "core/memory.h"

enum { REDUCE_FLOATS = 4096, LINE = CINCEL_ALIGN / sizeof(float), UNIT = CINCEL_IM2COL_UNIT };

/*
 * From row to row of the transposed tensor: an odd number of lines. Rows a multiple of 512 bytes apart fight
 * for a few sets of L1 while whole columns of blocks are stored: 256 pixels of 64 … 256 channels, 0.9-1.1
 * cycles a float on Zen 3, so 0.33-0.41.
 */
static size_t pitch_of(size_t pixels) { return (cincel_div_up(pixels, LINE) | 1) * LINE; }

/* Parts of the workspace: shared ones, then each worker's. */
struct parts {
    float *sums;       /* [unit][oc]: db */
    float *slices;     /* [slice], products: with several slices, or where they are transposed */
    float *transposed; /* blocks of the transposed tensor, where cuts share them */
    char *private;
    size_t private_bytes;
};
struct scratch {
    float *z;          /* a block of dy behind the activation's gradient */
    float *transposed; /* its transpose */
    float *strip, *columns, *panels;
};

static struct scratch carve_scratch(const struct cincel_prepared *p, struct cincel_carver *c)
{
    const struct cincel_columns *s = &p->cols;
    const size_t block = cincel_min(p->block_pixels, cincel_round_up(p->pixels, LINE));
    struct scratch one = {.z = cincel_carve(c, (p->gradient ? block * p->oc : 0) * sizeof(float))};
    one.panels = cincel_carve(c, block * p->block_panels * (size_t)p->row->nr * sizeof(float));
    if (p->alone) one.transposed = cincel_carve(c, pitch_of(block) * p->a_channels * sizeof(float));
    if (s->pointwise) return one;
    const size_t rows = cincel_columns_rows_max(s, block);
    if (!p->in_place)
        one.strip = cincel_carve(c, (rows * s->strip_w * s->ic + CINCEL_COLUMNS_SLACK) * sizeof(float));
    one.columns = cincel_carve(c, (block * s->k + CINCEL_COLUMNS_SLACK) * sizeof(float));
    return one;
}

/* Of a block of the transposed tensor, where cuts share it. */
static size_t shared_floats(const struct cincel_prepared *p)
{
    return pitch_of(p->block_pixels) * p->a_channels;
}

static struct parts carve_parts(const struct cincel_prepared *p, struct cincel_carver *c)
{
    struct parts parts = {.sums = cincel_carve(c, p->units * p->oc * sizeof(float))};
    if (p->slices > 1 || p->turned) parts.slices = cincel_carve(c, p->slices * p->dw_floats * sizeof(float));
    if (!p->alone)
        parts.transposed = cincel_carve(c, p->slices * p->slice_blocks * shared_floats(p) * sizeof(float));
    struct cincel_carver one = {NULL, 0};
    carve_scratch(p, &one);
    parts.private_bytes = one.used;
    parts.private = cincel_carve(c, one.used * (size_t)p->threads);
    return parts;
}

size_t cincel_im2col_weights_workspace(const struct cincel_prepared *p)
{
    struct cincel_carver carver = {NULL, 0};
    carve_parts(p, &carver);
    return carver.used;
}

struct job {
    const struct cincel_prepared *p;
    const struct cincel_tensors *t;
    struct parts parts;
};

/* Pixels of a slice, or of one of its blocks. */
struct range {
    size_t begin, end;
};

/* Block number `block` of a slice; empty past its end. Begins are multiples of UNIT. */
static struct range find_block(const struct cincel_prepared *p, size_t slice, size_t block)
{
    const size_t end = cincel_min(p->units * (slice + 1) / p->slices * UNIT, p->pixels);
    const size_t begin = cincel_min(p->units * slice / p->slices * UNIT + block * p->block_pixels, end);
    return (struct range){begin, cincel_min(begin + p->block_pixels, end)};
}

/* dy of the block, behind the activation's gradient, and its sums. */
static const float *block_gradient(const struct job *job, struct range block, float *z)
{
    const struct cincel_prepared *p = job->p;
    const size_t count = block.end - block.begin;
    const float *dy = job->t->dy + block.begin * p->oc;
    if (p->gradient) {
        cincel_epilogue_gradient(&p->epilogue, job->t->y_in + block.begin * p->oc, dy, z, count * p->oc);
        dy = z;
    }
    if (!job->t->db) return dy;
    for (size_t at = 0; at < count; at += UNIT) {
        float *sum = job->parts.sums + (block.begin + at) / UNIT * p->oc;
        memset(sum, 0, p->oc * sizeof(float));
        p->isa->vector->column_sum(dy + at * p->oc, p->oc, cincel_min(UNIT, count - at), p->oc, sum);
    }
    return dy;
}

/* dy or x of the block transposed to [channels][pitch_of(pixels)]; returns what is to become panels. */
static const float *transpose_block(const struct job *job, struct range block, float *z, float *dst)
{
    const struct cincel_prepared *p = job->p;
    const size_t count = block.end - block.begin, channels = p->a_channels;
    const float *dy = block_gradient(job, block, z), *x = job->t->x + block.begin * p->cols.ic;
    p->isa->layout->transpose(p->turned ? x : dy, channels, count, channels, dst, pitch_of(count), 0, 0);
    return p->turned ? dy : x;
}

/* What a block's product reads, and which part of the product it is. */
struct product {
    size_t slice, group;
    struct range block, panels;
    const float *a;    /* the transposed tensor, of the group */
    const float *rows; /* the columns of its pixels, b_ld floats apart, ... */
    size_t b_ld;
    float *room;           /* ... and room for the panels made of them */
    const float *ahead[2]; /* the tensors' next blocks, called into L2; NULL: not asked for */
    size_t ahead_floats[2];
};

/*
 * Strip number `strip` of `strips`, which asks for its part of what comes next. Where that part begins in one
 * tensor and ends in the other, so do its tiles.
 */
static void run_strip(const struct cincel_prepared *p, const struct product *g, size_t strip, size_t strips,
                      struct cincel_strip_args *args)
{
    const size_t total = g->ahead_floats[0] + g->ahead_floats[1], share = cincel_div_up(total, strips);
    const size_t mr = (size_t)p->row->mr, silent = args->panel ? mr : 0; /* rows of a tile that cannot ask */
    const size_t at = strip * share;
    if (!g->ahead[0] || args->m <= silent) {
        p->row->strip(args);
        return;
    }
    args->ahead_step = cincel_div_up(share, cincel_div_up(args->m - silent, mr) * args->k);
    args->ahead_tile = args->ahead_step * args->k;
    if (at >= g->ahead_floats[0]) args->ahead = g->ahead[1] + (at - g->ahead_floats[0]);
    if (at < g->ahead_floats[0]) {
        const size_t rows = silent + cincel_div_up(g->ahead_floats[0] - at, args->ahead_tile) * mr,
                     m = args->m;
        args->ahead = g->ahead[0] + at;
        args->m = cincel_min(rows, m);
        p->row->strip(args);
        if (args->panel) args->b = args->panel;
        args->panel = NULL;
        args->a += args->m * args->lda;
        args->c += args->m * args->ldc;
        args->m = m - args->m;
        args->ahead = g->ahead[1];
    }
    if (args->m > 0) p->row->strip(args);
}

/* Panels of a group's columns over a block of pixels: rows of the slice's product. A panel is met by all rows
   while it is in L1. */
static void multiply(const struct job *job, const struct product *g)
{
    const struct cincel_prepared *p = job->p;
    const size_t count = g->block.end - g->block.begin, lda = pitch_of(count);
    const size_t nr = (size_t)p->row->nr;
    const size_t strips = (g->panels.end - g->panels.begin) * cincel_div_up(p->rows, p->row_block);
    const bool first = g->block.begin == find_block(p, g->slice, 0).begin, direct = !job->parts.slices;
    float *c = direct ? job->t->dw : job->parts.slices + g->slice * p->dw_floats;
    size_t strip = 0;
    c += g->group * p->group_floats;
    for (size_t row = 0; row < p->rows; row += p->row_block)
        for (size_t panel = g->panels.begin; panel < g->panels.end; panel++, strip++) {
            float *packed = g->room;
            if (p->row_block < p->rows)
                packed += (panel - g->panels.begin) * cincel_round_up(count * nr, LINE);
            struct cincel_strip_args args = {
                .a = g->a + row * lda,
                .lda = lda,
                .b = row == 0 ? g->rows + panel * nr : packed,
                .panel = row == 0 ? packed : NULL,
                .ldb = g->b_ld,
                .c = c + row * p->pitch + panel * p->panel_pitch,
                .ldc = p->pitch,
                .m = cincel_min(p->row_block, p->rows - row),
                .k = count,
                .n = (int)cincel_min(nr, p->columns - panel * nr),
                .load_c = !first || (direct && p->accumulate),
                .act = CINCEL_ACT_NONE,
            };
            run_strip(p, g, strip, strips, &args);
        }
}

/* A block of columns of one group; all rows of the product, whose tensor is transposed already. */
static void shared_cut(const struct job *job, size_t cut, const struct scratch *scratch)
{
    const struct cincel_prepared *p = job->p;
    const size_t column_block = cut % p->blocks, group = cut / p->blocks % p->cols.groups;
    struct product g = {.slice = cut / p->blocks / p->cols.groups,
                        .group = group,
                        .panels = {column_block * p->block_panels, 0},
                        .b_ld = p->b_channels,
                        .room = scratch->panels};
    g.panels.end = cincel_min(g.panels.begin + p->block_panels, p->panels);
    for (size_t i = 0; i < p->slice_blocks; i++) {
        g.block = find_block(p, g.slice, i);
        const size_t count = g.block.end - g.block.begin;
        if (count == 0) break;
        g.a = job->parts.transposed + (g.slice * p->slice_blocks + i) * shared_floats(p) +
              group * p->rows * pitch_of(count);
        g.rows = job->t->x + g.block.begin * p->b_channels + group * p->columns;
        multiply(job, &g);
    }
}

/* A slice: all columns of 1x1 kernels without groups. */
static void pointwise_cut(const struct job *job, size_t slice, const struct scratch *scratch)
{
    const struct cincel_prepared *p = job->p;
    struct product g = {.slice = slice,
                        .panels = {0, p->panels},
                        .a = scratch->transposed,
                        .b_ld = p->b_channels,
                        .room = scratch->panels};
    for (size_t i = 0; i < p->slice_blocks; i++) {
        g.block = find_block(p, slice, i);
        const size_t count = g.block.end - g.block.begin;
        if (count == 0) break;
        g.rows = transpose_block(job, g.block, scratch->z, scratch->transposed);
        g.ahead[0] = job->t->dy + g.block.end * p->oc;
        g.ahead_floats[0] = count * p->oc;
        g.ahead[1] = job->t->x + g.block.end * p->cols.ic;
        g.ahead_floats[1] = count * p->cols.ic;
        multiply(job, &g);
    }
}

static void columns_cut(const struct job *job, size_t slice, const struct scratch *scratch)
{
    const struct cincel_prepared *p = job->p;
    struct product g = {.slice = slice,
                        .panels = {0, p->panels},
                        .rows = scratch->columns,
                        .b_ld = p->cols.k,
                        .room = scratch->panels};
    for (size_t i = 0; i < p->slice_blocks; i++) {
        g.block = find_block(p, slice, i);
        const size_t pixels = g.block.end - g.block.begin;
        if (pixels == 0) break;
        const float *strip = p->in_place ? job->t->x : scratch->strip;
        const size_t first = p->in_place ? 0
                                         : cincel_columns_strip(&p->cols, job->t->x, g.block.begin,
                                                                g.block.end, scratch->strip);
        transpose_block(job, g.block, scratch->z, scratch->transposed);
        for (g.group = 0; g.group < p->cols.groups; g.group++) {
            cincel_columns_fill(&p->cols, strip, first, g.group, g.block.begin, g.block.end,
                                scratch->columns);
            g.a = scratch->transposed + g.group * p->rows * pitch_of(pixels);
            multiply(job, &g);
        }
    }
}

static void store(const struct cincel_prepared *p, const float *sum, float *to, size_t count)
{
    if (p->accumulate)
        p->isa->vector->add(sum, to, count);
    else
        memcpy(to, sum, count * sizeof(float));
}

/* Some elements of all slices, in order, to the first slice. */
static float *add_slices(const struct job *job, size_t at, size_t count)
{
    const struct cincel_prepared *p = job->p;
    float *sum = job->parts.slices + at;
    for (size_t i = 1; i < p->slices; i++) p->isa->vector->add(sum + i * p->dw_floats, sum, count);
    return sum;
}

static size_t reduce_chunks(const struct cincel_prepared *p)
{
    if (p->turned) return p->cols.groups * p->panels;
    return p->slices > 1 ? cincel_div_up(p->dw_floats, REDUCE_FLOATS) : 0;
}

/* Some floats of the product, or a panel of it, whose columns are rows of dW. */
static void reduce_chunk(const struct job *job, size_t chunk)
{
    const struct cincel_prepared *p = job->p;
    if (!p->turned) {
        const size_t at = chunk * REDUCE_FLOATS, count = cincel_min(REDUCE_FLOATS, p->dw_floats - at);
        store(p, add_slices(job, at, count), job->t->dw + at, count);
        return;
    }
    const size_t column = chunk % p->panels * p->pitch, first = chunk / p->panels * p->columns + column;
    p->isa->pack->untranspose(add_slices(job, chunk * p->panel_pitch, p->panel_pitch), (int)p->pitch, p->rows,
                              (int)cincel_min(p->pitch, p->columns - column), job->t->dw + first * p->rows,
                              p->rows, p->accumulate);
}

static void reduce_sums(const struct job *job)
{
    const struct cincel_prepared *p = job->p;
    for (size_t i = 1; i < p->units; i++)
        p->isa->vector->add(job->parts.sums + i * p->oc, job->parts.sums, p->oc);
    store(p, job->parts.sums, job->t->db, p->oc);
}

/* Slices in order to dw, units of pixels in order to db. */
static void reduce(const struct job *job, struct cincel_worker *worker)
{
    const size_t chunks = reduce_chunks(job->p);
    size_t claim;
    while (cincel_claim(worker, chunks + 1, &claim))
        if (claim < chunks)
            reduce_chunk(job, claim);
        else if (job->t->db)
            reduce_sums(job);
}

static void transpose_all(const struct job *job, struct cincel_worker *worker, const struct scratch *scratch)
{
    const struct cincel_prepared *p = job->p;
    size_t claim;
    while (cincel_claim(worker, p->slices * p->slice_blocks, &claim)) {
        const struct range block = find_block(p, claim / p->slice_blocks, claim % p->slice_blocks);
        if (block.begin < block.end)
            transpose_block(job, block, scratch->z, job->parts.transposed + claim * shared_floats(p));
    }
}

static void compute(const struct job *job, struct cincel_worker *worker, const struct scratch *scratch)
{
    const struct cincel_prepared *p = job->p;
    size_t claim;
    while (cincel_claim(worker, p->cuts, &claim)) {
        if (!p->cols.pointwise)
            columns_cut(job, claim, scratch);
        else if (p->alone)
            pointwise_cut(job, claim, scratch);
        else
            shared_cut(job, claim, scratch);
    }
}

static void body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct job *job = data;
    const struct cincel_prepared *p = job->p;
    struct cincel_carver mine = {job->parts.private + (size_t)worker->id * job->parts.private_bytes, 0};
    const struct scratch scratch = carve_scratch(p, &mine);
    if (p->alone) phase++;
    if (phase == 0)
        transpose_all(job, worker, &scratch);
    else if (phase == 1)
        compute(job, worker, &scratch);
    else
        reduce(job, worker);
}

void cincel_im2col_weights_run(const struct cincel_prepared *p, const struct cincel_tensors *t,
                               struct cincel_team *team)
{
    struct cincel_carver carver = {t->workspace, 0};
    struct job job = {.p = p, .t = t, .parts = carve_parts(p, &carver)};
    assert(t->x && t->dy && t->dw);
    const size_t last = job.parts.slices || t->db ? 1 : 0;
    cincel_team_run(team, p->threads, (p->alone ? 1 : 2) + last, body, &job);
}
