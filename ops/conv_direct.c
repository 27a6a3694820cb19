/*
 * Direct convolution, forward and backward-data: what the table of algorithms shows of it. The scheme
 * is told in conv_direct.h, the work of a call is in conv_direct_run.c.
 */
#include "ops/conv_direct.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "ops/conv.h"

static const int edge_values[] = {0, 1};
static const int nblock_values[] = {16, 32, 64, 128, 256, 512};
static const int kblock_values[] = {0, 128};
static const int pack_values[] = {0, 1};

#define VALUES(list) list, (int)(sizeof list / sizeof list[0])
static const struct cincel_knob knobs[DIRECT_KNOBS] = {
    [DIRECT_EDGE] = {"edge", false, VALUES(edge_values)},       /* 0: pointers to zeros; 1: padded strips */
    [DIRECT_NBLOCK] = {"nblock", false, VALUES(nblock_values)}, /* columns a pass, rounded to panels */
    [DIRECT_KBLOCK] = {"kblock", true, VALUES(kblock_values)},  /* source channels a pass; 0: all */
    [DIRECT_PACK] = {"pack", false, VALUES(pack_values)},       /* 0: all weights first; 1: a block when
                                                                   its turn comes, by its worker */
};

/* FMAs a cycle times their latency on every core we know: tiles below are for tails. */
enum { ACCUMULATORS_MIN = 8 };

static bool main_row(const struct cincel_isa *isa, const struct cincel_gemm_row *row)
{
    return row->mr * row->nr >= ACCUMULATORS_MIN * isa->vector_floats;
}

/* Rows too small to keep the FMA units busy serve tails only, unless the ISA has no others. */
static const char *row_name(const struct cincel_isa *isa, int i)
{
    int large = 0;
    for (int r = 0; r < isa->gemm_count; r++) {
        if (!main_row(isa, &isa->gemm[r])) continue;
        if (large++ == i) return isa->gemm[r].name;
    }
    return large == 0 && i < isa->gemm_count ? isa->gemm[i].name : NULL;
}

/* -------------------------------------------------------------------------------------- sizes -- */

/*
 * Work of a cut in flops: small enough that threads find 64 cuts each, many threads 8, large enough that
 * claiming one (0.1 µs), its first tile's pointers and a strip's overlapping rows are below 1 %. No smaller
 * than that: nobody fetches ahead for a cut's first tile (128x56x56 stride 2: cuts of two tiles 84 %, of
 * thirty 88). Strips stay small all the same, to be in L2 when they are read.
 */
static const double cut_flops_min = 5e5, strip_flops_max = 4e6;
enum { CUTS_PER_THREAD = 64, CUTS_WANTED_MAX = 1024 };

size_t cincel_direct_panel_at(const struct direct_shape *s, const struct direct_phase *phase, size_t group,
                              size_t panel)
{
    return phase->panels_at + (group * s->panels + panel) * phase->panel_floats;
}

size_t cincel_direct_strip_rows(const struct direct_shape *s, const struct direct_phase *phase, size_t begin,
                                size_t end, size_t *count)
{
    const struct cincel_conv_axis *rows = &phase->rows;
    const size_t width = (size_t)phase->cols.count, height = (size_t)rows->count;
    const size_t above = (size_t)(s->strip_top + rows->offset);
    const size_t from = begin / width, to = (end - 1) / width; /* rows of the phase's grid, all images */
    const size_t first = from / height * s->strip_h + from % height * rows->src_step + above;
    const size_t last = to / height * s->strip_h + to % height * rows->src_step + above +
                        (size_t)(rows->taps - 1) * rows->offset_step;
    *count = last - first + 1;
    return first;
}

static double phase_flops(const struct direct_shape *s, const struct direct_phase *phase)
{
    return 2.0 * (double)phase->pixels * (double)phase->taps * s->g.k * s->g.n * s->g.groups;
}

