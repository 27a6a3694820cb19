/* Winograd convolution, forward and backward-data: what the table of algorithms shows. The scheme is told in
   conv_winograd.h, the work of a call is in conv_winograd_run.c. */
#include "ops/conv_winograd.h"

#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "ops/conv.h"

static const int tiles_values[] = {24, 48, 96, 192};
static const int columns_values[] = {16, 32, 64, 128};
static const int order_values[] = {WINOGRAD_BY_TILES, WINOGRAD_SHARED, WINOGRAD_BY_COLUMNS};

#define VALUES(list) list, (int)(sizeof list / sizeof list[0])
static const struct cincel_knob knobs[WINOGRAD_KNOBS] = {
    [WINOGRAD_TILES] = {"tiles", false, VALUES(tiles_values)},       /* of a block */
    [WINOGRAD_COLUMNS] = {"columns", false, VALUES(columns_values)}, /* of a block: of M at a time */
    [WINOGRAD_ORDER] = {"order", false, VALUES(order_values)},
};

static const char *row_name(const struct cincel_isa *isa, int i)
{
    for (int r = 0; r < isa->gemm_count; r++)
        if (isa->gemm[r].strip && i-- == 0) return isa->gemm[r].name;
    return NULL;
}

/* -------------------------------------------------------------------------------------- sizes -- */

/* k rows of a product with its panel of U: 16 KB of 16 columns, half of L1. */
enum { PART_FLOATS = 4096 };
/* By columns, a block's M and the part of its U should stay in L2, of all planes: 448 KB. */
enum { OWN_FLOATS = 112 << 10, OWN_PART_MIN = 32 };

/* k rows of U that fit there beside M, in whole cache lines of V. */
static size_t own_part(const struct cincel_prepared *p)
{
    const size_t columns = p->block_panels * (size_t)p->row->nr, m = p->s.planes * p->block_tiles * columns;
    const size_t rest = OWN_FLOATS > m ? (OWN_FLOATS - m) / (p->s.u_planes * columns) : 0;
    return cincel_max(rest / 16 * 16, OWN_PART_MIN);
}

static void derive_blocks(const struct cincel_choice *c, struct cincel_prepared *p)
{
    const size_t nr = (size_t)p->row->nr, mr = (size_t)p->row->mr;
    p->group_panels = cincel_div_up(p->n, nr);
    p->panels = p->groups * p->group_panels;
    const size_t unit = p->groups > 1 ? p->group_panels : 1, units = p->panels / unit;
    const size_t wanted_units = (size_t)c->knob[WINOGRAD_COLUMNS] / (p->groups > 1 ? p->n : nr);
    p->column_blocks = cincel_div_up(units, cincel_max(wanted_units, 1));
    p->block_panels = cincel_div_up(units, p->column_blocks) * unit;
    p->column_blocks = cincel_div_up(p->panels, p->block_panels);
    const size_t wanted = p->order == WINOGRAD_BY_COLUMNS ? p->s.count : (size_t)c->knob[WINOGRAD_TILES];
    p->block_tiles = cincel_round_up(cincel_div_up(p->s.count, cincel_div_up(p->s.count, wanted)), mr);
    p->tile_blocks = cincel_div_up(p->s.count, p->block_tiles);
    p->cuts = p->tile_blocks * (p->order == WINOGRAD_BY_TILES && p->groups == 1 ? 1 : p->column_blocks);
}

static void derive_u(size_t panels, size_t floats, struct cincel_winograd_u *out)
{
    out->panel = cincel_round_up(floats, CINCEL_ALIGN / sizeof(float));
    out->plane = cincel_winograd_pitch(panels * out->panel);
}

