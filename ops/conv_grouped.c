/*
 * Grouped convolution, forward and backward-data of stride 1: every group is a small convolution for the
 * kernels of few channels (kernels/body/fewchan.inc), whose taps are found through a table of offsets.
 *
 * A cut is a band of output rows of one image. Its source rows are copied, padded, into a strip of blocks of
 * about 16 channels, [block][row][column][channel]: within the tensor neighbouring pixels of a group lie
 * hundreds of bytes apart, on few sets of L1 and one line each; here a group's whole band is a few KB. The
 * copy is 1 to 5 % of the work at 4 to 32 channels a group. Backward-data is the same convolution from dy to
 * dx with rotated weights, each group's matrices transposed.
 *
 * Weights are packed first, by all, and with an activation dz = dy · act'(y) is made.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "ops/conv.h"
#include "ops/epilogue.h"

/* Of a group: beyond it the panels of weights no longer share L1 with the band, and direct is as good. */
enum { K_MAX = 800, LINE = CINCEL_ALIGN / sizeof(float), DZ = 16384 };

/* Cuts of some 20 µs, and strips that stay in L2. */
static const double cut_flops = 1.5e6, strip_bytes = 128e3;

struct cincel_prepared {
    const struct cincel_isa *isa;
    const struct cincel_fewchan_row *row;
    struct cincel_epilogue epilogue;
    bool forward, gradient;
    int threads;
    size_t images, groups, src_h, src_w, out_h, out_w;
    size_t kh, kw, step_h, step_w, dilation_h, dilation_w;
    ptrdiff_t top, left;             /* zero rows and columns before the first */
    size_t k_group, n_group, k;      /* source and output channels of a group; floats behind an output */
    size_t panels, panel_floats;     /* of a group */
    size_t block, per_block, blocks; /* channels of a block; groups in it */
    size_t strip_w, strip_rows, block_floats, strip_floats;
    size_t band_rows, bands, cuts, dz_cuts;
    size_t weight_bytes, dz_floats, private_bytes;
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

/* The convolution that is really computed: the problem's, or the one from dy to dx. */
static void derive_shape(const struct cincel_problem *problem, struct cincel_prepared *p)
{
    const cincel_conv_desc *d = &problem->conv.d;
    const size_t oh = (size_t)problem->conv.oh, ow = (size_t)problem->conv.ow;
    const size_t ic = (size_t)(d->ic / d->groups), oc = (size_t)(d->oc / d->groups);
    p->images = (size_t)d->n;
    p->groups = (size_t)d->groups;
    p->kh = (size_t)d->kh;
    p->kw = (size_t)d->kw;
    p->dilation_h = (size_t)d->dilation_h;
    p->dilation_w = (size_t)d->dilation_w;
    p->step_h = (size_t)d->stride_h;
    p->step_w = (size_t)d->stride_w;
    p->src_h = p->forward ? (size_t)d->ih : oh;
    p->src_w = p->forward ? (size_t)d->iw : ow;
    p->out_h = p->forward ? oh : (size_t)d->ih;
    p->out_w = p->forward ? ow : (size_t)d->iw;
    p->k_group = p->forward ? ic : oc;
    p->n_group = p->forward ? oc : ic;
    p->top = p->forward ? d->pad_top : (ptrdiff_t)((p->kh - 1) * p->dilation_h) - d->pad_top;
    p->left = p->forward ? d->pad_left : (ptrdiff_t)((p->kw - 1) * p->dilation_w) - d->pad_left;
    p->k = p->kh * p->kw * p->k_group;
}

static void derive(const struct cincel_target *t, const struct cincel_problem *problem,
                   const struct cincel_choice *c, struct cincel_prepared *p)
{
    const cincel_conv_desc *d = &problem->conv.d;
    *p = (struct cincel_prepared){
        .isa = cincel_isa_find(t, c->isa), .forward = problem->pass == CINCEL_FORWARD, .threads = c->threads};
    p->row = find_row(p->isa, c->row);
    p->epilogue = cincel_epilogue_of(p->isa, d);
    p->gradient = !p->forward && d->activation != CINCEL_ACT_NONE;
    derive_shape(problem, p);
    const size_t nr = (size_t)p->row->nr;
    p->panels = cincel_div_up(p->n_group, nr);
    p->panel_floats = cincel_round_up(p->k * nr, LINE);
    p->weight_bytes = p->groups * p->panels * p->panel_floats * sizeof(float);

    p->per_block = cincel_min(cincel_max(LINE / p->k_group, 1), p->groups);
    p->block = p->per_block * p->k_group;
    p->blocks = cincel_div_up(p->groups, p->per_block);
    p->strip_w = (p->out_w - 1) * p->step_w + (p->kw - 1) * p->dilation_w + 1;
    const size_t row_floats = p->strip_w * p->blocks * p->block, reach = (p->kh - 1) * p->dilation_h + 1;
    const double by_flops =
        cut_flops / (2.0 * (double)p->out_w * (double)p->k * (double)(p->n_group * p->groups));
    const double held = strip_bytes / ((double)row_floats * sizeof(float)) - (double)reach;
    const double by_strip = 1.0 + held / (double)p->step_h;
    const double rows = by_flops < by_strip ? by_flops : by_strip;
    p->band_rows = rows < 1.0 ? 1 : rows > (double)p->out_h ? p->out_h : (size_t)rows;
    p->bands = cincel_div_up(p->out_h, p->band_rows);
    p->band_rows = cincel_div_up(p->out_h, p->bands);
    p->bands = cincel_div_up(p->out_h, p->band_rows);
    p->cuts = p->images * p->bands;
    p->strip_rows = (p->band_rows - 1) * p->step_h + reach;
    p->block_floats = p->strip_rows * p->strip_w * p->block;
    p->strip_floats = p->blocks * p->block_floats;
    p->private_bytes = cincel_round_up(p->strip_floats * sizeof(float), CINCEL_ALIGN);
    if (p->gradient) {
        p->dz_floats = p->images * p->src_h * p->src_w * p->groups * p->k_group;
        p->dz_cuts = cincel_div_up(p->dz_floats, DZ);
    }
}

static bool refuse(char why[CINCEL_WHY], const char *phrase)
{
    snprintf(why, CINCEL_WHY, "grouped: %s", phrase);
    return false;
}

/* No product of derive() overflows: strips are no larger than a padded image. */
static bool fits(const struct cincel_problem *problem, int threads)
{
    const cincel_conv_desc *d = &problem->conv.d;
    const size_t channels = (size_t)(d->ic > d->oc ? d->ic : d->oc);
    size_t strip, weights, total;
    if (!cincel_mul((size_t)d->ih + 2 * (size_t)d->kh * d->dilation_h, channels + LINE, &strip)) return false;
    if (!cincel_mul(strip, (size_t)d->iw + 2 * (size_t)d->kw * d->dilation_w, &strip)) return false;
    if (!cincel_mul(channels + (size_t)d->groups * 128, K_MAX + LINE, &weights)) return false;
    if (__builtin_add_overflow(strip, weights, &total)) return false;
    return cincel_mul(total, ((size_t)threads + (size_t)d->n + 1) * sizeof(float), &total) &&
           total < PTRDIFF_MAX / 2;
}

static bool check(const struct cincel_target *t, const struct cincel_problem *problem,
                  const struct cincel_choice *c, char why[CINCEL_WHY])
{
    (void)t;
    const cincel_conv_desc *d = &problem->conv.d;
    const bool forward = problem->pass == CINCEL_FORWARD;
    const size_t k_group = (size_t)((forward ? d->ic : d->oc) / d->groups);
    size_t k;
    if (d->groups < 2) return refuse(why, "needs groups > 1");
    if (!cincel_mul((size_t)d->kh * (size_t)d->kw, k_group, &k) || k > K_MAX)
        return refuse(why, "too many taps");
    if (!fits(problem, c->threads)) return refuse(why, "sizes overflow");
    if (forward) return true;
    if (d->stride_h != 1 || d->stride_w != 1) return refuse(why, "backward-data of stride 1 only");
    if (d->accumulate) return refuse(why, "adds to nothing");
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
    cincel_carve(&carver, p.weight_bytes);
    cincel_carve(&carver, p.dz_floats * sizeof(float));
    cincel_carve(&carver, p.private_bytes * (size_t)p.threads);
    return carver.used;
}

static void cost(const struct cincel_target *t, const struct cincel_problem *problem,
                 const struct cincel_choice *c, struct cincel_cost *out)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    const double nv = (double)p.row->nr / p.isa->vector_floats, mr = p.row->mr, k = (double)p.k;
    const double loads = mr * nv < mr + nv ? mr * nv / (mr + nv) : 1.0;
    const double latency = mr * nv < 8.0 ? mr * nv / 8.0 : 1.0;
    const double calls = (double)p.cuts * (double)(p.groups * p.panels);
    const double tiles = calls * (double)cincel_div_up(p.band_rows * p.out_w, (size_t)p.row->mr);
    const double even = (double)(cincel_div_up(p.cuts, (size_t)p.threads) * (size_t)p.threads);
    *out = (struct cincel_cost){.flops = 2.0 * tiles * mr * p.row->nr * k};
    /* a tile is cleared, stored and placed; the pointers of a tile of one vector outnumber the registers, and
       half of its time is finding pixels (measured on Zen 3: 50 GFLOP/s of 104 in groups of 8) */
    out->efficiency = (nv < 2.0 ? 0.65 : 0.9) * loads * latency * k / (k + 2.0);
    out->bytes = cincel_problem_bytes(problem) + 2.0 * sizeof(float) * (double)p.dz_floats;
    out->balance = even / (double)p.cuts;
    out->calls = calls;
    out->cuts = (double)p.cuts;
    out->phases = 2.0;
    out->copied = (double)p.cuts * (double)p.private_bytes + (double)p.weight_bytes +
                  sizeof(float) * (double)p.dz_floats;
}

