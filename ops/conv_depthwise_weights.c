/* Depthwise convolution, backward-weights. The scheme is told in conv_depthwise.h. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "ops/conv.h"
#include "ops/conv_depthwise.h"

enum knob { CHANNELS, STRIP, FETCH, KNOBS };

static const int channels_values[] = {32, 64, 128, 65536};
static const int fetch_values[] = {0, 1};

#define VALUES(list) list, (int)(sizeof list / sizeof list[0])
static const struct cincel_knob knobs[KNOBS] = {
    [CHANNELS] = {"channels", false, VALUES(channels_values)},
    [STRIP] = {"strip", false, cincel_depthwise_strips, CINCEL_DEPTHWISE_STRIPS}, /* columns */
    [FETCH] = {"fetch", false, VALUES(fetch_values)}, /* 1: the next rows, a row ahead */
};

/* Numeric, and so fixed by the problem: all rows of all images are shared out to this many slices, fewer
   where their sums would be more than a 32nd of what is read (16x1152x7x7 on Zen 3: 0.35 ms with 16, 0.30
   with 4). Bands of a slice: what lies in L2 while db adds it up, too. */
enum { SLICES = 16, SHARE = 32, BAND_PIXELS = 448, CUTS_A_THREAD = 4 };

struct cincel_prepared {
    struct cincel_conv_axis rows, cols; /* of the forward pass */
    const struct cincel_isa *isa;
    struct cincel_epilogue epilogue;
    bool gradient, accumulate, fetch;
    int threads;
    size_t images, ih, iw, oh, ow, channels, pitch;
    size_t multiplier, private_floats; /* as in conv_depthwise.c: a worker's spread rows of x */
    size_t taps_h, taps_w, taps;
    size_t slices, band_rows;
    size_t block, blocks; /* of channels */
    size_t strip;
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
                                  .strip = (size_t)c->knob[STRIP],
                                  .fetch = c->knob[FETCH] != 0,
                                  .images = (size_t)d->n,
                                  .ih = (size_t)d->ih,
                                  .iw = (size_t)d->iw,
                                  .oh = (size_t)problem->conv.oh,
                                  .ow = (size_t)problem->conv.ow,
                                  .channels = (size_t)d->oc,
                                  .multiplier = (size_t)(d->oc / d->ic),
                                  .taps_h = (size_t)d->kh,
                                  .taps_w = (size_t)d->kw,
                                  .taps = (size_t)d->kh * (size_t)d->kw};
    struct cincel_problem forward = *problem;
    forward.pass = CINCEL_FORWARD;
    cincel_conv_rows(&forward, 0, &p->rows);
    cincel_conv_cols(&forward, 0, &p->cols);
    p->epilogue = cincel_epilogue_of(p->isa, d);
    p->pitch = cincel_depthwise_pitch(p->channels);
    p->band_rows = cincel_min(cincel_div_up(BAND_PIXELS, p->ow), p->oh);
    p->slice_floats = (p->taps + 1) * p->pitch;
    const size_t most = p->images * (p->ih * p->iw + p->oh * p->ow) * p->channels / SHARE / p->slice_floats;
    p->slices = cincel_min(cincel_min(cincel_max(most, 2), SLICES), p->images * p->oh);
    p->block = cincel_min((size_t)c->knob[CHANNELS], p->channels);
    p->blocks = cincel_div_up(p->channels, p->block);
    p->cuts = p->slices * p->blocks;
    p->add_cuts = cincel_div_up(p->channels, CINCEL_DEPTHWISE_BLOCK);
    if (p->gradient) {
        p->dz_floats = p->images * p->oh * p->ow * p->channels;
        p->dz_cuts = cincel_div_up(p->dz_floats, CINCEL_EPILOGUE_CUT);
    }
    if (p->multiplier > 1) {
        const size_t kernel = (p->taps_h - 1) * (size_t)d->dilation_h + 1;
        p->private_floats =
            cincel_min((p->band_rows - 1) * (size_t)d->stride_h + kernel, p->ih) * p->iw * p->channels;
        p->private_floats = cincel_round_up(p->private_floats, CINCEL_ALIGN / sizeof(float));
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
    cincel_carve(&carver, (size_t)p.threads * p.private_floats * sizeof(float));
    return carver.used;
}

static bool check(const struct cincel_target *t, const struct cincel_problem *problem,
                  const struct cincel_choice *c, char why[CINCEL_WHY])
{
    (void)t;
    if (!cincel_depthwise_serves(problem, why)) return false;
    if (!cincel_depthwise_useful(channels_values, c->knob[CHANNELS], problem->conv.d.oc)) {
        snprintf(why, CINCEL_WHY, "depthwise: a smaller block holds all channels");
        return false;
    }
    if (problem->conv.d.oc != problem->conv.d.ic &&
        (c->knob[CHANNELS] < problem->conv.d.oc || c->knob[FETCH])) {
        snprintf(why, CINCEL_WHY, "depthwise: x is spread in whole rows: channels=all and fetch=0");
        return false;
    }
    if (!cincel_depthwise_useful(cincel_depthwise_strips, c->knob[STRIP], problem->conv.ow)) {
        snprintf(why, CINCEL_WHY, "depthwise: a smaller strip covers a row");
        return false;
    }
    return true;
}

