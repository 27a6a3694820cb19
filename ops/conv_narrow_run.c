/* Convolution with few outputs, forward and backward-data: the work of one call. The scheme is told in
   conv_narrow.h. */
#include <assert.h>

#include "core/memory.h"
#include "ops/conv_narrow.h"

struct call {
    const struct cincel_prepared *p;
    const struct cincel_tensors *t;
    const float *source; /* x, dy, or dy behind the activation's gradient */
    const float *bias;
    float *target; /* y or dx */
    float *dz, *packed;
};

/* One cut's rectangle of pixels whose windows are cut alike: spans `a` of rows and `b` of columns. */
struct rectangle {
    const struct narrow_axis *h, *w;
    const struct narrow_span *b;
    int tap, tap_end; /* of h */
    size_t row, rows, image, images;
    const float *weights; /* of the phase, target_c rows */
    size_t weights_w;     /* taps of a row of the kernel there */
};

/* ------------------------------------------------------------------------------------ before the work -- */

/* Weights of one channel of dx, in the order in which its phases meet taps and channels of dy. */
static void pack(const struct call *call, size_t channel)
{
    const struct cincel_prepared *p = call->p;
    const size_t tap = p->target_c, row = p->kh * p->kw * tap; /* from tap to tap, from output to output */
    for (size_t phase = 0; phase < p->phases_h * p->phases_w; phase++) {
        const struct narrow_axis *h = &p->h[phase / p->phases_w], *w = &p->w[phase % p->phases_w];
        float *to = call->packed + p->packed_at[phase] + channel * h->taps * w->taps * p->source_c;
        for (size_t i = 0; i < h->taps; i++)
            for (size_t j = 0; j < w->taps; j++) {
                const size_t at = (h->w_first - i * h->w_pitch) * p->kw + w->w_first - j * w->w_pitch;
                const float *from = call->t->w + at * tap + channel;
                for (size_t o = 0; o < p->source_c; o++) *to++ = from[o * row];
            }
    }
}

static void prepare(const struct call *call, struct cincel_worker *worker)
{
    const struct cincel_prepared *p = call->p;
    size_t cut;
    while (cincel_claim(worker, p->target_c + p->dz_cuts, &cut)) {
        if (cut < p->target_c)
            pack(call, cut);
        else
            cincel_epilogue_gradient_cut(&p->epilogue, call->t, call->dz, p->dz_floats, cut - p->target_c);
    }
}

/* ------------------------------------------------------------------------------------------ the work -- */

/* All outputs of args->pixels pixels, block by block. */
static void line(const struct call *call, const struct cincel_narrow_args *whole)
{
    const struct cincel_prepared *p = call->p;
    const size_t groups = cincel_narrow_groups(p);
    for (size_t pixel = 0; pixel < whole->pixels; pixel += cincel_min(p->block_pixels, whole->pixels)) {
        struct cincel_narrow_args args = *whole;
        args.pixels = cincel_min(p->block_pixels, whole->pixels - pixel);
        args.x += pixel * args.step;
        for (size_t g = 0; g < groups; g++) {
            const size_t o = p->target_c * g / groups, end = p->target_c * (g + 1) / groups;
            args.w = whole->w + o * args.ldw;
            args.y = whole->y + pixel * args.ldy + o;
            args.bias = whole->bias ? whole->bias + o : NULL;
            p->isa->narrow[end - o - 1].run(&args);
        }
    }
}

/* The runs of a window, from its first tap inside the source; their number. */
static size_t find_runs(const struct cincel_prepared *p, const struct rectangle *r, ptrdiff_t *x_at,
                        ptrdiff_t *w_at)
{
    const size_t taps_w = p->merged ? 1 : (size_t)(r->b->tap_end - r->b->tap);
    size_t count = 0;
    if (r->b->tap == r->b->tap_end) return 0;
    for (int i = r->tap; i < r->tap_end; i++)
        for (size_t j = 0; j < taps_w; j++, count++) {
            x_at[count] =
                (ptrdiff_t)(((size_t)(i - r->tap) * r->h->dilation * p->source_w + j * r->w->dilation) *
                            p->source_c);
            w_at[count] = (ptrdiff_t)(((size_t)i * r->weights_w + (size_t)r->b->tap + j) * p->source_c);
        }
    return count;
}

/* Source and target of pixel (row, col) of the phase. */
static void place(const struct call *call, const struct rectangle *r, size_t image, size_t row, size_t col,
                  struct cincel_narrow_args *args)
{
    const struct cincel_prepared *p = call->p;
    const size_t target_row = r->h->first + row * r->h->pitch, target_col = r->w->first + col * r->w->pitch;
    args->x = call->source;
    if (args->runs > 0) {
        const size_t y =
            (size_t)((ptrdiff_t)(row * r->h->stride + (size_t)r->tap * r->h->dilation) - r->h->pad);
        const size_t x =
            (size_t)((ptrdiff_t)(col * r->w->stride + (size_t)r->b->tap * r->w->dilation) - r->w->pad);
        args->x += ((image * p->source_h + y) * p->source_w + x) * p->source_c;
    }
    args->y = call->target + ((image * p->target_h + target_row) * p->target_w + target_col) * p->target_c;
}