static cincel_status build(const struct cincel_target *t, const struct cincel_problem *problem,
                           const struct cincel_choice *c, struct cincel_prepared **out)
{
    struct cincel_prepared *p = cincel_aligned_alloc(sizeof *p);
    if (!p) return cincel_fail(CINCEL_OUT_OF_MEMORY, "conv: no memory for a plan");
    derive(t, problem, c, p);
    for (size_t k = 0; k < p->k; k++) {
        const size_t tap = k / p->k_group, row = tap / p->kw * p->dilation_h;
        p->offset[k] =
            (ptrdiff_t)((row * p->strip_w + tap % p->kw * p->dilation_w) * p->block + k % p->k_group);
    }
    *out = p;
    return CINCEL_OK;
}

static void discard(struct cincel_prepared *p) { cincel_aligned_free(p); }

/* ------------------------------------------------------------------------------------- the work -- */

struct job {
    const struct cincel_prepared *p;
    const struct cincel_tensors *t;
    const float *source;
    float *out, *weights, *dz;
    char *private; /* private_bytes a worker */
};

/* The panels of one group: [panel][k][nr], unused columns zero. */
static void pack(const struct job *job, size_t group)
{
    const struct cincel_prepared *p = job->p;
    const size_t nr = (size_t)p->row->nr, n_group = p->n_group;
    for (size_t panel = 0; panel < p->panels; panel++) {
        float *to = job->weights + (group * p->panels + panel) * p->panel_floats;
        const size_t first = panel * nr, n = cincel_min(nr, n_group - first);
        if (p->forward) {
            p->isa->pack->transpose(job->t->w + (group * n_group + first) * p->k, p->k, p->k, (int)n, (int)nr,
                                    to);
            continue;
        }
        const size_t taps = p->kh * p->kw; /* rotated: the last first */
        for (size_t k = 0; k < p->k; k++, to += nr) {
            const size_t tap = taps - 1 - k / p->k_group, channel = group * p->k_group + k % p->k_group;
            memcpy(to, job->t->w + (channel * taps + tap) * n_group + first, n * sizeof(float));
            memset(to + n, 0, (nr - n) * sizeof(float));
        }
    }
}

