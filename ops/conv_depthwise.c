/* Depthwise convolution, forward and backward-data. The scheme is told in conv_depthwise.h. */
#include "ops/conv_depthwise.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "ops/conv.h"

enum knob { STRIP, STREAM, FETCH, KNOBS };

const int cincel_depthwise_strips[] = {28, 56, 112, 65536};
static const int switch_values[] = {0, 1};

#define VALUES(list) list, (int)(sizeof list / sizeof list[0])
static const struct cincel_knob knobs[KNOBS] = {
    [STRIP] = {"strip", false, VALUES(cincel_depthwise_strips)}, /* columns */
    [STREAM] = {"stream", false, VALUES(switch_values)},         /* 1: the output goes past the caches */
    [FETCH] = {"fetch", false, VALUES(switch_values)},           /* 1: the source's next rows, a row ahead */
};

struct cincel_prepared {
    struct cincel_problem problem;
    struct cincel_conv_geometry g;
    const struct cincel_isa *isa;
    struct cincel_epilogue epilogue;
    bool forward, gradient, stream, fetch;
    int threads, strip;
    size_t channels, pitch; /* of y; of all taps' rows of packed weights */
    size_t multiplier;      /* channels of y for each of x */
    size_t taps;
    size_t band_rows, bands;
    size_t block, blocks; /* of channels */
    size_t cuts, pack_cuts, dz_cuts;
    size_t weight_floats, dz_floats;
    size_t private_floats; /* of a worker: the spread source of a band, or its output before it is folded */
};

/* ---------------------------------------------------------------------- what both halves of it ask -- */

int cincel_depthwise_strip(const struct cincel_target *t, int width, double column_bytes)
{
    const double room = (double)cincel_l2_bytes(t) / 2.0;
    int strip = cincel_depthwise_strips[0];
    for (int i = 1; i < CINCEL_DEPTHWISE_STRIPS; i++) {
        const int columns = cincel_depthwise_strips[i] < width ? cincel_depthwise_strips[i] : width;
        if (columns * column_bytes <= room &&
            cincel_depthwise_useful(cincel_depthwise_strips, cincel_depthwise_strips[i], width))
            strip = cincel_depthwise_strips[i];
    }
    return strip;
}

size_t cincel_depthwise_rows_met(const struct cincel_conv_axis *rows, size_t begin, size_t end, size_t height,
                                 size_t *count)
{
    const ptrdiff_t low = (ptrdiff_t)begin * rows->src_step + rows->offset;
    const ptrdiff_t high = (ptrdiff_t)(end - 1) * rows->src_step + rows->offset +
                           (rows->taps - 1) * (ptrdiff_t)rows->offset_step + 1;
    const size_t from = low < 0 ? 0 : cincel_min((size_t)low, height);
    const size_t to = high < 0 ? 0 : cincel_min((size_t)high, height);
    *count = from < to ? to - from : 0;
    return from;
}

double cincel_depthwise_efficiency(const struct cincel_isa *isa, double taps_h, double taps_w, double step,
                                   double passes)
{
    const double line = CINCEL_ALIGN / sizeof(float), pixels = taps_w <= 3.0 ? 4.0 : 7.0; /* of a tile */
    const double shared = taps_w > step ? taps_w - step : 0.0; /* columns of x with the tile before */
    const double lines = taps_h * (step + shared / pixels) + passes * taps_h * taps_w / pixels + 1.0;
    const double fmas = taps_h * taps_w * line / isa->vector_floats;
    /* Cycles a pixel and line of channels: FMAs, two a cycle and a tenth lost at the ends of chains, and one
       for each line that L1 takes from L2, where the other one it needs hides. Within 15 % of Zen 3: 3x3 and
       5x5 of stride 1, 3x3 of stride 2, all passes. */
    return fmas / 2.0 / (1.1 * fmas / 2.0 + lines);
}

