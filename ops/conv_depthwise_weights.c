/* Depthwise convolution, backward-weights. The scheme is told in conv_depthwise.h. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "ops/conv.h"
#include "ops/conv_depthwise.h"
#include "ops/conv_geometry.h"

enum knob { CHANNELS, KNOBS };

static const int channels_values[] = {32, 64, 128, 65536};
static const struct cincel_knob knobs[KNOBS] = {
    [CHANNELS] = {"channels", false, channels_values,
                  (int)(sizeof channels_values / sizeof *channels_values)},
};

/* Numeric, and so fixed by the problem: sums run down bands of at least this many pixels, and the bands are
   shared out to this many slices. */
enum { BAND_PIXELS = 112, SLICES = 16 };

struct cincel_prepared {
    struct cincel_conv_axis rows, cols; /* of the forward pass */
    const struct cincel_isa *isa;
    struct cincel_epilogue epilogue;
    bool gradient, accumulate;
    int threads;
    size_t images, ih, iw, oh, ow, channels, pitch;
    size_t taps_h, taps_w, taps;
    size_t band_rows, bands; /* of an image */
    size_t slices;
    size_t block, blocks; /* of channels */
    size_t cuts, dz_cuts, add_cuts;
    size_t slice_floats, dz_floats; /* a slice: taps rows of sums, and one of db */
};

/* ------------------------------------------------------------------------------------ the table -- */

static void derive(const struct cincel_target *t, const struct cincel_problem *problem,
                   const struct cincel_choice *c, struct cincel_prepared *p)
{
    const cincel_conv_desc *d = &problem->conv.d;
    *p = (struct cincel_prepared){.isa = cincel_isa_find(t, c->isa),
                                  .gradient = d->activation != CINCEL_ACT_NONE,
                                  .accumulate = d->accumulate,
                                  .threads = c->threads,
                                  .images = (size_t)d->n,
                                  .ih = (size_t)d->ih,
                                  .iw = (size_t)d->iw,
                                  .oh = (size_t)problem->conv.oh,
                                  .ow = (size_t)problem->conv.ow,
                                  .channels = (size_t)d->oc,
                                  .taps_h = (size_t)d->kh,
                                  .taps_w = (size_t)d->kw,
                                  .taps = (size_t)d->kh * (size_t)d->kw};
    struct cincel_problem forward = *problem;
    forward.pass = CINCEL_FORWARD;
    cincel_conv_rows(&forward, 0, &p->rows);
    cincel_conv_cols(&forward, 0, &p->cols);
    p->epilogue = cincel_epilogue_of(p->isa, d);
    p->pitch = cincel_round_up(p->channels, CINCEL_ALIGN / sizeof(float));
    p->band_rows = cincel_min(cincel_div_up(BAND_PIXELS, p->ow), p->oh);
    p->bands = cincel_div_up(p->oh, p->band_rows);
    p->slices = cincel_min(p->images * p->bands, SLICES);
    p->block = cincel_min((size_t)c->knob[CHANNELS], p->channels);
    p->blocks = cincel_div_up(p->channels, p->block);
    p->cuts = p->slices * p->blocks;
    p->add_cuts = cincel_div_up(p->channels, CINCEL_DEPTHWISE_BLOCK);
    p->slice_floats = (p->taps + 1) * p->pitch;
    if (p->gradient) {
        p->dz_floats = p->images * p->oh * p->ow * p->channels;
        p->dz_cuts = cincel_div_up(p->dz_floats, CINCEL_DEPTHWISE_DZ);
    }
}

static size_t workspace(const struct cincel_target *t, const struct cincel_problem *problem,
                        const struct cincel_choice *c)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    struct cincel_carver carver = {NULL, 0};
    cincel_carve(&carver, p.slices * p.slice_floats * sizeof(float));
    cincel_carve(&carver, p.dz_floats * sizeof(float));
    return carver.used;
}

static bool check(const struct cincel_target *t, const struct cincel_problem *problem,
                  const struct cincel_choice *c, char why[CINCEL_WHY])
{
    (void)t;
    if (!cincel_depthwise_serves(problem, why)) return false;
    if (c->knob[CHANNELS] > channels_values[0] && c->knob[CHANNELS] / 2 >= problem->conv.d.oc) {
        snprintf(why, CINCEL_WHY, "depthwise: a smaller block holds all channels");
        return false;
    }
    return true;
}

static void defaults(const struct cincel_target *t, const struct cincel_problem *problem,
                     struct cincel_choice *c)
{
    (void)t;
    memset(c->knob, 0, sizeof c->knob);
    c->knob[CHANNELS] = problem->conv.d.oc > channels_values[0] ? channels_values[1] : channels_values[0];
}

