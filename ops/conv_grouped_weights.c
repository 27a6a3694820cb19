/* Grouped convolution, backward-weights. The scheme is told in conv_grouped.h. */
#include <assert.h>
#include <string.h>

#include "core/status.h"
#include "ops/conv.h"
#include "ops/conv_grouped.h"

/* Numeric, and so fixed by the problem: sums run down bands of about this many pixels (fewer where a stride
   leaves rows between them, which are read too: a group's band had better fit L1), and the bands are shared
   out to this many slices, fewer where they would hold more than so many sums together. */
enum { BAND_PIXELS = 196, SLICES = 16, SUMS = 1 << 20 };

/* Strips of the groups of a cut stay in L2. */
static const double strips_bytes = 256e3;

struct cincel_prepared {
    const struct cincel_isa *isa;
    const struct cincel_grouped_row *row;
    struct cincel_epilogue epilogue;
    bool gradient, accumulate;
    int threads;
    size_t images, oh, ow, groups, k, n, taps_h, taps_w; /* k, n: channels of a group, of x and of dy */
    size_t stride_h, dilation_h;
    ptrdiff_t top; /* zero rows before the image */
    struct cincel_grouped_strip x, dy;
    size_t band_rows, bands, slices, x_rows;
    size_t unit, units;         /* groups of a kernel call */
    size_t line_panels, panels; /* of dy's lines; of a unit */
    size_t k_tap, panel_floats; /* sums of a tap and output channel, with the lines' zeros; of a panel */
    size_t range, ranges;       /* units of a cut */
    size_t cuts, dz_cuts;
    size_t slice_floats; /* panels of all units, and one of db */
    size_t dz_floats, strip_bytes, private_bytes;
    /* taps of a kernel row in the order of the sums, where they lie; and where each tap is in that order */
    ptrdiff_t offset[CINCEL_GROUPED_K];
    size_t place[CINCEL_GROUPED_K];
};

/* -------------------------------------------------------------------------------- what is chosen -- */

/* Rows that have a kernel for weights. */
static const char *row_name(const struct cincel_isa *isa, int i)
{
    for (int row = 0; row < isa->grouped_count; row++)
        if (isa->grouped[row].weights && i-- == 0) return isa->grouped[row].name;
    return NULL;
}

static void derive_strips(const cincel_conv_desc *d, struct cincel_prepared *p)
{
    const size_t nr = (size_t)p->row->nr;
    const size_t reach = (p->taps_w - 1) * (size_t)d->dilation_w;
    p->x_rows = (p->band_rows - 1) * p->stride_h + (p->taps_h - 1) * p->dilation_h + 1;
    p->x = (struct cincel_grouped_strip){.channels = (size_t)d->ic,
                                         .group = p->k,
                                         .width = (size_t)d->iw,
                                         .height = (size_t)d->ih,
                                         .left = (size_t)d->pad_left,
                                         .split = (size_t)d->stride_w};
    cincel_grouped_strip_plan(&p->x, p->x_rows, (p->ow - 1) * (size_t)d->stride_w + reach + 1);
    p->dy = (struct cincel_grouped_strip){
        .channels = (size_t)d->oc, .group = p->n, .width = p->ow, .height = p->oh, .split = 1};
    cincel_grouped_strip_plan(&p->dy, p->band_rows, p->ow);
    p->line_panels = p->row->quads ? 1 : cincel_div_up(p->dy.piece, nr);
    p->panels = p->row->quads ? 1 : p->dy.pieces * p->line_panels;
    p->k_tap = p->x.pieces * p->x.piece;
    p->panel_floats = p->taps_h * p->taps_w * p->k_tap * nr;
}

