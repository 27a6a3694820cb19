/* Convolution by im2col, forward and backward-data: the work of one call. The scheme: conv_im2col.h. */
#include <assert.h>
#include <string.h>

#include "core/memory.h"
#include "ops/conv_im2col.h"

/* One call: its buffers and the parts of its workspace. */
struct call {
    const struct cincel_prepared *p;
    const struct cincel_tensors *t;
    const float *source; /* x, dy, or dy behind the activation's gradient */
    float *weights;      /* packed ahead (swapped: x is); unused when fused */
    float *dz;           /* unused where there is no gradient */
    char *private;       /* one part a worker */
};

/* A worker's part of the workspace. */
struct scratch {
    float *panels, *strip, *columns;
};

/* m rows of A times panels begin … end−1 of one group, k rows k_begin … k_end−1. */
struct product {
    const float *a;
    size_t lda;
    const float *b; /* panel `begin`, row k_begin */
    size_t panel_floats;
    const float *rows; /* not NULL: B is yet rows, ld apart, from column 0 of panel `begin` on; ... */
    size_t ld;
    float *pack; /* ... and here is room for the panels */
    float *c;    /* column 0 of the group */
    size_t ldc, m;
    size_t begin, end, k_begin, k_end;
    size_t columns;     /* of C */
    const float *ahead; /* column 0 of the rows of A that come next; NULL: not asked for */
    const float *bias;
    bool load_c;
    bool outputs; /* C is y: it ends with bias and activation */
};

static void multiply(const struct cincel_prepared *p, const struct product *g)
{
    const size_t nr = (size_t)p->row->nr;
    const bool last = g->outputs && g->k_end == p->k;
    struct cincel_strip_args args = {
        .a = g->a + g->k_begin,
        .lda = g->lda,
        .b = g->b,
        .ldb = g->ld,
        .ldc = g->ldc,
        .m = g->m,
        .k = g->k_end - g->k_begin,
        .load_c = g->k_begin > 0 || g->load_c,
        .act = last ? cincel_epilogue_in_tile(&p->epilogue) : CINCEL_ACT_NONE,
    };
    /* each panel's tiles ask for some of the rows that the first panel of the next block begins with */
    const size_t share = cincel_div_up((size_t)p->row->mr, g->end - g->begin);
    args.ahead_step = g->lda == args.k ? share : 1;
    for (size_t panel = g->begin; panel < g->end; panel++, args.b += g->panel_floats) {
        const struct cincel_gemm_row *tile = cincel_im2col_row(p, panel);
        args.b += g->k_begin * cincel_im2col_surplus(p, panel);
        args.ahead_tile = (size_t)tile->mr * g->lda;
        const size_t row = (panel - g->begin) * share;
        args.ahead = g->ahead && row < (size_t)p->row->mr ? g->ahead + g->k_begin + row * g->lda : NULL;
        args.c = g->c + panel * nr;
        args.n = (int)cincel_min((size_t)tile->nr, g->columns - panel * nr);
        if (g->rows) {
            args.b = g->rows + (panel - g->begin) * nr;
            args.panel = g->pack + (panel - g->begin) * g->panel_floats;
        }
        args.bias = g->bias && last ? g->bias + panel * nr : NULL;
        tile->strip(&args);
    }
    if (!last) return;
    const size_t column = g->begin * nr, end = g->end < p->panels ? g->end * nr : g->columns;
    const size_t count = cincel_min(end, g->columns) - column;
    for (size_t i = 0; i < g->m; i++) cincel_epilogue_row(&p->epilogue, g->c + i * g->ldc + column, count);
}

/* ------------------------------------------------------------------------------------- packing -- */