/* Flops of one tile and all the columns a cut has, tails included. */
static double tile_flops(const struct direct_shape *s, const struct direct_phase *phase)
{
    const size_t panels = s->padded ? s->panels : s->block_panels;
    return 2.0 * (double)(s->row->mr * phase->taps) * s->g.k * (double)(panels * s->row->nr);
}

/* A source larger than the caches is read once, not once a column block: all columns meet a band of it before
   the next band comes. (128x56x56 stride 2, 13 MB: 80 → 86 % with four blocks; 256x56x56: 88 → 91.) */
static const double band_bytes = 1 << 20;

/* Cuts a phase evenly, in whole tiles; no cut is larger than one of an earlier phase. */
static void cut_phase(const struct direct_shape *s, struct direct_phase *phase)
{
    const size_t mr = (size_t)s->row->mr, tiles = cincel_div_up(phase->pixels, mr);
    const size_t column_cuts = s->padded ? 1 : (size_t)s->g.groups * s->blocks;
    const double tile = tile_flops(s, phase);
    const double source = (double)s->g.images * s->g.src_h * s->g.src_w * s->g.src_channels * sizeof(float);
    const size_t bands = (size_t)ceil(source / band_bytes);
    double flops = s->flops / (double)cincel_min((size_t)s->threads * CUTS_PER_THREAD, CUTS_WANTED_MAX);
    if (s->padded && flops > strip_flops_max) flops = strip_flops_max;
    if (flops < cut_flops_min) flops = cut_flops_min;
    if (s->largest > 0.0 && s->largest < flops) flops = s->largest;

    if (tiles == 0) return;
    size_t cut_tiles = tiles;
    /* fused: whoever packs a block uses it for all pixels */
    if (!s->fused && tile * (double)tiles > flops) cut_tiles = cincel_max((size_t)(flops / tile), 1);
    if (!s->fused && s->blocks > 1) cut_tiles = cincel_min(cut_tiles, cincel_div_up(tiles, bands));
    cut_tiles = cincel_div_up(tiles, cincel_div_up(tiles, cut_tiles));
    phase->cut_pixels = cut_tiles * mr;
    phase->pixel_cuts = cincel_div_up(phase->pixels, phase->cut_pixels);
    phase->cuts = phase->pixel_cuts * column_cuts;
    phase->band_cuts = cincel_max(phase->pixel_cuts / bands, 1);
}

/*
 * Images whose rows go together: as many as have the rows under one row of taps in L2. (512x7x7: 2 of 7 rows
 * do without a third of their taps.)
 */
static int images_together(const struct direct_shape *s, const struct cincel_conv_axis *rows)
{
    const int inner = rows->inner_end > rows->inner_begin ? rows->inner_end - rows->inner_begin : 0;
    const size_t under = (size_t)rows->taps * s->g.src_w * s->g.src_channels * sizeof(float);
    if (s->padded || rows->taps < 2 || (rows->count - inner) * 16 < rows->count) return 1;
    return (int)cincel_min((size_t)s->g.images, cincel_max(s->window_bytes / under, 1));
}

/* The axes of phase `index` and the sizes of its panels, but neither place nor cuts. */
static void measure_phase(const struct cincel_problem *p, const struct direct_shape *s, size_t index,
                          struct direct_phase *phase)
{
    *phase = (struct direct_phase){0};
    cincel_conv_rows(p, (int)(index / (size_t)s->g.phases_w), &phase->rows);
    cincel_conv_cols(p, (int)(index % (size_t)s->g.phases_w), &phase->cols);
    phase->taps = (size_t)phase->rows.taps * phase->cols.taps;
    phase->pixels = (size_t)s->g.images * phase->rows.count * phase->cols.count;
    phase->together = images_together(s, &phase->rows);
    phase->panel_floats = cincel_round_up(phase->taps * s->g.k * s->row->nr, CINCEL_ALIGN / sizeof(float));
}

