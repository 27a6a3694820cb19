/* Winograd's weight gradient in slices, for few channels a group: what the table of algorithms shows. The
   scheme is told in conv_winograd_slices.h, the work of a call is in conv_winograd_slices_run.c. */
#include "ops/conv_winograd_slices.h"

#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "ops/conv.h"

static const int tiles_values[] = {24, 48, 96, 192};
static const int columns_values[] = {16, 32, 64};

#define VALUES(list) list, (int)(sizeof list / sizeof list[0])
static const struct cincel_knob knobs[WINOGRAD_S_KNOBS] = {
    [WINOGRAD_S_TILES] = {"tiles", false, VALUES(tiles_values)},       /* of a step */
    [WINOGRAD_S_COLUMNS] = {"columns", false, VALUES(columns_values)}, /* of dy in a claim, whole groups */
};

/* Slices of some 96 tiles: their W, transformed back, costs a twentieth of what it took to make. */
enum { SLICE_TILES = 96, SLICES = 16, SLICE_MOST = 1024 };

static size_t slices_of(size_t tiles)
{
    return cincel_max(cincel_min(cincel_div_up(tiles, SLICE_TILES), SLICES),
                      cincel_div_up(tiles, SLICE_MOST));
}

static void derive(const struct cincel_target *t, const struct cincel_problem *problem,
                   const struct cincel_choice *c, struct cincel_prepared *p)
{
    enum { LINE = CINCEL_ALIGN / sizeof(float) };
    const cincel_conv_desc *d = &problem->conv.d;
    *p = (struct cincel_prepared){.isa = cincel_isa_find(t, c->isa),
                                  .gradient = d->activation != CINCEL_ACT_NONE,
                                  .accumulate = d->accumulate != 0,
                                  .threads = c->threads,
                                  .ic = (size_t)d->ic,
                                  .oc = (size_t)d->oc,
                                  .groups = (size_t)d->groups};
    const struct cincel_outer_row *row = cincel_outer_row_find(p->isa, c->row);
    p->wino = cincel_winograd_find(p->isa, problem, cincel_winograd_tile(c));
    p->epilogue = cincel_epilogue_of(p->isa, d);
    p->k = p->ic / p->groups;
    p->n = p->oc / p->groups;
    p->nr = (size_t)row->nr;
    p->panels = cincel_div_up(p->n, p->nr);
    cincel_winograd_cover(p->isa, row, p->k, &p->cover);
    cincel_winograd_tiles_derive(problem, cincel_winograd_tile(c), &p->s);

    const size_t wanted = cincel_max((size_t)c->knob[WINOGRAD_S_COLUMNS] / p->n, 1);
    p->block_groups = cincel_div_up(p->groups, cincel_div_up(p->groups, wanted));
    p->blocks = cincel_div_up(p->groups, p->block_groups);
    p->slices = slices_of(p->s.count);
    const size_t slice = cincel_div_up(p->s.count, p->slices);
    p->step_tiles = cincel_div_up(slice, cincel_div_up(slice, (size_t)c->knob[WINOGRAD_S_TILES]));

    p->v_row = cincel_round_up(p->block_groups * p->k, LINE);
    p->y_row = cincel_round_up(p->block_groups * p->n, LINE);
    p->v_plane = cincel_winograd_pitch(p->step_tiles * p->v_row);
    p->y_plane = cincel_winograd_pitch(p->step_tiles * p->y_row);
    p->w_panel = cincel_round_up(p->k * p->nr, LINE);
    p->w_plane = cincel_winograd_pitch(p->block_groups * p->panels * p->w_panel);
    p->pack_rows = cincel_winograd_pack_rows(p->s.taps);
    p->dw_floats = p->oc * p->s.taps * p->k;
    p->sum_cuts = p->slices > 1 ? cincel_div_up(p->dw_floats, WINOGRAD_S_SUM) : 0;
    if (p->gradient) {
        p->dz_floats = p->s.images * p->s.out_pixels * p->oc;
        p->dz_cuts = cincel_div_up(p->dz_floats, CINCEL_EPILOGUE_CUT);
    }
    p->private_v = p->s.planes * p->v_plane;
    p->private_y = p->s.planes * p->y_plane;
    p->private_w = p->s.planes * p->w_plane;
    p->private_own = p->s.taps * p->nr * cincel_min(p->k, p->pack_rows);
    struct cincel_carver mine = {NULL, 0};
    cincel_carve(&mine, p->private_v * sizeof(float));
    cincel_carve(&mine, p->private_y * sizeof(float));
    cincel_carve(&mine, p->private_w * sizeof(float));
    cincel_carve(&mine, p->private_own * sizeof(float));
    p->private_bytes = mine.used;
}

