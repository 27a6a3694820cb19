/* Direct convolution, forward and backward-data: the work of one call. The scheme: conv_direct.h. */
#include "ops/conv_direct.h"

#include <assert.h>
#include <string.h>

/* One call: its buffers and the parts of its workspace. */
struct call {
    const struct cincel_prepared *prepared;
    const struct cincel_tensors *t;
    const float *source; /* x, dy, or dy behind the activation's gradient */
    float *out;
    float *weights; /* packed ahead; NULL when fused */
    float *dy;      /* NULL where not needed */
    char *private;  /* one part a worker */
};

/* A worker's part of the workspace. */
struct scratch {
    const float **a; /* [taps][mr] */
    float **c;       /* [mr] */
    float *floats;   /* fused: panels of a column block; padded: the strip */
};

/* One cut of the computing phase. */
struct cut {
    const struct direct_phase *phase;
    size_t group, block_begin, block_end;
    size_t pixel_begin, pixel_end;
    const ptrdiff_t *offset; /* [taps] */
};

/* A place in a phase's grid, all images. */
struct place {
    int image, row, col;
};

/* ------------------------------------------------------------------------------------- packing -- */

/*
 * Packs rows k_begin … k_end−1 of every tap of panels panel_begin … panel_end−1; `dst` is the first
 * of these panels. Panels innermost: a row of w is read on in the next panel where the last one left it.
 */
static void pack(const struct direct_shape *s, const struct direct_phase *phase, const float *w, size_t group,
                 size_t panel_begin, size_t panel_end, size_t k_begin, size_t k_end, float *dst)
{
    const struct cincel_pack_row *pack = s->isa->pack;
    const size_t nr = (size_t)s->row->nr, part = (size_t)s->part;
    const size_t icg = (size_t)(s->forward ? s->g.k : s->g.n), ld = (size_t)s->g.kh * s->g.kw * icg;

    for (size_t tap = 0; tap < phase->taps; tap++) {
        const size_t th = tap / (size_t)phase->cols.taps, tw = tap % (size_t)phase->cols.taps;
        const size_t cell = (size_t)(phase->rows.kernel + (int)th * phase->rows.kernel_step) * s->g.kw +
                            (size_t)(phase->cols.kernel + (int)tw * phase->cols.kernel_step);
        for (size_t panel = panel_begin; panel < panel_end; panel++) {
            const size_t col = panel * nr;
            const int n = (int)cincel_min(nr, (size_t)s->g.n - col);
            float *to = dst + (panel - panel_begin) * phase->panel_floats;
            for (size_t k = k_begin, next; k < k_end; k = next) {
                const size_t base = k / part * part;
                const size_t size = cincel_min(part, (size_t)s->g.k - base);
                next = cincel_min(base + size, k_end);
                float *at = to + (base * phase->taps + tap * size + (k - base)) * nr;
                if (s->forward)
                    pack->transpose(w + (group * s->g.n + col) * ld + cell * icg + k, ld, next - k, n,
                                    (int)nr, at);
                else
                    pack->copy(w + (group * s->g.k + k) * ld + cell * icg + col, ld, next - k, n, (int)nr,
                               at);
            }
        }
    }
}

/* Packing cut number `cut`: some k rows of some panels of one group of one phase. */
static void pack_cut(const struct call *call, size_t cut)
{
    const struct direct_shape *s = &call->prepared->s;
    const size_t slices = cincel_div_up((size_t)s->g.k, s->pack_rows);
    const size_t spans = cincel_div_up(s->panels, s->pack_span);
    const size_t k = cut % slices * s->pack_rows;
    const size_t panel = cut / slices % spans * s->pack_span;
    const size_t group = cut / slices / spans % (size_t)s->g.groups;
    const struct direct_phase *phase = &call->prepared->phase[cut / slices / spans / (size_t)s->g.groups];

    pack(s, phase, call->t->w, group, panel, cincel_min(panel + s->pack_span, s->panels), k,
         cincel_min(k + s->pack_rows, (size_t)s->g.k),
         call->weights + direct_panel_at(s, phase, group, panel));
}

/* Cut number `cut` of dy · act'(y). */
static void gradient_cut(const struct call *call, size_t cut)
{
    const struct direct_shape *s = &call->prepared->s;
    const size_t count = (size_t)s->g.images * s->g.src_h * s->g.src_w * s->g.src_channels;
    const size_t each = cincel_round_up(cincel_div_up(count, s->dy_cuts), CINCEL_ALIGN / sizeof(float));
    const size_t begin = cincel_min(cut * each, count), end = cincel_min(begin + each, count);
    s->isa->vector->act_backward(s->act, call->t->y_in + begin, call->t->dy + begin, call->dy + begin,
                                 end - begin);
}