void cincel_depthwise_spread(const struct cincel_isa *isa, const float *src, size_t count, size_t multiplier,
                             float *dst)
{
    enum { FEW = 16 }; /* shorter than a block of some ISA: not worth a kernel */
    if (count >= FEW)
        isa->layout->transpose(src, 0, multiplier, count, dst, multiplier, 0, 0); /* of one row, repeated */
    else
        for (size_t i = 0; i < count * multiplier; i++) dst[i] = src[i / multiplier];
}

/* ------------------------------------------------------------------------------------ the table -- */

const char *cincel_depthwise_row_name(const struct cincel_isa *isa, int i)
{
    return isa->depthwise && i == 0 ? "" : NULL;
}

bool cincel_depthwise_serves(const struct cincel_problem *p, char why[CINCEL_WHY])
{
    enum { SLICES = 64 }; /* more than either half keeps of packed weights */
    const cincel_conv_desc *d = &p->conv.d;
    if (d->groups < 2 || d->ic != d->groups) {
        snprintf(why, CINCEL_WHY, "depthwise: needs groups = ic > 1");
        return false;
    }
    size_t floats = ((size_t)d->oc + CINCEL_DEPTHWISE_BLOCK) * SLICES * sizeof(float), spread;
    if (!cincel_mul(floats, (size_t)d->kh * (size_t)d->kw + 1, &floats) || floats > PTRDIFF_MAX / 4 ||
        !cincel_mul((size_t)d->ih * (size_t)d->iw, ((size_t)d->oc + 1) * sizeof(float), &spread) ||
        spread > PTRDIFF_MAX / 65536) {
        snprintf(why, CINCEL_WHY, "depthwise: sizes overflow");
        return false;
    }
    return true;
}

/* A cut is about this many flops, so that claiming one does not show. Several threads want some to choose
   from: bands of fewer rows, then blocks of channels. Those meet memory in pieces of pixels, which hardware
   does not foresee: 8x256x28x28 under 3x3, stride 2, backwards on Zen 3, took 0.35 ms in halves and takes
   0.28 whole. */
static const double cut_flops = 4e5;
enum { CUTS_A_THREAD = 8, BLOCK_MIN = 64 };

static void derive(const struct cincel_target *t, const struct cincel_problem *problem,
                   const struct cincel_choice *c, struct cincel_prepared *p)
{
    const cincel_conv_desc *d = &problem->conv.d;
    *p = (struct cincel_prepared){.problem = *problem,
                                  .isa = cincel_isa_find(t, c->isa),
                                  .forward = problem->pass == CINCEL_FORWARD,
                                  .threads = c->threads,
                                  .strip = c->knob[STRIP],
                                  .stream = c->knob[STREAM] != 0,
                                  .fetch = c->knob[FETCH] != 0,
                                  .channels = (size_t)d->oc,
                                  .multiplier = (size_t)(d->oc / d->ic),
                                  .taps = (size_t)d->kh * (size_t)d->kw};
    cincel_conv_geometry(problem, &p->g);
    p->epilogue = cincel_epilogue_of(p->isa, d);
    p->gradient = !p->forward && d->activation != CINCEL_ACT_NONE;
    p->pitch = cincel_depthwise_pitch(p->channels);

    const size_t rows = (size_t)p->g.out_h, images = (size_t)p->g.images;
    const double row_flops = cincel_problem_flops(problem) / (double)(images * rows);
    const size_t cuts = p->threads > 1 ? (size_t)p->threads * CUTS_A_THREAD : 1;
    const double wanted = cut_flops / row_flops;
    p->band_rows = wanted < 1.0 ? 1 : wanted > (double)rows ? rows : (size_t)wanted;
    p->bands = cincel_min(cincel_max(cincel_div_up(rows, p->band_rows), cincel_div_up(cuts, images)), rows);
    p->band_rows = cincel_div_up(rows, p->bands);
    p->bands = cincel_div_up(rows, p->band_rows);
    /* channels are spread and folded by whole rows */
    const size_t split = p->multiplier > 1 ? 1 : cincel_div_up(cuts, images * p->bands);
    p->block = cincel_round_up(cincel_max(cincel_div_up(p->channels, split), BLOCK_MIN), BLOCK_MIN);
    p->block = cincel_min(p->block, p->channels);
    p->blocks = cincel_div_up(p->channels, p->block);
    p->cuts = images * p->bands * p->blocks;

    p->weight_floats = p->taps * p->pitch;
    p->pack_cuts = cincel_div_up(p->channels, CINCEL_DEPTHWISE_BLOCK);
    if (p->gradient) {
        p->dz_floats = images * (size_t)p->g.src_h * (size_t)p->g.src_w * p->channels;
        p->dz_cuts = cincel_div_up(p->dz_floats, CINCEL_EPILOGUE_CUT);
    }
    if (p->multiplier > 1) {
        const size_t kernel = (size_t)(d->kh - 1) * (size_t)d->dilation_h + 1;
        const size_t read = (p->band_rows - 1) * (size_t)d->stride_h + kernel; /* rows of x of a band */
        p->private_floats = p->forward ? cincel_min(read, (size_t)d->ih) * (size_t)d->iw * p->channels
                                       : (p->band_rows + 1) * (size_t)d->iw * p->channels;
        p->private_floats = cincel_round_up(p->private_floats, CINCEL_ALIGN / sizeof(float));
    }
}