/* One row of the strip: `from` is the image's row, NULL where it has none. */
static void fill_row(const struct cincel_prepared *p, const float *from, float *row)
{
    const size_t channels = p->groups * p->k_group;
    for (size_t b = 0; b < p->blocks; b++) {
        float *to = row + b * p->block_floats;
        const size_t n = cincel_min(p->block, channels - b * p->block);
        for (size_t col = 0; col < p->strip_w; col++, to += p->block) {
            const ptrdiff_t at = (ptrdiff_t)col - p->left;
            if (!from || at < 0 || (size_t)at >= p->src_w)
                memset(to, 0, n * sizeof(float));
            else if (n == LINE)
                memcpy(to, from + (size_t)at * channels + b * p->block, LINE * sizeof(float));
            else
                memcpy(to, from + (size_t)at * channels + b * p->block, n * sizeof(float));
        }
    }
}

static void compute(const struct job *job, size_t cut, float *strip)
{
    const struct cincel_prepared *p = job->p;
    const size_t image = cut / p->bands, first = cut % p->bands * p->band_rows;
    const size_t rows = cincel_min(p->band_rows, p->out_h - first), channels = p->groups * p->n_group;
    const size_t strip_rows = (rows - 1) * p->step_h + (p->kh - 1) * p->dilation_h + 1;
    for (size_t r = 0; r < strip_rows; r++) {
        const ptrdiff_t at = (ptrdiff_t)(first * p->step_h + r) - p->top;
        const bool there = at >= 0 && (size_t)at < p->src_h;
        const float *from =
            job->source + (image * p->src_h + (there ? (size_t)at : 0)) * p->src_w * p->groups * p->k_group;
        fill_row(p, there ? from : NULL, strip + r * p->strip_w * p->block);
    }
    const size_t nr = (size_t)p->row->nr, step = p->step_w * p->block;
    float *out = job->out + (image * p->out_h + first) * p->out_w * channels;
    for (size_t group = 0; group < p->groups; group++)
        for (size_t panel = 0; panel < p->panels; panel++) {
            const size_t channel = group * p->n_group + panel * nr;
            p->row->run(&(struct cincel_fewchan_args){
                .a = strip + group / p->per_block * p->block_floats + group % p->per_block * p->k_group,
                .offset = p->offset,
                .step = step,
                .width = p->out_w,
                .turn = (ptrdiff_t)(p->step_h * p->strip_w * p->block) - (ptrdiff_t)(p->out_w * step),
                .b = job->weights + (group * p->panels + panel) * p->panel_floats,
                .c = out + channel,
                .ldc = channels,
                .m = rows * p->out_w,
                .k = p->k,
                .n = (int)cincel_min(nr, p->n_group - panel * nr),
                .act = p->forward ? cincel_epilogue_in_tile(&p->epilogue) : CINCEL_ACT_NONE,
                .bias = p->forward && job->t->bias ? job->t->bias + channel : NULL});
        }
    if (p->forward) cincel_epilogue_row(&p->epilogue, out, rows * p->out_w * channels);
}