static void prepare(const struct call *call, struct cincel_worker *worker)
{
    const struct direct_shape *s = &call->prepared->s;
    size_t cut;
    while ((cut = cincel_claim(worker)) < s->pack_cuts + s->dy_cuts) {
        if (cut < s->pack_cuts)
            pack_cut(call, cut);
        else
            gradient_cut(call, cut - s->pack_cuts);
    }
}

/* --------------------------------------------------------------------------------- the strip -- */

struct strip {
    const float *data;
    size_t first; /* padded row, counted over all images */
};

/* One row of the padded source: `row` counts padded rows of all images. */
static void strip_row(const struct call *call, size_t row, float *dst)
{
    const struct direct_shape *s = &call->prepared->s;
    const struct cincel_conv_geometry *g = &s->g;
    const size_t channels = g->src_channels, floats = g->src_w * channels;
    const size_t left = s->strip_left * channels, width = s->strip_w * channels;
    const size_t image = row / (size_t)s->strip_h;
    const int r = (int)(row % (size_t)s->strip_h) - s->strip_top;

    if (r < 0 || r >= g->src_h) {
        memset(dst, 0, width * sizeof(float));
        return;
    }
    const size_t from = (image * g->src_h + (size_t)r) * floats;
    memset(dst, 0, left * sizeof(float));
    if (s->gradient)
        s->isa->vector->act_backward(s->act, call->t->y_in + from, call->t->dy + from, dst + left, floats);
    else
        memcpy(dst + left, call->source + from, floats * sizeof(float));
    memset(dst + left + floats, 0, (width - left - floats) * sizeof(float));
}

/* --------------------------------------------------------------------------------------- tiles -- */

static void step(const struct direct_phase *phase, struct place *at)
{
    if (++at->col < phase->cols.count) return;
    at->col = 0;
    if (++at->row < phase->rows.count) return;
    at->row = 0;
    at->image++;
}

static struct place place_of(const struct direct_phase *phase, size_t pixel)
{
    const size_t rows = (size_t)phase->rows.count, cols = (size_t)phase->cols.count;
    return (struct place){(int)(pixel / cols / rows), (int)(pixel / cols % rows), (int)(pixel % cols)};
}

static bool inner(const struct direct_phase *phase, const struct place *at)
{
    return at->row >= phase->rows.inner_begin && at->row < phase->rows.inner_end &&
           at->col >= phase->cols.inner_begin && at->col < phase->cols.inner_end;
}

/* The taps of a pixel some of which lie in the padding; `base` is the pixel's place in the source. */
static void border_pixel(const struct cincel_prepared *prepared, const struct cut *cut,
                         const struct place *at, const float *source, ptrdiff_t base, int mr, const float **a)
{
    const struct cincel_conv_geometry *g = &prepared->s.g;
    const struct cincel_conv_axis *rows = &cut->phase->rows, *cols = &cut->phase->cols;
    const ptrdiff_t *offset = cut->offset;
    for (int th = 0; th < rows->taps; th++) {
        const int r = at->row * rows->src_step + rows->offset + th * rows->offset_step;
        const bool row_exists = r >= 0 && r < g->src_h;
        for (int tw = 0; tw < cols->taps; tw++, a += mr, offset++) {
            const int c = at->col * cols->src_step + cols->offset + tw * cols->offset_step;
            *a = row_exists && c >= 0 && c < g->src_w ? source + (base + *offset) : prepared->zero;
        }
    }
}

/* Fills the indirection buffer of a tile of m pixels from `at` on, from channel `channel` on. */
static void gather(const struct cincel_prepared *prepared, const struct cut *cut, const float *source,
                   size_t channel, struct place at, int m, int mr, const float **a)
{
    const struct cincel_conv_geometry *g = &prepared->s.g;
    const struct direct_phase *phase = cut->phase;
    struct place pixel[DIRECT_MR_MAX];
    ptrdiff_t base[DIRECT_MR_MAX];
    bool all_inner = true;

    for (int i = 0; i < mr; i++) {
        const size_t row = (size_t)at.image * g->src_h + (size_t)at.row * phase->rows.src_step;
        const size_t place = row * g->src_w + (size_t)at.col * phase->cols.src_step;
        pixel[i] = at;
        base[i] = (ptrdiff_t)(place * g->src_channels + channel);
        all_inner &= inner(phase, &at);
        if (i < m - 1) step(phase, &at); /* rows m … mr−1 repeat the last pixel */
    }
    if (all_inner) {
        for (size_t tap = 0; tap < phase->taps; tap++, a += mr)
            for (int i = 0; i < mr; i++) a[i] = source + (base[i] + cut->offset[tap]);
        return;
    }
    for (int i = 0; i < mr; i++) border_pixel(prepared, cut, &pixel[i], source, base[i], mr, a + i);
}

