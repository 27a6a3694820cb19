/*
 * Backward-weights by im2col: dW[oc][K] = dyᵀ[oc][pixels] · columns[pixels][K], K = kh·kw·c. The product's
 * result lies in dW as it is, so nothing is brought home: the tile runs down rows of dW.
 *
 * dy is transposed in blocks of pixels, columns are cut into panels of the tile's width by the first tile
 * that meets them. Pixels are cut in
 * numbered slices, summed in order. Where the kernel is 1x1 (fully connected layers too), columns are x
 * itself, dy is transposed ahead, and cuts are blocks of columns as well.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "ops/conv.h"
#include "ops/conv_columns.h"
#include "ops/epilogue.h"

enum { SLICES, PIXELS, NBLOCK, KNOBS };
/* Pixels whose db is summed at a time, whatever the blocks: slices and blocks are multiples of it. */
enum { UNIT = 64 };
/* Rows of dW met by all panels of a cut, with their dy in L2: 96 x 256 pixels are 96 KB. */
enum { ROW_BLOCK = 96 };
enum { REDUCE_FLOATS = 4096, LINE = CINCEL_ALIGN / sizeof(float) };

static const int slice_values[] = {1, 2, 4, 8, 16, 32, 64};
static const int pixels_values[] = {64, 128, 256, 512};
static const int nblock_values[] = {32, 64, 128, 256};

#define VALUES(list) list, (int)(sizeof list / sizeof list[0])
static const struct cincel_knob knobs[KNOBS] = {
    [SLICES] = {"slices", true, VALUES(slice_values)},   /* chains an element is cut into */
    [PIXELS] = {"pixels", false, VALUES(pixels_values)}, /* of a block */
    [NBLOCK] = {"nblock", false, VALUES(nblock_values)}, /* 1x1 kernels: columns of a cut */
};

struct cincel_prepared {
    struct cincel_columns cols;
    struct cincel_epilogue epilogue;
    const struct cincel_isa *isa;
    const struct cincel_gemm_row *row;
    bool gradient, accumulate;
    int threads;
    size_t oc, pixels, units;
    size_t panels, block_panels, blocks;       /* of one group; of one cut; cuts of a group's columns */
    size_t slices, block_pixels, slice_blocks; /* pixel blocks of the longest slice */
    size_t row_block, cuts;
    size_t dw_floats;
};

/* ---------------------------------------------------------------------------------- what is chosen -- */

static void derive(const struct cincel_target *t, const struct cincel_problem *problem,
                   const struct cincel_choice *c, struct cincel_prepared *p)
{
    const cincel_conv_desc *d = &problem->conv.d;
    *p = (struct cincel_prepared){.isa = cincel_isa_find(t, c->isa),
                                  .gradient = d->activation != CINCEL_ACT_NONE,
                                  .accumulate = d->accumulate != 0,
                                  .threads = c->threads,
                                  .oc = (size_t)d->oc,
                                  .slices = (size_t)c->knob[SLICES],
                                  .block_pixels = (size_t)c->knob[PIXELS]};
    p->row = cincel_gemm_row_find(p->isa, c->row);
    p->epilogue = cincel_epilogue_of(p->isa, d);
    cincel_columns_derive(problem, &p->cols);
    const size_t nr = (size_t)p->row->nr;
    p->pixels = p->cols.images * p->cols.oh * p->cols.ow;
    p->units = cincel_div_up(p->pixels, UNIT);
    p->panels = cincel_div_up(p->cols.k, nr);
    p->block_panels = p->cols.pointwise ? cincel_div_up((size_t)c->knob[NBLOCK], nr) : p->panels;
    p->blocks = cincel_div_up(p->panels, p->block_panels);
    p->block_panels = cincel_div_up(p->panels, p->blocks);
    p->blocks = cincel_div_up(p->panels, p->block_panels);
    p->slice_blocks = cincel_div_up(cincel_div_up(p->units, p->slices) * UNIT, p->block_pixels);
    p->row_block = cincel_round_up(ROW_BLOCK, (size_t)p->row->mr);
    p->cuts = p->slices * (p->cols.pointwise ? p->blocks * p->cols.groups : 1);
    p->dw_floats = p->oc * p->cols.k;
}

static const char *row_name(const struct cincel_isa *isa, int i)
{
    for (int r = 0; r < isa->gemm_count; r++)
        if (isa->gemm[r].strip && i-- == 0) return isa->gemm[r].name;
    return NULL;
}

