/*
 * Direct backward-weights: dW[oc][tap][c] = Σ over pixels of dy[pixel][oc] · x[pixel at tap][c], by the
 * outer-product tile. Both operands are contiguous in NHWC, so nothing is transposed but dW at the end.
 * This file says what can be chosen and derives the schedule; conv_direct_weights_run.c executes it.
 */
#include "ops/conv_direct_weights.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/status.h"
#include "ops/conv.h"

static const int edge_values[] = {0, 1};
static const int slice_values[] = {1, 2, 4, 8, 16, 32, 64};
static const int pack_values[] = {0, 1, 2};
static const int pblock_values[] = {64, 128, 256, 512};
static const int block_values[] = {32, 64, 128, 256};

#define VALUES(array) (array), (int)(sizeof(array) / sizeof((array)[0]))
static const struct cincel_knob knobs[CINCEL_WEIGHTS_KNOBS] = {
    /* numeric for the sign of zero: a padded copy adds 0 · dy to chains that skip padding otherwise */
    [CINCEL_WEIGHTS_EDGE] = {"edge", true, VALUES(edge_values)},
    [CINCEL_WEIGHTS_SLICES] = {"slices", true, VALUES(slice_values)},
    [CINCEL_WEIGHTS_PACK] = {"pack", false, VALUES(pack_values)},
    [CINCEL_WEIGHTS_PBLOCK] = {"pblock", false, VALUES(pblock_values)},
    [CINCEL_WEIGHTS_BLOCK] = {"block", false, VALUES(block_values)},
};

/* ---------------------------------------------------------------------------------------- tiles -- */

/*
 * Relative time of a pixel in a tile: its FMAs or its loads, two of each a cycle, but never less than what
 * the chains' latency of 4 cycles allows; and a little for the call.
 */
static double tile_time(const struct cincel_isa *isa, const struct cincel_outer_row *row)
{
    const double vectors = (double)row->nr / isa->vector_floats;
    const double fmas = row->mr * vectors, loads = row->mr + vectors;
    const double busy = fmas > loads ? fmas : loads;
    return (busy < 8.0 ? 8.0 : busy) + 0.25;
}

/* The row of height `mr` and width `nr`, or NULL. */
static const struct cincel_outer_row *row_of(const struct cincel_isa *isa, int mr, int nr)
{
    for (int i = 0; i < isa->outer_count; i++)
        if (isa->outer[i].mr == mr && isa->outer[i].nr == nr) return &isa->outer[i];
    return NULL;
}

static void append_tiles(struct cincel_weights_tiles *tiles, const struct cincel_outer_row *row, size_t count,
                         size_t *channel)
{
    if (count == 0) return;
    const int last = tiles->spans - 1;
    assert(tiles->spans < CINCEL_WEIGHTS_SPANS || tiles->span[last].row == row);
    if (last < 0 || tiles->span[last].row != row) {
        tiles->span[tiles->spans].row = row;
        tiles->span[tiles->spans].count = 0;
        tiles->span[tiles->spans].first = tiles->count;
        tiles->span[tiles->spans].channel = *channel;
        tiles->spans++;
    }
    tiles->span[tiles->spans - 1].count += count;
    tiles->count += count;
    *channel += count * (size_t)row->mr;
}

enum { MAX_MR = 32, MAX_REST = 4 * MAX_MR };

/*
 * Covers `channels` with tiles of row's width, no higher than it, in the least time: 64 = 10·6 + 4, and
 * 128 = 20·6 + 2·4 rather than 21·6 + 2, whose last tile would wait for its own latency. All but the
 * last few channels are given to the highest tile; the rest is decided exactly.
 * best[c]: least time for c channels; pick[c]: height of the highest tile that reaches it.
 */