/* Widens the strip so that every tap of the phase lies in it. */
static void extend_strip(const struct direct_shape *s, const struct direct_phase *phase, int *top,
                         int *bottom, int *left, int *right)
{
    const struct cincel_conv_axis *r = &phase->rows, *c = &phase->cols;
    const int last_row = (r->count - 1) * r->src_step + r->offset + (r->taps - 1) * r->offset_step;
    const int last_col = (c->count - 1) * c->src_step + c->offset + (c->taps - 1) * c->offset_step;
    if (phase->taps == 0) return;
    if (-r->offset > *top) *top = -r->offset;
    if (-c->offset > *left) *left = -c->offset;
    if (last_row - (s->g.src_h - 1) > *bottom) *bottom = last_row - (s->g.src_h - 1);
    if (last_col - (s->g.src_w - 1) > *right) *right = last_col - (s->g.src_w - 1);
}

static void choose_packing_cuts(struct direct_shape *s)
{
    /* Forward transposes: nr rows of w are read along k, 1 KB of each and tap at a time. Backward
       splits: 16 rows of w are read from end to end, across up to 32 panels. */
    s->pack_rows = s->forward ? 256 : 16;
    s->pack_span = s->forward ? 1 : 32;
    s->all_pack_cuts = s->phases * s->g.groups * cincel_div_up(s->panels, s->pack_span) *
                       cincel_div_up((size_t)s->g.k, s->pack_rows);
    s->pack_cuts = s->fused ? 0 : s->all_pack_cuts;
    if (s->gradient && !s->padded) {
        s->dy_floats = (size_t)s->g.images * s->g.src_h * s->g.src_w * s->g.src_channels;
        s->dy_cuts = cincel_div_up(s->dy_floats, 16384); /* 64 KB */
    }
}

/* What problem and choice fix before the phases are looked at. */
static void begin_shape(const struct cincel_target *t, const struct cincel_problem *p,
                        const struct cincel_choice *c, struct direct_shape *s)
{
    const cincel_conv_desc *d = &p->conv.d;
    *s = (struct direct_shape){.forward = p->pass == CINCEL_FORWARD,
                               .padded = c->knob[DIRECT_EDGE],
                               .fused = c->knob[DIRECT_PACK],
                               .threads = c->threads};
    s->isa = cincel_isa_find(t, c->isa);
    s->row = s->isa ? cincel_gemm_row_find(s->isa, c->row) : NULL;
    assert(s->row);
    s->epilogue = cincel_epilogue_of(s->isa, d);
    cincel_conv_geometry(p, &s->g);
    s->gradient = !s->forward && d->activation != CINCEL_ACT_NONE;
    s->accumulate = !s->forward && d->accumulate;
    s->part = c->knob[DIRECT_KBLOCK] && c->knob[DIRECT_KBLOCK] < s->g.k ? c->knob[DIRECT_KBLOCK] : s->g.k;
    s->parts = (s->g.k + s->part - 1) / s->part;
    s->panels = cincel_div_up((size_t)s->g.n, (size_t)s->row->nr);
    s->blocks = cincel_div_up(s->panels, cincel_div_up((size_t)c->knob[DIRECT_NBLOCK], (size_t)s->row->nr));
    s->block_panels = cincel_div_up(s->panels, s->blocks); /* evenly */
    s->blocks = cincel_div_up(s->panels, s->block_panels);
    s->phases = (size_t)s->g.phases_h * s->g.phases_w;
    s->window_bytes = cincel_l2_bytes(t) * 3 / 4;
}

/*
 * Counts the phase's executed work, tails included, and bounds the busiest thread's share. Cuts are
 * claimed in order, so one that ends last began when the threads had shared those before it.
 */
