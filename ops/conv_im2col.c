/* Convolution by im2col, forward and backward-data: what the table of algorithms shows. The scheme is told in
   conv_im2col.h, the work of a call is in conv_im2col_run.c. */
#include "ops/conv_im2col.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "ops/conv.h"

static const int pixels_values[] = {24, 48, 96, 192};
static const int kblock_values[] = {128, 256, 512};
static const int nblock_values[] = {32, 64, 128, 256};
static const int pack_values[] = {IM2COL_PACK_AHEAD, IM2COL_PACK_FUSED, IM2COL_PACK_PIXELS};

#define VALUES(list) list, (int)(sizeof list / sizeof list[0])
static const struct cincel_knob knobs[IM2COL_KNOBS] = {
    [IM2COL_PIXELS] = {"pixels", false, VALUES(pixels_values)}, /* columns made at a time */
    [IM2COL_KBLOCK] = {"kblock", false, VALUES(kblock_values)}, /* of the flattened k, about */
    [IM2COL_NBLOCK] = {"nblock", false, VALUES(nblock_values)}, /* pointwise: columns of a cut */
    [IM2COL_PACK] = {"pack", false, VALUES(pack_values)},       /* enum cincel_im2col_pack */
};

static const char *row_name(const struct cincel_isa *isa, int i)
{
    for (int r = 0; r < isa->gemm_count; r++)
        if (isa->gemm[r].strip && i-- == 0) return isa->gemm[r].name;
    return NULL;
}

/* -------------------------------------------------------------------------------------- sizes -- */

/* As direct's: 8 cuts for each of many threads, none so small that claiming it shows. */
static const double cut_flops_min = 5e5, cut_flops_max = 4e6;
enum { CUTS_WANTED = 1024 };
/* Of 1x1 kernels, which a cut's pixels follow each other through. */
enum { CUTS_A_THREAD = 16 };

/* Cuts of backward-data with columns: bands enough for as many threads as find work in the images, but of at
   least this many kernel heights, because neighbours compute the columns between them twice. */
enum { BANDS_WANTED = 16, BAND_KERNELS = 8 };

/* Outputs of a cut where pixels are packed: 128 rows of 256 weights are 128 KB of L2. */
enum { SWAPPED_ROWS = 128 };

size_t cincel_im2col_band(const struct cincel_columns *s, size_t begin, size_t end, size_t *end_row)
{
    const size_t top = begin + s->pad_top, bottom = end + s->pad_top; /* strip rows */
    const size_t reach = (s->kh - 1) * s->dilation_h;
    const size_t first = top > reach ? cincel_div_up(top - reach, s->stride_h) : 0;
    *end_row = cincel_min((bottom - 1) / s->stride_h + 1, s->oh);
    return cincel_min(first, *end_row);
}

/* Panels of the tile's width, the last of a wider tile where all of them then come to fewer columns (40 = 16
   + 24 instead of 3 · 16). */
static void divide_columns(struct cincel_prepared *p)
{
    const size_t nr = (size_t)p->row->nr;
    p->panels = cincel_div_up(p->n, nr);
    p->width = p->panels * nr;
    p->last = p->row;
    if (p->fused) return;
    for (int i = 0; i < p->isa->gemm_count; i++) {
        const struct cincel_gemm_row *row = &p->isa->gemm[i];
        const size_t wide = (size_t)row->nr;
        if (!row->strip || wide <= nr || wide >= p->n) continue;
        const size_t others = cincel_div_up(p->n - wide, nr);
        if (others * nr + wide >= p->width) continue;
        p->panels = others + 1;
        p->width = others * nr + wide;
        p->last = row;
    }
}

