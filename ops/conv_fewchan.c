/*
 * Forward convolution of few input channels (first layers). The taps are flattened with the channels, so that
 * k = kh·kw·c is one short run, and a kernel finds them through a table of offsets: neither columns (im2col)
 * nor a pointer a tap and pixel (direct) are made, which for one channel take as long as the FMAs. What is
 * copied is a strip: the rows of the padded input that a cut needs, 1/oc of what the cut writes; without
 * padding x serves as it lies.
 *
 * Backward-data with stride 1 is the same convolution, from dy to dx on weights turned by 180 degrees: for
 * few output channels.
 *
 * A cut is a band of output rows of one image. Every worker packs the weights for itself: they are few, and
 * nobody waits at a barrier.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "ops/conv.h"
#include "ops/conv_columns.h"
#include "ops/epilogue.h"

/* Beyond it a panel of 16 columns no longer shares L1 with what it meets, and direct is as good. */
enum { K_MAX = 384, CHANNELS_MAX = 8 };

enum fewchan_knob { PIXELS, STREAM, KNOBS };

static const int pixels_values[] = {24, 48, 96, 192, 384, 768};
static const int stream_values[] = {0, 1};

#define VALUES(list) list, (int)(sizeof list / sizeof list[0])
static const struct cincel_knob knobs[KNOBS] = {
    [PIXELS] = {"pixels", false, VALUES(pixels_values)}, /* that meet all panels of weights in turn */
    [STREAM] = {"stream", false, VALUES(stream_values)}, /* 1: y goes past the caches */
};

struct cincel_prepared {
    struct cincel_columns cols; /* of the mirrored problem, backward */
    bool forward, gradient;     /* gradient: dy passes through the activation's first */
    size_t dz_floats, dz_cuts;
    const struct cincel_isa *isa;
    const struct cincel_fewchan_row *row;
    struct cincel_epilogue epilogue;
    bool stream;
    int threads;
    size_t oc, panels, panel_floats;
    size_t block_panels;           /* of weights that share L1 with the pixels they meet */
    size_t block_pixels, ahead;    /* ahead: see struct cincel_fewchan_args */
    size_t band_rows, bands, cuts; /* output rows of a cut; cuts of an image; of all */
    bool in_place;                 /* nothing is padded: x is read where it lies */
    size_t row_floats;             /* of x or its strip */
    size_t strip_floats, private_bytes;
    ptrdiff_t offset[K_MAX]; /* of a tap's channel from a pixel's first */
};

/* -------------------------------------------------------------------------------- what is chosen -- */

static const struct cincel_fewchan_row *find_row(const struct cincel_isa *isa, const char *name)
{
    for (int i = 0; i < isa->fewchan_count; i++)
        if (strcmp(isa->fewchan[i].name, name) == 0) return &isa->fewchan[i];
    return NULL;
}

static const char *row_name(const struct cincel_isa *isa, int i)
{
    return i < isa->fewchan_count ? isa->fewchan[i].name : NULL;
}

/*
 * The forward problem to compute: p itself, or of backward-data that from dy to dx, put into `mirror`. Its
 * padding may come out negative, for which check() looks.
 */
static const struct cincel_problem *mirrored(const struct cincel_problem *p, struct cincel_problem *mirror)
{
    if (p->pass == CINCEL_FORWARD) return p;
    const cincel_conv_desc *d = &p->conv.d;
    const int reach_h = (d->kh - 1) * d->dilation_h, reach_w = (d->kw - 1) * d->dilation_w;
    *mirror = *p;
    mirror->pass = CINCEL_FORWARD;
    mirror->conv.oh = d->ih;
    mirror->conv.ow = d->iw;
    cincel_conv_desc *m = &mirror->conv.d;
    m->ic = d->oc;
    m->ih = p->conv.oh;
    m->iw = p->conv.ow;
    m->oc = d->ic;
    m->pad_top = reach_h - d->pad_top;
    m->pad_bottom = reach_h - d->pad_bottom;
    m->pad_left = reach_w - d->pad_left;
    m->pad_right = reach_w - d->pad_right;
    m->activation = CINCEL_ACT_NONE;
    return mirror;
}