static void derive_memory(struct cincel_prepared *p)
{
    const size_t nr = (size_t)p->row->nr, planes = p->s.planes, u_planes = p->s.u_planes;
    const bool own_u = p->order == WINOGRAD_BY_COLUMNS, own_v = p->order == WINOGRAD_BY_TILES;
    p->part = p->groups > 1 ? p->k : cincel_min(own_u ? own_part(p) : PART_FLOATS / nr, p->k);
    derive_u(p->panels, p->k * nr, &p->all_u);
    derive_u(p->block_panels, p->part * nr, &p->own_u);
    const size_t v_row = p->groups > 1 ? p->block_panels / p->group_panels * p->k : p->part;
    p->v_row = cincel_round_up(v_row, CINCEL_ALIGN / sizeof(float));
    p->v_part = p->block_tiles * p->v_row;
    p->v_plane = cincel_winograd_pitch(cincel_div_up(p->k, p->part) * p->v_part);
    p->v_block = planes * p->v_plane;
    p->m_row = p->block_panels * nr;
    p->m_plane = cincel_winograd_pitch(p->block_tiles * p->m_row);

    *(own_u ? &p->private_u : &p->u_floats) = u_planes * (own_u ? p->own_u.plane : p->all_u.plane);
    *(own_v ? &p->private_v : &p->v_floats) = p->v_block * (own_v ? 1 : p->tile_blocks);
    p->private_m = planes * p->m_plane;
    p->pack_rows = cincel_winograd_pack_rows(p->s.taps);
    p->private_w = p->s.taps * nr * cincel_min(p->k, p->pack_rows);
    p->pack_cuts = p->panels * cincel_div_up(p->k, p->pack_rows);
    if (p->gradient) {
        p->dz_floats = p->s.images * p->s.src_pixels * p->sources;
        p->dz_cuts = cincel_div_up(p->dz_floats, CINCEL_EPILOGUE_CUT);
    }
    struct cincel_carver mine = {NULL, 0};
    cincel_carve(&mine, p->private_u * sizeof(float));
    cincel_carve(&mine, p->private_v * sizeof(float));
    cincel_carve(&mine, p->private_m * sizeof(float));
    cincel_carve(&mine, p->private_w * sizeof(float));
    p->private_bytes = mine.used;
}

static void derive(const struct cincel_target *t, const struct cincel_problem *problem,
                   const struct cincel_choice *c, struct cincel_prepared *p)
{
    const cincel_conv_desc *d = &problem->conv.d;
    *p = (struct cincel_prepared){.isa = cincel_isa_find(t, c->isa),
                                  .order = (enum cincel_winograd_order)c->knob[WINOGRAD_ORDER],
                                  .forward = problem->pass == CINCEL_FORWARD,
                                  .threads = c->threads};
    p->row = cincel_gemm_row_find(p->isa, c->row);
    p->wino = cincel_winograd_find(p->isa, problem, cincel_winograd_tile(c));
    p->input = !p->forward && d->stride_h > 1 ? p->wino->back_input : p->wino->input;
    p->output = !p->forward && d->stride_h > 1 ? p->wino->back_output : p->wino->output;
    p->epilogue = cincel_epilogue_of(p->isa, d);
    p->gradient = !p->forward && d->activation != CINCEL_ACT_NONE;
    p->accumulate = !p->forward && d->accumulate;
    p->groups = (size_t)d->groups;
    p->sources = (size_t)(p->forward ? d->ic : d->oc);
    p->outputs = (size_t)(p->forward ? d->oc : d->ic);
    p->k = p->sources / p->groups;
    p->n = p->outputs / p->groups;
    cincel_winograd_tiles_derive(problem, cincel_winograd_tile(c), &p->s);
    derive_blocks(c, p);
    derive_memory(p);
}

static size_t workspace(const struct cincel_target *t, const struct cincel_problem *problem,
                        const struct cincel_choice *c)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    struct cincel_carver carver = {NULL, 0};
    cincel_carve(&carver, p.u_floats * sizeof(float));
    cincel_carve(&carver, p.v_floats * sizeof(float));
    cincel_carve(&carver, p.dz_floats * sizeof(float));
    cincel_carve(&carver, p.private_bytes * (size_t)p.threads);
    return carver.used;
}

/* ---------------------------------------------------------------------------------- the checks -- */

/* More than this of V or of M at once, and another order is better in any case. */
static const size_t shared_max = (size_t)64 << 20;

static bool check(const struct cincel_target *t, const struct cincel_problem *problem,
                  const struct cincel_choice *c, char why[CINCEL_WHY])
{
    const char *reason;
    if (!cincel_winograd_serves(problem, &reason)) return cincel_winograd_refuse(why, reason);
    if (!cincel_winograd_find(cincel_isa_find(t, c->isa), problem, cincel_winograd_tile(c)))
        return cincel_winograd_refuse(why, "no such transform");
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    if (p.groups > 1 && p.order != WINOGRAD_BY_TILES)
        return cincel_winograd_refuse(why, "groups go by order=0");
    if (p.order == WINOGRAD_BY_COLUMNS && c->knob[WINOGRAD_TILES] != tiles_values[0])
        return cincel_winograd_refuse(why, "order=2 takes all tiles at once");
    if (cincel_winograd_repeats(c->knob[WINOGRAD_TILES], tiles_values, p.s.count))
        return cincel_winograd_refuse(why, "fewer tiles are all");
    if (cincel_winograd_repeats(c->knob[WINOGRAD_COLUMNS], columns_values, p.outputs))
        return cincel_winograd_refuse(why, "fewer columns are all");
    if (p.order != WINOGRAD_BY_TILES && p.v_floats * sizeof(float) > shared_max)
        return cincel_winograd_refuse(why, "too many tiles to be transformed at once");
    return true;
}