/* The widest blocks that leave each thread some cuts: with all channels of a pixel memory is met as it lies.
 */
static void defaults(const struct cincel_target *t, const struct cincel_problem *problem,
                     struct cincel_choice *c)
{
    const cincel_conv_desc *d = &problem->conv.d;
    const int oc = d->oc;
    const double column = ((double)d->kh * d->stride_w + 1.0) * oc * sizeof(float);
    struct cincel_prepared p;
    memset(c->knob, 0, sizeof c->knob);
    c->knob[CHANNELS] = channels_values[0];
    c->knob[STRIP] = cincel_depthwise_strip(t, problem->conv.ow, column);
    c->knob[FETCH] = cincel_exceeds_cache(t, problem);
    if (d->oc != d->ic) {
        c->knob[FETCH] = 0;
        for (int i = 1; i < knobs[CHANNELS].count && c->knob[CHANNELS] < oc; i++)
            c->knob[CHANNELS] = channels_values[i];
        return;
    }
    derive(t, problem, c, &p);
    const size_t cuts = p.threads > 1 ? (size_t)p.threads * CUTS_A_THREAD : 1;
    for (int i = 1; i < knobs[CHANNELS].count; i++) {
        const size_t blocks = cincel_div_up((size_t)oc, (size_t)channels_values[i]);
        if (cincel_depthwise_useful(channels_values, channels_values[i], oc) && p.slices * blocks >= cuts)
            c->knob[CHANNELS] = channels_values[i];
    }
}

static void cost(const struct cincel_target *t, const struct cincel_problem *problem,
                 const struct cincel_choice *c, struct cincel_cost *out)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    const size_t lanes = (size_t)p.isa->vector_floats;
    const double width = (double)(cincel_div_up(p.channels, lanes) * lanes), floats = sizeof(float);
    const double even = (double)cincel_div_up(p.cuts, (size_t)p.threads) * p.threads / (double)p.cuts;
    *out = (struct cincel_cost){.flops = cincel_problem_flops(problem) * width / (double)p.channels};
    const cincel_conv_desc *d = &problem->conv.d;
    out->efficiency = cincel_depthwise_efficiency(p.isa, d->kh, d->kw, d->stride_w, 2.0);
    out->bytes = cincel_problem_bytes(problem) + 2.0 * floats * (double)p.dz_floats;
    out->copied = floats * ((double)(p.slices * p.slice_floats) + (double)p.dz_floats +
                            (double)(p.images * p.oh / p.band_rows) * (double)p.private_floats);
    out->balance = even < 1.0 ? 1.0 : even;
    out->cuts = (double)p.cuts;
    out->phases = p.gradient ? 3.0 : 2.0;
    out->calls = (double)(p.images * p.oh * p.blocks * cincel_div_up(p.ow, p.strip));
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
    float *private; /* [threads][private_floats] */
};

/* A band of output rows of one image, a block of channels, and where its sums go. */
struct piece {
    size_t image, begin, end;
    size_t channel, channels;
    const float *x; /* row `first` of the image, as many channels as y has */
    size_t first;
    float *sums; /* [taps + 1][pitch], at the block's first channel */
};

/* The taps of output row i that exist: *first … return value − 1, maybe none. */
static size_t clip(const struct cincel_conv_axis *a, size_t i, size_t size, size_t *first)
{
    const ptrdiff_t at = (ptrdiff_t)i * a->src_step + a->offset, step = a->offset_step;
    const ptrdiff_t low = at < 0 ? (-at + step - 1) / step : 0;
    const ptrdiff_t high = (ptrdiff_t)size > at ? ((ptrdiff_t)size - at - 1) / step + 1 : 0;
    *first = (size_t)(low < a->taps ? low : a->taps);
    return (size_t)(high < a->taps ? high : a->taps);
}

/* Output rows begin … end−1, which meet taps top … bottom−1, in the strip of columns that begins at `column`.
 */