static void cut_pixels(struct cincel_prepared *p)
{
    const size_t mr = (size_t)p->row->mr;
    const double tile = 2.0 * (double)(mr * p->k) * (double)p->width * (double)p->cols.groups;
    double flops = tile * (double)p->pixels / (double)mr / CUTS_WANTED;
    flops = flops < cut_flops_min ? cut_flops_min : flops > cut_flops_max ? cut_flops_max : flops;
    const double of_cut =
        p->cols.pointwise ? tile * (double)p->block_panels / (double)(p->panels * p->cols.groups) : tile;
    const size_t tiles = cincel_div_up(p->pixels, mr);
    size_t cut_tiles = tiles;
    /* fused: whoever packs a block uses it for all pixels */
    if (!p->fused && of_cut * (double)tiles > flops) cut_tiles = cincel_max((size_t)(flops / of_cut), 1);
    /* panels of a pass stay in L2 for a block of pixels at least, and rows called ahead are of the same cut
     */
    if (!p->fused && p->cols.pointwise) {
        const size_t share = cincel_div_up(tiles, CUTS_A_THREAD * (size_t)p->threads);
        cut_tiles = cincel_max(cincel_max(cut_tiles, share), p->block_pixels / mr);
        cut_tiles = cincel_min(tiles, cut_tiles);
    }
    cut_tiles = cincel_div_up(tiles, cincel_div_up(tiles, cut_tiles));
    p->cut_pixels = cut_tiles * mr;
    p->pixel_cuts = cincel_div_up(p->pixels, p->cut_pixels);
    p->cuts = p->pixel_cuts * (p->cols.pointwise ? p->blocks * p->cols.groups : 1);
}

static void cut_bands(struct cincel_prepared *p)
{
    const struct cincel_columns *s = &p->cols;
    const size_t least = BAND_KERNELS * ((s->kh - 1) * s->dilation_h + 1);
    p->bands = cincel_max(cincel_min(cincel_div_up(BANDS_WANTED, s->images), s->ih / least), 1);
    p->band_rows = cincel_div_up(s->ih, p->bands);
    if (p->in_place) p->band_rows = cincel_round_up(p->band_rows, s->stride_h); /* no window in two of them */
    p->bands = cincel_div_up(s->ih, p->band_rows);
    p->cuts = s->images * p->bands;
    p->pixel_cuts = 1;
}

/* The pixels are packed; a cut is a block of outputs times a block of pixels. */
static void cut_swapped(const struct cincel_choice *c, struct cincel_prepared *p)
{
    const size_t nr = (size_t)p->row->nr;
    p->panels = cincel_div_up(p->pixels, nr);
    p->last = p->row;
    p->width = p->panels * nr;
    p->pixel_cuts = cincel_div_up(p->panels, cincel_div_up((size_t)c->knob[IM2COL_PIXELS], nr));
    p->block_panels = cincel_div_up(p->panels, p->pixel_cuts);
    p->pixel_cuts = cincel_div_up(p->panels, p->block_panels);
    p->cut_pixels = p->block_panels * nr;
    p->blocks = cincel_div_up(p->n, (size_t)c->knob[IM2COL_NBLOCK]);
    p->block_rows = cincel_round_up(cincel_div_up(p->n, p->blocks), (size_t)p->row->mr);
    p->blocks = cincel_div_up(p->n, p->block_rows);
    p->cuts = p->blocks * p->pixel_cuts;
    p->column_floats = p->block_rows * p->cut_pixels;
    p->pack_rows = 256;
    p->fused = p->blocks == 1; /* nobody else needs these panels */
    if (p->fused)
        p->panel_private = cincel_round_up(p->part * nr, CINCEL_ALIGN / sizeof(float));
    else {
        p->weight_floats = p->panels * p->panel_floats;
        p->pack_cuts = p->panels * cincel_div_up(p->k, p->pack_rows);
    }
}

static void carve_private(struct cincel_prepared *p)
{
    struct cincel_carver mine = {NULL, 0};
    cincel_carve(&mine, p->panel_private * sizeof(float));
    cincel_carve(&mine, p->strip_floats * sizeof(float));
    cincel_carve(&mine, p->column_floats * sizeof(float));
    p->private_bytes = mine.used;
}

