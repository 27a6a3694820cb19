/*
 * Direct backward-weights at work: phases, cuts, pixel blocks, taps.
 *
 * Every element of dW is one chain of FMAs over the pixels of its slice in the order images, rows,
 * columns; blocks and tiles cut the chain in calls, never its order. Padding is not multiplied: each
 * tap runs over the output pixels whose input exists.
 */
#include <assert.h>
#include <string.h>

#include "core/memory.h"
#include "ops/conv_direct_weights.h"
#include "ops/epilogue.h"

enum { LINE = CINCEL_ALIGN / sizeof(float) };

/* One tap over the current block: strides and counts, the pointers filled in for each tile. */
struct tap {
    struct cincel_outer_args args;
    size_t x_offset, dy_offset; /* from the block's first pixel of x and dy */
};

/* Floats from one packed panel to the next: an odd number of cache lines, so that the panels a pixel is
   spread over do not share L1 sets. */
static size_t panel_pitch(size_t floats) { return (cincel_div_up(floats, LINE) | 1) * LINE; }

/* What one worker needs for itself. */
struct scratch {
    struct tap *taps;
    float *dy, *x; /* packed block, or NULL */
    float *w, *db; /* with one slice: the cut's panels and sums */
};

struct parts {
    float *x, *dz;        /* padded copy; dy · act'(y) */
    float *panels, *sums; /* with several slices: [slice][group][panel][tap][channel][nr], [slice][oc] */
    char *scratch;
    size_t scratch_bytes;
};

struct job {
    const struct cincel_prepared *p;
    const struct cincel_tensors *t;
    struct parts parts;
    const float *x, *dy; /* what the kernels read */
    int first_phase;     /* 0: there is something to prepare */
};

/* A run of output pixels, contiguous in dy: whole images, or rows of one image, or part of a row. */
struct block {
    size_t image, images, row, rows, col, cols;
};

/* Where kernels find pixel (image, row, col) of a tensor for the current block, in floats. */
struct view {
    const float *base;
    size_t first_row, first_col; /* of the pixel at base */
    size_t image, row, px;       /* strides */
    size_t tile;                 /* between the tiles (x) or panels (dy) of one pixel; 0: by channel */
};

/* ------------------------------------------------------------------------------------ workspace -- */

static size_t panel_floats(const struct cincel_prepared *p)
{
    return cincel_weights_taps(p) * p->s.channels * p->nr;
}

/* Most channels (of full tiles) and panels any cut has. */
static size_t cut_channels(const struct cincel_prepared *p)
{
    return cincel_min(cincel_div_up(p->tiles.count, p->tile_blocks) * p->mr, p->s.channels);
}

static size_t cut_panels(const struct cincel_prepared *p)
{
    return cincel_div_up(p->panels, p->panel_blocks);
}

static struct scratch carve_scratch(const struct cincel_prepared *p, struct cincel_carver *c)
{
    const size_t tiles = cincel_div_up(p->tiles.count, p->tile_blocks);
    struct scratch s = {.taps = cincel_carve(c, cincel_weights_taps(p) * sizeof(struct tap))};
    if (p->pack >= 1)
        s.dy = cincel_carve(c, cut_panels(p) * panel_pitch(p->block_pixels * p->nr) * sizeof(float));
    if (p->pack >= 2)
        s.x = cincel_carve(c, tiles * panel_pitch(p->region_pixels * p->x_pitch) * sizeof(float));
    if (p->slices == 1) {
        s.w =
            cincel_carve(c, cut_panels(p) * cincel_weights_taps(p) * cut_channels(p) * p->nr * sizeof(float));
        s.db = cincel_carve(c, cut_panels(p) * p->nr * sizeof(float));
    }
    return s;
}