/* The same for a tile that reads a strip beginning with padded row `first`: a pointer a kernel row. */
static void gather_strip(const struct direct_shape *s, const struct cut *cut, const struct strip *strip,
                         struct place at, int m, int mr, const float **a)
{
    const struct cincel_conv_axis *rows = &cut->phase->rows, *cols = &cut->phase->cols;

    for (int i = 0; i < mr; i++) {
        const size_t row = (size_t)at.image * s->strip_h +
                           (size_t)(s->strip_top + at.row * rows->src_step + rows->offset) - strip->first;
        const size_t col = (size_t)(s->strip_left + at.col * cols->src_step + cols->offset);
        const float *pixel = strip->data + (row * s->strip_w + col) * s->g.src_channels;
        for (int th = 0; th < rows->taps; th++) a[th * mr + i] = pixel + cut->offset[th];
        if (i < m - 1) step(cut->phase, &at);
    }
}

/* Where m pixels from *at on are stored, from column `column` on; moves *at behind them. */
static void scatter(const struct direct_shape *s, const struct direct_phase *phase, float *out, size_t column,
                    struct place *at, int m, float **c)
{
    for (int i = 0; i < m; i++, step(phase, at)) {
        const size_t row = (size_t)phase->rows.out_start + (size_t)at->row * phase->rows.out_step;
        const size_t col = (size_t)phase->cols.out_start + (size_t)at->col * phase->cols.out_step;
        c[i] = out + (((size_t)at->image * s->g.out_h + row) * s->g.out_w + col) * s->g.out_channels + column;
    }
}

/* ------------------------------------------------------------------------------------ computing -- */

/* One tile of m pixels times the panels of one column block and one k block; `b` is the first panel. */
static void multiply(const struct call *call, const struct cut *cut, size_t block, int part,
                     const struct scratch *scratch, int m, const float *b)
{
    const struct direct_shape *s = &call->prepared->s;
    const struct cincel_gemm_row *row = call->prepared->by_m[m];
    const bool last = part == s->parts - 1;
    const int begin = part * s->part, size = last ? s->g.k - begin : s->part;
    const size_t end = cincel_min((block + 1) * s->block_panels, s->panels);
    const float *bias = s->forward && last ? call->t->bias : NULL;
    struct cincel_gemm_args args = {
        .a = scratch->a,
        .c = scratch->c,
        .taps = s->padded ? (size_t)cut->phase->rows.taps : cut->phase->taps,
        .k = s->padded ? (size_t)cut->phase->cols.taps * size : (size_t)size,
        .m = m,
        .load_c = part > 0 || s->accumulate,
        .act = s->forward && last ? s->act : CINCEL_ACT_NONE,
    };

    b += (size_t)begin * cut->phase->taps * row->nr;
    for (size_t panel = block * s->block_panels; panel < end; panel++, b += cut->phase->panel_floats) {
        const size_t column = panel * row->nr;
        args.b = b;
        args.n = (int)cincel_min((size_t)row->nr, (size_t)s->g.n - column);
        args.bias = bias ? bias + cut->group * s->g.n + column : NULL;
        row->run(&args);
        for (int i = 0; i < m; i++) scratch->c[i] += row->nr;
    }
}

/* All pixels of the cut times one column block; `strip` may be NULL. */
static void run_block(const struct call *call, const struct cut *cut, size_t block,
                      const struct scratch *scratch, const struct strip *strip, const float *b)
{
    const struct cincel_prepared *prepared = call->prepared;
    const struct direct_shape *s = &prepared->s;
    const size_t column = cut->group * s->g.n + block * s->block_panels * s->row->nr;

    for (int part = 0; part < s->parts; part++) {
        const size_t channel = cut->group * s->g.k + (size_t)part * s->part;
        struct place at = place_of(cut->phase, cut->pixel_begin);
        int m;
        for (size_t pixel = cut->pixel_begin; pixel < cut->pixel_end; pixel += (size_t)m) {
            m = (int)cincel_min((size_t)s->row->mr, cut->pixel_end - pixel);
            const int mr = prepared->by_m[m]->mr;
            if (strip)
                gather_strip(s, cut, strip, at, m, mr, scratch->a);
            else
                gather(prepared, cut, call->source, channel, at, m, mr, scratch->a);
            scatter(s, cut->phase, call->out, column, &at, m, scratch->c);
            multiply(call, cut, block, part, scratch, m, b);
        }
    }
}