/* Parts of the workspace: shared ones, then each worker's. */
struct parts {
    float *sums;       /* [unit][oc]: db */
    float *slices;     /* [slice][oc][k] with several slices */
    float *transposed; /* pointwise: blocks of dyᵀ */
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
    if (s->pointwise) return one;
    const size_t rows = cincel_columns_rows_max(s, block);
    one.transposed = cincel_carve(c, block * p->oc * sizeof(float));
    one.strip = cincel_carve(c, (rows * s->strip_w * s->ic + CINCEL_COLUMNS_SLACK) * sizeof(float));
    one.columns = cincel_carve(c, (block * s->k + CINCEL_COLUMNS_SLACK) * sizeof(float));
    return one;
}

static struct parts carve_parts(const struct cincel_prepared *p, struct cincel_carver *c)
{
    struct parts parts = {.sums = cincel_carve(c, p->units * p->oc * sizeof(float))};
    if (p->slices > 1) parts.slices = cincel_carve(c, p->slices * p->dw_floats * sizeof(float));
    if (p->cols.pointwise)
        parts.transposed = cincel_carve(c, cincel_round_up(p->pixels, LINE) * p->oc * sizeof(float));
    struct cincel_carver one = {NULL, 0};
    carve_scratch(p, &one);
    parts.private_bytes = one.used;
    parts.private = cincel_carve(c, one.used * (size_t)p->threads);
    return parts;
}

static size_t workspace(const struct cincel_target *t, const struct cincel_problem *problem,
                        const struct cincel_choice *c)
{
    struct cincel_prepared p;
    struct cincel_carver carver = {NULL, 0};
    derive(t, problem, c, &p);
    carve_parts(&p, &carver);
    return carver.used;
}

/* No product of derive() and of the workspace may overflow: all are bounded by what this multiplies out. */
static bool fits(const struct cincel_problem *problem, int threads)
{
    const cincel_conv_desc *d = &problem->conv.d;
    size_t column, weights, strip, pixels, total;
    if (!cincel_mul((size_t)d->kh * d->kw, (size_t)d->ic + 64, &column)) return false;
    if (!cincel_mul(column, ((size_t)d->oc + 1024) * (64 + 2), &weights)) return false;
    if (!cincel_mul((size_t)d->n + 1, (size_t)d->ih + 2 * (size_t)d->kh * d->dilation_h, &strip))
        return false;
    if (!cincel_mul(strip, (size_t)d->iw + 2 * (size_t)d->kw * d->dilation_w, &strip)) return false;
    if (!cincel_mul(strip, (size_t)d->ic, &strip)) return false;
    if (!cincel_mul((size_t)d->n, (size_t)problem->conv.oh * problem->conv.ow, &pixels)) return false;
    if (!cincel_mul(pixels + 1024, 3 * (size_t)d->oc, &pixels)) return false;
    if (!cincel_mul(column, 1024, &column)) return false;
    if (__builtin_add_overflow(weights, strip, &total) || __builtin_add_overflow(total, column, &total) ||
        __builtin_add_overflow(total, pixels, &total))
        return false;
    return cincel_mul(total, ((size_t)threads + 1) * sizeof(float), &total) && total < PTRDIFF_MAX / 2;
}

/* Does a smaller value cover `size` already? */
static bool repeats(int value, const int *values, size_t size)
{
    return value > values[0] && (size_t)value / 2 >= size;
}

static bool check(const struct cincel_target *t, const struct cincel_problem *problem,
                  const struct cincel_choice *c, char why[CINCEL_WHY])
{
    const char *reason = NULL;
    if (!fits(problem, c->threads)) {
        reason = "sizes overflow";
    } else {
        struct cincel_prepared p;
        derive(t, problem, c, &p);
        if (p.slices > p.units)
            reason = "more slices than units of 64 pixels";
        else if (!p.cols.pointwise && c->knob[NBLOCK] != nblock_values[0])
            reason = "nblock is for 1x1 kernels";
        else if (repeats(c->knob[NBLOCK], nblock_values, p.cols.k))
            reason = "a smaller nblock covers all columns";
        else if (repeats(c->knob[PIXELS], pixels_values, p.pixels))
            reason = "fewer pixels are all";
    }
    if (reason) snprintf(why, CINCEL_WHY, "im2col: %s", reason);
    return reason == NULL;
}