/* Panels begin … end−1, k rows k_begin … k_end−1 of one group's weights to `dst`, `pitch` floats apart. */
static void pack(const struct cincel_prepared *p, const float *w, size_t group, size_t begin, size_t end,
                 size_t k_begin, size_t k_end, float *dst, size_t pitch)
{
    const size_t nr = (size_t)p->row->nr, ld = p->cols.k, ocg = p->oc / p->cols.groups;
    w += group * ocg * ld;
    const bool wide = end == p->panels && p->last != p->row; /* the last panel */
    if (p->forward) {
        for (size_t panel = begin; panel < end; panel++) {
            const int columns = cincel_im2col_row(p, panel)->nr;
            p->isa->pack->transpose(w + panel * nr * ld + k_begin, ld, k_end - k_begin,
                                    (int)cincel_min((size_t)columns, p->n - panel * nr), columns,
                                    dst + (panel - begin) * pitch +
                                        k_begin * cincel_im2col_surplus(p, panel));
        }
        return;
    }
    struct cincel_split_args split = {.src = w + k_begin * ld + begin * nr, /* k is the output channel */
                                      .ld = ld,
                                      .rows = k_end - k_begin,
                                      .columns = p->n - begin * nr,
                                      .panels = end - begin - wide,
                                      .step = nr,
                                      .nr = nr,
                                      .dst = dst,
                                      .dst_panel = pitch};
    p->isa->pack->split(&split);
    if (!wide) return;
    const size_t others = split.panels;
    split.src += others * nr;
    split.columns -= others * nr;
    split.dst += others * pitch + k_begin * cincel_im2col_surplus(p, end - 1);
    split.panels = 1;
    split.step = split.nr = (size_t)p->last->nr;
    p->isa->pack->split(&split);
}

static void pack_cut(const struct call *call, size_t cut)
{
    const struct cincel_prepared *p = call->p;
    const size_t spans = p->forward ? p->panels : 1, slices = cincel_div_up(p->k, p->pack_rows);
    const size_t panel = cut % spans, k = cut / spans % slices * p->pack_rows, group = cut / spans / slices;
    float *dst = call->weights + group * p->group_floats + panel * p->panel_floats + k * (size_t)p->row->nr;
    pack(p, call->t->w, group, panel, p->forward ? panel + 1 : p->panels, k,
         cincel_min(k + p->pack_rows, p->k), dst, p->panel_floats);
}

/* k rows k_begin … k_end−1 of the panel of some pixels. */
static void pack_pixels(const struct call *call, size_t panel, size_t k_begin, size_t k_end, float *dst)
{
    const struct cincel_prepared *p = call->p;
    const size_t nr = (size_t)p->row->nr;
    p->isa->pack->transpose(call->t->x + panel * nr * p->k + k_begin, p->k, k_end - k_begin,
                            (int)cincel_min(nr, p->pixels - panel * nr), (int)nr, dst);
}

static void pack_pixels_cut(const struct call *call, size_t cut)
{
    const struct cincel_prepared *p = call->p;
    const size_t slices = cincel_div_up(p->k, p->pack_rows), panel = cut / slices;
    const size_t k = cut % slices * p->pack_rows;
    pack_pixels(call, panel, k, cincel_min(k + p->pack_rows, p->k),
                call->weights + panel * p->panel_floats + k * (size_t)p->row->nr);
}

static void prepare(const struct call *call, struct cincel_worker *worker)
{
    const struct cincel_prepared *p = call->p;
    size_t cut;
    while (cincel_claim(worker, p->pack_cuts + p->dz_cuts, &cut)) {
        if (cut < p->pack_cuts) {
            if (p->swapped)
                pack_pixels_cut(call, cut);
            else
                pack_cut(call, cut);
            continue;
        }
        cincel_epilogue_gradient_cut(&p->epilogue, call->t, call->dz, p->dz_floats, cut - p->pack_cuts);
    }
}

/* ------------------------------------------------------------------------- columns are the tensors -- */

struct pixel_span {
    size_t begin, end, step;
};