/* Cuts of 5 µs at least, 16 for each thread; the rows that two of them read are copied twice. */
static const double cut_flops_min = 5e5, cuts_wanted = 16.0;

/* Output rows of a cut: their strip had better stay in a quarter of L2. */
static size_t rows_of(const struct cincel_target *t, const struct cincel_columns *s, size_t oc, int threads)
{
    const double row_flops = 2.0 * (double)s->ow * (double)s->k * (double)oc;
    const double all = (double)s->oh * (double)s->images;
    double rows = all / (cuts_wanted * threads);
    if (rows * row_flops < cut_flops_min) rows = cut_flops_min / row_flops;
    const double row_bytes = (double)(s->strip_w * s->ic * s->stride_h * sizeof(float));
    const double room = (double)cincel_l2_bytes(t) / 4.0 / row_bytes;
    if (rows > room) rows = room;
    return rows < 1.0 ? 1 : rows > (double)s->oh ? s->oh : (size_t)rows;
}

/* Memory answers after some 400 cycles, 64 steps of a tile that takes six for each: so many tiles ahead lines
   of y are asked for. */
enum { STEPS_AHEAD = 64, WEIGHT_FLOATS = 6144 };

static void derive(const struct cincel_target *t, const struct cincel_problem *asked,
                   const struct cincel_choice *c, struct cincel_prepared *p)
{
    struct cincel_problem mirror;
    const struct cincel_problem *problem = mirrored(asked, &mirror);
    const cincel_conv_desc *d = &problem->conv.d;
    *p = (struct cincel_prepared){.isa = cincel_isa_find(t, c->isa),
                                  .forward = problem == asked,
                                  .gradient = problem != asked && asked->conv.d.activation != CINCEL_ACT_NONE,
                                  .stream = c->knob[STREAM] != 0,
                                  .threads = c->threads,
                                  .oc = (size_t)d->oc,
                                  .block_pixels = (size_t)c->knob[PIXELS]};
    p->epilogue = cincel_epilogue_of(p->isa, p->gradient ? &asked->conv.d : d);
    p->row = find_row(p->isa, c->row);
    cincel_columns_derive(problem, &p->cols);
    if (p->gradient) {
        p->dz_floats = p->cols.images * p->cols.ih * p->cols.iw * p->cols.ic;
        p->dz_cuts = cincel_div_up(p->dz_floats, CINCEL_EPILOGUE_CUT);
    }
    const struct cincel_columns *s = &p->cols;
    const size_t nr = (size_t)p->row->nr;
    p->panels = cincel_div_up(p->oc, nr);
    p->panel_floats = cincel_round_up(s->k * nr, CINCEL_ALIGN / sizeof(float));

    p->block_panels = cincel_min(cincel_max(WEIGHT_FLOATS / p->panel_floats, 1), p->panels);
    p->block_panels = cincel_div_up(p->panels, cincel_div_up(p->panels, p->block_panels));
    const size_t tiles_ahead = s->k < STEPS_AHEAD ? cincel_div_up(STEPS_AHEAD, s->k * p->block_panels) : 0;
    p->ahead = tiles_ahead * (size_t)p->row->mr * p->oc;

    p->band_rows = rows_of(t, s, p->oc, p->threads);
    p->bands = cincel_div_up(s->oh, p->band_rows);
    p->band_rows = cincel_div_up(s->oh, p->bands);
    p->bands = cincel_div_up(s->oh, p->band_rows);
    p->cuts = s->images * p->bands;

    const size_t strip_rows = (p->band_rows - 1) * s->stride_h + (s->kh - 1) * s->dilation_h + 1;
    p->in_place = d->pad_top == 0 && d->pad_bottom == 0 && d->pad_left == 0 && d->pad_right == 0;
    p->row_floats = (p->in_place ? s->iw : s->strip_w) * s->ic;
    p->strip_floats = p->in_place ? 0 : strip_rows * p->row_floats;
    struct cincel_carver mine = {NULL, 0};
    cincel_carve(&mine, p->panels * p->panel_floats * sizeof(float));
    cincel_carve(&mine, p->strip_floats * sizeof(float));
    p->private_bytes = mine.used;
}