static void body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct job *job = data;
    const struct cincel_prepared *p = job->p;
    size_t cut;
    if (phase == 1) {
        float *strip = (float *)(void *)(job->private + (size_t)worker->id * p->private_bytes);
        while ((cut = cincel_claim(worker)) < p->cuts) compute(job, cut, strip);
        return;
    }
    while ((cut = cincel_claim(worker)) < p->groups + p->dz_cuts) {
        if (cut < p->groups) {
            pack(job, cut);
            continue;
        }
        const size_t begin = (cut - p->groups) * DZ;
        cincel_epilogue_gradient(&p->epilogue, job->t->y_in + begin, job->t->dy + begin, job->dz + begin,
                                 cincel_min(DZ, p->dz_floats - begin));
    }
}

static void run(const struct cincel_prepared *p, const struct cincel_tensors *t, struct cincel_team *team)
{
    struct cincel_carver space = {t->workspace, 0};
    struct job job = {.p = p, .t = t};
    job.weights = cincel_carve(&space, p->weight_bytes);
    job.dz = cincel_carve(&space, p->dz_floats * sizeof(float));
    job.private = cincel_carve(&space, p->private_bytes * (size_t)p->threads);
    job.source = p->forward ? t->x : p->gradient ? job.dz : t->dy;
    job.out = p->forward ? t->y : t->dx;
    assert(job.source && job.out && t->w);
    cincel_team_run(team, p->threads, 2, body, &job);
}

/* Direct's constant: the same chains. */
#define GROUPED_ROW(pass_)                                                                       \
    {                                                                                            \
        .name = "grouped", .op = CINCEL_OP_CONV, .pass = pass_, .row = row_name, .check = check, \
        .defaults = defaults, .cost = cost, .workspace = workspace, .error = 2.5e-7,             \
        .standard = cincel_algo_never_standard, .build = build, .discard = discard, .run = run,  \
    }

const struct cincel_algo cincel_algo_conv_grouped_forward = GROUPED_ROW(CINCEL_FORWARD);
const struct cincel_algo cincel_algo_conv_grouped_backward_data = GROUPED_ROW(CINCEL_BACKWARD_DATA);