static void derive(const struct cincel_target *t, const struct cincel_problem *problem,
                   const struct cincel_choice *c, struct cincel_prepared *p)
{
    const cincel_conv_desc *d = &problem->conv.d;
    *p = (struct cincel_prepared){.isa = cincel_isa_find(t, c->isa),
                                  .forward = problem->pass == CINCEL_FORWARD,
                                  .fused = c->knob[IM2COL_PACK] == IM2COL_PACK_FUSED,
                                  .swapped = c->knob[IM2COL_PACK] == IM2COL_PACK_PIXELS,
                                  .threads = c->threads,
                                  .oc = (size_t)d->oc};
    p->epilogue = cincel_epilogue_of(p->isa, d);
    p->row = cincel_gemm_row_find(p->isa, c->row);
    cincel_columns_derive(problem, &p->cols);
    const struct cincel_columns *s = &p->cols;
    const size_t nr = (size_t)p->row->nr, ocg = p->oc / s->groups;
    p->pixels = s->images * s->oh * s->ow;
    p->gradient = !p->forward && d->activation != CINCEL_ACT_NONE;
    p->accumulate = !p->forward && d->accumulate;
    p->m_channels = p->forward ? s->ic : p->oc;
    p->k = p->forward ? s->k : ocg;
    p->n = p->forward ? ocg : s->k;
    p->in_place = !s->pointwise && (p->forward || (cincel_columns_apart(s) && !p->accumulate)) &&
                  cincel_columns_in_place(&p->cols);
    p->parts = cincel_div_up(p->k, (size_t)c->knob[IM2COL_KBLOCK]);
    p->part = cincel_div_up(p->k, p->parts);
    divide_columns(p);
    p->panel_floats = cincel_round_up(p->k * nr, CINCEL_ALIGN / sizeof(float));
    if (p->swapped) {
        cut_swapped(c, p);
        carve_private(p);
        return;
    }
    p->blocks =
        s->pointwise ? cincel_div_up(p->panels, cincel_div_up((size_t)c->knob[IM2COL_NBLOCK], nr)) : 1;
    /* fused: blocks are the cuts, as many for each thread */
    if (p->fused && s->pointwise)
        p->blocks = cincel_min(cincel_round_up(p->blocks, (size_t)p->threads), p->panels);
    p->block_panels = cincel_div_up(p->panels, p->blocks);
    p->block_pixels = cincel_round_up((size_t)c->knob[IM2COL_PIXELS], (size_t)p->row->mr);
    /* where all parts of a block's panels find room in a quarter of L2, rows of pixels are read once and
       whole: half rows at a time, hardware fetches the other halves in vain (144 -> 24 channels in two parts:
       3.3 -> 2.9 ms) */
    p->parts_inner = !p->fused && p->block_panels * p->panel_floats * sizeof(float) <= cincel_l2_bytes(t) / 4;
    if (p->forward || s->pointwise)
        cut_pixels(p);
    else
        cut_bands(p);

    /* forward transposes nr rows of w along k, backward splits rows of w into panels */
    p->pack_rows = p->forward ? 256 : 16;
    if (p->fused)
        p->panel_private = p->block_panels * cincel_round_up(p->part * nr, CINCEL_ALIGN / sizeof(float));
    else {
        p->group_floats = (p->panels - 1) * p->panel_floats +
                          cincel_round_up(p->k * (size_t)p->last->nr, CINCEL_ALIGN / sizeof(float));
        p->weight_floats = s->groups * p->group_floats;
        p->pack_cuts = s->groups * cincel_div_up(p->k, p->pack_rows) * (p->forward ? p->panels : 1);
    }
    if (p->gradient) {
        p->dz_floats = p->pixels * p->oc;
        p->dz_cuts = cincel_div_up(p->dz_floats, CINCEL_EPILOGUE_CUT);
    }
    if (!s->pointwise) {
        const size_t rows =
            p->forward ? cincel_columns_rows_max(s, cincel_min(p->cut_pixels, p->pixels)) : p->band_rows;
        p->strip_floats = p->in_place ? 0 : rows * s->strip_w * s->ic + CINCEL_COLUMNS_SLACK;
        p->column_floats = p->block_pixels * (p->forward ? p->k : p->width) + CINCEL_COLUMNS_SLACK;
    }
    carve_private(p);
}

static size_t workspace(const struct cincel_target *t, const struct cincel_problem *problem,
                        const struct cincel_choice *c)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    struct cincel_carver carver = {NULL, 0};
    cincel_carve(&carver, p.weight_floats * sizeof(float));
    cincel_carve(&carver, p.dz_floats * sizeof(float));
    cincel_carve(&carver, p.private_bytes * (size_t)p.threads);
    return carver.used;
}

/* ---------------------------------------------------------------------------------- the checks -- */

static bool refuse(char why[CINCEL_WHY], const char *phrase)
{
    snprintf(why, CINCEL_WHY, "im2col: %s", phrase);
    return false;
}