static bool refuse(char why[CINCEL_WHY], const char *phrase)
{
    snprintf(why, CINCEL_WHY, "fewchan: %s", phrase);
    return false;
}

/* No product of derive() overflows: the strip is no larger than the padded image, and k is small. */
static bool fits(const cincel_conv_desc *d, int threads)
{
    size_t strip, weights, total;
    if (!cincel_mul((size_t)d->ih + 2 * (size_t)d->kh * d->dilation_h, CHANNELS_MAX, &strip)) return false;
    if (!cincel_mul(strip, (size_t)d->iw + 2 * (size_t)d->kw * d->dilation_w, &strip)) return false;
    if (!cincel_mul((size_t)d->oc + 128, K_MAX + 16, &weights)) return false;
    if (__builtin_add_overflow(strip, weights, &total)) return false;
    return cincel_mul(total, ((size_t)threads + 1) * sizeof(float), &total) && total < PTRDIFF_MAX / 2;
}

static bool check(const struct cincel_target *t, const struct cincel_problem *asked,
                  const struct cincel_choice *c, char why[CINCEL_WHY])
{
    (void)t;
    struct cincel_problem mirror;
    const struct cincel_problem *problem = mirrored(asked, &mirror);
    const cincel_conv_desc *d = &problem->conv.d;
    if (problem != asked) {
        if (d->stride_h != 1 || d->stride_w != 1) return refuse(why, "strides are not served backward");
        if (d->accumulate) return refuse(why, "accumulate is not served backward");
        if (d->pad_top < 0 || d->pad_bottom < 0 || d->pad_left < 0 || d->pad_right < 0)
            return refuse(why, "dy has pixels that meet no dx");
    }
    if (d->groups != 1) return refuse(why, "groups are not served");
    if (d->ic > CHANNELS_MAX || (size_t)d->kh * d->kw * d->ic > K_MAX) return refuse(why, "too many taps");
    if (!fits(d, c->threads)) return refuse(why, "sizes overflow");
    if (c->knob[STREAM] && d->activation != CINCEL_ACT_NONE && d->activation != CINCEL_ACT_RELU)
        return refuse(why, "stream=1 leaves nothing in the caches to activate");
    const size_t pixels = (size_t)problem->conv.oh * problem->conv.ow;
    if (c->knob[PIXELS] > pixels_values[0] && (size_t)c->knob[PIXELS] / 2 >= pixels)
        return refuse(why, "fewer pixels are all");
    return true;
}

static void defaults(const struct cincel_target *t, const struct cincel_problem *asked,
                     struct cincel_choice *c)
{
    struct cincel_problem mirror;
    const struct cincel_problem *problem = mirrored(asked, &mirror);
    const size_t pixels = (size_t)problem->conv.oh * problem->conv.ow;
    const size_t l2 = cincel_l2_bytes(t);
    const size_t pixel = (size_t)problem->conv.d.oc * sizeof(float);
    const int last = (int)(sizeof pixels_values / sizeof *pixels_values) - 1;
    int i = 0;
    memset(c->knob, 0, sizeof c->knob);
    /* a call for 48 pixels of one channel costs a tenth of its work; a quarter of L2 holds the lines of y
       that all panels of weights write to in turn */
    while (i < last && (size_t)pixels_values[i] < pixels &&
           (size_t)pixels_values[i + 1] * pixel <= cincel_max(l2 / 4, 48 * pixel))
        i++;
    c->knob[PIXELS] = pixels_values[i];
    /* what takes longer to move than to compute, and the last cache does not keep, had better not be read
       before it is written (1x64x256x256 from 4 channels, 1x1: 1.10 ms, so 0.80); but not rows of many
       lines, whose panels write far apart (512 channels: 2.0 ms, so 4.2) */
    const bool moves = cincel_problem_bytes(asked) * t->gflops > cincel_problem_flops(asked) * t->gbytes;
    const int act = problem->conv.d.activation;
    c->knob[STREAM] = moves && pixel <= 512 && cincel_exceeds_cache(t, asked) &&
                      (act == CINCEL_ACT_NONE || act == CINCEL_ACT_RELU);
}