static struct parts carve_parts(const struct cincel_prepared *p, struct cincel_carver *c)
{
    const struct cincel_weights_shape *s = &p->s;
    struct parts parts = {0};
    if (p->copy_x) parts.x = cincel_carve(c, s->n * s->ih * s->iw * s->x_px * sizeof(float));
    if (p->d.activation != CINCEL_ACT_NONE)
        parts.dz = cincel_carve(c, s->n * s->oh * s->ow * s->oc * sizeof(float));
    if (p->slices > 1) {
        parts.panels = cincel_carve(c, p->slices * s->groups * p->panels * panel_floats(p) * sizeof(float));
        parts.sums = cincel_carve(c, p->slices * s->oc * sizeof(float));
    }
    struct cincel_carver one = {NULL, 0};
    carve_scratch(p, &one);
    parts.scratch_bytes = one.used;
    parts.scratch = cincel_carve(c, one.used * (size_t)p->threads);
    return parts;
}

size_t cincel_weights_workspace(const struct cincel_prepared *p)
{
    struct cincel_carver c = {NULL, 0};
    carve_parts(p, &c);
    return c.used;
}

/* ---------------------------------------------------------------------------------- preparation -- */

/* Elements of dy a worker claims at a time: some 50 µs of a stream. */
enum { DZ_CHUNK = 1 << 17 };

enum { SHORT_ROW = 128 };

static void pad_image(const struct job *job, size_t image)
{
    const struct cincel_weights_shape *s = &job->p->s;
    const size_t left = (size_t)job->p->d.pad_left, width = (size_t)job->p->d.iw;
    /* the last columns of x may lie beyond every window */
    const size_t kept = cincel_min(width, s->iw - left);
    const size_t pixel = s->x_px * sizeof(float), row_floats = s->iw * s->x_px;
    float *to = job->parts.x + image * s->ih * row_floats;
    const float *from = job->t->x + image * s->ih * width * s->x_px;
    /* in rows as short as these two calls more cost as much as the copy */
    const bool short_rows = row_floats <= SHORT_ROW;
    if (short_rows) memset(to, 0, s->ih * row_floats * sizeof(float));
    for (size_t row = 0; row < s->ih; row++, to += row_floats, from += width * s->x_px) {
        if (!short_rows) memset(to, 0, left * pixel);
        memcpy(to + left * s->x_px, from, kept * pixel);
        if (!short_rows) memset(to + (left + kept) * s->x_px, 0, (s->iw - left - kept) * pixel);
    }
}

static void prepare(const struct job *job, struct cincel_worker *worker)
{
    const struct cincel_prepared *p = job->p;
    const struct cincel_epilogue epilogue = cincel_epilogue_of(p->isa, &p->d);
    const size_t images = p->copy_x ? p->s.n : 0;
    const size_t count = p->s.n * p->s.oh * p->s.ow * p->s.oc;
    const size_t chunks = job->parts.dz ? cincel_div_up(count, DZ_CHUNK) : 0;
    size_t claim;
    while (cincel_claim(worker, images + chunks, &claim)) {
        if (claim < images) {
            pad_image(job, claim);
            continue;
        }
        const size_t at = (claim - images) * DZ_CHUNK;
        cincel_epilogue_gradient(&epilogue, job->t->y_in + at, job->t->dy + at, job->parts.dz + at,
                                 cincel_min(DZ_CHUNK, count - at));
    }
}

/* --------------------------------------------------------------------------------- pixel blocks -- */

/* The block that begins at pixel `at` of a slice ending at `end` (whole rows); returns where it ends. */
static size_t next_block(const struct cincel_prepared *p, size_t at, size_t end, struct block *b)
{
    const struct cincel_weights_shape *s = &p->s;
    const size_t row = at / s->ow, left = end / s->ow - row;
    *b = (struct block){.image = row / s->oh, .images = 1, .row = row % s->oh, .rows = 1};
    b->col = at % s->ow;
    b->cols = cincel_min(p->block_cols, s->ow - b->col);
    if (p->block_images > 1 && b->row == 0 && left >= s->oh) {
        b->images = cincel_min(p->block_images, left / s->oh);
        b->rows = s->oh;
    } else if (p->block_cols == s->ow) {
        b->rows = cincel_min(cincel_min(p->block_rows, s->oh - b->row), left);
    }
    return at + b->images * b->rows * b->cols;
}

