/* Backward-weights by im2col: what the table of algorithms shows. The scheme is told in
   conv_im2col_weights.h, the work of a call is in conv_im2col_weights_run.c. */
#include "ops/conv_im2col_weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "ops/conv.h"

enum { SLICES, PIXELS, NBLOCK, TURN, KNOBS };
/* Rows of the product met by a panel at a time, with their pixels in L2: 128 KB. */
enum { ROW_FLOATS = 32768 };

static const int slice_values[] = {1, 2, 4, 8, 16, 32, 64};
static const int pixels_values[] = {64, 128, 256, 512};
static const int nblock_values[] = {32, 64, 128, 256};
static const int turn_values[] = {0, 1};

#define VALUES(list) list, (int)(sizeof list / sizeof list[0])
static const struct cincel_knob knobs[KNOBS] = {
    [SLICES] = {"slices", true, VALUES(slice_values)},   /* chains an element is cut into */
    [PIXELS] = {"pixels", false, VALUES(pixels_values)}, /* of a block */
    [NBLOCK] = {"nblock", false, VALUES(nblock_values)}, /* 1x1 kernels: columns of a cut */
    [TURN] = {"turn", false, VALUES(turn_values)},       /* 1x1 kernels: what is transposed: dy, or x */
};

/* ---------------------------------------------------------------------------------- what is chosen -- */

static void derive(const struct cincel_target *t, const struct cincel_problem *problem,
                   const struct cincel_choice *c, struct cincel_prepared *p)
{
    const cincel_conv_desc *d = &problem->conv.d;
    *p = (struct cincel_prepared){.isa = cincel_isa_find(t, c->isa),
                                  .gradient = d->activation != CINCEL_ACT_NONE,
                                  .accumulate = d->accumulate != 0,
                                  .turned = c->knob[TURN] != 0,
                                  .threads = c->threads,
                                  .oc = (size_t)d->oc,
                                  .slices = (size_t)c->knob[SLICES],
                                  .block_pixels = (size_t)c->knob[PIXELS]};
    p->row = cincel_gemm_row_find(p->isa, c->row);
    p->epilogue = cincel_epilogue_of(p->isa, d);
    cincel_columns_derive(problem, &p->cols);
    p->in_place = !p->cols.pointwise && cincel_columns_in_place(&p->cols);
    const size_t nr = (size_t)p->row->nr, ocg = p->oc / p->cols.groups;
    p->pixels = p->cols.images * p->cols.oh * p->cols.ow;
    p->units = cincel_div_up(p->pixels, CINCEL_IM2COL_UNIT);
    p->rows = p->turned ? p->cols.k : ocg;
    p->columns = p->turned ? ocg : p->cols.k;
    p->a_channels = p->turned ? p->cols.ic : p->oc;
    p->b_channels = p->turned ? p->oc : p->cols.ic;
    p->panels = cincel_div_up(p->columns, nr);
    p->pitch = p->turned ? nr : p->columns; /* on its way it had better lie in panels */
    p->panel_pitch = p->turned ? p->rows * nr : nr;
    p->block_panels = p->cols.pointwise ? cincel_div_up((size_t)c->knob[NBLOCK], nr) : p->panels;
    p->blocks = cincel_div_up(p->panels, p->block_panels);
    p->block_panels = cincel_div_up(p->panels, p->blocks);
    p->blocks = cincel_div_up(p->panels, p->block_panels);
    p->slice_blocks = cincel_div_up(cincel_div_up(p->units, p->slices) * CINCEL_IM2COL_UNIT, p->block_pixels);
    p->row_block = cincel_round_up(ROW_FLOATS / p->block_pixels, (size_t)p->row->mr);
    p->alone = !p->cols.pointwise || (p->blocks == 1 && p->cols.groups == 1);
    p->cuts = p->slices * (p->alone ? 1 : p->blocks * p->cols.groups);
    p->group_floats = p->turned ? p->panels * p->panel_pitch : p->rows * p->columns;
    p->dw_floats = p->cols.groups * p->group_floats;
}

static const char *row_name(const struct cincel_isa *isa, int i)
{
    for (int r = 0; r < isa->gemm_count; r++)
        if (isa->gemm[r].strip && i-- == 0) return isa->gemm[r].name;
    return NULL;
}

static size_t workspace(const struct cincel_target *t, const struct cincel_problem *problem,
                        const struct cincel_choice *c)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    return cincel_im2col_weights_workspace(&p);
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
    if (!cincel_mul(pixels + 1024, 3 * (size_t)d->oc + d->ic, &pixels)) return false;
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
        else if (p.turned && (!p.cols.pointwise || !p.alone))
            reason = "turn=1 is for 1x1 kernels with all columns in a cut";
        else if (p.turned && p.accumulate && p.slices == 1)
            reason = "turn=1 cannot go on with the sums in dw: they are not turned";
        else if (repeats(c->knob[NBLOCK], nblock_values, p.columns))
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

/* Work of the busiest thread over the mean, with a claim's quarter besides. */
static double claim_balance(const struct cincel_prepared *p)
{
    const double rounds = (double)cincel_div_up(p->cuts, (size_t)p->threads);
    return p->threads == 1 ? 1.0 : (rounds + 0.25) * p->threads / (double)p->cuts;
}

/* Floats of the lines that are met for each float of a panel: panels lie side by side, and where they do not
   end with a line, it is met twice. */