static size_t workspace(const struct cincel_target *t, const struct cincel_problem *problem,
                        const struct cincel_choice *c)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    struct cincel_carver carver = {NULL, 0};
    cincel_carve(&carver, p.dz_floats * sizeof(float));
    return carver.used + p.private_bytes * (size_t)p.threads;
}

static void cost(const struct cincel_target *t, const struct cincel_problem *problem,
                 const struct cincel_choice *c, struct cincel_cost *out)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    const struct cincel_columns *s = &p.cols;
    const double nv = (double)p.row->nr / p.isa->vector_floats, mr = p.row->mr, k = (double)s->k;
    const double loads = mr * nv < mr + nv ? mr * nv / (mr + nv) : 1.0;
    const double latency = mr * nv < 8.0 ? mr * nv / 8.0 : 1.0;
    const size_t band = p.band_rows * s->ow, mr_px = (size_t)p.row->mr;
    const size_t rest = band % p.block_pixels, whole = band / p.block_pixels;
    const double panels = (double)p.cuts * (double)p.panels;
    const double tiles =
        panels * (double)(whole * cincel_div_up(p.block_pixels, mr_px) + cincel_div_up(rest, mr_px));
    const double blocks = (double)cincel_div_up(p.panels, p.block_panels);
    const double calls = (double)p.cuts * blocks * (double)(whole + (rest > 0));
    const double even = (double)(cincel_div_up(p.cuts, (size_t)p.threads) * (size_t)p.threads);

    *out = (struct cincel_cost){.flops = 2.0 * tiles * mr * p.row->nr * k};
    /* a tile is cleared, stored, and has its pointers walked: about as long as two steps, half of it hidden
     */
    out->efficiency = 0.97 * loads * latency * k / (k + 1.0);
    /* where two tiles do as well, the one with fewer loads (96 channels on Zen 3: 4x24, by 6 %) */
    out->efficiency *= 1.0 + 0.1 * (2.0 / 3.0 - (mr + nv) / (mr * nv));
    out->bytes = cincel_problem_bytes(problem);
    out->balance = even / (double)p.cuts;
    out->calls = calls;
    out->cuts = (double)p.cuts;
    out->phases = p.dz_cuts > 0 ? 2.0 : 1.0;
    out->copied = sizeof(float) * ((double)p.cuts * (double)p.strip_floats + (double)p.dz_floats +
                                   (double)p.threads * (double)(p.panels * p.panel_floats));
}

static cincel_status build(const struct cincel_target *t, const struct cincel_problem *problem,
                           const struct cincel_choice *c, struct cincel_prepared **out)
{
    struct cincel_prepared *p = cincel_aligned_alloc(sizeof *p);
    if (!p) return cincel_fail(CINCEL_OUT_OF_MEMORY, "conv: no memory for a plan");
    derive(t, problem, c, p);
    const struct cincel_columns *s = &p->cols;
    for (size_t k = 0; k < s->k; k++) {
        const size_t th = k / s->ic / s->kw, tw = k / s->ic % s->kw;
        p->offset[k] =
            (ptrdiff_t)(th * s->dilation_h * p->row_floats + tw * s->dilation_w * s->ic + k % s->ic);
    }
    *out = p;
    return CINCEL_OK;
}