static void add_work(struct direct_shape *s, const struct direct_phase *phase)
{
    const size_t mr = (size_t)s->row->mr, tiles = cincel_div_up(phase->pixels, mr);
    const double panel = 2.0 * (double)(mr * phase->taps) * s->g.k * s->row->nr; /* of one tile */
    const double panels = (double)s->panels * s->g.groups, cut_tiles = (double)(phase->cut_pixels / mr);
    const size_t narrow = s->panels - (s->blocks - 1) * s->block_panels; /* the last block, claimed last */
    const double work = panel * panels * (double)tiles;
    const double narrow_work = panel * (double)(narrow * tiles) * s->g.groups;
    const double last = panel * cut_tiles * (s->padded ? panels : (double)narrow);
    double cut = last;

    if (!s->padded && s->blocks > 1) {
        cut = panel * cut_tiles * (double)s->block_panels;
        const double wide_end = (s->executed + work - narrow_work - cut) / s->threads + cut;
        s->busiest = wide_end > s->busiest ? wide_end : s->busiest;
    }
    s->executed += work;
    s->calls += panels * (double)tiles * s->parts;
    const double end = (s->executed - last) / s->threads + last;
    s->busiest = end > s->busiest ? end : s->busiest;
    s->largest = cut > s->largest ? cut : s->largest;
}

/* The first cuts among which one needs the most rows of a strip: what a cut needs follows from its place in
   the image, and places repeat. (A batch has more cuts than a planner should look at.) */
static size_t cuts_that_differ(const struct direct_phase *phase)
{
    const size_t image = (size_t)phase->rows.count * phase->cols.count;
    size_t common = image, rest = phase->cut_pixels;
    while (rest > 0) {
        const size_t remainder = common % rest;
        common = rest;
        rest = remainder;
    }
    return cincel_min(phase->pixel_cuts, image / common);
}

/* Where the phase's panels and cuts lie, and what it adds to the totals. */
static void add_phase(struct direct_shape *s, struct direct_phase *phase)
{
    cut_phase(s, phase);
    phase->panels_at = s->packed_floats;
    phase->first_cut = s->cuts;
    s->packed_floats += (size_t)s->g.groups * s->panels * phase->panel_floats;
    s->cuts += phase->cuts;
    const size_t cuts = s->padded && phase->taps && phase->cuts ? cuts_that_differ(phase) : 0;
    for (size_t cut = 0; cut < cuts; cut++) {
        const size_t begin = cut * phase->cut_pixels;
        size_t rows;
        cincel_direct_strip_rows(s, phase, begin, cincel_min(begin + phase->cut_pixels, phase->pixels),
                                 &rows);
        s->strip_rows = cincel_max(s->strip_rows, rows);
    }
    add_work(s, phase);
}

/* Sizes of a worker's own part of the workspace. */
static void size_private(struct direct_shape *s)
{
    s->private_floats = s->padded  ? s->strip_rows * s->strip_w * s->g.src_channels
                        : s->fused ? s->block_panels * s->panel_max
                                   : 0;
    struct cincel_carver carver = {0};
    for (int i = 0; i < 2; i++) {
        cincel_carve(&carver, s->taps_max * s->row->mr * sizeof(float *));
        cincel_carve(&carver, s->row->mr * sizeof(float *));
        cincel_carve(&carver, s->taps_max * s->row->mr * sizeof(float *));
    }
    cincel_carve(&carver, s->private_floats * sizeof(float));
    s->private_bytes = carver.used;
}

/*
 * All of the shape, and its phases unless `phases` is NULL: those of many taps first, so that the
 * small cuts of the others even out what the large ones leave.
 */