/* -------------------------------------------------------------------------------------- choosing -- */

static int largest(enum cincel_winograd_knob knob, double limit, size_t size)
{
    int value = knobs[knob].values[0];
    for (int i = 1; i < knobs[knob].count; i++) {
        const int next = knobs[knob].values[i];
        if (next <= limit && !cincel_winograd_repeats(next, knobs[knob].values, size)) value = next;
    }
    return value;
}

/* Does M of that many tiles and columns stay in L2 beside what it meets? */
static bool m_fits(const struct cincel_winograd_tiles *s, size_t columns, size_t tiles, double l2)
{
    return (double)(s->planes * columns * tiles) * sizeof(float) <= 0.75 * l2;
}

/* Eight claims a thread: smaller blocks of tiles, as long as the last cache holds the weights that each of
   them reads, and three are left at least; else blocks of columns, too. */
static void share_among_threads(const struct cincel_target *t, size_t tiles, double weights,
                                struct cincel_choice *c)
{
    const size_t threads = (size_t)c->threads;
    int *const block = &c->knob[WINOGRAD_TILES];
    if (threads == 1 || cincel_div_up(tiles, (size_t)*block) >= 8 * threads) return;
    if (weights > (double)cincel_l3_bytes(t) / 2.0 ||
        cincel_div_up(tiles, (size_t)tiles_values[0]) < 3 * threads)
        c->knob[WINOGRAD_ORDER] = WINOGRAD_SHARED;
    else
        while (*block > tiles_values[0] && cincel_div_up(tiles, (size_t)*block) < 8 * threads) *block /= 2;
}

/* Of groups: 32 columns or more a block, and as many tiles as leave V, M and U in L2; for threads, smaller
   blocks while there are not eight a thread. */
static void group_defaults(const struct cincel_problem *problem, const struct cincel_winograd_tiles *s,
                           double l2, struct cincel_choice *c)
{
    const cincel_conv_desc *d = &problem->conv.d;
    const size_t groups = (size_t)d->groups, k = (size_t)(d->ic / d->groups), n = (size_t)(d->oc / d->groups);
    const bool forward = problem->pass == CINCEL_FORWARD;
    c->knob[WINOGRAD_COLUMNS] = largest(WINOGRAD_COLUMNS, 32.0, groups * (forward ? n : k));
    const size_t block = cincel_max((size_t)c->knob[WINOGRAD_COLUMNS] / (forward ? n : k), 1); /* groups */
    const double u = (double)(s->u_planes * block * k * n) * sizeof(float);
    const double tile = (double)(s->planes * block * (k + n)) * sizeof(float);
    c->knob[WINOGRAD_TILES] = largest(WINOGRAD_TILES, (0.9 * l2 - u) / tile, s->count);
    const size_t threads = (size_t)c->threads, blocks = cincel_div_up(groups, block);
    int *const tiles = &c->knob[WINOGRAD_TILES];
    while (threads > 1 && *tiles > tiles_values[0] &&
           blocks * cincel_div_up(s->count, (size_t)*tiles) < 8 * threads)
        *tiles /= 2;
}

static void defaults(const struct cincel_target *t, const struct cincel_problem *problem,
                     struct cincel_choice *c)
{
    const double l2 = (double)cincel_l2_bytes(t);
    const char *reason;
    memset(c->knob, 0, sizeof c->knob);
    c->knob[WINOGRAD_TILES] = tiles_values[0];
    c->knob[WINOGRAD_COLUMNS] = columns_values[0];
    if (!cincel_winograd_serves(problem, &reason)) return; /* check() says so */
    struct cincel_winograd_tiles s;
    cincel_winograd_tiles_derive(problem, cincel_winograd_tile(c), &s);
    if (problem->conv.d.groups > 1) {
        group_defaults(problem, &s, l2, c);
        return;
    }
    const size_t k = (size_t)(problem->pass == CINCEL_FORWARD ? problem->conv.d.ic : problem->conv.d.oc);
    const size_t n = (size_t)(problem->pass == CINCEL_FORWARD ? problem->conv.d.oc : problem->conv.d.ic);