/* The part of k that begins there: its weights, packed now where that is the cut's own work. */
static void take_part(const struct call *call, size_t group, size_t k, const struct scratch *scratch,
                      struct product *g)
{
    const struct cincel_prepared *p = call->p;
    const size_t nr = (size_t)p->row->nr;
    g->k_begin = k;
    g->k_end = cincel_min(k + p->part, p->k);
    g->b = call->weights + group * p->group_floats + g->begin * p->panel_floats + k * nr;
    g->panel_floats = p->panel_floats;
    if (!p->fused) return;
    g->b = scratch->panels;
    g->panel_floats = cincel_round_up((g->k_end - k) * nr, CINCEL_ALIGN / sizeof(float));
    if (p->forward) {
        pack(p, call->t->w, group, g->begin, g->end, k, g->k_end, scratch->panels, g->panel_floats);
    } else { /* rows of w: the first block's tiles make the panels */
        g->rows = call->t->w + (group * p->k + k) * g->ld + g->begin * nr;
        g->pack = scratch->panels;
    }
}

/* The block of pixels that begins there times the part of k. */
static void pointwise_block(const struct call *call, size_t group, const struct pixel_span *span,
                            size_t pixel, struct product *g)
{
    const struct cincel_prepared *p = call->p;
    g->m = cincel_min(span->step, span->end - pixel);
    g->a = call->source + pixel * p->m_channels + group * p->k;
    /* behind the end of a cut another thread goes on */
    g->ahead = p->threads == 1 || pixel + span->step < span->end ? g->a + span->step * p->m_channels : NULL;
    g->c = (p->forward ? call->t->y : call->t->dx) + group * p->n + pixel * g->ldc;
    multiply(p, g);
    g->rows = NULL;
}

static void pointwise_cut(const struct call *call, size_t cut, const struct scratch *scratch)
{
    const struct cincel_prepared *p = call->p;
    const size_t block = cut / p->pixel_cuts % p->blocks, group = cut / p->pixel_cuts / p->blocks;
    struct pixel_span span = {.begin = cut % p->pixel_cuts * p->cut_pixels};
    struct product g = {.lda = p->m_channels,
                        .ld = p->cols.k,
                        .ldc = p->forward ? p->oc : p->cols.ic,
                        .begin = block * p->panels / p->blocks,
                        .end = (block + 1) * p->panels / p->blocks,
                        .columns = p->n,
                        .load_c = p->accumulate,
                        .outputs = p->forward};
    span.end = cincel_min(span.begin + p->cut_pixels, p->pixels);
    const size_t count = span.end - span.begin, steps = cincel_div_up(count, p->block_pixels);
    span.step = cincel_round_up(cincel_div_up(count, steps), (size_t)p->row->mr); /* even blocks */
    if (p->forward && call->t->bias) g.bias = call->t->bias + group * p->n;
    /* one of the two loops over pixels runs once */
    const size_t round = p->parts_inner ? span.step : count;
    for (size_t first = span.begin; first < span.end; first += round)
        for (size_t k = 0; k < p->k; k = g.k_end) {
            take_part(call, group, k, scratch, &g);
            const size_t last = cincel_min(first + round, span.end);
            for (size_t pixel = first; pixel < last; pixel += span.step)
                pointwise_block(call, group, &span, pixel, &g);
        }
}

/* ------------------------------------------------------------- few pixels: the operands change places -- */