static void make_shape(const struct cincel_target *t, const struct cincel_problem *p,
                       const struct cincel_choice *c, struct direct_shape *s, struct direct_phase *phases)
{
    int top = 0, bottom = 0, left = 0, right = 0;
    struct direct_phase phase;

    begin_shape(t, p, c, s);
    for (size_t i = 0; i < s->phases; i++) {
        measure_phase(p, s, i, &phase);
        s->flops += phase_flops(s, &phase);
        s->panel_max = cincel_max(s->panel_max, phase.panel_floats);
        s->taps_max = cincel_max(s->taps_max, phase.taps);
        if (s->padded) extend_strip(s, &phase, &top, &bottom, &left, &right);
    }
    s->strip_top = top;
    s->strip_left = left;
    s->strip_h = top + s->g.src_h + bottom;
    s->strip_w = left + s->g.src_w + right;
    size_t placed = 0;
    for (size_t taps = s->taps_max + 1; taps-- > 0;) {
        for (size_t i = 0; i < s->phases; i++) {
            measure_phase(p, s, i, &phase);
            if (phase.taps != taps) continue;
            add_phase(s, &phase);
            if (phases) phases[placed] = phase;
            placed++;
        }
    }
    assert(placed == s->phases);
    choose_packing_cuts(s);
    s->weight_floats = s->fused ? 0 : s->packed_floats;
    size_private(s);
}

static size_t workspace(const struct cincel_target *t, const struct cincel_problem *p,
                        const struct cincel_choice *c)
{
    struct direct_shape s;
    make_shape(t, p, c, &s, NULL);
    struct cincel_carver carver = {0};
    cincel_carve(&carver, s.weight_floats * sizeof(float));
    cincel_carve(&carver, s.dy_floats * sizeof(float));
    cincel_carve(&carver, s.private_bytes * (size_t)s.threads);
    return carver.used;
}

/* ---------------------------------------------------------------------------------- the checks -- */

static bool refuse(char why[CINCEL_WHY], const char *phrase)
{
    snprintf(why, CINCEL_WHY, "direct: %s", phrase);
    return false;
}

/* make_shape() looks at every phase for every number of taps: strides and kernels of thousands, which no
   network has, would take it minutes and their tables the memory. */
static const size_t phases_times_taps_max = (size_t)1 << 17;

static bool plans_quickly(const struct direct_shape *s, const struct cincel_problem *p)
{
    const size_t taps = (size_t)p->conv.d.kh * p->conv.d.kw; /* of all phases together, at least */
    return s->phases <= phases_times_taps_max && taps <= phases_times_taps_max &&
           s->phases * (s->forward ? taps + 1 : cincel_div_up(taps, s->phases) + 1) <= phases_times_taps_max;
}

/* No product of make_shape() may overflow: every one is bounded by what this multiplies out. */
static bool fits(const struct direct_shape *s, const struct cincel_problem *p)
{
    const cincel_conv_desc *d = &p->conv.d;
    const size_t nr = (size_t)s->row->nr, mr = (size_t)s->row->mr;
    size_t weights, source, pointers, total;
    if (!cincel_mul((size_t)d->kh * d->kw, (size_t)s->g.k + 16, &weights)) return false;
    if (!cincel_mul(weights, s->panels * nr * (size_t)s->g.groups, &weights)) return false;
    if (!cincel_mul((size_t)s->g.images, (size_t)s->g.src_h + 2 * (size_t)d->kh * d->dilation_h, &source))
        return false;
    if (!cincel_mul(source, (size_t)s->g.src_w + 2 * (size_t)d->kw * d->dilation_w, &source)) return false;
    if (!cincel_mul(source, s->g.src_channels, &source)) return false;
    if (!cincel_mul((size_t)d->kh * d->kw, mr * 8, &pointers)) return false;
    if (__builtin_add_overflow(weights, source, &total)) return false;
    if (__builtin_add_overflow(total, pointers, &total)) return false;
    if (!cincel_mul(total, ((size_t)s->threads + 1) * sizeof(float), &total)) return false;
    return total < PTRDIFF_MAX / 2;
}