static size_t workspace(const struct cincel_target *t, const struct cincel_problem *problem,
                        const struct cincel_choice *c)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    struct cincel_carver carver = {NULL, 0};
    cincel_carve(&carver, p.weight_floats * sizeof(float));
    cincel_carve(&carver, p.dz_floats * sizeof(float));
    cincel_carve(&carver, (size_t)p.threads * p.private_floats * sizeof(float));
    return carver.used;
}

static bool check(const struct cincel_target *t, const struct cincel_problem *problem,
                  const struct cincel_choice *c, char why[CINCEL_WHY])
{
    const cincel_conv_desc *d = &problem->conv.d;
    const bool forward = problem->pass == CINCEL_FORWARD;
    if (!cincel_depthwise_serves(problem, why)) return false;
    if (!cincel_depthwise_useful(cincel_depthwise_strips, c->knob[STRIP],
                                 forward ? problem->conv.ow : d->iw)) {
        snprintf(why, CINCEL_WHY, "depthwise: a smaller strip covers a row");
        return false;
    }
    if (c->knob[FETCH] && forward && d->oc != d->ic) {
        snprintf(why, CINCEL_WHY, "depthwise: fetch=1 needs a source that is read as it lies");
        return false;
    }
    if (!c->knob[STREAM]) return true;
    const bool reread = forward ? d->activation > CINCEL_ACT_RELU : d->accumulate || d->oc != d->ic;
    if (reread || d->oc % (CINCEL_ALIGN / (int)sizeof(float)) ||
        !cincel_isa_find(t, c->isa)->vector->stream) {
        snprintf(why, CINCEL_WHY, "depthwise: stream=1 needs whole lines, written once");
        return false;
    }
    return true;
}

/* Streaming where source and output exceed half of the last cache: 8x128x56x56 under 3x3 takes 1.4 ms so on
   Zen 3, 2.3 ms with common stores. */
static void defaults(const struct cincel_target *t, const struct cincel_problem *problem,
                     struct cincel_choice *c)
{
    const cincel_conv_desc *d = &problem->conv.d;
    const bool forward = problem->pass == CINCEL_FORWARD;
    const int width = forward ? problem->conv.ow : d->iw;
    const double column = ((double)d->kh * (forward ? d->stride_w : 1) + 1.0) * d->oc * sizeof(float);
    char why[CINCEL_WHY];
    memset(c->knob, 0, sizeof c->knob);
    c->knob[STRIP] = cincel_depthwise_strip(t, width, column);
    c->knob[STREAM] = c->knob[FETCH] = cincel_exceeds_cache(t, problem);
    if (forward && d->oc != d->ic) c->knob[FETCH] = 0;
    if (c->knob[STREAM] && !check(t, problem, c, why)) c->knob[STREAM] = 0;
}