static void derive(const struct cincel_target *t, const struct cincel_problem *problem,
                   const struct cincel_choice *c, struct cincel_prepared *p)
{
    const cincel_conv_desc *d = &problem->conv.d;
    *p = (struct cincel_prepared){.isa = cincel_isa_find(t, c->isa),
                                  .gradient = d->activation != CINCEL_ACT_NONE,
                                  .accumulate = d->accumulate,
                                  .threads = c->threads,
                                  .images = (size_t)d->n,
                                  .oh = (size_t)problem->conv.oh,
                                  .ow = (size_t)problem->conv.ow,
                                  .groups = (size_t)d->groups,
                                  .k = (size_t)(d->ic / d->groups),
                                  .n = (size_t)(d->oc / d->groups),
                                  .taps_h = (size_t)d->kh,
                                  .taps_w = (size_t)d->kw,
                                  .stride_h = (size_t)d->stride_h,
                                  .dilation_h = (size_t)d->dilation_h,
                                  .top = d->pad_top};
    p->row = cincel_grouped_row_find(p->isa, c->row);
    p->epilogue = cincel_epilogue_of(p->isa, d);
    p->band_rows = cincel_min(cincel_div_up(BAND_PIXELS, p->ow * p->stride_h), p->oh);
    p->bands = cincel_div_up(p->oh, p->band_rows);
    const size_t sums = (size_t)d->oc * p->k * p->taps_h * p->taps_w;
    p->slices = cincel_min(cincel_min(p->images * p->bands, SLICES), cincel_max(SUMS / sums, 1));
    derive_strips(d, p);
    p->unit = p->row->quads ? (size_t)p->isa->vector_floats / 4 : 1;
    p->units = cincel_div_up(p->groups, p->unit);
    /* where slices are few, groups are shared out too, lines of the strips as a whole */
    const size_t line = cincel_div_up(cincel_max(p->x.per_line, p->dy.per_line), p->unit);
    const size_t unit_floats = p->unit * (p->x.pieces * p->x.line_floats / p->x.per_line +
                                          p->dy.pieces * p->dy.line_floats / p->dy.per_line);
    const double fit = strips_bytes / (double)(unit_floats * sizeof(float));
    p->range = cincel_div_up(p->units, cincel_div_up(SLICES, p->slices));
    if ((double)p->range > fit) p->range = fit < 1.0 ? 1 : (size_t)fit;
    p->range = cincel_round_up(cincel_div_up(p->units, cincel_div_up(p->units, p->range)), line);
    p->range = cincel_min(p->range, p->units);
    p->ranges = cincel_div_up(p->units, p->range);
    p->cuts = p->slices * p->ranges;
    p->slice_floats =
        p->units * p->panels * p->panel_floats + cincel_round_up((size_t)d->oc, CINCEL_GROUPED_PX);
    const size_t groups = p->range * p->unit;
    p->strip_bytes =
        cincel_round_up(cincel_grouped_strip_floats(&p->x, groups) * sizeof(float), CINCEL_ALIGN);
    p->private_bytes =
        p->strip_bytes +
        cincel_round_up(cincel_grouped_strip_floats(&p->dy, groups) * sizeof(float), CINCEL_ALIGN);
    if (p->gradient) {
        p->dz_floats = p->images * p->oh * p->ow * (size_t)d->oc;
        p->dz_cuts = cincel_div_up(p->dz_floats, CINCEL_EPILOGUE_CUT);
    }
}

struct job {
    const struct cincel_prepared *p;
    const struct cincel_tensors *t;
    const float *source; /* dy or dz */
    float *slices, *dz;
    char *private; /* private_bytes a worker */
};

static size_t carve(const struct cincel_prepared *p, void *base, struct job *job)
{
    struct cincel_carver space = {base, 0};
    job->slices = cincel_carve(&space, p->slices * p->slice_floats * sizeof(float));
    job->dz = cincel_carve(&space, p->dz_floats * sizeof(float));
    job->private = cincel_carve(&space, p->private_bytes * (size_t)p->threads);
    return space.used;
}

