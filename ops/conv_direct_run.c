/* Direct convolution, forward and backward-data: the work of one call. The scheme: conv_direct.h. */
#include "ops/conv_direct.h"

#include <assert.h>
#include <string.h>

enum { LINE_FLOATS = CINCEL_ALIGN / sizeof(float) };

/* One call: its buffers and the parts of its workspace. */
struct call {
    const struct cincel_prepared *prepared;
    const struct cincel_tensors *t;
    const float *source; /* x, dy, or dy behind the activation's gradient */
    float *out;
    const float *weights; /* packed ahead; NULL when fused */
    float *packing;       /* the same, where this call packs them */
    size_t pack_cuts;     /* of the preparing phase; 0: the caller packed them */
    float *dy;            /* NULL where not needed */
    char *private;        /* one part a worker */
};

/* m pixels: where their taps are read from, where their results go. */
struct tile {
    int m, mr;
    int row_begin, row_end; /* rows of taps that exist for any of them */
    const float **a;        /* [taps][mr] */
    float **c;              /* [m] */
    const float **fresh;    /* of a, the pixels that this tile is the first to read */
    size_t fresh_count;
};

/* A worker's part of the workspace. */
struct scratch {
    struct tile tile[2]; /* the present one and the next */
    float *floats;       /* fused: panels of a column block; padded: the strip */
};

/* One cut of the computing phase. */
struct cut {
    const struct direct_phase *phase;
    const ptrdiff_t *offset; /* floats from a pixel's place to each of its pointers */
    size_t group, block_begin, block_end;
    size_t pixel_begin, pixel_end;
};

/* One column block and one k block of a cut. */
struct job {
    const struct call *call;
    const struct cut *cut;
    const float *source; /* the source tensor; padded: the strip, beginning with padded row `first` */
    size_t first;
    ptrdiff_t source_step, out_step; /* from column to column of the phase, floats */
    const float *b;                  /* the first panel */
    size_t panel_begin, panel_end;
    int part;
};

/* ------------------------------------------------------------------------------------- packing -- */

/* Some k rows of some panels of one group of a phase, to be packed. */
struct packing {
    const struct direct_phase *phase;
    size_t group, panel_begin, panel_end, k_begin, k_end;
    float *dst; /* panel panel_begin */
};

/* `rows` rows of kernel cell `cell`, from row k on, to `at` in each panel; they lie in one k block. */
static void pack_rows(const struct direct_shape *s, const struct packing *to, const float *w, size_t cell,
                      size_t k, size_t rows, float *at)
{
    const struct cincel_pack_row *pack = s->isa->pack;
    const size_t nr = (size_t)s->row->nr, n = (size_t)s->g.n, col = to->panel_begin * nr;
    const size_t icg = s->forward ? (size_t)s->g.k : n, ld = (size_t)s->g.kh * s->g.kw * icg;

    if (!s->forward) { /* k is the output channel, columns lie side by side */
        pack->split(&(struct cincel_split_args){.src = w + (to->group * s->g.k + k) * ld + cell * icg + col,
                                                .ld = ld,
                                                .rows = rows,
                                                .columns = n - col,
                                                .panels = to->panel_end - to->panel_begin,
                                                .step = nr,
                                                .nr = nr,
                                                .dst = at,
                                                .dst_panel = to->phase->panel_floats});
        return;
    }
    const float *src = w + (to->group * n + col) * ld + cell * icg + k;
    for (size_t left = n - col, panel = to->panel_begin; panel < to->panel_end; panel++) {
        pack->transpose(src, ld, rows, (int)cincel_min(nr, left), (int)nr, at);
        at += to->phase->panel_floats;
        src += nr * ld;
        left -= cincel_min(nr, left);
    }
}