    /* V of a block, and M, in half of L2 each; where k is too long for that, V of the tiles of one plane (M
       beyond L2: 8x8x112x112 -> 64, 3x3, 9.4 ms, not 7.8) */
    c->knob[WINOGRAD_COLUMNS] = largest(WINOGRAD_COLUMNS, 64.0, n);
    const double floats = l2 / 2.0 / sizeof(float), by_plane = floats / (double)k;
    const double by_v = floats / (double)(s.planes * k);
    const double by_m = floats / (double)(s.planes * cincel_min(n, (size_t)c->knob[WINOGRAD_COLUMNS]));
    c->knob[WINOGRAD_TILES] =
        largest(WINOGRAD_TILES, by_v >= 24.0 ? (by_m < by_v ? by_m : by_v) : cincel_min(96, (size_t)by_plane),
                s.count);
    const double weights = (double)(s.u_planes * k * n) * sizeof(float);
    share_among_threads(t, s.count, weights, c);
    /* a transformed weight that meets few tiles had better not travel past L2, where their M fits with it
       (Zen 3, percent of the peak: 8x512x14x14 147 -> 197, 8x256x14x14 187 -> 238, 1x128x28x28 165 -> 196) */
    const bool claims = c->threads == 1 || cincel_div_up(n, 16) >= 4 * (size_t)c->threads;
    if (m_fits(&s, 16, s.count, l2) && weights > 4.0 * l2 && claims) {
        c->knob[WINOGRAD_ORDER] = WINOGRAD_BY_COLUMNS;
        c->knob[WINOGRAD_TILES] = tiles_values[0];
        c->knob[WINOGRAD_COLUMNS] = columns_values[0];
    }
}

/* Rows of M, with the unused parts of register tiles. */
static double rows_of(const struct cincel_prepared *p)
{
    const size_t mr = (size_t)p->row->mr, last = p->s.count - (p->tile_blocks - 1) * p->block_tiles;
    if (p->tile_blocks == 1) return cincel_winograd_products(&p->s, mr);
    const size_t rows = (p->tile_blocks - 1) * p->block_tiles + cincel_round_up(last, mr);
    return cincel_winograd_products(&p->s, 1) * (double)rows / (double)p->s.count;
}

/* Bytes that pass between L2 and what lies behind it. V is written once and read for every block of columns,
   M written and read with every part of k, U (`weights` bytes) read by every block of tiles. */
static double beyond_l2(const struct cincel_prepared *p, double weights, double l2)
{
    const double of_channel = (double)(p->s.planes * p->s.count) * sizeof(float);
    const double m = (double)(2 * p->n * cincel_div_up(p->k, p->part));
    if (p->order == WINOGRAD_BY_COLUMNS) { /* V is called ahead: a fifth is felt */
        const double v = (double)p->k * (1.0 + 0.2 * (double)p->column_blocks);
        return of_channel * (v + (m_fits(&p->s, p->m_row, p->block_tiles, l2) ? 0.0 : m));
    }
    double bytes = 0.0;
    if (p->groups > 1) {
        const double own = (double)(p->s.planes * p->block_tiles * (p->v_row + p->m_row)) * sizeof(float);
        if (own > l2) bytes += of_channel * 2.0 * (double)(p->sources + p->outputs);
        if (own + weights / (double)p->column_blocks > l2) bytes += weights * (double)p->tile_blocks;
        return bytes;
    }
    if ((double)(p->s.planes * p->block_tiles * (p->k + p->m_row)) * sizeof(float) > l2)
        bytes += of_channel * ((double)(p->k * (1 + p->column_blocks)) + m);
    if (weights > l2) bytes += weights * (1.0 + (double)p->tile_blocks);
    return bytes;
}