static size_t workspace(const struct cincel_target *t, const struct cincel_problem *problem,
                        const struct cincel_choice *c)
{
    struct cincel_prepared p;
    struct job unused;
    derive(t, problem, c, &p);
    return carve(&p, NULL, &unused);
}

static void cost(const struct cincel_target *t, const struct cincel_problem *problem,
                 const struct cincel_choice *c, struct cincel_cost *out)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    const double nr = p.row->nr, pixels = (double)(p.images * p.oh * p.ow);
    const double channels = p.row->quads ? 4.0 : (double)p.k_tap;
    const double calls = (double)(p.images * p.bands * p.units * p.panels * p.taps_h * p.x.pieces);
    const double even = (double)(cincel_div_up(p.cuts, (size_t)p.threads) * (size_t)p.threads);
    *out = (struct cincel_cost){.flops = 2.0 * pixels * (double)(p.units * p.panels * p.taps_h * p.taps_w) *
                                         channels * nr};
    /* chains: 12 in tiles of 4 channels under 3 taps, or of 2 and two vectors; 8 of them keep the multipliers
       busy */
    const double vectors = nr / p.isa->vector_floats;
    const double tall = vectors > 1.0 ? (channels >= 6.0 ? 6.0 : 1.0) : channels >= 8.0 ? 8.0 : 4.0;
    const double low = vectors > 1.0 ? 2.0 : 4.0;
    const double chains = vectors * (p.taps_w >= 3     ? 3.0 * (channels >= low ? low : 1.0)
                                     : channels >= 4.0 ? tall
                                                       : 1.0);
    out->efficiency = 0.85 * (chains < 8.0 ? chains / 8.0 : 1.0);
    out->bytes = cincel_problem_bytes(problem) + 2.0 * sizeof(float) * (double)p.dz_floats;
    out->balance = even / (double)p.cuts;
    out->calls = calls;
    out->cuts = (double)p.cuts;
    out->phases = p.gradient ? 3.0 : 2.0;
    /* lines go to strips as they lie, twice as fast as what is transposed */
    out->copied = 0.5 * (double)(p.images * p.bands * p.ranges) * (double)p.private_bytes +
                  sizeof(float) * (double)(p.slices * p.slice_floats + p.dz_floats);
}

static cincel_status build(const struct cincel_target *t, const struct cincel_problem *problem,
                           const struct cincel_choice *c, struct cincel_prepared **out)
{
    struct cincel_prepared *p = cincel_aligned_alloc(sizeof *p);
    if (!p) return cincel_fail(CINCEL_OUT_OF_MEMORY, "conv: no memory for a plan");
    derive(t, problem, c, p);
    ptrdiff_t at[CINCEL_GROUPED_K];
    size_t order[CINCEL_GROUPED_K];
    struct cincel_slide_taps runs[CINCEL_GROUPED_K];
    for (size_t j = 0; j < p->taps_w; j++)
        at[j] = cincel_grouped_strip_column(&p->x, j * (size_t)problem->conv.d.dilation_w);
    cincel_slide_order(at, p->taps_w, CINCEL_GROUPED_PX, true, order, runs);
    for (size_t i = 0; i < p->taps_w; i++) {
        p->offset[i] = at[order[i]];
        p->place[order[i]] = i;
    }
    *out = p;
    return CINCEL_OK;
}

static void discard(struct cincel_prepared *p) { cincel_aligned_free(p); }

/* ------------------------------------------------------------------------------------- the work -- */

/* Units `first` … end−1 of one cut, and its strips of the band at hand. */
struct piece {
    size_t first, end, image, row, rows;
    float *x, *dy, *sums;
};