/* yᵀ of a block of outputs and a block of pixels in scratch->columns, then to y with bias and activation. */
static void swapped_cut(const struct call *call, size_t cut, const struct scratch *scratch)
{
    const struct cincel_prepared *p = call->p;
    const size_t row = cut / p->pixel_cuts * p->block_rows, rows = cincel_min(p->block_rows, p->n - row);
    const size_t begin = cut % p->pixel_cuts * p->block_panels, nr = (size_t)p->row->nr;
    const size_t end = cincel_min(begin + p->block_panels, p->panels);
    const size_t pixel_end = cincel_min(end * nr, p->pixels), pitch = p->cut_pixels;
    struct product g = {
        .a = call->t->w + row * p->k, .lda = p->k, .ldc = pitch, .m = rows, .end = 1, .columns = nr};
    for (size_t k = 0; k < p->k; k = g.k_end) {
        g.k_begin = k;
        g.k_end = cincel_min(k + p->part, p->k);
        for (size_t panel = begin; panel < end; panel++) {
            /* each panel asks for another of a tile's rows in the next part of k */
            const size_t ask = panel - begin;
            g.ahead = g.k_end < p->k && ask < (size_t)p->row->mr ? g.a + (g.k_end - k) + ask * g.lda : NULL;
            g.b = p->fused ? scratch->panels : call->weights + panel * p->panel_floats + k * nr;
            if (p->fused) pack_pixels(call, panel, k, g.k_end, scratch->panels);
            g.c = scratch->columns + (panel - begin) * nr;
            multiply(p, &g);
        }
    }
    float *y = call->t->y + begin * nr * p->oc + row;
    p->isa->pack->untranspose(scratch->columns, (int)pitch, rows, (int)(pixel_end - begin * nr), y, p->oc, 0);
    for (size_t pixel = begin * nr; pixel < pixel_end; pixel++, y += p->oc) {
        if (call->t->bias) p->isa->vector->add(call->t->bias + row, y, rows);
        if (p->epilogue.act != CINCEL_ACT_NONE)
            p->isa->vector->act_forward((int)p->epilogue.act, p->epilogue.alpha, y, y, rows);
    }
}

/* -------------------------------------------------------------------------------------- columns -- */

/* All panels and parts of k of one group. */
static void multiply_all(const struct call *call, size_t group, struct product *g)
{
    const struct cincel_prepared *p = call->p;
    const float *weights = call->weights + group * p->group_floats;
    g->begin = 0;
    g->end = p->panels;
    g->panel_floats = p->panel_floats;
    for (size_t k = 0; k < p->k; k = g->k_end) {
        g->k_begin = k;
        g->k_end = cincel_min(k + p->part, p->k);
        g->b = weights + k * (size_t)p->row->nr;
        multiply(p, g);
    }
}

static void forward_cut(const struct call *call, size_t cut, const struct scratch *scratch)
{
    const struct cincel_prepared *p = call->p;
    const size_t begin = cut * p->cut_pixels, end = cincel_min(begin + p->cut_pixels, p->pixels);
    const float *strip = p->in_place ? call->t->x : scratch->strip;
    const size_t first =
        p->in_place ? 0 : cincel_columns_strip(&p->cols, call->t->x, begin, end, scratch->strip);
    for (size_t pixel = begin; pixel < end; pixel += p->block_pixels) {
        const size_t m = cincel_min(p->block_pixels, end - pixel);
        for (size_t group = 0; group < p->cols.groups; group++) {
            cincel_columns_fill(&p->cols, strip, first, group, pixel, pixel + m, scratch->columns);
            multiply_all(call, group,
                         &(struct product){.a = scratch->columns,
                                           .lda = p->k,
                                           .c = call->t->y + pixel * p->oc + group * p->n,
                                           .ldc = p->oc,
                                           .m = m,
                                           .columns = p->n,
                                           .bias = call->t->bias ? call->t->bias + group * p->n : NULL,
                                           .outputs = true});
        }
    }
}

/* The strip's rows, which begin with dx row `begin` of the image, to dx; rows no window covers get 0. */
static void store_band(const struct call *call, size_t image, size_t begin, size_t end, const float *strip)
{
    const struct cincel_prepared *p = call->p;
    const struct cincel_columns *s = &p->cols;
    const size_t width = s->strip_w * s->ic, left = cincel_min(s->pad_left * s->ic, width);
    const size_t whole = s->iw * s->ic, kept = cincel_min(whole, width - left);
    for (size_t row = begin; row < end; row++) {
        float *to = call->t->dx + (image * s->ih + row) * whole;
        const float *from = strip + (row - begin) * width + left;
        if (p->accumulate) {
            p->isa->vector->add(from, to, kept);
        } else {
            memcpy(to, from, kept * sizeof(float));
            memset(to + kept, 0, (whole - kept) * sizeof(float));
        }
    }
}