/* The largest of the knob's values ≤ limit that is no repetition; at least the first. */
static int largest(int knob, double limit, size_t size)
{
    int value = knobs[knob].values[0];
    for (int i = 1; i < knobs[knob].count; i++) {
        const int next = knobs[knob].values[i];
        if (next <= limit && !repeats(next, knobs[knob].values, size)) value = next;
    }
    return value;
}

/* Slices by the problem alone: chains of 1024 pixels at least, 64 cuts at most; as direct's. */
static int default_slices(const struct cincel_prepared *p)
{
    const double cuts =
        p->cols.pointwise ? (double)p->cols.groups * (double)cincel_div_up(p->cols.k, 64) : 1.0;
    double limit = 64.0 / cuts;
    if (limit < (double)p->pixels / 65536.0) limit = 2.0 * (double)p->pixels / 65536.0;
    if (limit > (double)p->pixels / 1024.0) limit = (double)p->pixels / 1024.0;
    return largest(SLICES, limit, SIZE_MAX);
}

static void defaults(const struct cincel_target *t, const struct cincel_problem *problem,
                     struct cincel_choice *c)
{
    const double l2 = t->machine->topo.l2_bytes ? (double)t->machine->topo.l2_bytes : 262144.0;
    memset(c->knob, 0, sizeof c->knob);
    c->knob[SLICES] = slice_values[0];
    c->knob[PIXELS] = pixels_values[0];
    c->knob[NBLOCK] = nblock_values[0];
    if (!fits(problem, c->threads)) return; /* check() says so */
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    c->knob[SLICES] = default_slices(&p);
    if (!p.cols.pointwise) {
        /* columns and the panels made of them in half of L2 */
        c->knob[PIXELS] = largest(PIXELS, l2 / 4.0 / sizeof(float) / (double)p.cols.k, p.pixels);
        return;
    }
    c->knob[PIXELS] = largest(PIXELS, 256.0, p.pixels); /* a panel's part in half of L1 */
    const double each = (double)(p.cols.k * p.cols.groups) / (4.0 * c->threads);
    c->knob[NBLOCK] = largest(NBLOCK, c->threads > 1 && each < 128.0 ? each : 128.0, p.cols.k);
}

static void cost(const struct cincel_target *t, const struct cincel_problem *problem,
                 const struct cincel_choice *c, struct cincel_cost *out)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    const double nv = (double)p.row->nr / p.isa->vector_floats, mr = p.row->mr, floats = sizeof(float);
    const double rows = (double)cincel_round_up(p.oc / p.cols.groups, (size_t)p.row->mr);
    const double width = (double)(p.panels * (size_t)p.row->nr), groups = (double)p.cols.groups;
    const double pixels = (double)p.pixels, slices = (double)p.slices;
    const double run = (double)cincel_min(p.block_pixels, p.pixels);
    const double loads = mr * nv < mr + nv ? mr * nv / (mr + nv) : 1.0;
    const double latency = mr * nv < 8.0 ? mr * nv / 8.0 : 1.0;
    const double rounds = (double)cincel_div_up(p.cuts, (size_t)p.threads);

    *out = (struct cincel_cost){.flops = 2.0 * pixels * rows * width * groups};
    /* around the steps of a block: accumulators loaded and stored, rows of dW far apart */
    const double reuse = mr * nv / (mr * nv + 0.25); /* of tiles that do as well, the larger reads less */
    out->efficiency = 0.87 * reuse * loads * latency * run / (run + 6.0); /* 51 … 88 % of peak seen */
    out->bytes =
        cincel_problem_bytes(problem) + floats * (double)p.dw_floats * (p.slices > 1 ? 2.0 * slices : 0.0);
    out->balance = rounds * p.threads / (double)p.cuts;
    out->cuts = (double)p.cuts;
    out->calls = slices * (double)p.slice_blocks * groups * (double)p.panels *
                 (double)cincel_div_up(p.oc / p.cols.groups, p.row_block);
    out->phases = (p.cols.pointwise ? 1.0 : 0.0) + 2.0;
    /* columns are made, and cut into panels, which hides behind FMAs for the most part; dy is transposed; the
       slices are summed */
    out->copied = floats * (pixels * groups * (double)p.cols.k * (p.cols.pointwise ? 0.25 : 1.25) +
                            pixels * (double)p.oc * (p.gradient ? 2.0 : 1.0) +
                            (p.slices > 1 ? slices : 0.0) * (double)p.dw_floats);
}