static void cost(const struct cincel_target *t, const struct cincel_problem *problem,
                 const struct cincel_choice *c, struct cincel_cost *out)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    const double lanes = p.isa->vector_floats, floats = sizeof(float);
    const double width = (double)cincel_div_up(p.channels, (size_t)p.isa->vector_floats) * lanes;
    const double rounds = (double)cincel_div_up(p.cuts, (size_t)p.threads);
    *out = (struct cincel_cost){.flops = cincel_problem_flops(problem) * width / (double)p.channels};
    const cincel_conv_desc *d = &problem->conv.d;
    const double out_floats = (double)p.g.images * p.g.out_h * p.g.out_w * (double)p.g.out_channels;
    out->efficiency = p.forward ? cincel_depthwise_efficiency(p.isa, d->kh, d->kw, d->stride_w, 1.0)
                                : cincel_depthwise_efficiency(p.isa, (double)d->kh / d->stride_h,
                                                              (double)d->kw / d->stride_w, 1.0, 1.0);
    /* lines that are not streamed are read before they are written */
    out->bytes = cincel_problem_bytes(problem) + 2.0 * floats * (double)p.dz_floats +
                 (p.stream ? 0.0 : floats * out_floats);
    out->copied = floats * ((double)(p.weight_floats + p.dz_floats) +
                            (double)(p.g.images) * (double)p.bands * (double)p.private_floats);
    out->balance = rounds * p.threads / (double)p.cuts < 1.0 ? 1.0 : rounds * p.threads / (double)p.cuts;
    out->cuts = (double)p.cuts;
    out->phases = 2.0;
    out->calls = (double)p.g.images * p.g.out_h * (double)p.blocks *
                 (double)cincel_div_up((size_t)p.g.out_w, (size_t)p.strip);
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
    float *weights, *dz; /* [taps][pitch]; dy · act'(y) */
    const float *source;
    float *out, *private; /* [threads][private_floats] */
};

/* A band of output rows of one image, and a block of channels. */
struct piece {
    size_t image, begin, end;
    size_t channel, channels;
    const float *source; /* source row `first`, all its channels, as many as there are of y */
    ptrdiff_t first;
    float *out; /* output row `begin`, likewise */
};

/* The taps of position i that exist: *first … return value − 1. */
static int clip(const struct cincel_conv_axis *a, int i, int size, int *first)
{
    const ptrdiff_t at = (ptrdiff_t)i * a->src_step + a->offset;
    ptrdiff_t begin = 0, end = a->taps;
    if (at < 0) begin = (-at + a->offset_step - 1) / a->offset_step;
    if (at + (a->taps - 1) * (ptrdiff_t)a->offset_step >= size)
        end = size > at ? (size - at - 1) / a->offset_step + 1 : 0;
    *first = (int)(begin < end ? begin : end < 0 ? 0 : end);
    return end < 0 ? 0 : (int)end;
}