static size_t workspace(const struct cincel_target *t, const struct cincel_problem *problem,
                        const struct cincel_choice *c)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    return cincel_winograd_slices_workspace(&p);
}

/* W of a group, of 64 to 64 channels in 36 planes, and V and Y beside it: an L2 of 1 MB. */
static const size_t own_max = (size_t)36 * 64 * 64;

static bool check(const struct cincel_target *t, const struct cincel_problem *problem,
                  const struct cincel_choice *c, char why[CINCEL_WHY])
{
    const cincel_conv_desc *d = &problem->conv.d;
    const char *reason;
    if (!cincel_winograd_serves(problem, &reason)) return cincel_winograd_refuse(why, reason);
    if (d->stride_h != 1) return cincel_winograd_refuse(why, "stride 2 does not go by slices");
    if (!cincel_winograd_find(cincel_isa_find(t, c->isa), problem, cincel_winograd_tile(c)))
        return cincel_winograd_refuse(why, "no such transform");
    struct cincel_winograd_tiles s;
    cincel_winograd_tiles_derive(problem, cincel_winograd_tile(c), &s);
    const size_t k = (size_t)(d->ic / d->groups), n = (size_t)(d->oc / d->groups);
    if (k > own_max / s.planes / n) return cincel_winograd_refuse(why, "a group's gradient leaves L2");
    const size_t slice = cincel_div_up(s.count, slices_of(s.count));
    if (cincel_winograd_repeats(c->knob[WINOGRAD_S_TILES], tiles_values, slice))
        return cincel_winograd_refuse(why, "fewer tiles are all");
    if (cincel_winograd_repeats(c->knob[WINOGRAD_S_COLUMNS], columns_values, (size_t)d->oc))
        return cincel_winograd_refuse(why, "fewer columns are all");
    return true;
}

/* 32 columns or more a claim, and steps of as many tiles as leave V, Y and W in L2. */
static void defaults(const struct cincel_target *t, const struct cincel_problem *problem,
                     struct cincel_choice *c)
{
    const cincel_conv_desc *d = &problem->conv.d;
    const char *reason;
    memset(c->knob, 0, sizeof c->knob);
    c->knob[WINOGRAD_S_TILES] = tiles_values[0];
    c->knob[WINOGRAD_S_COLUMNS] = d->oc > 16 ? 32 : 16;
    if (!cincel_winograd_serves(problem, &reason)) return; /* check() says so */
    struct cincel_winograd_tiles s;
    cincel_winograd_tiles_derive(problem, cincel_winograd_tile(c), &s);
    const double k = d->ic / d->groups, n = d->oc / d->groups;
    const double groups = cincel_max((size_t)(c->knob[WINOGRAD_S_COLUMNS] / n), 1);
    const double plane = (double)s.planes * groups * sizeof(float);
    const double room = 1.2 * (double)cincel_l2_bytes(t) - plane * k * n;
    const size_t slice = cincel_div_up(s.count, slices_of(s.count));
    for (int i = 1; i < knobs[WINOGRAD_S_TILES].count; i++)
        if ((size_t)tiles_values[i - 1] < slice && tiles_values[i] * plane * (k + n) <= room)
            c->knob[WINOGRAD_S_TILES] = tiles_values[i];
}