static void run_cut(const struct call *call, const struct cut *cut, const struct scratch *scratch)
{
    const struct direct_shape *s = &call->prepared->s;
    struct strip strip = {scratch->floats, 0};
    const bool use_strip = s->padded && cut->phase->taps > 0;

    if (s->accumulate && cut->phase->taps == 0) return;
    if (use_strip) {
        size_t count;
        const size_t row_floats = s->strip_w * s->g.src_channels;
        strip.first = direct_strip_rows(s, cut->phase, cut->pixel_begin, cut->pixel_end, &count);
        for (size_t i = 0; i < count; i++) strip_row(call, strip.first + i, scratch->floats + i * row_floats);
    }
    for (size_t block = cut->block_begin; block < cut->block_end; block++) {
        const size_t panel = block * s->block_panels;
        const float *b = scratch->floats;
        if (s->fused)
            pack(s, cut->phase, call->t->w, cut->group, panel, cincel_min(panel + s->block_panels, s->panels),
                 0, (size_t)s->g.k, scratch->floats);
        else
            b = call->weights + direct_panel_at(s, cut->phase, cut->group, panel);
        run_block(call, cut, block, scratch, use_strip ? &strip : NULL, b);
    }
}

/*
 * Cuts are numbered pixels first, so that neighbours share their panels, and the last column block,
 * which may be narrower, last; with strips a cut takes all columns, so that its strip is copied once.
 */
static void decode_cut(const struct cincel_prepared *prepared, size_t index, struct cut *cut)
{
    const struct direct_shape *s = &prepared->s;
    size_t p = 0;
    while (index >= prepared->phase[p].first_cut + prepared->phase[p].cuts) p++;
    const struct direct_phase *phase = &prepared->phase[p];
    index -= phase->first_cut;

    const size_t pixel_cut = index % phase->pixel_cuts, block = index / phase->pixel_cuts;
    *cut = (struct cut){.phase = phase, .offset = prepared->offset + p * s->taps_max};
    cut->pixel_begin = pixel_cut * phase->cut_pixels;
    cut->pixel_end = cincel_min(cut->pixel_begin + phase->cut_pixels, phase->pixels);
    cut->group = s->padded ? 0 : block % (size_t)s->g.groups;
    cut->block_begin = s->padded ? 0 : block / (size_t)s->g.groups;
    cut->block_end = s->padded ? s->blocks : cut->block_begin + 1;
}

static void compute(const struct call *call, struct cincel_worker *worker)
{
    const struct cincel_prepared *prepared = call->prepared;
    const struct direct_shape *s = &prepared->s;
    struct cincel_carver mine = {call->private + (size_t)worker->id * s->private_bytes, 0};
    const struct scratch scratch = {
        .a = cincel_carve(&mine, s->taps_max * s->row->mr * sizeof(float *)),
        .c = cincel_carve(&mine, s->row->mr * sizeof(float *)),
        .floats = cincel_carve(&mine, s->private_floats * sizeof(float)),
    };
    size_t index;
    while ((index = cincel_claim(worker)) < s->cuts) {
        struct cut cut;
        decode_cut(prepared, index, &cut);
        run_cut(call, &cut, &scratch);
    }
}

static void body(void *job, struct cincel_worker *worker, size_t phase)
{
    const struct call *call = job;
    const struct direct_shape *s = &call->prepared->s;
    if (phase == 0 && s->pack_cuts + s->dy_cuts > 0)
        prepare(call, worker);
    else
        compute(call, worker);
}

void direct_run(const struct cincel_prepared *prepared, const struct cincel_tensors *tensors,
                struct cincel_team *team)
{
    const struct direct_shape *s = &prepared->s;
    struct cincel_carver space = {tensors->workspace, 0};
    struct call call = {.prepared = prepared, .t = tensors, .out = s->forward ? tensors->y : tensors->dx};

    assert(tensors->workspace && call.out && tensors->w);
    call.weights = cincel_carve(&space, s->weight_floats * sizeof(float));
    call.dy = cincel_carve(&space, s->dy_floats * sizeof(float));
    call.private = space.base + space.used;
    call.source = s->forward ? tensors->x : s->dy_cuts ? call.dy : tensors->dy;
    cincel_team_run(team, s->threads, s->pack_cuts + s->dy_cuts > 0 ? 2 : 1, body, &call);
}