/* Columns begin … end−1 of a phase over the rows of a piece. `first`: of the phases, so that it fetches. */
static void columns(const struct call *call, const struct piece *piece, const struct cincel_conv_axis *rows,
                    const struct cincel_conv_axis *cols, int begin, int end, bool first)
{
    const struct cincel_prepared *p = call->p;
    const struct cincel_conv_geometry *g = &p->g;
    const ptrdiff_t c = (ptrdiff_t)p->channels, pitch = (ptrdiff_t)p->pitch, src_row = g->src_w * c;
    struct cincel_depthwise_args args = {
        .from = {.x_ld = c,
                 .col = (ptrdiff_t)begin * cols->src_step + cols->offset,
                 .width = g->src_w,
                 .px_step = cols->src_step,
                 .tap_step = cols->offset_step,
                 .ahead_rows = first && p->fetch ? rows->src_step : 0,
                 .ahead_row = src_row},
        .x_row = rows->offset_step * src_row,
        .w_row = (ptrdiff_t)rows->kernel_step * g->kw * pitch,
        .w_col = cols->kernel_step * pitch,
        .y_px = cols->out_step * c,
        .taps_w = (size_t)cols->taps,
        .pixels = (size_t)(end - begin),
        .channels = piece->channels,
        .bias = p->forward && call->t->bias ? call->t->bias + piece->channel : NULL,
        .load_y = !p->forward && p->problem.conv.d.accumulate && p->multiplier == 1,
        .act = p->forward ? cincel_epilogue_in_tile(&p->epilogue) : CINCEL_ACT_NONE,
        .stream = p->stream};
    const ptrdiff_t out_col = cols->out_start + (ptrdiff_t)begin * cols->out_step;
    const int start = (int)piece->begin <= rows->out_start
                          ? 0
                          : ((int)piece->begin - rows->out_start + rows->out_step - 1) / rows->out_step;
    for (int i = start; i < rows->count; i++) {
        const size_t out_row = (size_t)rows->out_start + (size_t)i * (size_t)rows->out_step;
        if (out_row >= piece->end) break;
        int top;
        args.taps_h = (size_t)(clip(rows, i, g->src_h, &top) - top);
        args.from.x = piece->source;
        args.w = call->weights;
        if (args.taps_h > 0 && args.taps_w > 0) {
            const ptrdiff_t row = (ptrdiff_t)i * rows->src_step + rows->offset + top * rows->offset_step;
            args.from.x += (row - piece->first) * src_row + args.from.col * c + (ptrdiff_t)piece->channel;
            args.from.ahead = ((ptrdiff_t)(rows->taps - 1 - top) * rows->offset_step + 1) * src_row;
            args.w += ((rows->kernel + (ptrdiff_t)top * rows->kernel_step) * g->kw + cols->kernel) * pitch +
                      (ptrdiff_t)piece->channel;
        } else {
            args.taps_h = 0;
        }
        args.y = piece->out + ((ptrdiff_t)(out_row - piece->begin) * g->out_w + out_col) * c +
                 (ptrdiff_t)piece->channel;
        p->isa->depthwise->gather(&args);
    }
}

static void finish(const struct cincel_prepared *p, const struct piece *piece)
{
    if (p->epilogue.act == (cincel_activation)cincel_epilogue_in_tile(&p->epilogue)) return;
    const size_t width = (size_t)p->g.out_w;
    const bool whole = piece->channels == p->channels;
    const size_t runs = (piece->end - piece->begin) * (whole ? 1 : width);
    const size_t run = whole ? width * p->channels : piece->channels;
    float *to = piece->out + piece->channel;
    for (size_t r = 0; r < runs; r++, to += whole ? run : p->channels)
        cincel_epilogue_row(&p->epilogue, to, run);
}

/* Where a piece reads and writes: the tensors, or, of several channels of y for each of x, `private`. */
static void place(const struct call *call, float *private, struct piece *piece)
{
    const struct cincel_prepared *p = call->p;
    const struct cincel_conv_geometry *g = &p->g;
    const size_t row = (size_t)g->src_w * p->channels, out_row = (size_t)g->out_w * p->channels;
    piece->source = call->source + piece->image * (size_t)g->src_h * row;
    piece->first = 0;
    piece->out = call->out + (piece->image * (size_t)g->out_h + piece->begin) * out_row;
    if (p->multiplier == 1) return;
    if (!p->forward) {
        piece->out = private;
        return;
    }
    struct cincel_conv_axis rows;
    cincel_conv_rows(&p->problem, 0, &rows);
    const size_t height = (size_t)g->src_h, x_row = row / p->multiplier;
    size_t count;
    const size_t first = cincel_depthwise_rows_met(&rows, piece->begin, piece->end, height, &count);
    piece->source = private;
    piece->first = (ptrdiff_t)first;
    cincel_depthwise_spread(p->isa, call->source + (piece->image * height + first) * x_row, count * x_row,
                            p->multiplier, private);
}

/* The sums over the channels of y that belong to one of x, row by row to dx. */
static void fold(const struct call *call, const struct piece *piece, float *private)
{
    const struct cincel_prepared *p = call->p;
    const size_t m = p->multiplier, count = (size_t)p->g.out_w * (p->channels / m);
    float *const planes = private + p->band_rows * count * m; /* [multiplier][count] */
    float *dx = call->out + (piece->image * (size_t)p->g.out_h + piece->begin) * count;
    for (size_t row = piece->begin; row < piece->end; row++, private += count * m, dx += count) {
        p->isa->layout->transpose(private, m, count, m, planes, count, 0, 0);
        const bool copy = !p->problem.conv.d.accumulate;
        if (copy) memcpy(dx, planes, count * sizeof(float));
        for (size_t k = copy; k < m; k++) p->isa->vector->add(planes + k * count, dx, count);
    }
}