static void cost(const struct cincel_target *t, const struct cincel_problem *problem,
                 const struct cincel_choice *c, struct cincel_cost *out)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    const double planes = (double)p.s.planes, tiles = (double)p.s.count, floats = sizeof(float);
    const double groups = (double)p.groups, slices = (double)p.slices, step = (double)p.step_tiles;
    const double width = (double)(p.panels * p.nr), w = floats * planes * groups * (double)p.k * width;
    double calls = 0.0, tall = 0.0; /* tiles of W down a panel, and their heights if all were the first's */
    for (int i = 0; i < p.cover.spans; i++) calls += (double)p.cover.span[i].count;
    const struct cincel_outer_row *row = p.cover.span[0].row;
    const double nv = (double)row->nr / p.isa->vector_floats, mr = row->mr;
    tall = (double)p.cover.span[0].count;
    for (int i = 1; i < p.cover.spans; i++) { /* lower ones wait for the latency of an FMA */
        const double acc = p.cover.span[i].row->mr * nv;
        tall += (double)p.cover.span[i].count * (acc < 8.0 ? 8.0 : acc) / (mr * nv);
    }
    const double loads = mr * nv < mr + nv ? mr * nv / (mr + nv) : 1.0;
    const double latency = mr * nv < 8.0 ? mr * nv / 8.0 : 1.0;

    *out =
        (struct cincel_cost){.flops = 2.0 * cincel_winograd_products(&p.s, 1) * groups * mr * tall * width};
    out->efficiency = 0.9 * loads * latency * step / (step + 8.0);
    out->bytes = cincel_problem_bytes(problem) + 2.0 * floats * (double)p.dz_floats;
    const double l2 = (double)cincel_l2_bytes(t);
    const double own = floats * (double)(p.private_v + p.private_y + p.private_w);
    if (own > 1.25 * l2) out->bytes += (own - l2) * (double)p.blocks * tiles / step;
    /* Zen 3: tiles in pieces of a few lines; back to dw, transposed, 36 planes of 8 elements take 40 ns */
    const size_t lanes = (size_t)p.isa->vector_floats;
    const double x_side = (double)p.blocks * (double)cincel_round_up(p.block_groups * p.k, lanes);
    const double dy_side = (double)p.blocks * (double)cincel_round_up(p.block_groups * p.n, lanes);
    out->copied = cincel_winograd_work(&p.s) *
                      (floats * planes * tiles * (1.1 * x_side + 1.0 * dy_side) + 0.7 * w * slices) +
                  floats * ((double)p.dz_floats + (p.slices > 1 ? slices * (double)p.dw_floats : 0.0));
    out->calls = planes * slices * (double)cincel_div_up(cincel_div_up(p.s.count, p.slices), p.step_tiles) *
                     groups * (double)p.panels * calls +
                 2.0 * tiles * (double)p.blocks;
    out->cuts = (double)(p.slices * p.blocks);
    out->balance = (double)cincel_div_up(p.slices * p.blocks, (size_t)p.threads) * p.threads / out->cuts;
    out->phases = p.gradient ? 3.0 : 2.0;
}

static double chain(const struct cincel_problem *problem, const struct cincel_choice *c)
{
    struct cincel_winograd_tiles s;
    cincel_winograd_tiles_derive(problem, cincel_winograd_tile(c), &s);
    return cincel_winograd_chain(problem, c, (double)cincel_div_up(s.count, slices_of(s.count)));
}

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

#define SLICES_ROW(name_, error_)                                                                    \
    {                                                                                                \
        .name = name_, .op = CINCEL_OP_CONV, .pass = CINCEL_BACKWARD_WEIGHTS, .knobs = knobs,        \
        .knob_count = WINOGRAD_S_KNOBS, .row = cincel_winograd_outer_row, .check = check,            \
        .defaults = defaults, .cost = cost, .workspace = workspace, .error = error_, .chain = chain, \
        .rounds = cincel_winograd_rounds, .standard = cincel_algo_never_standard, .build = build,    \
        .discard = discard, .run = cincel_winograd_slices_run,                                       \
    }

const struct cincel_algo cincel_algo_conv_winograd2_slices_backward_weights =
    SLICES_ROW("winograd2_slices", WINOGRAD2_ERROR);
const struct cincel_algo cincel_algo_conv_winograd4_slices_backward_weights =
    SLICES_ROW("winograd4_slices", WINOGRAD4_ERROR);