static void cover(const struct cincel_isa *isa, const struct cincel_outer_row *row, size_t channels,
                  struct cincel_weights_tiles *out)
{
    assert(row->mr <= MAX_MR && row_of(isa, 1, row->nr));
    const size_t mr = (size_t)row->mr;
    const size_t whole = channels < 4 * mr ? 0 : channels / mr - 3;
    const size_t rest = channels - whole * mr;
    double best[MAX_REST + 1] = {0.0};
    int pick[MAX_REST + 1] = {0};
    for (size_t c = 1; c <= rest; c++)
        for (int m = row->mr; m >= 1; m--) {
            const struct cincel_outer_row *one = (size_t)m <= c ? row_of(isa, m, row->nr) : NULL;
            if (!one) continue;
            const double time = best[c - (size_t)m] + tile_time(isa, one);
            if (pick[c] == 0 || time < best[c]) {
                best[c] = time;
                pick[c] = m;
            }
        }
    *out = (struct cincel_weights_tiles){0};
    size_t channel = 0;
    append_tiles(out, row, whole, &channel);
    /* highest first: the spans stay few, and equal heights together */
    int used[MAX_MR + 1] = {0};
    for (size_t c = rest; c > 0; c -= (size_t)pick[c]) used[pick[c]]++;
    for (int m = row->mr; m >= 1; m--)
        if (used[m]) append_tiles(out, row_of(isa, m, row->nr), (size_t)used[m], &channel);
}

static double tiles_time(const struct cincel_isa *isa, const struct cincel_weights_tiles *tiles)
{
    double time = 0.0;
    for (int i = 0; i < tiles->spans; i++)
        time += (double)tiles->span[i].count * tile_time(isa, tiles->span[i].row);
    return time;
}

/* ------------------------------------------------------------------------------------ derivation -- */

static bool pads_sideways(const cincel_conv_desc *d) { return d->pad_left > 0 || d->pad_right > 0; }

static void derive_shape(const struct cincel_problem *problem, int edge, struct cincel_weights_shape *s)
{
    const cincel_conv_desc *d = &problem->conv.d;
    *s = (struct cincel_weights_shape){
        .n = (size_t)d->n,
        .groups = (size_t)d->groups,
        .ih = (size_t)d->ih,
        .iw = (size_t)d->iw,
        .x_px = (size_t)d->ic,
        .oh = (size_t)problem->conv.oh,
        .ow = (size_t)problem->conv.ow,
        .oc = (size_t)d->oc,
        .kh = (size_t)d->kh,
        .kw = (size_t)d->kw,
        .stride_h = (size_t)d->stride_h,
        .stride_w = (size_t)d->stride_w,
        .dilation_h = (size_t)d->dilation_h,
        .dilation_w = (size_t)d->dilation_w,
        .pad_top = d->pad_top,
        .pad_left = d->pad_left,
        .channels = (size_t)(d->ic / d->groups),
        .columns = (size_t)(d->oc / d->groups),
    };
    if (!edge) return;
    s->channels *= s->kw;
    if (pads_sideways(d)) s->iw = (s->ow - 1) * s->stride_w + s->kw;
    s->kw = 1;
    s->pad_left = 0;
}

/*
 * The largest block of at most `pixels` pixels, or of one row's share where a row is longer: nearly
 * equal parts of a row, of an image's rows, or several whole images.
 */
static void derive_block(struct cincel_prepared *p, size_t pixels)
{
    const struct cincel_weights_shape *s = &p->s;
    p->block_cols = cincel_div_up(s->ow, cincel_div_up(s->ow, pixels));
    p->block_rows = p->block_images = 1;
    if (p->block_cols == s->ow) {
        const size_t rows = cincel_min(s->oh, pixels / s->ow);
        p->block_rows = cincel_div_up(s->oh, cincel_div_up(s->oh, rows));
        if (p->block_rows == s->oh) p->block_images = cincel_min(s->n, pixels / (s->oh * s->ow));
    }
    p->block_pixels = p->block_images * p->block_rows * p->block_cols;
    const size_t rows = (p->block_rows - 1) * s->stride_h + (s->kh - 1) * s->dilation_h + 1;
    const size_t cols = (p->block_cols - 1) * s->stride_w + (s->kw - 1) * s->dilation_w + 1;
    p->region_pixels = p->block_images * cincel_min(rows, s->ih) * cincel_min(cols, s->iw);
}

static void derive_cuts(struct cincel_prepared *p, size_t block)
{
    p->panels = cincel_div_up(p->s.columns, p->nr);
    p->panel_blocks = cincel_min(cincel_div_up(p->s.columns, block), p->panels);
    p->tile_blocks = cincel_min(cincel_div_up(p->s.channels, block), p->tiles.count);
    p->cuts = p->slices * p->s.groups * p->panel_blocks * p->tile_blocks;
}