static void rectangle(const struct call *call, const struct rectangle *r)
{
    const struct cincel_prepared *p = call->p;
    const size_t col = (size_t)r->b->begin, cols = (size_t)r->b->end - col;
    const struct narrow_lines lines = cincel_narrow_lines(p, r->rows, cols, r->images);
    ptrdiff_t x_at[NARROW_RUNS_MAX], w_at[NARROW_RUNS_MAX];
    struct cincel_narrow_args args = {
        .w = r->weights,
        .x_at = x_at,
        .w_at = w_at,
        .ldw = (size_t)r->h->taps * r->weights_w * p->source_c,
        .runs = find_runs(p, r, x_at, w_at),
        .run = p->source_c * (p->merged ? (size_t)(r->b->tap_end - r->b->tap) : 1),
        .pixels = lines.length,
        .bias = call->bias,
        .act = p->forward ? cincel_epilogue_in_tile(&p->epilogue) : CINCEL_ACT_NONE,
    };
    const size_t step[3] = {r->w->stride * p->source_c, r->h->stride * p->source_w * p->source_c,
                            p->source_h * p->source_w * p->source_c};
    const size_t ldy[3] = {r->w->pitch * p->target_c, r->h->pitch * p->target_w * p->target_c,
                           p->target_h * p->target_w * p->target_c};
    args.step = args.runs > 0 ? step[lines.along] : 0;
    args.ldy = ldy[lines.along];
    /* the two axes that lines do not run along; of images, rows, columns the last named is the innermost */
    const size_t images = lines.along == 2 ? 1 : r->images, rows = lines.along == 1 ? 1 : r->rows;
    const size_t across = lines.along == 0 ? 1 : cols;
    for (size_t image = 0; image < images; image++)
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < across; j++) {
                place(call, r, r->image + image, r->row + i, col + j, &args);
                line(call, &args);
            }
}

/* Rows begin … end−1 of one phase, of some images. */
static void phase_rows(const struct call *call, size_t phase, size_t begin, size_t end, size_t image,
                       size_t images)
{
    const struct cincel_prepared *p = call->p;
    struct rectangle r = {.h = &p->h[phase / p->phases_w],
                          .w = &p->w[phase % p->phases_w],
                          .image = image,
                          .images = images,
                          .weights = p->forward ? call->t->w : call->packed + p->packed_at[phase]};
    r.weights_w = r.w->taps;
    for (int i = 0; i < r.h->spans; i++) {
        const struct narrow_span *a = &r.h->span[i];
        r.row = cincel_max((size_t)a->begin, begin);
        const size_t last = cincel_min((size_t)a->end, end);
        if (r.row >= last) continue;
        r.rows = last - r.row;
        r.tap = a->tap;
        r.tap_end = a->tap_end;
        for (int j = 0; j < r.w->spans; j++) {
            r.b = &r.w->span[j];
            rectangle(call, &r);
        }
    }
}

static void compute(const struct call *call, struct cincel_worker *worker)
{
    const struct cincel_prepared *p = call->p;
    size_t cut;
    while (cincel_claim(worker, p->cuts, &cut)) {
        const size_t image = cut / p->bands * p->cut_images;
        const size_t images = cincel_min(p->cut_images, p->images - image);
        const size_t begin = cut % p->bands * p->cut_rows, end = cincel_min(begin + p->cut_rows, p->rows_max);
        for (size_t phase = 0; phase < p->phases_h * p->phases_w; phase++)
            phase_rows(call, phase, begin, end, image, images);
        if (!p->forward) continue;
        const size_t row = p->target_w * p->target_c; /* cuts of several images hold whole ones */
        cincel_epilogue_row(&p->epilogue, call->target + (image * p->target_h + begin) * row,
                            ((images - 1) * p->target_h + end - begin) * row);
    }
}

static void body(void *job, struct cincel_worker *worker, size_t phase)
{
    const struct call *call = job;
    if (phase == 0 && !call->p->forward)
        prepare(call, worker);
    else
        compute(call, worker);
}

void cincel_narrow_run(const struct cincel_prepared *p, const struct cincel_tensors *t,
                       struct cincel_team *team)
{
    struct cincel_carver space = {t->workspace, 0};
    struct call call = {.p = p, .t = t, .target = p->forward ? t->y : t->dx};
    call.dz = cincel_carve(&space, p->dz_floats * sizeof(float));
    call.packed = cincel_carve(&space, p->packed_floats * sizeof(float));
    call.source = p->forward ? t->x : p->gradient ? call.dz : t->dy;
    call.bias = p->forward ? t->bias : NULL;
    assert(call.source && t->w && call.target);
    cincel_team_run(team, p->threads, p->forward ? 1 : 2, body, &call);
}