static void cost(const struct cincel_target *t, const struct cincel_problem *problem,
                 const struct cincel_choice *c, struct cincel_cost *out)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    const size_t lanes = (size_t)p.isa->vector_floats;
    const double width = (double)(cincel_div_up(p.channels, lanes) * lanes), floats = sizeof(float);
    const double even = (double)cincel_div_up(p.cuts, (size_t)p.threads) * p.threads / (double)p.cuts;
    /* a tap row of 3 has 6 chains for the 8 that latency asks for, and 8 loads for its 6 FMAs */
    const double chains = p.taps_w < 4 ? (double)p.taps_w / 4.0 : 1.0;
    *out = (struct cincel_cost){.flops = cincel_problem_flops(problem) * width / (double)p.channels};
    out->efficiency = 0.8 * chains;
    out->bytes = cincel_problem_bytes(problem) + 2.0 * floats * (double)p.dz_floats;
    out->copied = floats * ((double)(p.slices * p.slice_floats) + (double)p.dz_floats);
    out->balance = even < 1.0 ? 1.0 : even;
    out->cuts = (double)p.cuts;
    out->phases = p.gradient ? 3.0 : 2.0;
    out->calls = (double)(p.images * p.bands * p.blocks * p.taps_h * p.taps_w);
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

/* ----------------------------------------------------------------------------------- executing -- */

struct call {
    const struct cincel_prepared *p;
    const struct cincel_tensors *t;
    float *slices, *dz; /* [slices][taps + 1][pitch]; dy · act'(y) */
    const float *source;
};

/* A band of output rows of one image, a block of channels, and where its sums go. */
struct piece {
    size_t image, begin, end;
    size_t channel, channels;
    float *sums; /* [taps + 1][pitch], at the block's first channel */
};

/* The range of positions i in [begin, end) whose tap `tap` exists, of an axis of the forward pass. */
static size_t clip(const struct cincel_conv_axis *a, size_t tap, size_t size, size_t begin, size_t end,
                   size_t *from)
{
    const ptrdiff_t offset = a->offset + (ptrdiff_t)tap * a->offset_step, step = a->src_step;
    const ptrdiff_t low = offset < 0 ? (-offset + step - 1) / step : 0;
    const ptrdiff_t high = (ptrdiff_t)size > offset ? ((ptrdiff_t)size - offset - 1) / step + 1 : 0;
    *from = cincel_max(begin, (size_t)low);
    return cincel_min(end, (size_t)high);
}

/* Columns begin … end−1, which see taps tap … tap+taps−1 of kernel row `tap_row`, over rows from … to−1. */
static void columns(const struct call *call, const struct piece *piece, size_t tap_row, size_t from,
                    size_t to, size_t begin, size_t end, size_t tap, size_t taps)
{
    const struct cincel_prepared *p = call->p;
    const ptrdiff_t c = (ptrdiff_t)p->channels, iw = (ptrdiff_t)p->iw;
    const ptrdiff_t row =
        (ptrdiff_t)from * p->rows.src_step + p->rows.offset + (ptrdiff_t)tap_row * p->rows.offset_step;
    const ptrdiff_t col =
        (ptrdiff_t)begin * p->cols.src_step + p->cols.offset + (ptrdiff_t)tap * p->cols.offset_step;
    p->isa->depthwise->weights(&(struct cincel_depthwise_weights_args){
        .x = call->t->x + (((ptrdiff_t)(piece->image * p->ih) + row) * iw + col) * c +
             (ptrdiff_t)piece->channel,
        .dy = call->source + ((piece->image * p->oh + from) * p->ow + begin) * p->channels + piece->channel,
        .w = piece->sums + (tap_row * p->taps_w + tap) * p->pitch,
        .x_row = p->rows.src_step * iw * c,
        .x_px = p->cols.src_step * c,
        .x_col = p->cols.offset_step * c,
        .dy_row = (ptrdiff_t)p->ow * c,
        .dy_px = c,
        .w_col = (ptrdiff_t)p->pitch,
        .rows = to - from,
        .pixels = end - begin,
        .taps = taps,
        .channels = piece->channels});
}

/* Columns at the edges see fewer taps and go one by one. */
static void tap_row(const struct call *call, const struct piece *piece, size_t row)
{
    const struct cincel_prepared *p = call->p;
    size_t from;
    const size_t to = clip(&p->rows, row, p->ih, piece->begin, piece->end, &from);
    if (from >= to) return;
    const size_t inner = (size_t)p->cols.inner_begin, inner_end = (size_t)p->cols.inner_end;
    for (size_t i = 0, end; i < p->ow; i = end) {
        if (i >= inner && i < inner_end) {
            end = inner_end;
            columns(call, piece, row, from, to, i, end, 0, p->taps_w);
            continue;
        }
        end = i + 1;
        size_t first = p->taps_w, count = 0;
        for (size_t tap = 0; tap < p->taps_w; tap++) {
            size_t at;
            if (clip(&p->cols, tap, p->iw, i, end, &at) <= at) continue;
            first = cincel_min(first, tap);
            count++;
        }
        if (count > 0) columns(call, piece, row, from, to, i, end, first, count);
    }
}