/* Everything but the ranges, which need memory. */
static void derive(const struct cincel_target *t, const struct cincel_problem *problem,
                   const struct cincel_choice *c, struct cincel_prepared *p)
{
    *p = (struct cincel_prepared){.d = problem->conv.d, .isa = cincel_isa_find(t, c->isa)};
    const struct cincel_outer_row *row = cincel_outer_row_find(p->isa, c->row);
    const size_t lanes = (size_t)p->isa->vector_floats;
    derive_shape(problem, c->knob[CINCEL_WEIGHTS_EDGE], &p->s);
    p->copy_x = c->knob[CINCEL_WEIGHTS_EDGE] && pads_sideways(&p->d);
    cover(p->isa, row, p->s.channels, &p->tiles);
    p->nr = (size_t)row->nr;
    p->mr = (size_t)row->mr;
    p->x_pitch = cincel_round_up(p->mr, lanes);
    p->slices = (size_t)c->knob[CINCEL_WEIGHTS_SLICES];
    p->pack = c->knob[CINCEL_WEIGHTS_PACK];
    p->threads = c->threads;
    derive_block(p, (size_t)c->knob[CINCEL_WEIGHTS_PBLOCK]);
    derive_cuts(p, (size_t)c->knob[CINCEL_WEIGHTS_BLOCK]);
    /* where a cut has all columns (else others have called them), a line takes longer than memory to bring it
       (k = 9 on Zen 3: 5 % slower so, 27 to 147: 4-10 % faster), and two blocks leave room in L2 */
    p->calls_next = p->s.groups == 1 && p->panel_blocks == 1 &&
                    p->s.channels * cincel_weights_taps(p) >= 16 &&
                    p->block_pixels * p->s.oc * sizeof(float) <= cincel_l2_bytes(t) / 4;
}

/* Outputs o whose input o·stride + k·dilation − pad exists. */
static struct cincel_weights_range tap_range(size_t outputs, size_t size, size_t stride, ptrdiff_t pad,
                                             size_t k, size_t dilation)
{
    const ptrdiff_t shift = pad - (ptrdiff_t)(k * dilation);
    const ptrdiff_t last = (ptrdiff_t)size - 1 + shift; /* largest o·stride allowed */
    struct cincel_weights_range r = {0, 0};
    if (last < 0) return r;
    r.begin = shift > 0 ? cincel_div_up((size_t)shift, stride) : 0;
    r.end = cincel_min((size_t)last / stride + 1, outputs);
    return r;
}

static cincel_status build(const struct cincel_target *t, const struct cincel_problem *problem,
                           const struct cincel_choice *c, struct cincel_prepared **out)
{
    const cincel_conv_desc *d = &problem->conv.d;
    struct cincel_prepared *p =
        malloc(sizeof *p + ((size_t)d->kh + (size_t)d->kw) * sizeof(struct cincel_weights_range));
    if (!p) return cincel_fail(CINCEL_OUT_OF_MEMORY, "conv: no memory for a plan of %d taps", d->kh * d->kw);
    derive(t, problem, c, p);
    const struct cincel_weights_shape *s = &p->s;
    for (size_t k = 0; k < s->kh; k++)
        p->ranges[k] = tap_range(s->oh, s->ih, s->stride_h, s->pad_top, k, s->dilation_h);
    for (size_t k = 0; k < s->kw; k++)
        p->ranges[s->kh + k] = tap_range(s->ow, s->iw, s->stride_w, s->pad_left, k, s->dilation_w);
    *out = p;
    return CINCEL_OK;
}

static double chain(const struct cincel_problem *problem, const struct cincel_choice *c)
{
    return cincel_chain_length(problem) / c->knob[CINCEL_WEIGHTS_SLICES];
}

static void discard(struct cincel_prepared *p) { free(p); }

static size_t workspace(const struct cincel_target *t, const struct cincel_problem *problem,
                        const struct cincel_choice *c)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    return cincel_weights_workspace(&p);
}

/*
 * Busiest worker's share of the work times workers when cuts are claimed in order and each takes the
 * time its pixels, panels and tiles suggest. Claims end within one cut of even, and no cut has more than
 * eight times another's work (twice in each of three directions): thousands a worker need no counting.
 */