/* No product of derive() may overflow: every one is bounded by what this multiplies out. */
static bool fits(const struct cincel_problem *problem, int threads)
{
    const cincel_conv_desc *d = &problem->conv.d;
    size_t column, strip, weights, total;
    if (!cincel_mul((size_t)d->kh * d->kw, (size_t)d->ic + 64, &column)) return false;
    if (!cincel_mul(column, (size_t)d->oc + 1024, &weights)) return false;
    if (!cincel_mul((size_t)d->n + 1, (size_t)d->ih + 2 * (size_t)d->kh * d->dilation_h, &strip))
        return false;
    if (!cincel_mul(strip, (size_t)d->iw + 2 * (size_t)d->kw * d->dilation_w, &strip)) return false;
    if (!cincel_mul(strip, (size_t)d->ic, &strip)) return false;
    if (!cincel_mul(column, 1024, &column)) return false;
    if (__builtin_add_overflow(weights, strip, &total) || __builtin_add_overflow(total, column, &total))
        return false;
    return cincel_mul(total, ((size_t)threads + 1) * sizeof(float), &total) && total < PTRDIFF_MAX / 2;
}

/* Is `value` the smallest of the list that covers `size`, or below it? Larger ones change nothing. */
static bool repeats(int value, const int *values, size_t size)
{
    return value > values[0] && (size_t)value / 2 >= size;
}

static bool check(const struct cincel_target *t, const struct cincel_problem *problem,
                  const struct cincel_choice *c, char why[CINCEL_WHY])
{
    if (!fits(problem, c->threads)) return refuse(why, "sizes overflow");
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    if (p.fused && !p.swapped && !p.cols.pointwise)
        return refuse(why, "pack=1 needs a 1x1 kernel without padding");
    if (p.swapped && (!p.forward || !p.cols.pointwise || p.cols.groups > 1))
        return refuse(why, "pack=2 is for 1x1 kernels forward, without padding and groups");
    if (!p.cols.pointwise && c->knob[IM2COL_NBLOCK] != nblock_values[0])
        return refuse(why, "nblock is for 1x1 kernels");
    if (repeats(c->knob[IM2COL_NBLOCK], nblock_values, p.n))
        return refuse(why, "a smaller nblock covers all columns");
    if (repeats(c->knob[IM2COL_KBLOCK], kblock_values, p.k))
        return refuse(why, "a smaller kblock covers all of k");
    if (repeats(c->knob[IM2COL_PIXELS], pixels_values, p.pixels)) return refuse(why, "fewer pixels are all");
    return true;
}

/* -------------------------------------------------------------------------------------- choosing -- */

/* The largest of the knob's values ≤ limit that check() does not call a repetition; at least the first. */
static int largest(enum cincel_im2col_knob knob, double limit, size_t size)
{
    int value = knobs[knob].values[0];
    for (int i = 1; i < knobs[knob].count; i++) {
        const int next = knobs[knob].values[i];
        if (next <= limit && !repeats(next, knobs[knob].values, size)) value = next;
    }
    return value;
}

/* The largest kblock up to 256 that leaves a panel's part of k at most `rows` long: half of L1 (16 columns of
   256 are 16 KB). One part of 144 with 24 columns, instead of two: 3.3 -> 1.9 ms on Zen 3. */
static int widest_part(size_t rows, size_t k)
{
    int value = kblock_values[0];
    for (int i = 1; i < knobs[IM2COL_KBLOCK].count && kblock_values[i] <= 256; i++) {
        const size_t part = cincel_div_up(k, cincel_div_up(k, (size_t)kblock_values[i]));
        if (part <= rows && !repeats(kblock_values[i], kblock_values, k)) value = kblock_values[i];
    }
    return value;
}

/*
 * Is less work done where pixels are packed than where weights are? In flops: a float packed, or turned on
 * its way to y, takes as long as 24 of them (16 GB/s against 100 GFLOP/s), half that where it stays in L1; a
 * row of y that ends inside a tile, a masked store, 10 cycles.
 */
static bool swap_pays(const struct cincel_prepared *p)
{
    const size_t mr = (size_t)p->row->mr, nr = (size_t)p->row->nr;
    const double pixels = (double)p->pixels, n = (double)p->n, k = (double)p->k;
    if (!p->forward || !p->cols.pointwise || p->cols.groups > 1) return false;
    const double plain = 2.0 * k * (double)(cincel_round_up(p->pixels, mr) * cincel_round_up(p->n, nr)) +
                         24.0 * n * k + (p->n % nr ? 320.0 * pixels : 0.0);
    const double swapped = 2.0 * k * (double)(cincel_round_up(p->n, mr) * cincel_round_up(p->pixels, nr)) +
                           (p->n <= SWAPPED_ROWS ? 12.0 : 24.0) * pixels * (k + n);
    return swapped < plain;
}