static bool check(const struct cincel_target *t, const struct cincel_problem *p,
                  const struct cincel_choice *c, char why[CINCEL_WHY])
{
    const cincel_conv_desc *d = &p->conv.d;
    struct direct_shape s;
    begin_shape(t, p, c, &s);

    /* the taps of a kernel row must lie side by side in the strip, and so must their channels */
    if (s.padded && d->dilation_w > 1) return refuse(why, "edge=1 needs dilation_w 1");
    if (s.padded && d->groups > 1) return refuse(why, "edge=1 needs one group");
    if (s.padded && s.parts > 1) return refuse(why, "edge=1 needs kblock=0");
    if (s.padded && s.fused) return refuse(why, "edge=1 needs pack=0");
    if (c->knob[DIRECT_KBLOCK] >= s.g.k) return refuse(why, "kblock covers all channels, as 0 does");
    if (s.blocks == 1 && c->knob[DIRECT_NBLOCK] / 2 >= s.g.n && c->knob[DIRECT_NBLOCK] > nblock_values[0])
        return refuse(why, "a smaller nblock covers all columns too");
    /* a strip's rows and columns are counted in int */
    if (s.padded && ((size_t)s.g.src_h + 2 * (size_t)d->kh * d->dilation_h > INT_MAX ||
                     (size_t)s.g.src_w + 2 * (size_t)d->kw * d->dilation_w > INT_MAX))
        return refuse(why, "edge=1: the image with its padding is too large");
    if (!plans_quickly(&s, p)) return refuse(why, "stride times kernel is too large");
    if (!fits(&s, p)) return refuse(why, "sizes overflow");
    return true;
}

/* -------------------------------------------------------------------------------------- choosing -- */

static void defaults(const struct cincel_target *t, const struct cincel_problem *p, struct cincel_choice *c)
{
    const cincel_conv_desc *d = &p->conv.d;
    struct cincel_conv_geometry g;
    cincel_conv_geometry(p, &g);
    const size_t k = (size_t)d->kh * d->kw * g.k, pixels = (size_t)g.images * g.out_h * g.out_w;
    int i = 0;

    memset(c->knob, 0, sizeof c->knob);
    /* a run of k shorter than a cache line is too short for a tap of its own */
    c->knob[DIRECT_EDGE] = g.k < 16 && d->groups == 1 && d->dilation_w == 1 && d->kw > 1;
    /* half of L2 for the panels, the rest for pixels on their way */
    while (i + 1 < (int)(sizeof nblock_values / sizeof *nblock_values) && nblock_values[i] < g.n &&
           (size_t)nblock_values[i + 1] * k * sizeof(float) <= cincel_l2_bytes(t) * 5 / 8)
        i++;
    c->knob[DIRECT_NBLOCK] = nblock_values[i];
    /* packed weights that leave L2 and come back cost ~3 floats of traffic each, and are used by few
       pixels; a thread alone with a block must find work for the others too. Backward-data packs ahead:
       rows of w that span all panels are read once instead of once a block (512x7x7: 80 → 86 % of peak) */
    c->knob[DIRECT_PACK] =
        p->pass == CINCEL_FORWARD && !c->knob[DIRECT_EDGE] && pixels < 1024 &&
        k * g.n * sizeof(float) > cincel_l2_bytes(t) &&
        (size_t)g.n >= (size_t)8 * c->knob[DIRECT_NBLOCK] * (c->threads > 1 ? c->threads : 0);
}

/*
 * Share of the FMA peak of a tile with its data in L1 and L2. Two FMAs and two loads a cycle, latency
 * 4: below 8 accumulators a tile waits for itself, and with barely more for every late load; a step of k
 * loads mr + nv registers for mr·nv FMAs. Around the steps of a tap stand its pointers' loads and a
 * mispredicted end: ~2 steps.
 */
static double tile_efficiency(const struct direct_shape *s, double run)
{
    const double nv = (double)s->row->nr / s->isa->vector_floats, mr = s->row->mr;
    const double latency = mr * nv < 8.0 ? mr * nv / 8.0 : mr * nv < 12.0 ? 0.904 + 0.008 * mr * nv : 1.0;
    const double loads = mr * nv < mr + nv ? mr * nv / (mr + nv) : 1.0;
    const double reuse = 1.0 - 0.05 * (mr + nv) / (mr * nv);
    return latency * loads * reuse * run / (run + 2.0);
}

