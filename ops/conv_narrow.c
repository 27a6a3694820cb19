/* Convolution with few outputs, forward and backward-data: what the table of algorithms shows. The scheme is
   told in conv_narrow.h, the work of a call is in conv_narrow_run.c. */
#include "ops/conv_narrow.h"

#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "ops/conv.h"

enum { LANES = 16, L1_BYTES = 32768 }; /* of a tile, on every ISA; the least of all machines we know */

/* ------------------------------------------------------------------------------------- geometry -- */

/* The taps of pixel i that are inside a source of `size`. */
static struct narrow_span window(const struct narrow_axis *a, size_t size, size_t i)
{
    const ptrdiff_t at = (ptrdiff_t)(i * a->stride) - a->pad, step = (ptrdiff_t)a->dilation;
    const ptrdiff_t last = (ptrdiff_t)size - 1 - at; /* how far a tap may reach */
    const ptrdiff_t taps = (ptrdiff_t)a->taps;
    const ptrdiff_t from = at < 0 ? (-at + step - 1) / step : 0;
    ptrdiff_t to = last < 0 ? 0 : last / step + 1;
    to = to < taps ? to : taps;
    if (from >= to) return (struct narrow_span){(int)i, (int)i + 1, 0, 0};
    return (struct narrow_span){(int)i, (int)i + 1, (int)from, (int)to};
}

/* Windows change one tap at a time at most on either side, so spans are at most two a tap and one. */
static void find_spans(struct narrow_axis *a, size_t size)
{
    a->spans = 0;
    for (size_t i = 0; i < a->count;) {
        struct narrow_span s = window(a, size, i);
        /* from the first whole window on, all are whole until one reaches beyond the end */
        if (s.tap == 0 && s.tap_end == (int)a->taps && a->taps > 0) {
            const ptrdiff_t room = (ptrdiff_t)size - 1 - (ptrdiff_t)((a->taps - 1) * a->dilation) + a->pad;
            s.end = (int)cincel_min((size_t)room / a->stride + 1, a->count);
        }
        i = (size_t)s.end;
        struct narrow_span *last = a->spans ? &a->span[a->spans - 1] : NULL;
        if (last && last->tap == s.tap && last->tap_end == s.tap_end)
            last->end = s.end;
        else
            a->span[a->spans++] = s;
    }
}