static double claim_balance(const struct cincel_prepared *p)
{
    enum { MAX_WORKERS = 256, EVEN = 4096 };
    double busy[MAX_WORKERS] = {0.0}, total = 0.0, longest = 0.0;
    const int workers = p->threads < MAX_WORKERS ? p->threads : MAX_WORKERS;
    if (workers == 1 || p->cuts / EVEN >= (size_t)workers) return 1.0;
    const size_t rows = p->s.n * p->s.oh;
    for (size_t i = 0; i < p->cuts; i++) {
        const size_t tb = i % p->tile_blocks, pb = i / p->tile_blocks % p->panel_blocks;
        const size_t slice = i / (p->tile_blocks * p->panel_blocks * p->s.groups);
        const size_t tiles = cincel_weights_part(p->tiles.count, tb + 1, p->tile_blocks) -
                             cincel_weights_part(p->tiles.count, tb, p->tile_blocks);
        const size_t panels = cincel_weights_part(p->panels, pb + 1, p->panel_blocks) -
                              cincel_weights_part(p->panels, pb, p->panel_blocks);
        const size_t share =
            cincel_weights_part(rows, slice + 1, p->slices) - cincel_weights_part(rows, slice, p->slices);
        int least = 0;
        for (int w = 1; w < workers; w++)
            if (busy[w] < busy[least]) least = w;
        const double work = (double)tiles * (double)panels * (double)share;
        busy[least] += work;
        total += work;
        if (busy[least] > longest) longest = busy[least];
    }
    return longest * workers / total;
}

/* ----------------------------------------------------------------------------------- the choice -- */

/* The highest tile of each width; cover() finds the lower ones itself. */
static const char *row_name(const struct cincel_isa *isa, int index)
{
    for (int i = 0; i < isa->outer_count; i++) {
        const struct cincel_outer_row *row = &isa->outer[i];
        bool highest = true;
        for (int j = 0; j < isa->outer_count; j++)
            if (isa->outer[j].nr == row->nr && isa->outer[j].mr > row->mr) highest = false;
        if (highest && index-- == 0) return row->name;
    }
    return NULL;
}

static bool check(const struct cincel_target *t, const struct cincel_problem *problem,
                  const struct cincel_choice *c, char why[CINCEL_WHY])
{
    (void)t;
    const cincel_conv_desc *d = &problem->conv.d;
    const char *reason = NULL;
    if (c->knob[CINCEL_WEIGHTS_EDGE]) {
        if (d->groups != 1)
            reason = "edge=1 with groups: channels of a row are not contiguous";
        else if (d->dilation_w != 1)
            reason = "edge=1 with dilation_w: taps are not contiguous";
        else if (d->kw == 1)
            reason = "edge=1 with a kernel one column wide: nothing to flatten";
    }
    if ((size_t)c->knob[CINCEL_WEIGHTS_SLICES] > (size_t)d->n * (size_t)problem->conv.oh)
        reason = "more slices than output rows";
    if (reason) snprintf(why, CINCEL_WHY, "%s", reason);
    return reason == NULL;
}

/* Largest of the knob's values that is ≤ limit, at least its first. */
static int knob_below(int knob, double limit)
{
    int value = knobs[knob].values[0];
    for (int i = 0; i < knobs[knob].count; i++)
        if (knobs[knob].values[i] <= limit) value = knobs[knob].values[i];
    return value;
}

/*
 * Slices cost memory and a pass over S panels, and are the only parallelism where channels are few:
 * enough for some 64 cuts of 64 x 64 channels, chains of at least 1024 pixels. Chains of more than 64 K
 * are cut in any case: their rounding grows with the root of the length.
 */
static int default_slices(const struct cincel_problem *problem, const struct cincel_weights_shape *s)
{
    const double cuts =
        (double)s->groups * (double)cincel_div_up(s->channels, 64) * (double)cincel_div_up(s->columns, 64);
    const double rows = (double)s->n * problem->conv.oh;
    const double pixels = rows * problem->conv.ow;
    double limit = 64.0 / cuts;
    if (limit < pixels / 65536.0) limit = 2.0 * pixels / 65536.0;
    if (limit > pixels / 1024.0) limit = pixels / 1024.0;
    if (limit > rows) limit = rows;
    return knob_below(CINCEL_WEIGHTS_SLICES, limit);
}

/* Do pixels `floats` apart fall on fewer than half of the sets of L1, 64 lines of 64 bytes? */
static bool crowds(size_t floats)
{
    enum { SETS = 64 };
    const size_t bytes = floats * sizeof(float);
    return (bytes & (~bytes + 1)) > 2 * SETS;
}

/* Do the pixels that a group's tiles meet? */
static bool crowded(const struct cincel_weights_shape *s)
{
    return crowds(s->x_px * s->stride_w) || crowds(s->oc);
}