/* First input row (column) of output row (column) `o` under tap `k`; may lie outside the image. */
static ptrdiff_t input_of(size_t o, size_t stride, ptrdiff_t pad, size_t k, size_t dilation)
{
    return (ptrdiff_t)(o * stride + k * dilation) - pad;
}

/* Input rows (columns) that outputs o … o+count−1 may read, clipped to the image. */
static struct cincel_weights_range input_range(size_t o, size_t count, size_t stride, ptrdiff_t pad, size_t k,
                                               size_t dilation, size_t size)
{
    const ptrdiff_t first = input_of(o, stride, pad, 0, dilation);
    const ptrdiff_t end = input_of(o + count - 1, stride, pad, k - 1, dilation) + 1;
    struct cincel_weights_range r = {first < 0 ? 0 : (size_t)first, end < 0 ? 0 : (size_t)end};
    if (r.begin > size) r.begin = size;
    if (r.end > size) r.end = size;
    if (r.end < r.begin) r.end = r.begin;
    return r;
}

static struct view plain_x(const struct job *job, const struct block *b, size_t group)
{
    const struct cincel_weights_shape *s = &job->p->s;
    struct view v = {.px = s->x_px, .row = s->iw * s->x_px, .image = s->ih * s->iw * s->x_px};
    v.base = job->x + b->image * v.image + group * s->channels;
    return v;
}

static struct view plain_dy(const struct job *job, const struct block *b, size_t group)
{
    const struct cincel_weights_shape *s = &job->p->s;
    struct view v = {.px = s->oc, .row = s->ow * s->oc, .image = s->oh * s->ow * s->oc};
    v.base = job->dy + b->image * v.image + b->row * v.row + b->col * v.px + group * s->columns;
    v.first_row = b->row;
    v.first_col = b->col;
    return v;
}

/* Copies panels first … end−1 of the block, [panel][pixel][nr]: 128 or 256 channels between pixels
   would put a block's lines of one panel into few sets of the L1 cache. */
static struct view packed_dy(const struct cincel_prepared *p, const struct view *from, const struct block *b,
                             size_t first, size_t end, float *to)
{
    const size_t pixels = b->images * b->rows * b->cols, pitch = panel_pitch(pixels * p->nr);
    p->isa->pack->split(&(struct cincel_split_args){.src = from->base + first * p->nr,
                                                    .ld = p->s.oc,
                                                    .rows = pixels,
                                                    .columns = p->s.columns - first * p->nr,
                                                    .panels = end - first,
                                                    .step = p->nr,
                                                    .nr = p->nr,
                                                    .dst = to,
                                                    .dst_panel = pitch});
    struct view v = *from;
    v.base = to;
    v.px = p->nr;
    v.row = b->cols * p->nr;
    v.image = b->rows * v.row;
    v.tile = pitch;
    return v;
}

/* -------------------------------------------------------------------------------------- a cut -- */

static const struct cincel_outer_row *tile_at(const struct cincel_weights_tiles *tiles, size_t tile,
                                              size_t *channel)
{
    int i = 0;
    while (tile >= tiles->span[i].first + tiles->span[i].count) i++;
    *channel = tiles->span[i].channel + (tile - tiles->span[i].first) * (size_t)tiles->span[i].row->mr;
    return tiles->span[i].row;
}