static void discard(struct cincel_prepared *p) { cincel_aligned_free(p); }

/* ------------------------------------------------------------------------------------- the work -- */

struct job {
    const struct cincel_prepared *p;
    const struct cincel_tensors *t;
    const float *x, *bias; /* backward: dy, or dz behind the activation's gradient, and none */
    float *y, *dz;
    char *private; /* one part a worker */
};

/* Backward: row k of the panels is the k-th from behind of the taps, of channel k mod c of dy. */
static void pack_turned(const struct job *job, float *weights)
{
    const struct cincel_prepared *p = job->p;
    const struct cincel_columns *s = &p->cols;
    const size_t nr = (size_t)p->row->nr, taps = s->kh * s->kw;
    for (size_t panel = 0; panel < p->panels; panel++)
        for (size_t k = 0; k < s->k; k++) {
            const size_t tap = taps - 1 - k / s->ic, n = cincel_min(nr, p->oc - panel * nr);
            float *to = weights + panel * p->panel_floats + k * nr;
            memcpy(to, job->t->w + (k % s->ic * taps + tap) * p->oc + panel * nr, n * sizeof(float));
            memset(to + n, 0, (nr - n) * sizeof(float));
        }
}

static void pack(const struct job *job, float *weights)
{
    const struct cincel_prepared *p = job->p;
    const size_t k = p->cols.k, nr = (size_t)p->row->nr;
    if (!p->forward) {
        pack_turned(job, weights);
        return;
    }
    for (size_t panel = 0; panel < p->panels; panel++)
        p->isa->pack->transpose(job->t->w + panel * nr * k, k, k, (int)cincel_min(nr, p->oc - panel * nr),
                                (int)nr, weights + panel * p->panel_floats);
}

/* Pixels begin … end−1 of the band whose rows of x (or strip) these are, y its first output. */
static void block(const struct job *job, size_t begin, size_t end, const float *weights, const float *x,
                  float *y)
{
    const struct cincel_prepared *p = job->p;
    const struct cincel_columns *s = &p->cols;
    const size_t step = s->stride_w * s->ic, pitch = s->stride_h * p->row_floats;
    const size_t nr = (size_t)p->row->nr, row = begin / s->ow, col = begin % s->ow;
    struct cincel_fewchan_args args = {
        .a = x + row * pitch + col * step,
        .offset = p->offset,
        .step = step,
        .col = col,
        .width = s->ow,
        .turn = (ptrdiff_t)pitch - (ptrdiff_t)(s->ow * step),
        .panel = p->panel_floats,
        .ldc = p->oc,
        .ahead = p->ahead,
        .m = end - begin,
        .k = s->k,
        .act = p->forward ? cincel_epilogue_in_tile(&p->epilogue) : CINCEL_ACT_NONE,
        .stream = p->stream,
    };
    y += begin * p->oc;
    const size_t whole = p->oc / nr; /* a last panel that is not goes by itself, for its tiles end slowly */
    for (size_t panel = 0, count; panel < p->panels; panel += count) {
        count = panel < whole ? cincel_min(p->block_panels, whole - panel) : 1;
        args.b = weights + panel * p->panel_floats;
        args.c = y + panel * nr;
        args.n = (int)cincel_min(count * nr, p->oc - panel * nr);
        args.bias = job->bias ? job->bias + panel * nr : NULL;
        p->row->run(&args);
    }
    if (p->forward) cincel_epilogue_row(&p->epilogue, y, (end - begin) * p->oc);
}

