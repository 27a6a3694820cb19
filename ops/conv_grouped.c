/* Grouped convolution, forward and backward-data. The scheme is told in conv_grouped.h. */
#include <assert.h>
#include <string.h>

#include "core/status.h"
#include "ops/conv.h"
#include "ops/conv_geometry.h"
#include "ops/conv_grouped.h"

enum { PX = CINCEL_GROUPED_PX, PHASES = 4 };

/* Cuts of some 40 µs, and strips that stay in L2. */
static const double cut_flops = 6e6, strip_bytes = 320e3;

struct cincel_prepared {
    const struct cincel_isa *isa;
    const struct cincel_grouped_row *row;
    struct cincel_epilogue epilogue;
    bool forward, gradient;
    int threads;
    struct cincel_conv_geometry g;
    struct cincel_conv_axis rows[PHASES], cols[PHASES];
    struct cincel_grouped_strip strip;
    size_t images, groups, k, n;  /* source and output channels of a group */
    size_t unit, units, panels;   /* groups of a kernel call; panels of a unit's weights */
    size_t k_tap, panel_floats;   /* weights of a tap and output channel, with the lines' zeros */
    size_t start[PHASES][PHASES]; /* weights of an output channel before a phase's */
    size_t first_run[PHASES][PHASES], runs_of[PHASES][PHASES];
    size_t band_rows, bands, cuts, dz_cuts, strip_rows;
    size_t weight_bytes, dz_floats, private_bytes;
    /* taps of a row of the kernel as they lie in the strip, and what each run consists of, phase by phase */
    size_t order[CINCEL_GROUPED_K], rows_runs[PHASES];
    struct cincel_slide_taps taps[CINCEL_GROUPED_K];
    struct cincel_slide_run runs[2 * CINCEL_GROUPED_K]; /* of all phases */
    ptrdiff_t offset[2 * CINCEL_GROUPED_K];             /* their taps and channels one by one */
};

/* -------------------------------------------------------------------------------- what is chosen -- */

static const char *row_name(const struct cincel_isa *isa, int i)
{
    return i < isa->grouped_count ? isa->grouped[i].name : NULL;
}