static void compute(const struct call *call, size_t cut, float *private)
{
    const struct cincel_prepared *p = call->p;
    const size_t block = cut % p->blocks, band = cut / p->blocks % p->bands;
    struct piece piece = {
        .image = cut / p->blocks / p->bands, .begin = band * p->band_rows, .channel = block * p->block};
    piece.end = cincel_min(piece.begin + p->band_rows, (size_t)p->g.out_h);
    piece.channels = cincel_min(p->block, p->channels - piece.channel);
    place(call, private, &piece);
    for (int h = 0; h < p->g.phases_h; h++) {
        struct cincel_conv_axis rows;
        cincel_conv_rows(&p->problem, h, &rows);
        for (int w = 0; w < p->g.phases_w; w++) {
            struct cincel_conv_axis cols;
            cincel_conv_cols(&p->problem, w, &cols);
            for (int i = 0; i < cols.count; i += p->strip) {
                const int end = cols.count - i > p->strip ? i + p->strip : cols.count;
                columns(call, &piece, &rows, &cols, i, end, h == 0 && w == 0);
            }
        }
    }
    if (p->stream) p->isa->vector->fence();
    if (p->forward) finish(p, &piece);
    if (p->multiplier > 1 && !p->forward) fold(call, &piece, private);
}

static void body(void *job, struct cincel_worker *worker, size_t phase)
{
    const struct call *call = job;
    const struct cincel_prepared *p = call->p;
    size_t cut;
    if (phase == 1) {
        float *const private = call->private + (size_t)worker->id * p->private_floats;
        while (cincel_claim(worker, p->cuts, &cut)) compute(call, cut, private);
        return;
    }
    while (cincel_claim(worker, p->pack_cuts + p->dz_cuts, &cut)) {
        if (cut >= p->pack_cuts) {
            cincel_epilogue_gradient_cut(&p->epilogue, call->t, call->dz, p->dz_floats, cut - p->pack_cuts);
            continue;
        }
        const size_t channel = cut * CINCEL_DEPTHWISE_BLOCK;
        p->isa->layout->transpose(call->t->w + channel * p->taps, p->taps,
                                  cincel_min(p->channels - channel, CINCEL_DEPTHWISE_BLOCK), p->taps,
                                  call->weights + channel, p->pitch, 0, 0);
    }
}

static void run(const struct cincel_prepared *p, const struct cincel_tensors *t, struct cincel_team *team)
{
    struct cincel_carver space = {t->workspace, 0};
    struct call call = {.p = p, .t = t};
    call.weights = cincel_carve(&space, p->weight_floats * sizeof(float));
    call.dz = cincel_carve(&space, p->dz_floats * sizeof(float));
    call.private = cincel_carve(&space, (size_t)p->threads * p->private_floats * sizeof(float));
    call.source = p->forward ? t->x : p->gradient ? call.dz : t->dy;
    call.out = p->forward ? t->y : t->dx;
    assert(call.source && call.out && t->w);
    cincel_team_run(team, p->threads, 2, body, &call);
}

/* Direct's constant: the same chains. */
#define DEPTHWISE_ROW(pass_)                                                                           \
    {                                                                                                  \
        .name = "depthwise", .op = CINCEL_OP_CONV, .pass = pass_, .knobs = knobs, .knob_count = KNOBS, \
        .row = cincel_depthwise_row_name, .check = check, .defaults = defaults, .cost = cost,          \
        .workspace = workspace, .error = 2.5e-7, .build = build, .discard = discard, .run = run,       \
    }

const struct cincel_algo cincel_algo_conv_depthwise_forward = DEPTHWISE_ROW(CINCEL_FORWARD);
const struct cincel_algo cincel_algo_conv_depthwise_backward_data = DEPTHWISE_ROW(CINCEL_BACKWARD_DATA);