/* Calls the share begin … end of `pixels` of what a worker's next cut reads into L2, meanwhile. */
static void call_next(const struct job *job, size_t cut, size_t begin, size_t end, size_t pixels)
{
    const struct cincel_prepared *p = job->p;
    const struct cincel_columns *s = &p->cols;
    const size_t next = cut + (size_t)p->threads;
    if (next >= p->cuts) return;
    const size_t image = next / p->bands, row = next % p->bands * p->band_rows * s->stride_h;
    const size_t rows = cincel_min(p->band_rows * s->stride_h, s->ih - cincel_min(row, s->ih));
    const size_t floats = rows * s->iw * s->ic, lines = floats / (CINCEL_ALIGN / sizeof(float));
    const float *x = job->x + (image * s->ih + cincel_min(row, s->ih)) * s->iw * s->ic;
    for (size_t i = lines * begin / pixels; i < lines * end / pixels; i++)
        __builtin_prefetch(x + i * (CINCEL_ALIGN / sizeof(float)), 0, 2);
}

static void body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct job *job = data;
    const struct cincel_prepared *p = job->p;
    const struct cincel_columns *s = &p->cols;
    size_t cut;
    if (phase == 0 && p->dz_cuts > 0) {
        while (cincel_claim(worker, p->dz_cuts, &cut))
            cincel_epilogue_gradient_cut(&p->epilogue, job->t, job->dz, p->dz_floats, cut);
        return;
    }
    struct cincel_carver mine = {job->private + (size_t)worker->id * p->private_bytes, 0};
    float *weights = cincel_carve(&mine, p->panels * p->panel_floats * sizeof(float));
    float *strip = cincel_carve(&mine, p->strip_floats * sizeof(float));
    bool packed = false;
    while (cincel_claim(worker, p->cuts, &cut)) {
        if (!packed) pack(job, weights);
        packed = true;
        const size_t image = cut / p->bands, row = cut % p->bands * p->band_rows;
        const size_t first = (image * s->oh + row) * s->ow;
        const size_t pixels = cincel_min(p->band_rows, s->oh - row) * s->ow;
        const float *x = job->x + (image * s->ih + row * s->stride_h) * s->iw * s->ic;
        if (!p->in_place) {
            cincel_columns_strip(s, job->x, first, first + pixels, strip);
            x = strip;
        }
        for (size_t begin = 0; begin < pixels; begin += p->block_pixels) {
            const size_t end = cincel_min(begin + p->block_pixels, pixels);
            block(job, begin, end, weights, x, job->y + first * p->oc);
            call_next(job, cut, begin, end, pixels);
        }
    }
}

static void run(const struct cincel_prepared *p, const struct cincel_tensors *t, struct cincel_team *team)
{
    struct cincel_carver space = {t->workspace, 0};
    struct job job = {.p = p, .t = t, .bias = p->forward ? t->bias : NULL, .y = p->forward ? t->y : t->dx};
    job.dz = cincel_carve(&space, p->dz_floats * sizeof(float));
    job.private = space.base + space.used;
    job.x = p->forward ? t->x : p->gradient ? job.dz : t->dy;
    assert(job.x && t->w && job.y && t->workspace);
    cincel_team_run(team, p->threads, p->dz_cuts > 0 ? 2 : 1, body, &job);
}

/* The error is direct's: the same chains. */
#define FEWCHAN_ROW(pass_)                                                                           \
    {                                                                                                \
        .name = "fewchan", .op = CINCEL_OP_CONV, .pass = pass_, .knobs = knobs, .knob_count = KNOBS, \
        .row = row_name, .check = check, .defaults = defaults, .cost = cost, .workspace = workspace, \
        .error = 2.5e-7, .standard = cincel_algo_never_standard, .build = build, .discard = discard, \
        .run = run,                                                                                  \
    }

const struct cincel_algo cincel_algo_conv_fewchan_forward = FEWCHAN_ROW(CINCEL_FORWARD);
const struct cincel_algo cincel_algo_conv_fewchan_backward_data = FEWCHAN_ROW(CINCEL_BACKWARD_DATA);