static ptrdiff_t max_of(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
static ptrdiff_t min_of(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

/* Columns of the strip: from the first that any phase reads to the last. */
static void derive_columns(struct cincel_prepared *p)
{
    ptrdiff_t first = 0, last = 0;
    for (int w = 0; w < p->g.phases_w; w++) {
        const struct cincel_conv_axis *a = &p->cols[w];
        if (a->taps == 0) continue;
        const ptrdiff_t taps = (ptrdiff_t)(a->taps - 1) * a->offset_step;
        first = min_of(first, a->offset);
        last = max_of(last, (ptrdiff_t)(a->count - 1) * a->src_step + a->offset + taps);
    }
    p->strip = (struct cincel_grouped_strip){.channels = p->g.src_channels,
                                             .group = p->k,
                                             .width = (size_t)p->g.src_w,
                                             .height = (size_t)p->g.src_h,
                                             .left = (size_t)-first,
                                             .split = (size_t)p->cols[0].src_step};
    cincel_grouped_strip_plan(&p->strip, 0, (size_t)(last - first + 1));
}

/* Rows of a band, and of its strip. */
static void derive_bands(const struct cincel_problem *problem, struct cincel_prepared *p)
{
    const size_t out_h = (size_t)p->g.out_h, out_step = (size_t)p->rows[0].out_step;
    const size_t src_step = (size_t)p->rows[0].src_step;
    ptrdiff_t low = PTRDIFF_MAX, high = 0; /* what the taps of all phases span */
    for (int h = 0; h < p->g.phases_h; h++) {
        const struct cincel_conv_axis *a = &p->rows[h];
        if (a->taps == 0) continue;
        low = min_of(low, a->offset);
        high = max_of(high, a->offset + (ptrdiff_t)(a->taps - 1) * a->offset_step);
    }
    const size_t span = low <= high ? (size_t)(high - low) + 1 : 1;
    const size_t lines = cincel_div_up(p->groups * p->strip.pieces, p->strip.per_line);
    const double row_bytes = (double)(p->strip.row_floats * lines) * sizeof(float);
    const double by_flops = cut_flops * (double)(p->images * out_h) / cincel_problem_flops(problem);
    const double by_strip = (strip_bytes / row_bytes - (double)span) * (double)out_step / (double)src_step;
    const double rows = by_flops < by_strip ? by_flops : by_strip;
    p->band_rows = rows < 1.0 ? 1 : rows > (double)out_h ? out_h : (size_t)rows;
    p->band_rows = cincel_min(cincel_round_up(p->band_rows, out_step), out_h);
    p->bands = cincel_div_up(out_h, p->band_rows);
    p->band_rows = cincel_div_up(out_h, p->bands);
    p->bands = cincel_div_up(out_h, p->band_rows);
    p->cuts = p->images * p->bands;
    p->strip_rows = cincel_div_up(p->band_rows, out_step) * src_step + span;
    cincel_grouped_strip_plan(&p->strip, p->strip_rows, p->strip.columns);
    p->private_bytes =
        cincel_round_up(cincel_grouped_strip_floats(&p->strip, p->groups) * sizeof(float), CINCEL_ALIGN);
}

static void derive(const struct cincel_target *t, const struct cincel_problem *problem,
                   const struct cincel_choice *c, struct cincel_prepared *p)
{
    const cincel_conv_desc *d = &problem->conv.d;
    *p = (struct cincel_prepared){
        .isa = cincel_isa_find(t, c->isa), .forward = problem->pass == CINCEL_FORWARD, .threads = c->threads};
    p->row = cincel_grouped_row_find(p->isa, c->row);
    p->epilogue = cincel_epilogue_of(p->isa, d);
    p->gradient = !p->forward && d->activation != CINCEL_ACT_NONE;
    cincel_conv_geometry(problem, &p->g);
    for (int h = 0; h < p->g.phases_h; h++) cincel_conv_rows(problem, h, &p->rows[h]);
    for (int w = 0; w < p->g.phases_w; w++) cincel_conv_cols(problem, w, &p->cols[w]);
    p->images = (size_t)p->g.images;
    p->groups = (size_t)p->g.groups;
    p->k = (size_t)p->g.k;
    p->n = (size_t)p->g.n;
    const size_t nr = (size_t)p->row->nr;
    p->unit = p->row->quads ? nr / 4 : 1;
    p->units = cincel_div_up(p->groups, p->unit);
    p->panels = p->row->quads ? 1 : cincel_div_up(p->n, nr);
    derive_columns(p);
    derive_bands(problem, p);
    p->k_tap = p->strip.pieces * p->strip.piece;
    size_t weights = 0;
    for (int w = 0; w < p->g.phases_w; w++)
        for (int h = 0; h < p->g.phases_h; h++) {
            p->start[h][w] = weights;
            weights += (size_t)p->rows[h].taps * (size_t)p->cols[w].taps * p->k_tap;
        }
    p->panel_floats = weights * nr;
    p->weight_bytes = p->units * p->panels * p->panel_floats * sizeof(float);
    if (p->gradient) {
        p->dz_floats = p->images * (size_t)p->g.src_h * (size_t)p->g.src_w * p->g.src_channels;
        p->dz_cuts = cincel_div_up(p->dz_floats, CINCEL_EPILOGUE_CUT);
    }
}

static bool check(const struct cincel_target *t, const struct cincel_problem *problem,
                  const struct cincel_choice *c, char why[CINCEL_WHY])
{
    const cincel_conv_desc *d = &problem->conv.d;
    if (!cincel_grouped_serves(t, problem, c, why)) return false;
    if (problem->pass == CINCEL_FORWARD) return true;
    if (d->stride_h > PHASES || d->stride_w > PHASES)
        return cincel_grouped_refuse(why, "backward-data of strides up to 4 only");
    if (d->accumulate) return cincel_grouped_refuse(why, "adds to nothing");
    return true;
}

struct job {
    const struct cincel_prepared *p;
    const struct cincel_tensors *t;
    const float *source;
    float *out, *weights, *dz;
    char *private; /* private_bytes a worker */
};

static size_t carve(const struct cincel_prepared *p, void *base, struct job *job)
{
    struct cincel_carver space = {base, 0};
    job->weights = cincel_carve(&space, p->weight_bytes);
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
    const double k = (double)(p.panel_floats / (size_t)p.row->nr) / (p.g.phases_h * p.g.phases_w);
    const double even = (double)(cincel_div_up(p.cuts, (size_t)p.threads) * (size_t)p.threads);
    const double phases = p.g.phases_h * p.g.phases_w, width = (double)p.g.out_w / p.g.phases_w;
    const double tile = width / (double)cincel_div_up((size_t)p.cols[0].count, (size_t)p.row->mr);
    const double chains = tile * p.row->nr / p.isa->vector_floats;
    const double calls = (double)(p.cuts * p.units);
    const double pixels = (double)(p.images * (size_t)p.g.out_h * (size_t)p.g.out_w);
    *out = (struct cincel_cost){.flops = 2.0 * pixels * (double)(p.units * p.panels) * p.row->nr * k};
    /* a tile is cleared, stored and placed; 8 chains keep the multipliers busy */
    out->efficiency = 0.9 * (chains < 8.0 ? chains / 8.0 : 1.0) * k / (k + 2.0);
    out->bytes = cincel_problem_bytes(problem) + 2.0 * sizeof(float) * (double)p.dz_floats;
    out->balance = even / (double)p.cuts;
    out->calls = calls * phases;
    out->cuts = (double)p.cuts;
    out->phases = 2.0;
    /* lines go to strips as they lie, twice as fast as what is transposed */
    out->copied = 0.5 * (double)p.cuts * (double)p.private_bytes + (double)p.weight_bytes +
                  sizeof(float) * (double)p.dz_floats;
}

/* The taps of a kernel row of column phase w, and their runs. `at` gets where they lie. */
static void find_taps(struct cincel_prepared *p, int w, size_t before, ptrdiff_t *at)
{
    const struct cincel_conv_axis *cols = &p->cols[w];
    for (int j = 0; j < cols->taps; j++)
        at[j] = cincel_grouped_strip_column(
            &p->strip, (size_t)((ptrdiff_t)p->strip.left + cols->offset + (ptrdiff_t)j * cols->offset_step));
    p->rows_runs[w] =
        cincel_slide_order(at, (size_t)cols->taps, PX, !p->row->quads, p->order + before, p->taps + before);
}

/* A run's taps and channels one by one, in the order of the sum. Returns how many. */
static size_t flatten(const struct cincel_slide_run *run, ptrdiff_t *offset)
{
    size_t count = 0;
    for (ptrdiff_t k = 0; k < (ptrdiff_t)run->channels; k++) {
        for (ptrdiff_t t = 0; t < (ptrdiff_t)run->taps; t++) offset[count++] = run->offset + t * PX + k;
        if (run->lone) offset[count++] = run->lone_offset + k;
    }
    return count;
}

/* Runs of one phase, in the order of its weights: rows of the kernel, runs of taps, lines. */
static void fill_runs(struct cincel_prepared *p, int h, int w, size_t before, const ptrdiff_t *at,
                      size_t *count)
{
    ptrdiff_t *offset = p->offset + p->start[h][w];
    p->first_run[h][w] = *count;
    for (int i = 0; i < p->rows[h].taps; i++) {
        const ptrdiff_t row = (ptrdiff_t)i * p->rows[h].offset_step * (ptrdiff_t)p->strip.row_floats;
        const size_t *tap = p->order + before;
        for (size_t run = 0; run < p->rows_runs[w]; run++) {
            const struct cincel_slide_taps *const taps = &p->taps[before + run];
            for (size_t piece = 0; piece < p->strip.pieces; piece++) {
                const ptrdiff_t line = row + (ptrdiff_t)(piece * p->strip.line_floats);
                p->runs[(*count)++] =
                    (struct cincel_slide_run){.offset = line + at[tap[0]],
                                              .lone_offset = taps->lone ? line + at[tap[taps->slide]] : 0,
                                              .taps = taps->slide,
                                              .channels = p->strip.piece,
                                              .lone = taps->lone > 0};
                offset += flatten(&p->runs[*count - 1], offset);
            }
            tap += taps->slide + taps->lone;
        }
    }
    p->runs_of[h][w] = *count - p->first_run[h][w];
}

static cincel_status build(const struct cincel_target *t, const struct cincel_problem *problem,
                           const struct cincel_choice *c, struct cincel_prepared **out)
{
    struct cincel_prepared *p = cincel_aligned_alloc(sizeof *p);
    if (!p) return cincel_fail(CINCEL_OUT_OF_MEMORY, "conv: no memory for a plan");
    derive(t, problem, c, p);
    size_t before = 0, count = 0;
    for (int w = 0; w < p->g.phases_w; before += (size_t)p->cols[w++].taps) {
        ptrdiff_t at[CINCEL_GROUPED_K];
        find_taps(p, w, before, at);
        for (int h = 0; h < p->g.phases_h; h++) fill_runs(p, h, w, before, at, &count);
    }
    assert(count <= sizeof p->runs / sizeof *p->runs);
    assert(p->panel_floats <= sizeof p->offset / sizeof *p->offset * (size_t)p->row->nr);
    *out = p;
    return CINCEL_OK;
}

static void discard(struct cincel_prepared *p) { cincel_aligned_free(p); }

/* ------------------------------------------------------------------------------------- the work -- */

/* The weights from channel k of each group of a unit in quads to its output channels, in kernel cell `cell`;
   zeros for groups that do not exist. */
static void pack_quads(const struct job *job, size_t unit, size_t cell, size_t k, float *to)
{
    enum { QUAD = 4 };
    const struct cincel_prepared *p = job->p;
    const size_t cells = (size_t)p->g.kh * (size_t)p->g.kw, group = unit * p->unit;
    const size_t groups = cincel_min(p->unit, p->groups - group);
    assert(p->k == QUAD && p->n == QUAD);
    memset(to, 0, (size_t)p->row->nr * sizeof(float));
    for (size_t g = 0; g < groups; g++)
        for (size_t j = 0; j < QUAD; j++)
            *to++ = p->forward ? job->t->w[(((group + g) * QUAD + j) * cells + cell) * QUAD + k]
                               : job->t->w[(((group + g) * QUAD + k) * cells + cell) * QUAD + j];
}

/* All k_tap rows of nr weights of kernel cell `cell`, `step` floats apart. */
static void pack_tap(const struct job *job, size_t unit, size_t panel, size_t cell, float *to, size_t step)
{
    enum { ROWS = 16, WIDEST = 64 };
    const struct cincel_prepared *p = job->p;
    const size_t nr = (size_t)p->row->nr, cells = (size_t)p->g.kh * (size_t)p->g.kw;
    const size_t each = cincel_min(p->n - panel * nr, nr);
    if (p->row->quads) {
        for (size_t k = 0; k < p->k_tap; k++) pack_quads(job, unit, cell, k, to + k * step);
        return;
    }
    float rows[ROWS * WIDEST] __attribute__((aligned(64)));
    assert(nr <= WIDEST);
    for (size_t k = 0, count; k < p->k_tap; k += count) {
        count = cincel_min(p->k_tap - k, ROWS);
        const size_t valid = k < p->k ? cincel_min(p->k - k, count) : 0;
        if (valid > 0 && p->forward)
            p->isa->pack->transpose(job->t->w + ((unit * p->n + panel * nr) * cells + cell) * p->k + k,
                                    cells * p->k, valid, (int)each, (int)nr, rows);
        else if (valid > 0)
            p->isa->pack->copy(job->t->w + ((unit * p->k + k) * cells + cell) * p->n + panel * nr,
                               cells * p->n, valid, (int)each, (int)nr, rows);
        memset(rows + valid * nr, 0, (count - valid) * nr * sizeof(float));
        for (size_t i = 0; i < count; i++) memcpy(to + (k + i) * step, rows + i * nr, nr * sizeof(float));
    }
}

/* The taps of kernel row `row` under column phase w, whose taps begin at `before`, run by run:
   [channel][tap][nr]. Returns where the next go. */
static float *pack_row(const struct job *job, size_t unit, size_t panel, int row, int w, size_t before,
                       float *to)
{
    const struct cincel_prepared *p = job->p;
    const struct cincel_conv_axis *cols = &p->cols[w];
    const size_t *tap = p->order + before, nr = (size_t)p->row->nr;
    for (size_t run = 0; run < p->rows_runs[w]; run++) {
        const size_t taps = p->taps[before + run].slide + p->taps[before + run].lone;
        for (size_t j = 0; j < taps; j++) {
            const int col = cols->kernel + (int)tap[j] * cols->kernel_step;
            pack_tap(job, unit, panel, (size_t)row * (size_t)p->g.kw + (size_t)col, to + j * nr, taps * nr);
        }
        to += p->k_tap * taps * nr;
        tap += taps;
    }
    return to;
}

/* The panels of one unit: phase by phase in columns, then rows. */
static void pack(const struct job *job, size_t unit)
{
    const struct cincel_prepared *p = job->p;
    for (size_t panel = 0; panel < p->panels; panel++) {
        float *to = job->weights + (unit * p->panels + panel) * p->panel_floats;
        size_t before = 0;
        for (int w = 0; w < p->g.phases_w; before += (size_t)p->cols[w++].taps)
            for (int h = 0; h < p->g.phases_h; h++)
                for (int i = 0; i < p->rows[h].taps; i++)
                    to = pack_row(job, unit, panel, p->rows[h].kernel + i * p->rows[h].kernel_step, w, before,
                                  to);
    }
}

/* A band of output rows of one image, and its strip, whose first row is source row `low`. */
struct band {
    size_t image, begin, end;
    ptrdiff_t low;
    float *strip;
};

/* The positions of a phase within a band: *begin … return value − 1. */
static int positions(const struct cincel_conv_axis *a, const struct band *band, int *begin)
{
    const ptrdiff_t step = a->out_step, first = (ptrdiff_t)band->begin - a->out_start;
    const ptrdiff_t last = (ptrdiff_t)band->end - a->out_start;
    *begin = first <= 0 ? 0 : (int)((first + step - 1) / step);
    return last <= 0 ? 0 : (int)min_of((last + step - 1) / step, a->count);
}

/* Fills the strip with the rows that some phase of the band reads. */
static void fill(const struct job *job, struct band *band)
{
    const struct cincel_prepared *p = job->p;
    ptrdiff_t low = PTRDIFF_MAX, high = PTRDIFF_MIN;
    for (int h = 0; h < p->g.phases_h; h++) {
        const struct cincel_conv_axis *a = &p->rows[h];
        int begin;
        const int end = positions(a, band, &begin);
        if (begin >= end || a->taps == 0) continue;
        low = min_of(low, (ptrdiff_t)begin * a->src_step + a->offset);
        high = max_of(high, (ptrdiff_t)(end - 1) * a->src_step + a->offset +
                                (ptrdiff_t)(a->taps - 1) * a->offset_step);
    }
    band->low = low;
    if (low > high) return; /* no phase has taps */
    assert(high - low < (ptrdiff_t)p->strip_rows);
    cincel_grouped_strip_fill(&p->strip, p->isa->pack,
                              job->source +
                                  band->image * p->strip.height * p->strip.width * p->strip.channels,
                              low, (size_t)(high - low) + 1, p->groups, band->strip);
}

/* The band's rows of one phase and unit. */
static void rows_of(const struct job *job, const struct band *band, int h, int w, size_t unit)
{
    const struct cincel_prepared *p = job->p;
    const struct cincel_conv_axis *rows = &p->rows[h], *cols = &p->cols[w];
    const size_t group = unit * p->unit, out_w = (size_t)p->g.out_w, channel = group * p->n;
    int begin;
    const int end = positions(rows, band, &begin);
    if (begin >= end) return;
    const ptrdiff_t row =
        p->runs_of[h][w] > 0 ? (ptrdiff_t)begin * rows->src_step + rows->offset - band->low : 0;
    const size_t out_row = (size_t)rows->out_start + (size_t)begin * (size_t)rows->out_step;
    const struct cincel_slide_args args = {
        .a =
            band->strip + cincel_grouped_strip_group(&p->strip, group) + row * (ptrdiff_t)p->strip.row_floats,
        .runs = p->runs + p->first_run[h][w],
        .run_count = p->runs_of[h][w],
        .offset = p->offset + p->start[h][w],
        .k = (size_t)rows->taps * (size_t)cols->taps * p->k_tap,
        .ahead = unit + 1 < p->units ? p->n * p->unit : 0,
        .b = job->weights + unit * p->panels * p->panel_floats + p->start[h][w] * (size_t)p->row->nr,
        .panel = p->panel_floats,
        .a_row = (size_t)rows->src_step * p->strip.row_floats,
        .c = job->out + channel +
             ((band->image * (size_t)p->g.out_h + out_row) * out_w + (size_t)cols->out_start) *
                 p->g.out_channels,
        .c_row = (size_t)rows->out_step * out_w * p->g.out_channels,
        .c_px = (size_t)cols->out_step * p->g.out_channels,
        .rows = (size_t)(end - begin),
        .pixels = (size_t)cols->count,
        .n = p->row->quads ? cincel_min(p->unit, p->groups - group) * 4 : p->n,
        .act = p->forward ? cincel_epilogue_in_tile(&p->epilogue) : CINCEL_ACT_NONE,
        .bias = p->forward && job->t->bias ? job->t->bias + channel : NULL};
    p->row->run(&args);
}

static void compute(const struct job *job, size_t cut, float *strip)
{
    const struct cincel_prepared *p = job->p;
    struct band band = {.image = cut / p->bands, .begin = cut % p->bands * p->band_rows, .strip = strip};
    band.end = cincel_min(band.begin + p->band_rows, (size_t)p->g.out_h);
    fill(job, &band);
    for (size_t unit = 0; unit < p->units; unit++)
        for (int h = 0; h < p->g.phases_h; h++)
            for (int w = 0; w < p->g.phases_w; w++) rows_of(job, &band, h, w, unit);
    const size_t row_floats = (size_t)p->g.out_w * p->g.out_channels;
    if (p->forward)
        cincel_epilogue_row(&p->epilogue,
                            job->out + (band.image * (size_t)p->g.out_h + band.begin) * row_floats,
                            (band.end - band.begin) * row_floats);
}

static void body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct job *job = data;
    const struct cincel_prepared *p = job->p;
    size_t cut;
    if (phase == 1) {
        float *strip = (float *)(void *)(job->private + (size_t)worker->id * p->private_bytes);
        while (cincel_claim(worker, p->cuts, &cut)) compute(job, cut, strip);
        return;
    }
    while (cincel_claim(worker, p->units + p->dz_cuts, &cut))
        if (cut < p->units)
            pack(job, cut);
        else
            cincel_epilogue_gradient_cut(&p->epilogue, job->t, job->dz, p->dz_floats, cut - p->units);
}

static void run(const struct cincel_prepared *p, const struct cincel_tensors *t, struct cincel_team *team)
{
    struct job job = {.p = p, .t = t};
    carve(p, t->workspace, &job);
    job.source = p->forward ? t->x : p->gradient ? job.dz : t->dy;
    job.out = p->forward ? t->y : t->dx;
    assert(job.source && job.out && t->w);
    cincel_team_run(team, p->threads, 2, body, &job);
}

/* Direct's constant: the same chains. */
#define GROUPED_ROW(pass_)                                                                          \
    {                                                                                               \
        .name = "grouped", .op = CINCEL_OP_CONV, .pass = pass_, .row = row_name, .check = check,    \
        .defaults = cincel_grouped_defaults, .cost = cost, .workspace = workspace, .error = 2.5e-7, \
        .standard = cincel_algo_never_standard, .build = build, .discard = discard, .run = run,     \
    }

const struct cincel_algo cincel_algo_conv_grouped_forward = GROUPED_ROW(CINCEL_FORWARD);
const struct cincel_algo cincel_algo_conv_grouped_backward_data = GROUPED_ROW(CINCEL_BACKWARD_DATA);