static double chain(const struct cincel_problem *problem, const struct cincel_choice *c)
{
    return cincel_chain_length(problem) / c->knob[SLICES];
}

static cincel_status build(const struct cincel_target *t, const struct cincel_problem *problem,
                           const struct cincel_choice *c, struct cincel_prepared **out)
{
    struct cincel_prepared *p = cincel_aligned_alloc(sizeof *p);
    if (!p) return cincel_fail(CINCEL_OUT_OF_MEMORY, "conv: no memory for a plan");
    derive(t, problem, c, p);
    *out = p;
    return CINCEL_OK;
}

static void discard(struct cincel_prepared *p) { cincel_aligned_free(p); }

/* ---------------------------------------------------------------------------------------- the work -- */

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

/* dy of the block, behind the activation's gradient, transposed to [oc][pixels rounded to LINE]; its sums. */
static void transpose_block(const struct job *job, struct range block, float *z, float *dst)
{
    const struct cincel_prepared *p = job->p;
    const size_t count = block.end - block.begin;
    const float *dy = job->t->dy + block.begin * p->oc;
    if (p->gradient) {
        cincel_epilogue_gradient(&p->epilogue, job->t->y_in + block.begin * p->oc, dy, z, count * p->oc);
        dy = z;
    }
    p->isa->pack->transpose(dy, p->oc, p->oc, (int)count, (int)cincel_round_up(count, LINE), dst);
    if (!job->t->db) return;
    for (size_t at = 0; at < count; at += UNIT) {
        float *sum = job->parts.sums + (block.begin + at) / UNIT * p->oc;
        memset(sum, 0, p->oc * sizeof(float));
        p->isa->vector->column_sum(dy + at * p->oc, p->oc, cincel_min(UNIT, count - at), p->oc, sum);
    }
}

/* A block's columns: its pixels' rows `ld` floats apart, and room for the panels made of them. */
struct columns {
    const float *rows;
    size_t ld;
    float *panels;
};

/* Panels begin … end−1 of a group's columns over a block: rows of the slice's dW. `a` is dyᵀ of the group. */
static void multiply(const struct job *job, size_t slice, size_t group, struct range block,
                     struct range panels, const float *a, const struct columns *b)
{
    const struct cincel_prepared *p = job->p;
    const size_t count = block.end - block.begin, lda = cincel_round_up(count, LINE), nr = (size_t)p->row->nr;
    const size_t k = p->cols.k, rows = p->oc / p->cols.groups;
    const bool first = block.begin == find_block(p, slice, 0).begin;
    float *dw = p->slices > 1 ? job->parts.slices + slice * p->dw_floats : job->t->dw;
    dw += group * rows * k;
    for (size_t row = 0; row < rows; row += p->row_block)
        for (size_t panel = panels.begin; panel < panels.end; panel++) {
            float *packed = b->panels + (panel - panels.begin) * cincel_round_up(count * nr, LINE);
            p->row->strip(&(struct cincel_strip_args){
                .a = a + row * lda,
                .lda = lda,
                .b = row == 0 ? b->rows + panel * nr : packed,
                .panel = row == 0 ? packed : NULL,
                .ldb = b->ld,
                .c = dw + row * k + panel * nr,
                .ldc = k,
                .m = cincel_min(p->row_block, rows - row),
                .k = count,
                .n = (int)cincel_min(nr, k - panel * nr),
                .load_c = !first || (p->slices == 1 && p->accumulate),
                .act = CINCEL_ACT_NONE,
            });
        }
}

static void pointwise_cut(const struct job *job, size_t cut, const struct scratch *scratch)
{
    const struct cincel_prepared *p = job->p;
    const size_t column_block = cut % p->blocks, group = cut / p->blocks % p->cols.groups;
    const size_t slice = cut / p->blocks / p->cols.groups;
    struct range panels = {column_block * p->block_panels, 0};
    panels.end = cincel_min(panels.begin + p->block_panels, p->panels);
    for (size_t i = 0; i < p->slice_blocks; i++) {
        const struct range block = find_block(p, slice, i);
        const size_t count = block.end - block.begin;
        if (count == 0) break;
        multiply(job, slice, group, block, panels,
                 job->parts.transposed + block.begin * p->oc +
                     group * (p->oc / p->cols.groups) * cincel_round_up(count, LINE),
                 &(struct columns){job->t->x + block.begin * p->cols.ic + group * p->cols.channels,
                                   p->cols.ic, scratch->panels});
    }
}