/* The sums of one unit, whose strips begin at group `local` of the piece. */
static void sum_unit(const struct cincel_prepared *p, const struct piece *piece, size_t unit)
{
    const size_t nr = (size_t)p->row->nr, group = unit * p->unit, local = group - piece->first * p->unit;
    const float *const x = piece->x + cincel_grouped_strip_group(&p->x, local);
    const float *const dy = piece->dy + cincel_grouped_strip_group(&p->dy, local);
    struct cincel_grouped_weights_args args = {.offset = p->offset,
                                               .x_row = (ptrdiff_t)(p->stride_h * p->x.row_floats),
                                               .dy_row = (ptrdiff_t)p->dy.row_floats,
                                               .rows = piece->rows,
                                               .pixels = p->ow,
                                               .taps = p->taps_w,
                                               .w_tap = p->k_tap * nr};
    for (size_t panel = 0; panel < p->panels; panel++)
        for (size_t i = 0; i < p->taps_h; i++)
            for (size_t line = 0; line < p->x.pieces; line++) {
                args.x = x + line * p->x.line_floats + i * p->dilation_h * p->x.row_floats;
                args.dy = dy + panel / p->line_panels * p->dy.line_floats + panel % p->line_panels * nr;
                args.w = piece->sums + (unit * p->panels + panel) * p->panel_floats +
                         (i * p->taps_w * p->k_tap + line * p->x.piece) * nr;
                args.channels = p->x.piece;
                p->row->weights(&args);
            }
}

/* One band: its strips, the sums of all units of the piece, and db. */
static void sum_band(const struct job *job, const struct piece *piece)
{
    const struct cincel_prepared *p = job->p;
    const size_t group = piece->first * p->unit, end = cincel_min(piece->end * p->unit, p->groups);
    const ptrdiff_t row = (ptrdiff_t)(piece->row * p->stride_h) - p->top;
    const size_t x_rows = (piece->rows - 1) * p->stride_h + (p->taps_h - 1) * p->dilation_h + 1;
    const float *const dy = job->source + piece->image * p->oh * p->ow * p->dy.channels + group * p->n;
    cincel_grouped_strip_fill(&p->x, p->isa->pack,
                              job->t->x + piece->image * p->x.height * p->x.width * p->x.channels +
                                  group * p->k,
                              row, x_rows, end - group, piece->x);
    cincel_grouped_strip_fill(&p->dy, p->isa->pack, dy, (ptrdiff_t)piece->row, piece->rows, end - group,
                              piece->dy);
    for (size_t unit = piece->first; unit < piece->end; unit++) sum_unit(p, piece, unit);
    if (job->t->db)
        p->isa->vector->column_sum(dy + piece->row * p->ow * p->dy.channels, p->dy.channels,
                                   piece->rows * p->ow, (end - group) * p->n,
                                   piece->sums + p->units * p->panels * p->panel_floats + group * p->n);
}

static void compute(const struct job *job, size_t cut, char *private)
{
    const struct cincel_prepared *p = job->p;
    const size_t slice = cut / p->ranges, total = p->images * p->bands, each = total / p->slices;
    const size_t extra = total % p->slices, begin = each * slice + cincel_min(extra, slice);
    struct piece piece = {.first = cut % p->ranges * p->range,
                          .x = (float *)(void *)private,
                          .dy = (float *)(void *)(private + p->strip_bytes),
                          .sums = job->slices + slice * p->slice_floats};
    piece.end = cincel_min(piece.first + p->range, p->units);
    const size_t unit_floats = p->panels * p->panel_floats, first = piece.first * p->unit;
    memset(piece.sums + piece.first * unit_floats, 0,
           (piece.end - piece.first) * unit_floats * sizeof(float));
    memset(piece.sums + p->units * unit_floats + first * p->n, 0,
           (cincel_min(piece.end * p->unit, p->groups) - first) * p->n * sizeof(float));
    for (size_t band = begin; band < begin + each + (slice < extra); band++) {
        piece.image = band / p->bands;
        piece.row = band % p->bands * p->band_rows;
        piece.rows = cincel_min(p->band_rows, p->oh - piece.row);
        sum_band(job, &piece);
    }
}