static void data_cut(const struct call *call, size_t cut, const struct scratch *scratch)
{
    const struct cincel_prepared *p = call->p;
    const struct cincel_columns *s = &p->cols;
    const size_t image = cut / p->bands, begin = cut % p->bands * p->band_rows;
    const size_t end = cincel_min(begin + p->band_rows, s->ih), pitch = p->width;
    const size_t top = image * s->strip_h + begin + s->pad_top; /* strip row of dx row `begin` */
    size_t row_end;
    const size_t row = cincel_im2col_band(s, begin, end, &row_end);
    const size_t pixel_end = (image * s->oh + row_end) * s->ow;

    if (!p->in_place) memset(scratch->strip, 0, (end - begin) * s->strip_w * s->ic * sizeof(float));
    for (size_t pixel = (image * s->oh + row) * s->ow; pixel < pixel_end; pixel += p->block_pixels) {
        const size_t m = cincel_min(p->block_pixels, pixel_end - pixel);
        const bool follows = p->threads == 1 || pixel + m < pixel_end;
        for (size_t group = 0; group < s->groups; group++) {
            const float *a = call->source + pixel * p->oc + group * p->k;
            multiply_all(call, group,
                         &(struct product){.a = a,
                                           .lda = p->oc,
                                           .ahead = follows ? a + m * p->oc : NULL,
                                           .c = scratch->columns,
                                           .ldc = pitch,
                                           .m = m,
                                           .columns = pitch});
            if (p->in_place)
                cincel_columns_put(s, scratch->columns, pitch, group, pixel, pixel + m, call->t->dx);
            else
                cincel_columns_add(s, p->isa->vector, scratch->columns, pitch, group, pixel, pixel + m, top,
                                   end - begin, scratch->strip);
        }
    }
    if (!p->in_place) store_band(call, image, begin, end, scratch->strip);
}

static void compute(const struct call *call, struct cincel_worker *worker)
{
    const struct cincel_prepared *p = call->p;
    struct cincel_carver mine = {call->private + (size_t)worker->id * p->private_bytes, 0};
    struct scratch scratch;
    scratch.panels = cincel_carve(&mine, p->panel_private * sizeof(float));
    scratch.strip = cincel_carve(&mine, p->strip_floats * sizeof(float));
    scratch.columns = cincel_carve(&mine, p->column_floats * sizeof(float));
    size_t cut;
    while (cincel_claim(worker, p->cuts, &cut)) {
        if (p->swapped)
            swapped_cut(call, cut, &scratch);
        else if (p->cols.pointwise)
            pointwise_cut(call, cut, &scratch);
        else if (p->forward)
            forward_cut(call, cut, &scratch);
        else
            data_cut(call, cut, &scratch);
    }
}

static void body(void *job, struct cincel_worker *worker, size_t phase)
{
    const struct call *call = job;
    if (phase == 0 && call->p->pack_cuts + call->p->dz_cuts > 0)
        prepare(call, worker);
    else
        compute(call, worker);
}

void cincel_im2col_run(const struct cincel_prepared *p, const struct cincel_tensors *t,
                       struct cincel_team *team)
{
    struct cincel_carver space = {t->workspace, 0};
    struct call call = {.p = p, .t = t};
    call.weights = cincel_carve(&space, p->weight_floats * sizeof(float));
    call.dz = cincel_carve(&space, p->dz_floats * sizeof(float));
    call.private = space.base + space.used;
    call.source = p->forward ? t->x : p->gradient ? call.dz : t->dy;
    assert(call.source && t->w);
    cincel_team_run(team, p->threads, p->pack_cuts + p->dz_cuts > 0 ? 2 : 1, body, &call);
}