static void cost(const struct cincel_target *t, const struct cincel_problem *problem,
                 const struct cincel_choice *c, struct cincel_cost *out)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    const double nv = (double)p.row->nr / p.isa->vector_floats, mr = p.row->mr, floats = sizeof(float);
    const double planes = (double)p.s.planes, tiles = (double)p.s.count;
    const double loads = mr * nv < mr + nv ? mr * nv / (mr + nv) : 1.0;
    const double latency = mr * nv < 8.0 ? mr * nv / 8.0 : 1.0;
    const double weights = (double)p.s.u_planes * (double)(p.k * p.panels * (size_t)p.row->nr) * floats;
    const double l2 = (double)cincel_l2_bytes(t);
    const double l3 = (double)cincel_l3_bytes(t);

    *out = (struct cincel_cost){.flops = 2.0 * rows_of(&p) * (double)(p.k * p.panels * (size_t)p.row->nr)};
    out->efficiency = 0.95 * loads * latency * (double)p.part / ((double)p.part + 4.0);
    out->bytes = cincel_problem_bytes(problem) + 2.0 * floats * (double)p.dz_floats;
    if (p.order != WINOGRAD_BY_COLUMNS && weights > l3 / 2.0)
        out->bytes += weights * (1.0 + (double)p.tile_blocks);
    /* Zen 3: 36 planes of 8 channels, or of fewer, leave a transform of sources in 34 ns, of outputs in 20,
       of weights, with their packing, in 40; a byte from the last cache takes a third of what a copied one
       does */
    const size_t lanes = (size_t)p.isa->vector_floats;
    const double sources = (double)cincel_round_up(p.sources, lanes);
    const double outputs = (double)p.groups * (double)cincel_round_up(p.n, lanes);
    /* of groups, whose tiles are read and written in pieces of a few lines, 75 and 65 ns */
    const double gather = p.groups > 1 ? 1.1 : 0.5, scatter = p.groups > 1 ? 1.0 : 0.3;
    out->copied = cincel_winograd_work(&p.s) *
                      (floats * planes * tiles * (gather * sources + scatter * outputs) + 0.7 * weights) +
                  floats * (double)p.dz_floats + 0.35 * beyond_l2(&p, weights, l2);
    /* forward, rows of w far apart are turned: 9 GB/s where they are not in L2 (1x512x7x7 to 512: 1.1 ms) */
    const double w = floats * (double)(p.s.taps * p.k * p.n) * (double)p.groups;
    if (p.forward && w > l2) out->copied += 1.8 * w;
    out->calls = planes * (double)(p.tile_blocks * p.panels) * (double)cincel_div_up(p.k, p.part) +
                 tiles * (double)((p.groups > 1 ? p.column_blocks : 1) + p.column_blocks);
    out->cuts = (double)p.cuts;
    const double rounds = (double)cincel_div_up(p.cuts, (size_t)p.threads);
    out->balance = rounds * p.threads / (double)p.cuts;
    out->phases = p.order == WINOGRAD_BY_TILES ? 2.0 : 3.0;
}

static double chain(const struct cincel_problem *problem, const struct cincel_choice *c)
{
    const cincel_conv_desc *d = &problem->conv.d;
    return cincel_winograd_chain(problem, c, (problem->pass == CINCEL_FORWARD ? d->ic : d->oc) / d->groups);
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

/* One row of the table a tile size, which decides the bits and the error. */
#define WINOGRAD_ROW(name_, pass_, error_, standard_)                                                     \
    {                                                                                                     \
        .name = name_, .op = CINCEL_OP_CONV, .pass = pass_, .knobs = knobs, .knob_count = WINOGRAD_KNOBS, \
        .row = row_name, .check = check, .defaults = defaults, .cost = cost, .workspace = workspace,      \
        .error = error_, .chain = chain, .rounds = cincel_winograd_rounds, .standard = standard_,         \
        .build = build, .discard = discard, .run = cincel_winograd_run,                                   \
        .packed_bytes = cincel_winograd_packed_bytes, .pack_weights = cincel_winograd_pack_weights,       \
    }

const struct cincel_algo cincel_algo_conv_winograd2_forward =
    WINOGRAD_ROW("winograd2", CINCEL_FORWARD, WINOGRAD2_ERROR, cincel_algo_never_standard);
const struct cincel_algo cincel_algo_conv_winograd2_backward_data =
    WINOGRAD_ROW("winograd2", CINCEL_BACKWARD_DATA, WINOGRAD2_ERROR, cincel_algo_never_standard);
const struct cincel_algo cincel_algo_conv_winograd4_forward =
    WINOGRAD_ROW("winograd4", CINCEL_FORWARD, WINOGRAD4_ERROR, cincel_winograd_standard);
const struct cincel_algo cincel_algo_conv_winograd4_backward_data =
    WINOGRAD_ROW("winograd4", CINCEL_BACKWARD_DATA, WINOGRAD4_ERROR, cincel_winograd_standard);