/*
 * A copy pays when what it lays out is used often enough: dy by channels and taps; x by columns and taps,
 * and only where pixels are so far apart that they crowd a few L1 sets (Zen 3: from 512 bytes on, the worse
 * from half a page on; below, the kernel's prefetch is as good). A few pixels fit L1 as they are, and so
 * do a group's where all sets serve.
 */
static int default_pack(const struct cincel_prepared *p, size_t block)
{
    const struct cincel_weights_shape *s = &p->s;
    const size_t taps = cincel_weights_taps(p);
    const size_t dy_uses = taps * cincel_min(block, s->channels);
    const size_t x_uses =
        taps * cincel_div_up(cincel_min(block, s->columns), p->nr) / (s->stride_h * s->stride_w);
    const size_t x_step = s->x_px * s->stride_w * sizeof(float);
    if (dy_uses < 128 || p->block_pixels <= 64 || (s->groups > 1 && !crowded(s))) return 0;
    return x_step >= 512 && x_uses * x_step >= 8192 ? 2 : 1;
}

/*
 * Large cuts read and copy x and dy least often (Zen 3, 256 or 512 channels: 256 beats 128 by 5 points,
 * though dW then streams from L3), but there should be enough of them to go round: at least four a thread,
 * or what is most even.
 */
static size_t default_block(struct cincel_prepared *p)
{
    const struct cincel_knob *knob = &knobs[CINCEL_WEIGHTS_BLOCK];
    size_t best = (size_t)knob->values[0];
    double best_balance = 1e9;
    for (int i = knob->count - 1; i >= 0; i--) {
        derive_cuts(p, (size_t)knob->values[i]);
        const double balance = claim_balance(p);
        if (balance < best_balance) {
            best_balance = balance;
            best = (size_t)knob->values[i];
        }
        if (p->threads == 1 || (balance < 1.05 && p->cuts >= 4 * (size_t)p->threads)) break;
    }
    return best;
}

static void defaults(const struct cincel_target *t, const struct cincel_problem *problem,
                     struct cincel_choice *c)
{
    const cincel_conv_desc *d = &problem->conv.d;
    const struct cincel_isa *isa = cincel_isa_find(t, c->isa);
    const struct cincel_outer_row *row = cincel_outer_row_find(isa, c->row);
    const double l1 = t->machine->topo.l1d_bytes ? (double)t->machine->topo.l1d_bytes : 32768.0;

    /* fewer channels than a tile is high on any ISA: one tap alone would idle most of the tile, unless its
       height is just theirs and the columns keep the FMAs busy (3 channels, 3x3, Zen 3: 2.0 -> 1.7 ms;
       4x4 3.1 -> 2.9) */
    const bool fills = row->mr == d->ic && row->mr * row->nr / isa->vector_floats >= 8 && d->kw <= 4;
    c->knob[CINCEL_WEIGHTS_EDGE] = d->groups == 1 && d->dilation_w == 1 && d->kw > 1 && d->ic < 8 && !fills;
    struct cincel_weights_shape s;
    derive_shape(problem, c->knob[CINCEL_WEIGHTS_EDGE], &s);
    c->knob[CINCEL_WEIGHTS_SLICES] = default_slices(problem, &s);
    /* a panel of dy, and a tile's share of x where it is copied, in three quarters of L1 */
    const double room = 0.75 * l1 / sizeof(float);
    c->knob[CINCEL_WEIGHTS_PBLOCK] = knob_below(CINCEL_WEIGHTS_PBLOCK, room / (1.5 * row->nr));
    c->knob[CINCEL_WEIGHTS_BLOCK] = knobs[CINCEL_WEIGHTS_BLOCK].values[0];
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    const size_t block = default_block(&p);
    c->knob[CINCEL_WEIGHTS_BLOCK] = (int)block;
    c->knob[CINCEL_WEIGHTS_PACK] = default_pack(&p, block);
    /* a block that few taps and tiles meet need not wait for them in L1 (1 channel, 3x3: 72 → 78 % of peak),
       nor one that a single wide tile reads four pixels ahead */
    if (c->knob[CINCEL_WEIGHTS_PACK] == 0 && (fills || cincel_weights_taps(&p) * p.tiles.count <= 4))
        c->knob[CINCEL_WEIGHTS_PBLOCK] = knob_below(CINCEL_WEIGHTS_PBLOCK, 1e9);
    if (c->knob[CINCEL_WEIGHTS_PACK] == 2) {
        const double x_floats = (double)(p.x_pitch * s.stride_h * s.stride_w);
        c->knob[CINCEL_WEIGHTS_PBLOCK] = knob_below(CINCEL_WEIGHTS_PBLOCK, room / (row->nr + x_floats));
    }
}