static void pack(const struct direct_shape *s, const struct packing *to, const float *w)
{
    const struct cincel_conv_axis *rows = &to->phase->rows, *cols = &to->phase->cols;
    const size_t part = (size_t)s->part, nr = (size_t)s->row->nr;

    for (size_t k = to->k_begin, next; k < to->k_end; k = next) {
        const size_t base = k / part * part; /* the k block's first row, and its size */
        const size_t size = cincel_min(part, (size_t)s->g.k - base);
        next = cincel_min(base + size, to->k_end);
        for (size_t tap = 0; tap < to->phase->taps; tap++) {
            const int th = (int)(tap / (size_t)cols->taps), tw = (int)(tap % (size_t)cols->taps);
            const size_t cell = (size_t)(rows->kernel + th * rows->kernel_step) * s->g.kw +
                                (size_t)(cols->kernel + tw * cols->kernel_step);
            pack_rows(s, to, w, cell, k, next - k,
                      to->dst + (base * to->phase->taps + tap * size + (k - base)) * nr);
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

    const struct packing to = {.phase = phase,
                               .group = group,
                               .panel_begin = panel,
                               .panel_end = cincel_min(panel + s->pack_span, s->panels),
                               .k_begin = k,
                               .k_end = cincel_min(k + s->pack_rows, (size_t)s->g.k),
                               .dst = call->packing + cincel_direct_panel_at(s, phase, group, panel)};
    pack(s, &to, call->t->w);
}

/* Cut number `cut` of dy · act'(y). */
static void gradient_cut(const struct call *call, size_t cut)
{
    const struct direct_shape *s = &call->prepared->s;
    const size_t count = (size_t)s->g.images * s->g.src_h * s->g.src_w * s->g.src_channels;
    const size_t each = cincel_round_up(cincel_div_up(count, s->dy_cuts), LINE_FLOATS);
    const size_t begin = cincel_min(cut * each, count), end = cincel_min(begin + each, count);
    cincel_epilogue_gradient(&s->epilogue, call->t->y_in + begin, call->t->dy + begin, call->dy + begin,
                             end - begin);
}

static void prepare(const struct call *call, struct cincel_worker *worker)
{
    const struct direct_shape *s = &call->prepared->s;
    size_t cut;
    while (cincel_claim(worker, call->pack_cuts + s->dy_cuts, &cut)) {
        if (cut < call->pack_cuts)
            pack_cut(call, cut);
        else
            gradient_cut(call, cut - call->pack_cuts);
    }
}

/* --------------------------------------------------------------------------------- the strip -- */

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
        cincel_epilogue_gradient(&s->epilogue, call->t->y_in + from, call->t->dy + from, dst + left, floats);
    else
        memcpy(dst + left, call->source + from, floats * sizeof(float));
    memset(dst + left + floats, 0, (width - left - floats) * sizeof(float));
}

/* --------------------------------------------------------------------------------------- tiles -- */

/* A walk over the pixels of a phase in their order. */
struct walk {
    int image, row, col;
    ptrdiff_t source; /* floats from the beginning of the job's source to the pixel's place in it */
    float *out;
    bool row_inner; /* all kernel rows lie in the image */
};

/* Computes source, out and row_inner from image, row and col. */
static void seek(const struct job *job, struct walk *w)
{
    const struct direct_shape *s = &job->call->prepared->s;
    const struct cincel_conv_geometry *g = &s->g;
    const struct cincel_conv_axis *rows = &job->cut->phase->rows, *cols = &job->cut->phase->cols;
    const size_t image = (size_t)w->image, column = job->panel_begin * s->row->nr;
    const size_t out_row = (size_t)rows->out_start + (size_t)w->row * rows->out_step;
    const size_t out_col = (size_t)cols->out_start + (size_t)w->col * cols->out_step;
    size_t row = (size_t)w->row * rows->src_step, col = (size_t)w->col * cols->src_step;

    w->out = job->call->out + ((image * g->out_h + out_row) * g->out_w + out_col) * g->out_channels +
             job->cut->group * g->n + column;
    if (s->padded) {
        row += image * s->strip_h + (size_t)(s->strip_top + rows->offset) - job->first;
        col += (size_t)(s->strip_left + cols->offset);
        w->source = (ptrdiff_t)((row * s->strip_w + col) * g->src_channels);
        w->row_inner = true;
        return;
    }
    row += image * g->src_h;
    w->source = (ptrdiff_t)((row * g->src_w + col) * g->src_channels + job->cut->group * g->k +
                            (size_t)job->part * s->part);
    w->row_inner = w->row >= rows->inner_begin && w->row < rows->inner_end;
}

/* Moves on by `count` pixels, at most to the beginning of the next row. */
static void step(const struct job *job, struct walk *w, int count)
{
    const struct direct_phase *phase = job->cut->phase;
    w->col += count;
    if (w->col < phase->cols.count) {
        w->source += count * job->source_step;
        w->out += count * job->out_step;
        return;
    }
    w->col = 0;
    const int images = job->call->prepared->s.g.images, next = w->image + 1;
    if (next % phase->together != 0 && next < images) {
        w->image = next;
    } else if (++w->row < phase->rows.count) {
        w->image -= w->image % phase->together;
    } else {
        w->row = 0;
        w->image = next;
    }
    seek(job, w);
}

static struct walk walk_from(const struct job *job, size_t pixel)
{
    const struct direct_phase *phase = job->cut->phase;
    const size_t rows = (size_t)phase->rows.count, cols = (size_t)phase->cols.count;
    const size_t first = pixel / (rows * cols * phase->together) * phase->together; /* image */
    const size_t together =
        cincel_min((size_t)phase->together, (size_t)job->call->prepared->s.g.images - first);
    const size_t row = pixel / cols - first * rows;
    struct walk w = {
        .image = (int)(first + row % together), .row = (int)(row / together), .col = (int)(pixel % cols)};
    seek(job, &w);
    return w;
}

/* The pointers of a pixel some of whose taps lie in the padding. */
static void border_pixel(const struct job *job, const struct walk *w, int mr, const float **a)
{
    const struct cincel_prepared *prepared = job->call->prepared;
    const struct cincel_conv_axis *rows = &job->cut->phase->rows, *cols = &job->cut->phase->cols;
    const ptrdiff_t *offset = job->cut->offset;
    for (int th = 0; th < rows->taps; th++) {
        const int r = w->row * rows->src_step + rows->offset + th * rows->offset_step;
        const bool row_exists = r >= 0 && r < prepared->s.g.src_h;
        for (int tw = 0; tw < cols->taps; tw++, a += mr, offset++) {
            const int c = w->col * cols->src_step + cols->offset + tw * cols->offset_step;
            const bool exists = row_exists && c >= 0 && c < prepared->s.g.src_w;
            *a = exists ? job->source + (w->source + *offset) : prepared->zero;
        }
    }
}

/* Adds the rows of taps that exist for the pixel to those of the tile. */
static void extend_rows(const struct job *job, const struct walk *w, struct tile *tile)
{
    const struct cincel_conv_axis *rows = &job->cut->phase->rows;
    const int above = w->row * rows->src_step + rows->offset, step = rows->offset_step;
    const int below = job->call->prepared->s.g.src_h - 1 - above;
    int begin = 0, end = rows->taps;
    if (!w->row_inner) {
        begin = above < 0 ? (step - 1 - above) / step : 0;
        end = below < 0 ? 0 : below / step + 1 < end ? below / step + 1 : end;
    }
    if (begin < tile->row_begin) tile->row_begin = begin;
    if (end > tile->row_end) tile->row_end = end;
}

/* Any m pixels: across rows and images, at borders, with rows m … mr−1 of the tile repeating the last. */
static void gather_any(const struct job *job, struct walk *w, size_t pointers, struct tile *tile)
{
    const struct cincel_conv_axis *cols = &job->cut->phase->cols;
    const bool padded = job->call->prepared->s.padded;
    const int m = tile->m, mr = tile->mr;
    for (int i = 0; i < mr; i++) {
        const bool inner =
            padded || (w->row_inner && w->col >= cols->inner_begin && w->col < cols->inner_end);
        const float **a = tile->a + i;
        if (inner)
            for (size_t p = 0; p < pointers; p++, a += mr)
                *a = job->source + (w->source + job->cut->offset[p]);
        else
            border_pixel(job, w, mr, a);
        extend_rows(job, w, tile);
        if (i < m) tile->c[i] = w->out;
        if (i < m - 1) step(job, w, 1);
    }
    step(job, w, 1);
}

/* Fills a tile with the next m pixels of the walk. */
static void gather(const struct job *job, struct walk *w, int m, struct tile *tile)
{
    const struct cincel_conv_axis *cols = &job->cut->phase->cols;
    const bool padded = job->call->prepared->s.padded;
    const size_t pointers = padded ? (size_t)job->cut->phase->rows.taps : job->cut->phase->taps;
    const int mr = job->call->prepared->by_m[m]->mr;
    const int begin = padded ? 0 : cols->inner_begin, end = padded ? cols->count : cols->inner_end;

    tile->m = m;
    tile->mr = mr;
    tile->row_begin = job->cut->phase->rows.taps;
    tile->row_end = 0;
    if (m < mr || !w->row_inner || w->col < begin || w->col + m > end) {
        gather_any(job, w, pointers, tile);
        return;
    }
    /* whole, in one row and away from the borders: most tiles */
    extend_rows(job, w, tile);
    const float **a = tile->a;
    for (size_t p = 0; p < pointers; p++, a += mr) {
        const float *first = job->source + (w->source + job->cut->offset[p]);
        for (int i = 0; i < mr; i++) a[i] = first + i * job->source_step;
    }
    for (int i = 0; i < m; i++) tile->c[i] = w->out + i * job->out_step;
    step(job, w, m);
}

/*
 * Lists the pixels behind the tile's last taps; the others were met by tiles to the left and above. They are
 * called into L2 while the tile before is computed (into L1 they would evict what it uses): mr streams a
 * pixel apart for a few hundred cycles are more than the hardware's prefetchers see through.
 */
static void list_fresh(const struct direct_phase *phase, struct tile *tile)
{
    const struct cincel_conv_axis *rows = &phase->rows, *cols = &phase->cols;
    const int first_row = rows->taps > rows->src_step ? rows->taps - rows->src_step : 0;
    const int first_col = cols->taps > cols->src_step ? cols->taps - cols->src_step : 0;
    tile->fresh_count = 0;
    for (int th = first_row; th < rows->taps; th++)
        for (int tw = first_col; tw < cols->taps; tw++)
            for (int i = 0; i < tile->m; i++)
                tile->fresh[tile->fresh_count++] = tile->a[(th * cols->taps + tw) * tile->mr + i];
}

/* Longer runs of channels the hardware's prefetchers follow by themselves (1024: 2 % slower with ours). */
enum { AHEAD_MAX = 256 };

/* ------------------------------------------------------------------------------------ computing -- */

/* The activation of a tile's outputs, whose pointers stand behind the last panel. */
static void finish(const struct job *job, const struct tile *tile)
{
    const struct direct_shape *s = &job->call->prepared->s;
    const size_t nr = (size_t)s->row->nr, behind = (job->panel_end - job->panel_begin) * nr;
    const size_t columns = cincel_min(behind, (size_t)s->g.n - job->panel_begin * nr);
    for (int p = 0; p < tile->m; p++) cincel_epilogue_row(&s->epilogue, tile->c[p] - behind, columns);
}

/* One tile times the panels of the job; what the `next` tile (or NULL) reads first is fetched meanwhile. */
static void multiply(const struct job *job, const struct tile *tile, const struct tile *next)
{
    const struct direct_shape *s = &job->call->prepared->s;
    const struct direct_phase *phase = job->cut->phase;
    const struct cincel_gemm_row *row = job->call->prepared->by_m[tile->m];
    const bool last = job->part == s->parts - 1;
    const int begin = job->part * s->part, size = last ? s->g.k - begin : s->part;
    const float *bias = s->forward && last ? job->call->t->bias : NULL;
    const size_t tap_rows = tile->row_end > tile->row_begin ? (size_t)(tile->row_end - tile->row_begin) : 0;
    const size_t row_taps = s->padded ? 1 : (size_t)phase->cols.taps, before = tile->row_begin * row_taps;
    const size_t run = s->padded ? (size_t)phase->cols.taps * size : (size_t)size; /* of k at a pointer */
    const float *b = job->b + ((size_t)begin * phase->taps + before * run) * row->nr;
    const size_t panels = job->panel_end - job->panel_begin;
    const size_t lines = cincel_div_up((size_t)size, LINE_FLOATS);
    struct cincel_gemm_args args = {
        .a = tile->a + before * tile->mr,
        .c = tile->c,
        .taps = tap_rows * row_taps,
        .k = run,
        .m = tile->m,
        .load_c = job->part > 0 || s->accumulate,
        .act = s->forward && last ? cincel_epilogue_in_tile(&s->epilogue) : CINCEL_ACT_NONE,
    };
    if (next) {
        args.ahead = next->fresh;
        args.ahead_count = next->fresh_count;
        args.ahead_each = cincel_div_up(next->fresh_count, cincel_max(args.taps, 1));
    }

    for (size_t i = 0; i < panels; i++, b += phase->panel_floats) {
        const size_t column = (job->panel_begin + i) * row->nr;
        args.b = b;
        args.n = (int)cincel_min((size_t)row->nr, (size_t)s->g.n - column);
        args.bias = bias ? bias + job->cut->group * s->g.n + column : NULL;
        /* the lines to be written at the call's end: where k is short, stores would wait for them */
        for (int p = 0; p < tile->m; p++) __builtin_prefetch(tile->c[p], 1);
        args.ahead_from = i * lines / panels * LINE_FLOATS;
        args.ahead_until = (i + 1) * lines / panels * LINE_FLOATS;
        row->run(&args);
        for (int p = 0; p < tile->m; p++) tile->c[p] += row->nr;
    }
    if (s->forward && last) finish(job, tile);
}

/* All pixels of the cut; pointers are gathered one tile ahead. */
static void run_job(const struct job *job, const struct scratch *scratch)
{
    const struct direct_shape *s = &job->call->prepared->s;
    const bool ahead = !s->padded && s->part <= AHEAD_MAX;
    struct tile tile[2] = {scratch->tile[0], scratch->tile[1]};
    struct walk w = walk_from(job, job->cut->pixel_begin);
    size_t left = job->cut->pixel_end - job->cut->pixel_begin;
    size_t m = cincel_min((size_t)s->row->mr, left);

    gather(job, &w, (int)m, &tile[0]);
    for (int now = 0; left > 0; now ^= 1) {
        left -= m;
        m = cincel_min((size_t)s->row->mr, left);
        const struct tile *next = left > 0 && ahead ? &tile[now ^ 1] : NULL;
        if (left > 0) gather(job, &w, (int)m, &tile[now ^ 1]);
        if (next) list_fresh(job->cut->phase, &tile[now ^ 1]);
        multiply(job, &tile[now], next);
    }
}

/* Pixels of dx that no window reaches. */
static void clear(const struct job *job)
{
    const struct direct_shape *s = &job->call->prepared->s;
    const struct cincel_prepared *prepared = job->call->prepared;
    const size_t nr = (size_t)s->row->nr, end = cincel_min(job->panel_end * nr, (size_t)s->g.n);
    const size_t count = end - job->panel_begin * nr;
    struct walk w = walk_from(job, job->cut->pixel_begin);
    for (size_t left = job->cut->pixel_end - job->cut->pixel_begin; left > 0; left--) {
        if (prepared->past)
            prepared->past(prepared->zero, w.out, count);
        else
            memset(w.out, 0, count * sizeof(float));
        step(job, &w, 1);
    }
    if (prepared->past) s->isa->vector->fence();
}

static void run_cut(const struct call *call, const struct cut *cut, const struct scratch *scratch)
{
    const struct direct_shape *s = &call->prepared->s;
    struct job job = {.call = call,
                      .cut = cut,
                      .source = call->source,
                      .source_step = (ptrdiff_t)s->g.src_channels * cut->phase->cols.src_step,
                      .out_step = (ptrdiff_t)s->g.out_channels * cut->phase->cols.out_step};

    if (s->accumulate && cut->phase->taps == 0) return;
    if (s->padded && cut->phase->taps > 0) {
        const size_t row_floats = s->strip_w * s->g.src_channels;
        size_t count;
        job.source = scratch->floats;
        job.first = cincel_direct_strip_rows(s, cut->phase, cut->pixel_begin, cut->pixel_end, &count);
        for (size_t i = 0; i < count; i++) strip_row(call, job.first + i, scratch->floats + i * row_floats);
    }
    for (size_t block = cut->block_begin; block < cut->block_end; block++) {
        job.panel_begin = block * s->block_panels;
        job.panel_end = cincel_min(job.panel_begin + s->block_panels, s->panels);
        if (cut->phase->taps == 0) {
            clear(&job);
            continue;
        }
        job.b = scratch->floats;
        if (!call->weights)
            pack(s,
                 &(struct packing){cut->phase, cut->group, job.panel_begin, job.panel_end, 0, (size_t)s->g.k,
                                   scratch->floats},
                 call->t->w);
        else
            job.b = call->weights + cincel_direct_panel_at(s, cut->phase, cut->group, job.panel_begin);
        for (job.part = 0; job.part < s->parts; job.part++) run_job(&job, scratch);
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

    const size_t blocks = phase->cuts / phase->pixel_cuts, band = index / (phase->band_cuts * blocks);
    const size_t first = band * phase->band_cuts; /* the last band may be narrower */
    const size_t width = cincel_min(phase->band_cuts, phase->pixel_cuts - first);
    index -= first * blocks;
    const size_t pixel_cut = first + index % width, block = index / width;
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
    struct scratch scratch;
    for (int i = 0; i < 2; i++) {
        scratch.tile[i].a = cincel_carve(&mine, s->taps_max * s->row->mr * sizeof(float *));
        scratch.tile[i].c = cincel_carve(&mine, s->row->mr * sizeof(float *));
        scratch.tile[i].fresh = cincel_carve(&mine, s->taps_max * s->row->mr * sizeof(float *));
    }
    scratch.floats = cincel_carve(&mine, s->private_floats * sizeof(float));
    size_t index;
    while (cincel_claim(worker, s->cuts, &index)) {
        struct cut cut;
        decode_cut(prepared, index, &cut);
        run_cut(call, &cut, &scratch);
    }
}

static void body(void *job, struct cincel_worker *worker, size_t phase)
{
    const struct call *call = job;
    const struct direct_shape *s = &call->prepared->s;
    if (phase == 0 && call->pack_cuts + s->dy_cuts > 0)
        prepare(call, worker);
    else
        compute(call, worker);
}

void cincel_direct_run(const struct cincel_prepared *prepared, const struct cincel_tensors *tensors,
                       struct cincel_team *team)
{
    const struct direct_shape *s = &prepared->s;
    struct cincel_carver space = {tensors->workspace, 0};
    struct call call = {.prepared = prepared, .t = tensors, .out = s->forward ? tensors->y : tensors->dx};

    assert(tensors->workspace && call.out && (tensors->w || tensors->packed));
    call.packing = cincel_carve(&space, s->weight_floats * sizeof(float));
    call.weights = tensors->packed ? tensors->packed : s->fused ? NULL : call.packing;
    call.pack_cuts = tensors->packed ? 0 : s->pack_cuts;
    call.dy = cincel_carve(&space, s->dy_floats * sizeof(float));
    call.private = space.base + space.used;
    call.source = s->forward ? tensors->x : s->dy_cuts ? call.dy : tensors->dy;
    cincel_team_run(team, s->threads, call.pack_cuts + s->dy_cuts > 0 ? 2 : 1, body, &call);
}

/* --------------------------------------------------------------------------- weights packed once -- */

size_t cincel_direct_packed_bytes(const struct cincel_prepared *prepared)
{
    return prepared->s.packed_floats * sizeof(float);
}

static void pack_body(void *job, struct cincel_worker *worker, size_t phase)
{
    const struct call *call = job;
    size_t cut;
    (void)phase;
    while (cincel_claim(worker, call->pack_cuts, &cut)) pack_cut(call, cut);
}

void cincel_direct_pack_weights(const struct cincel_prepared *prepared, const float *w, void *packed,
                                struct cincel_team *team)
{
    const struct cincel_tensors tensors = {.w = w};
    struct call call = {
        .prepared = prepared, .t = &tensors, .packing = packed, .pack_cuts = prepared->s.all_pack_cuts};
    cincel_team_run(team, prepared->s.threads, 1, pack_body, &call);
}