/* dw of group `group` from the first slice, where the sums of all have been added. */
static void write_group(const struct job *job, size_t group)
{
    const struct cincel_prepared *p = job->p;
    const size_t nr = (size_t)p->row->nr, taps = p->taps_h * p->taps_w, ld = taps * p->k;
    const size_t column = p->row->quads ? group % p->unit * p->n : 0;
    const float *from = job->slices + group / p->unit * p->panels * p->panel_floats + column;
    for (size_t panel = 0; panel < p->panels; panel++, from += p->panel_floats) {
        const size_t within = panel % p->line_panels * nr;
        const size_t first = panel / p->line_panels * p->dy.piece + within;
        if (first >= p->n) continue; /* a line's zeros */
        const size_t count = cincel_min(cincel_min(nr, p->dy.piece - within), p->n - first);
        float *const to = job->t->dw + (group * p->n + first) * ld;
        for (size_t tap = 0; tap < taps; tap++) {
            const size_t at = tap / p->taps_w * p->taps_w + p->place[tap % p->taps_w];
            p->isa->pack->untranspose(from + at * p->k_tap * nr, (int)nr, p->k, (int)count, to + tap * p->k,
                                      ld, p->accumulate);
        }
    }
}

/* The slices of one unit, in their order, to dw and db. */
static void add_up(const struct job *job, size_t unit)
{
    const struct cincel_prepared *p = job->p;
    const size_t unit_floats = p->panels * p->panel_floats, group = unit * p->unit;
    const size_t end = cincel_min(group + p->unit, p->groups), count = (end - group) * p->n;
    float *const sums = job->slices + unit * unit_floats;
    float *const db = job->slices + p->units * unit_floats + group * p->n;
    for (size_t slice = 1; slice < p->slices; slice++) {
        p->isa->vector->add(sums + slice * p->slice_floats, sums, unit_floats);
        if (job->t->db) p->isa->vector->add(db + slice * p->slice_floats, db, count);
    }
    for (size_t g = group; g < end; g++) write_group(job, g);
    if (!job->t->db) return;
    if (p->accumulate)
        p->isa->vector->add(db, job->t->db + group * p->n, count);
    else
        memcpy(job->t->db + group * p->n, db, count * sizeof(float));
}

static void body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct job *job = data;
    const struct cincel_prepared *p = job->p;
    const size_t step = phase + !p->gradient; /* without an activation the first phase is left out */
    size_t cut;
    if (step == 0)
        while (cincel_claim(worker, p->dz_cuts, &cut))
            cincel_epilogue_gradient_cut(&p->epilogue, job->t, job->dz, p->dz_floats, cut);
    else if (step == 1)
        while (cincel_claim(worker, p->cuts, &cut))
            compute(job, cut, job->private + (size_t)worker->id * p->private_bytes);
    else
        while (cincel_claim(worker, p->units, &cut)) add_up(job, cut);
}

static void run(const struct cincel_prepared *p, const struct cincel_tensors *t, struct cincel_team *team)
{
    struct job job = {.p = p, .t = t};
    carve(p, t->workspace, &job);
    job.source = p->gradient ? job.dz : t->dy;
    assert(t->x && job.source && t->dw);
    cincel_team_run(team, p->threads, p->gradient ? 3 : 2, body, &job);
}

/* As direct's: sums of the same length or, in slices, shorter. */
const struct cincel_algo cincel_algo_conv_grouped_backward_weights = {
    .name = "grouped",
    .op = CINCEL_OP_CONV,
    .pass = CINCEL_BACKWARD_WEIGHTS,
    .row = row_name,
    .check = cincel_grouped_serves,
    .defaults = cincel_grouped_defaults,
    .cost = cost,
    .workspace = workspace,
    .error = 2e-7,
    .standard = cincel_algo_never_standard,
    .build = build,
    .discard = discard,
    .run = run,
};