static void compute(const struct call *call, size_t cut)
{
    const struct cincel_prepared *p = call->p;
    const size_t slice = cut / p->blocks, total = p->images * p->bands;
    struct piece piece = {.channel = cut % p->blocks * p->block};
    piece.channels = cincel_min(p->block, p->channels - piece.channel);
    piece.sums = call->slices + slice * p->slice_floats + piece.channel;
    for (size_t tap = 0; tap <= p->taps; tap++)
        memset(piece.sums + tap * p->pitch, 0, piece.channels * sizeof(float));
    const size_t end = total / p->slices * (slice + 1) + cincel_min(total % p->slices, slice + 1);
    for (size_t band = total / p->slices * slice + cincel_min(total % p->slices, slice); band < end; band++) {
        piece.image = band / p->bands;
        piece.begin = band % p->bands * p->band_rows;
        piece.end = cincel_min(piece.begin + p->band_rows, p->oh);
        for (size_t row = 0; row < p->taps_h; row++) tap_row(call, &piece, row);
        if (call->t->db)
            p->isa->vector->column_sum(
                call->source + (piece.image * p->oh + piece.begin) * p->ow * p->channels + piece.channel,
                p->channels, (piece.end - piece.begin) * p->ow, piece.channels,
                piece.sums + p->taps * p->pitch);
    }
}

/* The slices of a block of channels, in their order, to dw and db. */
static void add_up(const struct call *call, size_t cut)
{
    const struct cincel_prepared *p = call->p;
    const size_t channel = cut * CINCEL_DEPTHWISE_BLOCK;
    const size_t n = cincel_min(CINCEL_DEPTHWISE_BLOCK, p->channels - channel);
    float *sums = call->slices + channel, *db = sums + p->taps * p->pitch;
    for (size_t slice = 1; slice < p->slices; slice++)
        for (size_t tap = 0; tap <= p->taps; tap++)
            p->isa->vector->add(sums + slice * p->slice_floats + tap * p->pitch, sums + tap * p->pitch, n);
    p->isa->pack->untranspose(sums, (int)p->pitch, p->taps, (int)n, call->t->dw + channel * p->taps, p->taps,
                              p->accumulate);
    if (!call->t->db) return;
    if (p->accumulate)
        p->isa->vector->add(db, call->t->db + channel, n);
    else
        memcpy(call->t->db + channel, db, n * sizeof(float));
}

static void body(void *job, struct cincel_worker *worker, size_t phase)
{
    const struct call *call = job;
    const struct cincel_prepared *p = call->p;
    const size_t step = phase + !p->gradient; /* without an activation the first phase is left out */
    size_t cut;
    if (step == 0)
        while ((cut = cincel_claim(worker)) < p->dz_cuts)
            cincel_depthwise_dz(&p->epilogue, call->t, call->dz, p->dz_floats, cut);
    else if (step == 1)
        while ((cut = cincel_claim(worker)) < p->cuts) compute(call, cut);
    else
        while ((cut = cincel_claim(worker)) < p->add_cuts) add_up(call, cut);
}

static void run(const struct cincel_prepared *p, const struct cincel_tensors *t, struct cincel_team *team)
{
    struct cincel_carver space = {t->workspace, 0};
    struct call call = {.p = p, .t = t};
    call.slices = cincel_carve(&space, p->slices * p->slice_floats * sizeof(float));
    call.dz = cincel_carve(&space, p->dz_floats * sizeof(float));
    call.source = p->gradient ? call.dz : t->dy;
    assert(t->x && call.source && t->dw);
    cincel_team_run(team, p->threads, p->gradient ? 3 : 2, body, &call);
}

/* As direct's: sums of the same length or, in slices, shorter. */
const struct cincel_algo cincel_algo_conv_depthwise_backward_weights = {
    .name = "depthwise",
    .op = CINCEL_OP_CONV,
    .pass = CINCEL_BACKWARD_WEIGHTS,
    .knobs = knobs,
    .knob_count = KNOBS,
    .row = cincel_depthwise_row_name,
    .check = check,
    .defaults = defaults,
    .cost = cost,
    .workspace = workspace,
    .error = 2e-7,
    .build = build,
    .discard = discard,
    .run = run,
};