static void sum_rows(const struct call *call, const struct piece *piece, size_t begin, size_t end, size_t top,
                     size_t bottom, size_t column)
{
    const struct cincel_prepared *p = call->p;
    const ptrdiff_t c = (ptrdiff_t)p->channels, x_row = (ptrdiff_t)p->iw * c;
    const ptrdiff_t first = (ptrdiff_t)begin * p->rows.src_step + p->rows.offset;
    const ptrdiff_t from = first + (ptrdiff_t)top * p->rows.offset_step; /* rows of x */
    const ptrdiff_t col = (ptrdiff_t)column * p->cols.src_step + p->cols.offset;
    p->isa->depthwise->weights(&(struct cincel_depthwise_weights_args){
        .from = {.x = piece->x + (from - (ptrdiff_t)piece->first) * x_row + col * c +
                      (ptrdiff_t)piece->channel,
                 .x_ld = c,
                 .col = col,
                 .width = (ptrdiff_t)p->iw,
                 .px_step = p->cols.src_step,
                 .tap_step = p->cols.offset_step,
                 .ahead_rows = p->fetch ? p->rows.src_step : 0,
                 .ahead = ((ptrdiff_t)(p->taps_h - 1 - top) * p->rows.offset_step + 1) * x_row,
                 .ahead_row = x_row},
        .dy = call->source + ((piece->image * p->oh + begin) * p->ow + column) * p->channels + piece->channel,
        .w = piece->sums + top * p->taps_w * p->pitch,
        .x_row = p->rows.src_step * x_row,
        .x_tap = p->rows.offset_step * x_row,
        .dy_row = (ptrdiff_t)p->ow * c,
        .dy_px = c,
        .dy_ahead = p->fetch ? (ptrdiff_t)p->ow * c : 0,
        .w_row = (ptrdiff_t)(p->taps_w * p->pitch),
        .w_col = (ptrdiff_t)p->pitch,
        .rows = end - begin,
        .pixels = cincel_min(p->strip, p->ow - column),
        .taps_h = bottom - top,
        .taps_w = p->taps_w,
        .channels = piece->channels});
}

/* The rows of a band in runs that meet the same taps; one by one where they are met in strips of columns, as
   sums go row by row. */
static void sum_band(const struct call *call, const struct piece *piece)
{
    const struct cincel_prepared *p = call->p;
    for (size_t row = piece->begin, end; row < piece->end; row = end) {
        size_t top, bottom = clip(&p->rows, row, p->ih, &top), next;
        for (end = row + 1; p->strip >= p->ow && end < piece->end; end++)
            if (clip(&p->rows, end, p->ih, &next) != bottom || next != top) break;
        for (size_t col = 0; bottom > top && col < p->ow; col += p->strip)
            sum_rows(call, piece, row, end, top, bottom, col);
    }
}

/* Where the band meets x: the tensor, or, of several channels of y for each of x, `private`. */
static void place(const struct call *call, float *private, struct piece *piece)
{
    const struct cincel_prepared *p = call->p;
    const size_t m = p->multiplier, row = p->iw * (p->channels / m);
    piece->x = call->t->x + piece->image * p->ih * row;
    piece->first = 0;
    if (m == 1) return;
    size_t count;
    piece->first = cincel_depthwise_rows_met(&p->rows, piece->begin, piece->end, p->ih, &count);
    cincel_depthwise_spread(p->isa, piece->x + piece->first * row, count * row, m, private);
    piece->x = private;
}

static void compute(const struct call *call, size_t cut, float *private)
{
    const struct cincel_prepared *p = call->p;
    const size_t slice = cut / p->blocks, total = p->images * p->oh; /* rows */
    struct piece piece = {.channel = cut % p->blocks * p->block};
    piece.channels = cincel_min(p->block, p->channels - piece.channel);
    piece.sums = call->slices + slice * p->slice_floats + piece.channel;
    for (size_t tap = 0; tap <= p->taps; tap++)
        memset(piece.sums + tap * p->pitch, 0, piece.channels * sizeof(float));
    const size_t end = total / p->slices * (slice + 1) + cincel_min(total % p->slices, slice + 1);
    size_t row = total / p->slices * slice + cincel_min(total % p->slices, slice);
    for (; row < end; row += piece.end - piece.begin) {
        piece.image = row / p->oh;
        piece.begin = row % p->oh;
        piece.end = cincel_min(cincel_min(piece.begin + p->band_rows, p->oh), piece.begin + (end - row));
        place(call, private, &piece);
        sum_band(call, &piece);
        if (call->t->db)
            p->isa->vector->column_sum(call->source + row * p->ow * p->channels + piece.channel, p->channels,
                                       (piece.end - piece.begin) * p->ow, piece.channels,
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
        while (cincel_claim(worker, p->dz_cuts, &cut))
            cincel_epilogue_gradient_cut(&p->epilogue, call->t, call->dz, p->dz_floats, cut);
    else if (step == 1)
        while (cincel_claim(worker, p->cuts, &cut))
            compute(call, cut, call->private + (size_t)worker->id * p->private_floats);
    else
        while (cincel_claim(worker, p->add_cuts, &cut)) add_up(call, cut);
}

static void run(const struct cincel_prepared *p, const struct cincel_tensors *t, struct cincel_team *team)
{
    struct cincel_carver space = {t->workspace, 0};
    struct call call = {.p = p, .t = t};
    call.slices = cincel_carve(&space, p->slices * p->slice_floats * sizeof(float));
    call.dz = cincel_carve(&space, p->dz_floats * sizeof(float));
    call.private = cincel_carve(&space, (size_t)p->threads * p->private_floats * sizeof(float));
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