/* ------------------------------------------------------------------------------------- the cost -- */

static void cost(const struct cincel_target *t, const struct cincel_problem *problem,
                 const struct cincel_choice *c, struct cincel_cost *out)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    const struct cincel_weights_shape *s = &p.s;
    const double pixels = (double)s->n * (double)s->oh * (double)s->ow;
    const double taps = (double)cincel_weights_taps(&p);
    const double width = (double)(p.panels * p.nr);
    const double ideal = (double)s->channels * (double)p.nr / p.isa->vector_floats;
    const double weights = (double)s->oc * taps * (double)s->channels;
    const double tensors = (double)sizeof(float);
    const double met = taps * pixels, all = (double)s->n * (double)(s->ih * s->iw);
    const double inputs = (met < all ? met : all) * (double)s->x_px;

    out->flops = 2.0 * pixels * taps * (double)s->groups * (double)s->channels * width;
    out->efficiency = 0.97 * ideal / tiles_time(p.isa, &p.tiles);
    /* neighbouring pixels of a group lie far apart, on few sets of L1 (16 groups of 8 on Zen 3: 53 GFLOP/s of
       104), and a stride apart, each line is met for few FMAs (in groups of 8, 16 and 32: 20, 20 and 36); not
       so where all sets serve and one panel has the group's columns (6 groups of 24: 76 to 88, in three
       panels 57) */
    const bool afar = crowded(s) || p.panels > 1;
    if (s->groups > 1 && p.pack < 2) out->efficiency *= afar ? 0.65 : 0.85;
    if (s->groups > 1 && s->stride_w > 1 && afar) out->efficiency *= 0.6;
    /* each cut reads its part of x and dy, and a copy writes and reads it once more, in L2 */
    out->bytes = tensors * (pixels * (double)s->oc * (double)p.tile_blocks + inputs * (double)p.panel_blocks +
                            weights * (p.slices == 1 ? 1.0 : 2.0 * (double)p.slices));
    if (p.copy_x) out->bytes += tensors * 2.0 * all * (double)s->x_px;
    if (p.d.activation != CINCEL_ACT_NONE) out->bytes += tensors * 3.0 * pixels * (double)s->oc;
    /* panels of dW are transposed on their way home; blocks of dy and x are laid out for L1 */
    out->copied = tensors * weights;
    if (p.pack >= 1) out->copied += tensors * pixels * (double)s->oc * (double)p.tile_blocks;
    if (p.pack >= 2) out->copied += tensors * inputs * (double)p.panel_blocks;
    /* one tap's FMAs are too few to hide that pixels come from afar (1x1 on Zen 3: 64 -> 256 channels, 26 MB,
       11.1 ms, of which the FMAs take 8.5) */
    if (taps == 1.0) {
        out->copied += cincel_problem_bytes(problem);
        /* and each block of pixels meets all of a dW that L2 does not hold (512 -> 1024 channels, 1,568
           pixels: 33 ms, im2col 21) */
        if (2.0 * tensors * weights > (double)cincel_l2_bytes(t))
            out->copied += 2.0 * tensors * weights * pixels / (double)p.block_pixels;
    }
    out->balance = claim_balance(&p);
    out->cuts = (double)p.cuts;
    out->phases = 1.0 + (p.copy_x || p.d.activation != CINCEL_ACT_NONE) + (p.slices > 1);
    out->calls =
        pixels / (double)p.block_pixels * taps * (double)p.tiles.count * (double)(p.panels * s->groups);
}

const struct cincel_algo cincel_algo_conv_direct_backward_weights = {
    .name = "direct",
    .op = CINCEL_OP_CONV,
    .pass = CINCEL_BACKWARD_WEIGHTS,
    .knobs = knobs,
    .knob_count = CINCEL_WEIGHTS_KNOBS,
    .row = row_name,
    .check = check,
    .defaults = defaults,
    .cost = cost,
    .workspace = workspace,
    /* measured 0.4e-7 … 0.7e-7 on a sample of elements, chains of 64 to 200704, uniform data */
    .error = 2e-7,
    .chain = chain,
    .build = build,
    .discard = discard,
    .run = cincel_weights_run,
};