/* Tiles first … end−1 of `rows` pixels of x, next to each other in memory, to panels `pitch` apart. */
static void split_tiles(const struct cincel_prepared *p, const float *x, size_t rows, size_t first,
                        size_t end, float *to, size_t pitch)
{
    for (int i = 0; i < p->tiles.spans; i++) {
        const size_t from = cincel_max(first, p->tiles.span[i].first);
        const size_t until = cincel_min(end, p->tiles.span[i].first + p->tiles.span[i].count);
        if (from >= until) continue;
        const size_t step = (size_t)p->tiles.span[i].row->mr;
        const size_t channel = p->tiles.span[i].channel + (from - p->tiles.span[i].first) * step;
        p->isa->pack->split(&(struct cincel_split_args){.src = x + channel,
                                                        .ld = p->s.x_px,
                                                        .rows = rows,
                                                        .columns = p->s.channels - channel,
                                                        .panels = until - from,
                                                        .step = step,
                                                        .nr = p->x_pitch,
                                                        .dst = to + (from - first) * pitch,
                                                        .dst_panel = pitch});
    }
}

/* Copies the input region of the block for tiles first … end−1: [tile][image][row][col][x_pitch]. */
static struct view packed_x(const struct cincel_prepared *p, const struct view *from, const struct block *b,
                            size_t first, size_t end, float *to)
{
    const struct cincel_weights_shape *s = &p->s;
    const struct cincel_weights_range rows =
        input_range(b->row, b->rows, s->stride_h, s->pad_top, s->kh, s->dilation_h, s->ih);
    const struct cincel_weights_range cols =
        input_range(b->col, b->cols, s->stride_w, s->pad_left, s->kw, s->dilation_w, s->iw);
    struct view v = {.base = to, .first_row = rows.begin, .first_col = cols.begin, .px = p->x_pitch};
    v.row = (cols.end - cols.begin) * v.px;
    v.image = (rows.end - rows.begin) * v.row;
    v.tile = panel_pitch(b->images * v.image);
    assert(v.tile <= panel_pitch(p->region_pixels * p->x_pitch));

    const bool whole_rows = cols.end - cols.begin == s->iw;
    const size_t runs = whole_rows ? 1 : rows.end - rows.begin;
    const size_t run = whole_rows ? v.image / v.px : v.row / v.px;
    for (size_t image = 0; image < b->images; image++)
        for (size_t r = 0; r < runs; r++)
            split_tiles(
                p, from->base + image * from->image + (rows.begin + r) * from->row + cols.begin * from->px,
                run, first, end, to + image * v.image + r * v.row, v.tile);
    return v;
}

/* Merges loops that step evenly, so that the kernel's inner loop is as long as it can be. */
static void merge_loops(struct cincel_outer_args *a)
{
    for (int i = 0; i < 2; i++) {
        const bool even =
            a->x_row == (ptrdiff_t)a->pixels * a->x_px && a->dy_row == (ptrdiff_t)a->pixels * a->dy_px;
        if (a->pixels != 1 && !even) return;
        if (a->pixels == 1) {
            a->x_px = a->x_row;
            a->dy_px = a->dy_row;
        }
        a->pixels *= a->rows;
        a->rows = a->images;
        a->x_row = a->x_image;
        a->dy_row = a->dy_image;
        a->images = 1;
    }
}