static size_t common_divisor(size_t a, size_t b)
{
    while (b > 0) {
        const size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Phase `first` of `stride` of backward-data: taps whose products fall on its pixels, far ones first. */
static void derive_phase(struct narrow_axis *a, size_t size, size_t kernel, size_t stride, size_t dilation,
                         size_t pad, size_t first)
{
    const size_t pitch = stride / common_divisor(stride, dilation); /* from tap to tap */
    size_t tap = 0;
    while (tap < pitch && (first + pad + (stride - 1) * dilation * tap) % stride != 0) tap++;
    *a = (struct narrow_axis){.count = size > first ? cincel_div_up(size - first, stride) : 0,
                              .first = first,
                              .pitch = stride,
                              .stride = 1,
                              .dilation = pitch * dilation / stride,
                              .w_pitch = pitch};
    if (tap == pitch || tap >= kernel) return; /* no tap at all */
    a->taps = (kernel - 1 - tap) / pitch + 1;
    a->w_first = tap + (a->taps - 1) * pitch;
    const ptrdiff_t base = ((ptrdiff_t)(first + pad) - (ptrdiff_t)(tap * dilation)) / (ptrdiff_t)stride;
    a->pad = (ptrdiff_t)((a->taps - 1) * a->dilation) - base;
}

static void derive_axes(const struct cincel_problem *problem, struct cincel_prepared *p)
{
    const cincel_conv_desc *d = &problem->conv.d;
    const size_t sh = (size_t)d->stride_h, sw = (size_t)d->stride_w;
    const size_t dh = (size_t)d->dilation_h, dw = (size_t)d->dilation_w;
    if (p->forward) {
        p->phases_h = p->phases_w = 1;
        p->h[0] = (struct narrow_axis){
            .count = p->target_h, .pitch = 1, .stride = sh, .dilation = dh, .taps = p->kh, .pad = d->pad_top};
        p->w[0] = (struct narrow_axis){.count = p->target_w,
                                       .pitch = 1,
                                       .stride = sw,
                                       .dilation = dw,
                                       .taps = p->kw,
                                       .pad = d->pad_left};
    } else {
        p->phases_h = sh;
        p->phases_w = sw;
        for (size_t i = 0; i < sh; i++)
            derive_phase(&p->h[i], p->target_h, p->kh, sh, dh, (size_t)d->pad_top, i);
        for (size_t i = 0; i < sw; i++)
            derive_phase(&p->w[i], p->target_w, p->kw, sw, dw, (size_t)d->pad_left, i);
    }
    for (size_t i = 0; i < p->phases_h; i++) {
        find_spans(&p->h[i], p->source_h);
        p->rows_max = cincel_max(p->rows_max, p->h[i].count);
    }
    for (size_t i = 0; i < p->phases_w; i++) find_spans(&p->w[i], p->source_w);
    p->merged = p->w[0].dilation == 1;
}

/* Cuts of some 20 µs, 8 for each of many threads. */
static const double cut_flops_min = 5e5, cut_flops_max = 4e6;
enum { CUTS_WANTED = 1024, ROWS_EVEN = 60 /* a multiple of most tiles' pixels */ };

static void derive_cuts(const struct cincel_problem *problem, struct cincel_prepared *p)
{
    const double all = (double)p->images * (double)p->rows_max;
    const double row_flops = cincel_problem_flops(problem) / all;
    double flops = row_flops * all / CUTS_WANTED;
    flops = flops < cut_flops_min ? cut_flops_min : flops > cut_flops_max ? cut_flops_max : flops;
    const double wanted = flops / row_flops;
    size_t rows = wanted < 1.0 ? 1 : wanted < all ? (size_t)wanted : p->images * p->rows_max;
    p->cut_images = 1;
    if (rows >= p->rows_max) {
        p->cut_images = cincel_min(rows / p->rows_max, p->images);
        p->cut_rows = p->rows_max;
    } else {
        p->cut_rows = cincel_div_up(p->rows_max, cincel_div_up(p->rows_max, rows));
        if (p->cut_rows > ROWS_EVEN) p->cut_rows = cincel_round_up(p->cut_rows, ROWS_EVEN);
    }
    p->bands = cincel_div_up(p->rows_max, p->cut_rows);
    p->cuts = p->bands * cincel_div_up(p->images, p->cut_images);

    /* windows of a block stay in L1 while all groups of outputs meet them */
    const size_t pixel = p->source_c * p->h[0].stride * cincel_max(p->kh / p->phases_h, 1) * sizeof(float);
    const size_t fit = ((size_t)16 << 10) / pixel;
    p->block_pixels = cincel_max(fit - fit % (ROWS_EVEN / 5), ROWS_EVEN / 5);
    if (cincel_narrow_groups(p) == 1) p->block_pixels = SIZE_MAX;
}

static void derive(const struct cincel_target *t, const struct cincel_problem *problem,
                   const struct cincel_choice *c, struct cincel_prepared *p)
{
    const cincel_conv_desc *d = &problem->conv.d;
    const size_t oh = (size_t)problem->conv.oh, ow = (size_t)problem->conv.ow;
    const bool forward = problem->pass == CINCEL_FORWARD;
    *p = (struct cincel_prepared){.isa = cincel_isa_find(t, c->isa),
                                  .forward = forward,
                                  .gradient = !forward && d->activation != CINCEL_ACT_NONE,
                                  .threads = c->threads,
                                  .images = (size_t)d->n,
                                  .source_h = forward ? (size_t)d->ih : oh,
                                  .source_w = forward ? (size_t)d->iw : ow,
                                  .source_c = (size_t)(forward ? d->ic : d->oc),
                                  .target_h = forward ? oh : (size_t)d->ih,
                                  .target_w = forward ? ow : (size_t)d->iw,
                                  .target_c = (size_t)(forward ? d->oc : d->ic),
                                  .kh = (size_t)d->kh,
                                  .kw = (size_t)d->kw};
    p->epilogue = cincel_epilogue_of(p->isa, d);
    /* where each pixel meets one and the same, they are one long line */
    const bool padded = d->pad_top || d->pad_bottom || d->pad_left || d->pad_right;
    if (d->kh == 1 && d->kw == 1 && d->stride_h == 1 && d->stride_w == 1 && !padded) {
        p->source_h = p->target_h = p->images * oh * ow;
        p->source_w = p->target_w = p->images = 1;
    }
    derive_axes(problem, p);
    derive_cuts(problem, p);
    if (forward) return;
    if (p->gradient) {
        p->dz_floats = p->images * p->source_h * p->source_w * p->source_c;
        p->dz_cuts = cincel_div_up(p->dz_floats, CINCEL_EPILOGUE_CUT);
    }
    for (size_t i = 0; i < p->phases_h * p->phases_w; i++) {
        p->packed_at[i] = p->packed_floats;
        p->packed_floats +=
            p->h[i / p->phases_w].taps * p->w[i % p->phases_w].taps * p->source_c * p->target_c;
    }
}

/* -------------------------------------------------------------------------------- what is chosen -- */

static const char *row_name(const struct cincel_isa *isa, int i)
{
    return i == 0 && isa->narrow_count > 0 ? "" : NULL;
}

static bool refuse(char why[CINCEL_WHY], const char *phrase)
{
    snprintf(why, CINCEL_WHY, "narrow: %s", phrase);
    return false;
}

static bool check(const struct cincel_target *t, const struct cincel_problem *problem,
                  const struct cincel_choice *c, char why[CINCEL_WHY])
{
    (void)t;
    (void)c;
    const cincel_conv_desc *d = &problem->conv.d;
    const bool forward = problem->pass == CINCEL_FORWARD;
    if (d->groups != 1) return refuse(why, "groups are not served");
    if ((forward ? d->oc : d->ic) > NARROW_OUTPUTS_MAX) return refuse(why, "too many outputs");
    if (d->kh > NARROW_TAPS_MAX || d->kw > NARROW_TAPS_MAX || d->kh * d->kw > NARROW_RUNS_MAX)
        return refuse(why, "too many taps");
    if (!forward && (d->stride_h > NARROW_PHASES_MAX || d->stride_w > NARROW_PHASES_MAX))
        return refuse(why, "strides beyond 4 are not served backward");
    if (!forward && d->accumulate) return refuse(why, "accumulate is not served backward");
    size_t pixels;
    if (!cincel_mul((size_t)d->n * (size_t)d->ih, (size_t)d->iw, &pixels) || pixels > INT32_MAX / 2)
        return refuse(why, "too many pixels");
    return true;
}

static void defaults(const struct cincel_target *t, const struct cincel_problem *problem,
                     struct cincel_choice *c)
{
    (void)t;
    (void)problem;
    memset(c->knob, 0, sizeof c->knob);
}

static size_t workspace(const struct cincel_target *t, const struct cincel_problem *problem,
                        const struct cincel_choice *c)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    struct cincel_carver carver = {NULL, 0};
    cincel_carve(&carver, p.dz_floats * sizeof(float));
    cincel_carve(&carver, p.packed_floats * sizeof(float));
    return carver.used;
}

struct narrow_lines cincel_narrow_lines(const struct cincel_prepared *p, size_t rows, size_t cols,
                                        size_t images)
{
    const size_t length[3] = {cols, rows, images}, all = rows * cols * images;
    const size_t mr = (size_t)p->isa->narrow[cincel_div_up(p->target_c, cincel_narrow_groups(p)) - 1].pixels;
    struct narrow_lines best = {0};
    size_t least = SIZE_MAX;
    for (int along = 0; along < 3; along++) {
        const struct narrow_lines lines = {length[along], length[along] ? all / length[along] : 0, along};
        const size_t tiles = lines.count * cincel_div_up(lines.length, mr);
        if (tiles < least) best = lines;
        least = cincel_min(least, tiles);
    }
    return best;
}

/* Steps of a tile for all windows of one phase, with what its last lanes leave empty: `fmas`; and the time
   they take, in the time of one FMA: `slots`. */
static void count_phase(const struct cincel_prepared *p, const struct narrow_axis *h,
                        const struct narrow_axis *w, double *fmas, double *slots)
{
    const double vectors = (double)LANES / p->isa->vector_floats;
    const size_t groups = cincel_narrow_groups(p);
    for (int i = 0; i < h->spans; i++)
        for (int j = 0; j < w->spans; j++) {
            const struct narrow_span *a = &h->span[i], *b = &w->span[j];
            const size_t rows = cincel_min((size_t)(a->end - a->begin), p->cut_rows);
            const double repeats =
                (double)(a->end - a->begin) / (double)rows * (double)p->images / (double)p->cut_images;
            const struct narrow_lines lines =
                cincel_narrow_lines(p, rows, (size_t)(b->end - b->begin), p->cut_images);
            const size_t taps = (size_t)(b->tap_end - b->tap);
            const size_t runs = (size_t)(a->tap_end - a->tap) * (p->merged ? 1 : taps);
            const size_t run = p->source_c * (p->merged ? taps : 1);
            /* L1 does not hold two rows of weights and a window beside each other from tile to tile */
            const bool spills = 3 * runs * run * sizeof(float) > L1_BYTES;
            const double brought =
                sizeof(float) * (double)((size_t)(a->tap_end - a->tap) * w->stride * p->source_c);
            const double steps = (double)runs * (double)cincel_div_up(run, LANES) * vectors;
            for (size_t g = 0; g < groups; g++) {
                const size_t n = p->target_c * (g + 1) / groups - p->target_c * g / groups;
                const double mr = p->isa->narrow[n - 1].pixels, nv = (double)n;
                const double tiles =
                    repeats * (double)lines.count * (double)cincel_div_up(lines.length, (size_t)mr);
                *fmas += tiles * steps * mr * nv;
                /* two loads and two FMAs a cycle; between the last FMA of a tile and its stores lie some 35
                   cycles of latency that the next one does not fill (Zen 3); the first group of outputs
                   brings the pixels from L2, 32 bytes a cycle */
                const double loads = steps * (mr + nv) * (spills ? 2.0 : 1.0);
                const double fetch = g == 0 ? mr * brought / 16.0 : 0.0;
                *slots += tiles * ((steps * mr * nv > loads ? steps * mr * nv : loads) + fetch + 70.0);
            }
        }
}

static void cost(const struct cincel_target *t, const struct cincel_problem *problem,
                 const struct cincel_choice *c, struct cincel_cost *out)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    double fmas = 0.0, slots = 0.0;
    for (size_t i = 0; i < p.phases_h * p.phases_w; i++)
        count_phase(&p, &p.h[i / p.phases_w], &p.w[i % p.phases_w], &fmas, &slots);
    const double even = (double)(cincel_div_up(p.cuts, (size_t)p.threads) * (size_t)p.threads);
    *out = (struct cincel_cost){.flops = 2.0 * fmas * p.isa->vector_floats,
                                .efficiency = slots > 0.0 ? 0.95 * fmas / slots : 1.0,
                                .bytes = cincel_problem_bytes(problem),
                                .balance = even / (double)p.cuts,
                                .calls = (double)p.cuts,
                                .cuts = (double)p.cuts,
                                .phases = p.forward ? 1.0 : 2.0};
    out->copied = sizeof(float) * (8.0 * (double)p.packed_floats + (double)p.dz_floats);
}

static double chain(const struct cincel_problem *problem, const struct cincel_choice *c)
{
    (void)c;
    return cincel_chain_length(problem) / LANES + 4.0;
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

/* max |error| / RMS over √(chain length) is direct's, and the chains are 16 times shorter. */
#define NARROW_ROW(pass_)                                                                            \
    {                                                                                                \
        .name = "narrow", .op = CINCEL_OP_CONV, .pass = pass_, .row = row_name, .check = check,      \
        .defaults = defaults, .cost = cost, .workspace = workspace, .error = 2.5e-7, .chain = chain, \
        .standard = cincel_algo_never_standard, .build = build, .discard = discard,                  \
        .run = cincel_narrow_run,                                                                    \
    }

const struct cincel_algo cincel_algo_conv_narrow_forward = NARROW_ROW(CINCEL_FORWARD);
const struct cincel_algo cincel_algo_conv_narrow_backward_data = NARROW_ROW(CINCEL_BACKWARD_DATA);