/* Outputs of the busiest thread, swapped. */
static size_t busiest_rows(const struct cincel_prepared *p)
{
    return cincel_div_up(p->cuts, (size_t)p->threads) * p->block_rows / p->pixel_cuts;
}

/* The block of outputs, of SWAPPED_ROWS at most, that shares them out best; the larger of about equals. */
static int even_block(const struct cincel_target *t, const struct cincel_problem *problem,
                      const struct cincel_choice *c)
{
    struct cincel_choice trial = *c;
    int best = nblock_values[0];
    size_t least = SIZE_MAX;
    for (int i = 0; i < knobs[IM2COL_NBLOCK].count; i++) {
        struct cincel_prepared p;
        const int value = nblock_values[i];
        trial.knob[IM2COL_NBLOCK] = value;
        derive(t, problem, &trial, &p);
        if (value > SWAPPED_ROWS || repeats(value, nblock_values, p.n)) continue;
        if (least != SIZE_MAX && busiest_rows(&p) > least + least / 32) continue;
        least = cincel_min(least, busiest_rows(&p));
        best = value;
    }
    return best;
}

static void defaults(const struct cincel_target *t, const struct cincel_problem *problem,
                     struct cincel_choice *c)
{
    const double l2 = (double)cincel_l2_bytes(t);
    memset(c->knob, 0, sizeof c->knob);
    c->knob[IM2COL_PIXELS] = pixels_values[0];
    c->knob[IM2COL_KBLOCK] = kblock_values[0];
    c->knob[IM2COL_NBLOCK] = nblock_values[0];
    if (!fits(problem, c->threads)) return; /* check() says so */
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    const size_t width = p.forward ? p.k : p.n;

    c->knob[IM2COL_KBLOCK] = widest_part(4096 / (size_t)p.row->nr, p.k);
    /* columns in a quarter of L2 */
    if (!p.cols.pointwise) {
        c->knob[IM2COL_PIXELS] = largest(IM2COL_PIXELS, l2 / 4.0 / sizeof(float) / (double)width, p.pixels);
        return;
    }
    c->knob[IM2COL_PIXELS] = largest(IM2COL_PIXELS, 96.0, p.pixels);
    if (swap_pays(&p)) {
        /* long runs of k, because their sums come and go; few pixels a cut, because then each thread packs
           its own (64 images, 3136 -> 128 on two threads: 92 -> 102 % of the best peer) */
        c->knob[IM2COL_PACK] = IM2COL_PACK_PIXELS;
        c->knob[IM2COL_KBLOCK] = largest(IM2COL_KBLOCK, 8192.0 / p.row->nr, p.k);
        if (c->threads > 1) c->knob[IM2COL_PIXELS] = pixels_values[0];
        c->knob[IM2COL_NBLOCK] = even_block(t, problem, c);
        return;
    }
    /* few pixels use a panel a few times: it had better not leave the cache in between. But each thread
       needs blocks to claim: four, as far as there are columns. Many pixels are cut themselves, and all
       columns meet them as long as a pass of panels leaves most of L2 to the pixels and outputs of two blocks
     */
    c->knob[IM2COL_PACK] = p.pixels < 2048;
    const double each = (double)(p.n * p.cols.groups) / (4.0 * c->threads);
    const double room = l2 / 4.0 / sizeof(float) / (double)cincel_min(p.k, (size_t)c->knob[IM2COL_KBLOCK]);
    const double limit = c->knob[IM2COL_PACK] == IM2COL_PACK_AHEAD ? room > 128.0 ? room : 128.0
                         : c->threads > 1 && each < 128.0          ? each
                                                                   : 128.0;
    c->knob[IM2COL_NBLOCK] = largest(IM2COL_NBLOCK, limit, p.n);
}

/* Work of the busiest thread over the mean: cuts are alike but for the last of each kind. */
static double claim_balance(const struct cincel_prepared *p)
{
    const double rounds = (double)cincel_div_up(p->cuts, (size_t)p->threads);
    const double even = rounds * p->threads / (double)p->cuts;
    return even < 1.0 ? 1.0 : even;
}