static void set_tap(const struct cincel_prepared *p, const struct block *b, const struct view *x,
                    const struct view *dy, size_t kh, size_t kw, struct tap *tap)
{
    const struct cincel_weights_shape *s = &p->s;
    const size_t row = cincel_max(p->ranges[kh].begin, b->row);
    const size_t row_end = cincel_min(p->ranges[kh].end, b->row + b->rows);
    const size_t col = cincel_max(p->ranges[s->kh + kw].begin, b->col);
    const size_t col_end = cincel_min(p->ranges[s->kh + kw].end, b->col + b->cols);
    *tap = (struct tap){0};
    if (row >= row_end || col >= col_end) return;

    const size_t x_row = (size_t)input_of(row, s->stride_h, s->pad_top, kh, s->dilation_h) - x->first_row;
    const size_t x_col = (size_t)input_of(col, s->stride_w, s->pad_left, kw, s->dilation_w) - x->first_col;
    tap->x_offset = x_row * x->row + x_col * x->px;
    tap->dy_offset = (row - dy->first_row) * dy->row + (col - dy->first_col) * dy->px;
    tap->args = (struct cincel_outer_args){
        .images = b->images,
        .rows = row_end - row,
        .pixels = col_end - col,
        .x_image = (ptrdiff_t)x->image,
        .x_row = (ptrdiff_t)(s->stride_h * x->row),
        .x_px = (ptrdiff_t)(s->stride_w * x->px),
        .dy_image = (ptrdiff_t)dy->image,
        .dy_row = (ptrdiff_t)dy->row,
        .dy_px = (ptrdiff_t)dy->px,
    };
    merge_loops(&tap->args);
}

/* A cut: its numbers, and where its part of dW is gathered. */
struct cut {
    size_t slice, group;
    size_t panel, panel_end, tile, tile_end;
    size_t channel, channels; /* of its tiles */
    float *w;                 /* row (first panel, tap 0, first channel) */
    size_t w_panel, w_tap;    /* floats between panels and taps */
    float *db;                /* sums of its columns, or NULL where another cut has them */
};

static struct cut find_cut(const struct job *job, const struct scratch *scratch, size_t number)
{
    const struct cincel_prepared *p = job->p;
    const size_t tile_block = number % p->tile_blocks;
    const size_t panel_block = number / p->tile_blocks % p->panel_blocks;
    const size_t group = number / p->tile_blocks / p->panel_blocks % p->s.groups;
    struct cut c = {.group = group, .slice = number / p->tile_blocks / p->panel_blocks / p->s.groups};
    c.panel = cincel_weights_part(p->panels, panel_block, p->panel_blocks);
    c.panel_end = cincel_weights_part(p->panels, panel_block + 1, p->panel_blocks);
    c.tile = cincel_weights_part(p->tiles.count, tile_block, p->tile_blocks);
    c.tile_end = cincel_weights_part(p->tiles.count, tile_block + 1, p->tile_blocks);
    tile_at(&p->tiles, c.tile, &c.channel);
    size_t last;
    const struct cincel_outer_row *row = tile_at(&p->tiles, c.tile_end - 1, &last);
    c.channels = last + (size_t)row->mr - c.channel;

    if (p->slices == 1) {
        c.w = scratch->w;
        c.w_tap = c.channels * p->nr;
        c.w_panel = cincel_weights_taps(p) * c.w_tap;
        c.db = scratch->db;
    } else {
        c.w_tap = p->s.channels * p->nr;
        c.w_panel = panel_floats(p);
        c.w = job->parts.panels + ((c.slice * p->s.groups + group) * p->panels + c.panel) * c.w_panel +
              c.channel * p->nr;
        c.db = job->parts.sums + c.slice * p->s.oc + group * p->s.columns + c.panel * p->nr;
    }
    if (tile_block != 0 || !job->t->db) c.db = NULL;
    return c;
}

static size_t cut_columns(const struct cincel_prepared *p, const struct cut *c)
{
    return cincel_min(c->panel_end * p->nr, p->s.columns) - c->panel * p->nr;
}

/* A stream of memory that is called into L2 bit by bit, while something else is computed. */
struct coming {
    const float *next;
    size_t floats, shares; /* left */
};

static void call_share(struct coming *coming)
{
    if (coming->shares == 0) return;
    const size_t share = cincel_round_up(coming->floats / coming->shares, LINE);
    for (size_t i = 0; i < share; i += LINE) __builtin_prefetch(coming->next + i, 0, 2);
    coming->next += share;
    coming->floats -= cincel_min(share, coming->floats);
    coming->shares--;
}

/* All panels, tiles and taps of a cut over one block; `first`: its chains begin here. Meanwhile the pixels of
   dy that come next are called. */