static void columns_cut(const struct job *job, size_t slice, const struct scratch *scratch)
{
    const struct cincel_prepared *p = job->p;
    const struct range panels = {0, p->panels};
    for (size_t i = 0; i < p->slice_blocks; i++) {
        const struct range block = find_block(p, slice, i);
        const size_t pixels = block.end - block.begin;
        if (pixels == 0) break;
        const size_t first =
            cincel_columns_strip(&p->cols, job->t->x, block.begin, block.end, scratch->strip);
        transpose_block(job, block, scratch->z, scratch->transposed);
        for (size_t group = 0; group < p->cols.groups; group++) {
            cincel_columns_fill(&p->cols, scratch->strip, first, group, block.begin, block.end,
                                scratch->columns);
            multiply(job, slice, group, block, panels,
                     scratch->transposed + group * (p->oc / p->cols.groups) * cincel_round_up(pixels, LINE),
                     &(struct columns){scratch->columns, p->cols.k, scratch->panels});
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

/* Slices in order to dw, units of pixels in order to db. */
static void reduce(const struct job *job, struct cincel_worker *worker)
{
    const struct cincel_prepared *p = job->p;
    const size_t chunks = p->slices > 1 ? cincel_div_up(p->dw_floats, REDUCE_FLOATS) : 0;
    size_t claim;
    while ((claim = cincel_claim(worker)) < chunks) {
        const size_t at = claim * REDUCE_FLOATS, count = cincel_min(REDUCE_FLOATS, p->dw_floats - at);
        float *sum = job->parts.slices + at;
        for (size_t i = 1; i < p->slices; i++) p->isa->vector->add(sum + i * p->dw_floats, sum, count);
        store(p, sum, job->t->dw + at, count);
    }
    if (claim > chunks || !job->t->db) return; /* exactly one worker gets the next number */
    for (size_t i = 1; i < p->units; i++)
        p->isa->vector->add(job->parts.sums + i * p->oc, job->parts.sums, p->oc);
    store(p, job->parts.sums, job->t->db, p->oc);
}

static void body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct job *job = data;
    const struct cincel_prepared *p = job->p;
    struct cincel_carver mine = {job->parts.private + (size_t)worker->id * job->parts.private_bytes, 0};
    const struct scratch scratch = carve_scratch(p, &mine);
    if (!p->cols.pointwise) phase++;
    size_t claim;
    if (phase == 0) {
        while ((claim = cincel_claim(worker)) < p->slices * p->slice_blocks) {
            const struct range block = find_block(p, claim / p->slice_blocks, claim % p->slice_blocks);
            if (block.begin < block.end)
                transpose_block(job, block, scratch.z, job->parts.transposed + block.begin * p->oc);
        }
    } else if (phase == 1) {
        while ((claim = cincel_claim(worker)) < p->cuts) {
            if (p->cols.pointwise)
                pointwise_cut(job, claim, &scratch);
            else
                columns_cut(job, claim, &scratch);
        }
    } else {
        reduce(job, worker);
    }
}

static void run(const struct cincel_prepared *p, const struct cincel_tensors *t, struct cincel_team *team)
{
    struct cincel_carver carver = {t->workspace, 0};
    struct job job = {.p = p, .t = t, .parts = carve_parts(p, &carver)};
    assert(t->x && t->dy && t->dw);
    const size_t last = p->slices > 1 || t->db ? 1 : 0;
    cincel_team_run(team, p->threads, (p->cols.pointwise ? 2 : 1) + last, body, &job);
}

const struct cincel_algo cincel_algo_conv_im2col_backward_weights = {
    .name = "im2col",
    .op = CINCEL_OP_CONV,
    .pass = CINCEL_BACKWARD_WEIGHTS,
    .knobs = knobs,
    .knob_count = KNOBS,
    .row = row_name,
    .check = check,
    .defaults = defaults,
    .cost = cost,
    .workspace = workspace,
    .error = 1.5e-7, /* direct's: the same chains */
    .standard = cincel_algo_never_standard,
    .chain = chain,
    .build = build,
    .discard = discard,
    .run = run,
};