static void cost(const struct cincel_target *t, const struct cincel_problem *p, const struct cincel_choice *c,
                 struct cincel_cost *out)
{
    struct direct_shape s;
    make_shape(t, p, c, &s, NULL);
    const double weights = (double)p->conv.d.kh * p->conv.d.kw * s.g.k * s.g.n * s.g.groups;
    const double mean = s.executed / s.threads;
    const double even =
        (double)cincel_div_up(s.cuts, (size_t)s.threads) * s.largest; /* the better bound of few cuts */
    const double busiest = even < s.busiest ? even : s.busiest;

    *out = (struct cincel_cost){.flops = s.executed, .calls = s.calls, .cuts = (double)s.cuts};
    if (s.g.n % s.row->nr) /* tiles that end outside of C work on a copy of their part, two calls' time */
        out->calls *= 1.0 + 2.0 / (double)cincel_div_up((size_t)s.g.n, (size_t)s.row->nr);
    out->copied = sizeof(float) * (weights + (double)s.dy_floats);
    out->balance = busiest > mean ? busiest / mean : 1.0;
    out->efficiency = tile_efficiency(&s, s.padded ? (double)s.g.k * p->conv.d.kw : s.part);
    /* a tap's pointers serve one group's channels: 35, 74 and 85 GFLOP/s in groups of 8, 16, 32 on Zen 3 */
    if (s.g.groups > 1) out->efficiency *= (double)s.g.k / ((double)s.g.k + 4.0);
    /* and where pixels are a stride apart, each group comes back to the lines of all of them for few FMAs
       (256 channels of 56x56 in groups of 8: 11.3 ms; 512 of 28x28 in groups of 16: 4.2) */
    if (s.g.groups > 1 && p->conv.d.stride_w > 1) {
        const size_t src =
            (size_t)s.g.src_h * s.g.src_w * cincel_round_up((size_t)s.g.k * sizeof(float), CINCEL_ALIGN);
        const size_t dst =
            (size_t)s.g.out_h * s.g.out_w * cincel_round_up((size_t)s.g.n * sizeof(float), CINCEL_ALIGN);
        out->copied += (double)s.g.images * s.g.groups * (double)cincel_max(src, dst);
    }
    /* panels that do not fit in L2 with the pixels they meet stream from further away */
    if (s.block_panels * s.panel_max * sizeof(float) > cincel_l2_bytes(t) * 3 / 4) out->efficiency *= 0.9;
    /* with one tap the FMAs of a pixel are too few to hide that it comes from afar (1x1 on Zen 3: 256 -> 64
       channels, 26 MB, 11.0 ms, of which the FMAs take 8.5), and a panel that is not in L1 is felt */
    if (s.taps_max == 1) {
        const double far = 512.0 / s.g.k; /* long rows are streams */
        const size_t met = cincel_min((size_t)s.g.src_h * s.g.src_w, (size_t)s.g.out_h * s.g.out_w);
        out->copied +=
            sizeof(float) * (double)s.g.images * (double)met * s.g.src_channels * (far < 1.0 ? far : 1.0);
        if (s.panel_max * sizeof(float) > 16384) out->efficiency -= 0.01 * s.row->nr / s.isa->vector_floats;
    }
    out->bytes = cincel_problem_bytes(p) + (s.fused ? 0.0 : 2.0 * sizeof(float) * weights) +
                 2.0 * sizeof(float) * (double)s.dy_floats;
}

/* ------------------------------------------------------------------------------------- building -- */

/* by_m[m]: of the rows with the chosen nr and at most the chosen mr, the smallest that holds m. */
static void choose_tails(struct cincel_prepared *prepared)
{
    const struct direct_shape *s = &prepared->s;
    for (int m = 1; m <= s->row->mr; m++) {
        prepared->by_m[m] = s->row;
        for (int i = 0; i < s->isa->gemm_count; i++) {
            const struct cincel_gemm_row *row = &s->isa->gemm[i];
            if (row->nr == s->row->nr && row->mr >= m && row->mr < prepared->by_m[m]->mr)
                prepared->by_m[m] = row;
        }
    }
}