static void run_block(const struct cincel_prepared *p, const struct cut *c, const struct view *x,
                      const struct view *dy, struct tap *taps, bool first, struct coming coming)
{
    const size_t tap_count = cincel_weights_taps(p);
    coming.shares = (c->panel_end - c->panel) * (c->tile_end - c->tile) * tap_count;
    const bool packed = dy->tile > 0;
    for (size_t panel = c->panel; panel < c->panel_end; panel++) {
        const float *dy_panel = dy->base + (packed ? (panel - c->panel) * dy->tile : panel * p->nr);
        const int n = (int)(packed ? p->nr : cincel_min(p->nr, p->s.columns - panel * p->nr));
        for (size_t tile = c->tile; tile < c->tile_end; tile++) {
            size_t channel;
            const struct cincel_outer_row *row = tile_at(&p->tiles, tile, &channel);
            const float *x_tile = x->base + (x->tile ? (tile - c->tile) * x->tile : channel);
            float *w = c->w + (panel - c->panel) * c->w_panel + (channel - c->channel) * p->nr;
            for (size_t k = 0; k < tap_count; k++, w += c->w_tap) {
                struct cincel_outer_args *args = &taps[k].args;
                if (args->images == 0 && !first) continue; /* all padding; else: zeros are written */
                args->x = x_tile + taps[k].x_offset;
                args->dy = dy_panel + taps[k].dy_offset;
                args->w = w;
                args->n = n;
                args->load_w = !first;
                call_share(&coming);
                row->run(args);
            }
        }
    }
}

static void run_pixels(const struct job *job, const struct cut *c, const struct scratch *scratch)
{
    const struct cincel_prepared *p = job->p;
    const struct cincel_weights_shape *s = &p->s;
    const size_t rows = s->n * s->oh;
    const size_t begin = cincel_weights_part(rows, c->slice, p->slices) * s->ow;
    const size_t end = cincel_weights_part(rows, c->slice + 1, p->slices) * s->ow;
    const size_t columns = cut_columns(p, c);
    if (c->db) memset(c->db, 0, columns * sizeof(float));
    for (size_t at = begin, next; at < end; at = next) {
        struct block b;
        next = next_block(p, at, end, &b);
        struct view x = plain_x(job, &b, c->group), dy = plain_dy(job, &b, c->group);
        if (c->db) p->isa->vector->column_sum(dy.base + c->panel * p->nr, s->oc, next - at, columns, c->db);
        if (p->pack >= 1) dy = packed_dy(p, &dy, &b, c->panel, c->panel_end, scratch->dy);
        if (p->pack >= 2) x = packed_x(p, &x, &b, c->tile, c->tile_end, scratch->x);
        for (size_t kh = 0; kh < s->kh; kh++)
            for (size_t kw = 0; kw < s->kw; kw++)
                set_tap(p, &b, &x, &dy, kh, kw, &scratch->taps[kh * s->kw + kw]);
        const struct coming coming = {.next = job->dy + next * s->oc,
                                      .floats =
                                          p->calls_next ? cincel_min(next - at, end - next) * s->oc : 0};
        run_block(p, c, &x, &dy, scratch->taps, at == begin, coming);
    }
}

/* ------------------------------------------------------------------------------ bringing it home -- */

/* Panel rows k … k+count−1 (k over taps and channels) to their place in dw. */
static void store_rows(const struct job *job, size_t group, size_t panel, size_t k, size_t count,
                       const float *rows)
{
    const struct cincel_prepared *p = job->p;
    const size_t ld = cincel_weights_taps(p) * p->s.channels;
    const size_t n = cincel_min(p->nr, p->s.columns - panel * p->nr);
    p->isa->pack->untranspose(rows, (int)p->nr, count, (int)n,
                              job->t->dw + (group * p->s.columns + panel * p->nr) * ld + k, ld,
                              p->d.accumulate);
}