static double panel_lines(const struct cincel_prepared *p)
{
    const int line = CINCEL_ALIGN / (int)sizeof(float), nr = p->row->nr;
    return nr % line == 0 ? 1.0 : nr < line ? (double)line / nr : (double)(nr / line + 1) * line / nr;
}

/*
 * What 1x1 kernels cost, in flops: a float transposed takes as long as 16 of them (half a cycle from L2 to
 * L2), more where it leaves the cache meanwhile; one that goes into a panel behind FMAs, 8 (a line every 4
 * cycles). The product comes and goes once a block: rows of dW far apart fight for L1 sets.
 */
static double pointwise_work(const struct cincel_prepared *p)
{
    const double pixels = (double)p->pixels, product = (double)p->rows * (double)p->columns;
    const double a = (double)p->a_channels, b = (double)p->b_channels;
    const double rows = (double)cincel_round_up(p->rows, (size_t)p->row->mr);
    const double flops = 2.0 * pixels * rows * (double)(p->panels * (size_t)p->row->nr);
    const double tensors = pixels * (p->alone ? 16.0 * a + 8.0 * panel_lines(p) * b
                                              : (28.0 + 2.0 * (double)p->blocks) * a + 24.0 * b);
    const double blocks = (double)cincel_div_up(p->pixels, p->block_pixels);
    const double moved = product * (p->turned ? 4.0 * blocks + 40.0 : 24.0 * blocks);
    return (flops + tensors + moved) * claim_balance(p);
}

static void defaults(const struct cincel_target *t, const struct cincel_problem *problem,
                     struct cincel_choice *c)
{
    const double l2 = (double)cincel_l2_bytes(t);
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
    struct cincel_choice trial = *c;
    char why[CINCEL_WHY];
    double least = HUGE_VAL;
    for (int turn = 0; turn < 2; turn++)
        for (int i = 0; i < knobs[NBLOCK].count; i++) {
            trial.knob[TURN] = turn;
            trial.knob[NBLOCK] = nblock_values[i];
            derive(t, problem, &trial, &p);
            /* a block of all pixels' channels and the one called in behind it in most of L2 */
            const double pixel = 2.0 * sizeof(float) * (double)(p.a_channels + p.b_channels);
            trial.knob[PIXELS] = largest(PIXELS, p.alone && l2 / pixel < 256.0 ? 128.0 : 256.0, p.pixels);
            derive(t, problem, &trial, &p);
            if (!p.alone && nblock_values[i] > 128) continue; /* more than half of L2 */
            if (!check(t, problem, &trial, why) || pointwise_work(&p) >= least) continue;
            least = pointwise_work(&p);
            *c = trial;
        }
}

static void cost(const struct cincel_target *t, const struct cincel_problem *problem,
                 const struct cincel_choice *c, struct cincel_cost *out)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    const double nv = (double)p.row->nr / p.isa->vector_floats, mr = p.row->mr, floats = sizeof(float);
    const double rows = (double)cincel_round_up(p.rows, (size_t)p.row->mr);
    const double width = (double)(p.panels * (size_t)p.row->nr), groups = (double)p.cols.groups;
    const double pixels = (double)p.pixels, slices = (double)p.slices;
    const double run = (double)cincel_min(p.block_pixels, p.pixels);
    const double loads = mr * nv < mr + nv ? mr * nv / (mr + nv) : 1.0;
    const double latency = mr * nv < 8.0 ? mr * nv / 8.0 : 1.0;

    *out = (struct cincel_cost){.flops = 2.0 * pixels * rows * width * groups};
    /* around the steps of a block: accumulators loaded and stored, rows of dW far apart */
    const double reuse = mr * nv / (mr * nv + 1.0); /* of tiles that do as well, the larger reads less */
    out->efficiency = (p.turned           ? 0.97
                       : p.cols.pointwise ? 0.93
                                          : 0.87) *
                      reuse * loads * latency * run / (run + 6.0); /* 51 … 95 % of peak seen */
    out->bytes =
        cincel_problem_bytes(problem) + floats * (double)p.dw_floats * (p.slices > 1 ? 2.0 * slices : 0.0);
    out->balance = (double)(cincel_div_up(p.cuts, (size_t)p.threads) * (size_t)p.threads) / (double)p.cuts;
    out->cuts = (double)p.cuts;
    out->calls = slices * (double)p.slice_blocks * groups * (double)p.panels *
                 (double)cincel_div_up(p.rows, p.row_block);
    out->phases = (p.alone ? 0.0 : 1.0) + 2.0;
    /* columns are made, and cut into panels, which hides behind FMAs for the most part; dy, or x, is
       transposed, at 27 GB/s; the slices are summed, and turned back */
    out->copied =
        floats * (pixels * (p.cols.pointwise ? 0.25 * (p.alone ? panel_lines(&p) : 1.0) * (double)p.b_channels
                                             : 1.25 * groups * (double)p.cols.k) +
                  pixels * (0.6 * (double)p.a_channels + (p.gradient ? (double)p.oc : 0.0)) +
                  (p.slices > 1 || p.turned ? slices : 0.0) * (double)p.dw_floats);
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
    .error = 2e-7, /* direct's: the same chains */
    .standard = cincel_algo_never_standard,
    .chain = chain,
    .build = build,
    .discard = discard,
    .run = cincel_im2col_weights_run,
};