static void fill_offsets(const struct direct_shape *s, const struct direct_phase *phase, ptrdiff_t *offset)
{
    const struct cincel_conv_axis *rows = &phase->rows, *cols = &phase->cols;
    const ptrdiff_t channels = (ptrdiff_t)s->g.src_channels;
    if (s->padded) {
        for (int th = 0; th < rows->taps; th++)
            *offset++ = (ptrdiff_t)th * rows->offset_step * s->strip_w * channels;
        return;
    }
    for (int th = 0; th < rows->taps; th++) {
        const ptrdiff_t row = rows->offset + (ptrdiff_t)th * rows->offset_step;
        for (int tw = 0; tw < cols->taps; tw++)
            *offset++ = (row * s->g.src_w + cols->offset + (ptrdiff_t)tw * cols->offset_step) * channels;
    }
}

/* One block holds everything, so that one free() discards it. */
static cincel_status build(const struct cincel_target *t, const struct cincel_problem *p,
                           const struct cincel_choice *c, struct cincel_prepared **out)
{
    struct direct_shape s;
    make_shape(t, p, c, &s, NULL);
    struct cincel_prepared *prepared = NULL;
    struct direct_phase *phase;
    ptrdiff_t *offset;
    float *zero;
    const size_t zeros = cincel_max((size_t)s.part, s.block_panels * (size_t)s.row->nr);
    struct cincel_carver block = {NULL, 0};
    for (int pass = 0; pass < 2; pass++) {
        prepared = cincel_carve(&block, sizeof *prepared);
        phase = cincel_carve(&block, s.phases * sizeof *phase);
        offset = cincel_carve(&block, s.phases * s.taps_max * sizeof *offset);
        zero = cincel_carve(&block, zeros * sizeof *zero);
        if (pass == 1) break;
        block = (struct cincel_carver){cincel_aligned_alloc(block.used), 0};
        if (!block.base) return cincel_fail(CINCEL_OUT_OF_MEMORY, "conv: no memory for a plan");
    }
    *prepared = (struct cincel_prepared){.phase = phase, .offset = offset, .zero = zero};
    make_shape(t, p, c, &prepared->s, phase);
    prepared->past = !s.forward && cincel_exceeds_cache(t, p) ? s.isa->vector->stream : NULL;
    assert(s.row->mr <= DIRECT_MR_MAX);
    choose_tails(prepared);
    for (size_t i = 0; i < s.phases; i++) fill_offsets(&s, &phase[i], offset + i * s.taps_max);
    memset(zero, 0, zeros * sizeof *zero);
    *out = prepared;
    return CINCEL_OK;
}

static void discard(struct cincel_prepared *prepared) { cincel_aligned_free(prepared); }

/*
 * max |error| / RMS over √(chain length): 0.9e-7 … 2.2e-7 for chains of 9 to 4608, both passes, uniform,
 * ReLU-like (half zeros, the rest uniform or normal) data; it does not grow with the chain.
 */
#define DIRECT_ERROR 2.5e-7

#define DIRECT_ROW(pass_)                                                                                  \
    {                                                                                                      \
        .name = "direct", .op = CINCEL_OP_CONV, .pass = pass_, .knobs = knobs, .knob_count = DIRECT_KNOBS, \
        .row = row_name, .check = check, .defaults = defaults, .cost = cost, .workspace = workspace,       \
        .error = DIRECT_ERROR, .build = build, .discard = discard, .run = cincel_direct_run,               \
        .packed_bytes = cincel_direct_packed_bytes, .pack_weights = cincel_direct_pack_weights,            \
    }

const struct cincel_algo cincel_algo_conv_direct_forward = DIRECT_ROW(CINCEL_FORWARD);
const struct cincel_algo cincel_algo_conv_direct_backward_data = DIRECT_ROW(CINCEL_BACKWARD_DATA);