static void store_sums(const struct job *job, size_t column, size_t count, const float *sums)
{
    if (job->p->d.accumulate)
        job->p->isa->vector->add(sums, job->t->db + column, count);
    else
        memcpy(job->t->db + column, sums, count * sizeof(float));
}

/* One slice: the cut's panels are complete and still in cache. */
static void store_cut(const struct job *job, const struct cut *c)
{
    const struct cincel_prepared *p = job->p;
    for (size_t panel = c->panel; panel < c->panel_end; panel++)
        for (size_t tap = 0; tap < cincel_weights_taps(p); tap++)
            store_rows(job, c->group, panel, tap * p->s.channels + c->channel, c->channels,
                       c->w + (panel - c->panel) * c->w_panel + tap * c->w_tap);
    if (c->db) store_sums(job, c->group * p->s.columns + c->panel * p->nr, cut_columns(p, c), c->db);
}

static void run_cuts(const struct job *job, struct cincel_worker *worker)
{
    const struct cincel_prepared *p = job->p;
    struct cincel_carver carver = {job->parts.scratch + (size_t)worker->id * job->parts.scratch_bytes, 0};
    const struct scratch scratch = carve_scratch(p, &carver);
    size_t number;
    while (cincel_claim(worker, p->cuts, &number)) {
        const struct cut c = find_cut(job, &scratch, number);
        run_pixels(job, &c, &scratch);
        if (p->slices == 1) store_cut(job, &c);
    }
}

/* Panel rows summed at a time: 64 rows of 16 columns are 4 KB of each slice. */
enum { REDUCE_ROWS = 64 };

static void reduce_sums(const struct job *job)
{
    const struct cincel_prepared *p = job->p;
    for (size_t i = 1; i < p->slices; i++)
        p->isa->vector->add(job->parts.sums + i * p->s.oc, job->parts.sums, p->s.oc);
    store_sums(job, 0, p->s.oc, job->parts.sums);
}

static void reduce_slices(const struct job *job, struct cincel_worker *worker)
{
    const struct cincel_prepared *p = job->p;
    const size_t ld = cincel_weights_taps(p) * p->s.channels;
    const size_t chunks = cincel_div_up(ld, REDUCE_ROWS), panels = p->s.groups * p->panels;
    const size_t slice = panels * panel_floats(p);
    size_t claim;
    while (cincel_claim(worker, panels * chunks + 1, &claim)) {
        if (claim == panels * chunks) {
            if (job->t->db) reduce_sums(job);
            continue;
        }
        const size_t panel = claim / chunks, k = claim % chunks * REDUCE_ROWS;
        const size_t count = cincel_min(REDUCE_ROWS, ld - k);
        float *sum = job->parts.panels + panel * panel_floats(p) + k * p->nr;
        for (size_t i = 1; i < p->slices; i++) p->isa->vector->add(sum + i * slice, sum, count * p->nr);
        store_rows(job, panel / p->panels, panel % p->panels, k, count, sum);
    }
}

static void work(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct job *job = data;
    switch (phase + (size_t)job->first_phase) {
    case 0: prepare(job, worker); break;
    case 1: run_cuts(job, worker); break;
    case 2: reduce_slices(job, worker); break;
    }
}

void cincel_weights_run(const struct cincel_prepared *p, const struct cincel_tensors *t,
                        struct cincel_team *team)
{
    struct cincel_carver carver = {t->workspace, 0};
    struct job job = {.p = p, .t = t, .parts = carve_parts(p, &carver)};
    job.x = job.parts.x ? job.parts.x : t->x;
    job.dy = job.parts.dz ? job.parts.dz : t->dy;
    job.first_phase = job.parts.x || job.parts.dz ? 0 : 1;
    const size_t phases = (p->slices > 1 ? 3 : 2) - (size_t)job.first_phase;
    cincel_team_run(team, p->threads, phases, work, &job);
}