/* Output rows computed for all bands of an image, over its output rows. */
static double band_overlap(const struct cincel_prepared *p)
{
    if (p->forward || p->cols.pointwise) return 1.0;
    size_t rows = 0;
    for (size_t band = 0; band < p->bands; band++) {
        size_t end;
        const size_t begin = band * p->band_rows,
                     first = cincel_im2col_band(&p->cols, begin, cincel_min(begin + p->band_rows, p->cols.ih),
                                                &end);
        rows += end - first;
    }
    return (double)rows / (double)p->cols.oh;
}

static void cost(const struct cincel_target *t, const struct cincel_problem *problem,
                 const struct cincel_choice *c, struct cincel_cost *out)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    const struct cincel_columns *s = &p.cols;
    const double nv = (double)p.row->nr / p.isa->vector_floats, mr = p.row->mr, floats = sizeof(float);
    const double rows =
        (double)cincel_round_up(p.swapped ? p.n : p.pixels, (size_t)p.row->mr) * band_overlap(&p);
    const double tiles = rows / mr * (double)(p.panels * s->groups);
    const double width = (double)(p.width * s->groups);
    const double packed = (double)s->groups * (double)(p.k * (p.swapped ? p.pixels : p.n));
    const double loads = mr * nv < mr + nv ? mr * nv / (mr + nv) : 1.0;
    const double latency = mr * nv < 8.0 ? mr * nv / 8.0 : 1.0;

    *out = (struct cincel_cost){.flops = 2.0 * rows * width * (double)p.k};
    /* Around the steps of a part of k: accumulators cleared or loaded, stored; hidden in part. 92-97 % of
       peak where one pass does, 86-91 % where C comes and goes: direct's tiles do better there. */
    const double reuse = mr * nv / (mr * nv + 1.0); /* of tiles that do as well, the larger reads less */
    out->efficiency = (s->pointwise && p.parts == 1 ? 1.0 : 0.95) * reuse * loads * latency * (double)p.part /
                      ((double)p.part + 3.0);
    out->bytes = cincel_problem_bytes(problem) + (p.fused ? 0.0 : floats * packed) +
                 2.0 * floats * (double)p.dz_floats;
    out->calls = tiles / ((double)(p.swapped ? p.block_rows : p.block_pixels) / mr) * (double)p.parts;
    out->cuts = (double)p.cuts;
    out->balance = claim_balance(&p);
    out->phases = p.pack_cuts + p.dz_cuts > 0 ? 2.0 : 1.0;
    /* where the first tile makes the panels, most of it hides behind FMAs */
    out->copied = floats * (packed * (p.fused && !p.forward ? 0.25 : 1.0) + (double)p.dz_floats);
    if (p.swapped)
        out->copied = (p.fused && !cincel_exceeds_cache(t, problem) ? 0.5 : 1.0) *
                      (out->copied + floats * (double)(p.pixels * p.n));
    if (!p.swapped && p.n < p.width) /* masked stores of a row's end, and loads: 10 cycles */
        out->calls += 0.1 * rows * (double)(s->groups * p.parts);
    if (s->pointwise) return;
    /* columns of many channels are long and soon out of L1: 80 channels, 1x3, take 1.2 times direct's time */
    if (s->ic / s->groups >= 16 && p.block_pixels * s->k * sizeof(float) > 16384) out->efficiency *= 0.8;
    /* backward: columns are read, and the strip with them, where forward only writes them */
    out->copied += floats * rows * (double)(s->groups * s->k) * (p.forward || p.in_place ? 1.0 : 2.0);
    if (!p.in_place) out->copied += floats * (double)(s->images * s->strip_h * s->strip_w * s->ic);
}

/* ------------------------------------------------------------------------------------- building -- */

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

/* Direct's constant: the same chains forward; backward-data sums kh·kw chains of oc. */
#define IM2COL_ROW(pass_)                                                                                  \
    {                                                                                                      \
        .name = "im2col", .op = CINCEL_OP_CONV, .pass = pass_, .knobs = knobs, .knob_count = IM2COL_KNOBS, \
        .row = row_name, .check = check, .defaults = defaults, .cost = cost, .workspace = workspace,       \
        .error = 2.5e-7, .standard = cincel_algo_never_standard, .build = build, .discard = discard,       \
        .run = cincel_im2col_run,                                                                          \
    }

const struct cincel_algo cincel_algo_conv_im2col_forward = IM2COL_ROW(CINCEL_FORWARD);
const struct cincel_algo cincel_algo_conv_im2col_backward_data = IM2COL_ROW(CINCEL_BACKWARD_DATA);
