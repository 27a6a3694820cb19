/* Winograd's weight gradient: what the table of algorithms shows. The scheme is told in
   conv_winograd_weights.h, the work of a call is in conv_winograd_weights_run.c. */
#include "ops/conv_winograd_weights.h"

#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "ops/conv.h"

static const int tiles_values[] = {48, 96, 192, 384};
static const int columns_values[] = {32, 64, 128, 256};
static const int order_values[] = {WINOGRAD_W_BY_PLANES, WINOGRAD_W_BY_BLOCKS};

#define VALUES(list) list, (int)(sizeof list / sizeof list[0])
static const struct cincel_knob knobs[WINOGRAD_W_KNOBS] = {
    [WINOGRAD_W_TILES] = {"tiles", false, VALUES(tiles_values)},       /* of a round */
    [WINOGRAD_W_COLUMNS] = {"columns", false, VALUES(columns_values)}, /* of a claim */
    [WINOGRAD_W_ORDER] = {"order", false, VALUES(order_values)},
};

/* By blocks, a worker's W of all planes: 288 KB, which stays in an L2 of 512 KB beside what it meets. */
enum { OWN_FLOATS = 72 << 10, OWN_TILES = 144 };

static void derive_blocks(struct cincel_prepared *p)
{
    const size_t mr = (size_t)p->cover.span[0].row->mr, tiles = p->cover.span[0].count;
    const size_t row_floats = p->s.u_planes * p->block_panels * p->nr;
    const size_t most = cincel_max(OWN_FLOATS / (row_floats * mr), 1);
    const size_t each = cincel_div_up(tiles, cincel_div_up(tiles, most)); /* evenly */
    p->v_blocks = cincel_div_up(tiles, each);
    p->v_width = each * mr;
    p->y_blocks = p->column_blocks;
    p->y_width = p->block_panels * p->nr;
    p->own_tiles = cincel_div_up(p->s.count, cincel_div_up(p->s.count, OWN_TILES));
    if (p->s.u_planes < p->s.planes) p->own_tiles = cincel_round_up(p->own_tiles, WINOGRAD_TURN);
    const size_t last = p->ic - (p->v_blocks - 1) * p->v_width; /* with the lower tiles */
    p->w_panel = cincel_round_up(cincel_max(p->v_width, last) * p->nr, CINCEL_ALIGN / sizeof(float));
    p->w_plane = cincel_winograd_pitch(p->block_panels * p->w_panel);
    p->private_w = p->s.u_planes * p->w_plane;
}

/* Tiles of a slice, in nearly equal slices: at most 1024, for which F(4x4,3x3) expects an error of 1.4e-4,
   and no more than an error of 2e-4 allows. */
static size_t slice_of(const struct cincel_problem *problem, int m, size_t tiles)
{
    enum { MOST = 1024 };
    const double error = (m == 2 ? WINOGRAD2_ERROR : WINOGRAD4_ERROR) * cincel_winograd_growth(problem, m);
    const double root = 2e-4 / error;
    const size_t most = root * root < (double)MOST ? (size_t)(root * root) : MOST;
    return cincel_div_up(tiles, cincel_div_up(tiles, most));
}

static void derive(const struct cincel_target *t, const struct cincel_problem *problem,
                   const struct cincel_choice *c, struct cincel_prepared *p)
{
    const cincel_conv_desc *d = &problem->conv.d;
    *p = (struct cincel_prepared){.isa = cincel_isa_find(t, c->isa),
                                  .gradient = d->activation != CINCEL_ACT_NONE,
                                  .accumulate = d->accumulate != 0,
                                  .by_blocks = c->knob[WINOGRAD_W_ORDER] == WINOGRAD_W_BY_BLOCKS,
                                  .threads = c->threads,
                                  .ic = (size_t)d->ic,
                                  .oc = (size_t)d->oc};
    const struct cincel_outer_row *row = cincel_outer_row_find(p->isa, c->row);
    p->wino = cincel_winograd_find(p->isa, problem, cincel_winograd_tile(c));
    p->epilogue = cincel_epilogue_of(p->isa, d);
    p->nr = (size_t)row->nr;
    cincel_winograd_cover(p->isa, row, p->ic, &p->cover);
    cincel_winograd_tiles_derive(problem, cincel_winograd_tile(c), &p->s);

    p->slice_tiles = slice_of(problem, cincel_winograd_tile(c), p->s.count);
    p->slices = cincel_div_up(p->s.count, p->slice_tiles);
    p->rounds = p->by_blocks ? 1 : cincel_div_up(p->slice_tiles, (size_t)c->knob[WINOGRAD_W_TILES]);
    p->round_tiles = cincel_div_up(p->slice_tiles, p->rounds);
    if (p->s.u_planes < p->s.planes) p->round_tiles = cincel_round_up(p->round_tiles, WINOGRAD_TURN);
    p->rounds = cincel_div_up(p->slice_tiles, p->round_tiles);
    p->panels = cincel_div_up(p->oc, p->nr);
    p->column_blocks = cincel_div_up(p->panels, cincel_max((size_t)c->knob[WINOGRAD_W_COLUMNS] / p->nr, 1));
    p->block_panels = cincel_div_up(p->panels, p->column_blocks);
    p->column_blocks = cincel_div_up(p->panels, p->block_panels);

    p->v_blocks = p->y_blocks = 1;
    p->v_width = p->ic;
    p->y_width = p->oc;
    if (p->by_blocks) {
        derive_blocks(p);
    } else {
        p->w_panel = cincel_round_up(p->ic * p->nr, CINCEL_ALIGN / sizeof(float));
        p->w_plane = cincel_winograd_pitch(p->panels * p->w_panel);
        p->w_floats = p->s.u_planes * p->w_plane;
    }
    p->v_row = cincel_winograd_pitch(cincel_max(p->v_width, p->ic - (p->v_blocks - 1) * p->v_width));
    p->y_row = cincel_winograd_pitch(p->y_width);
    p->v_plane = cincel_winograd_pitch(p->round_tiles * p->v_row);
    p->y_plane = cincel_winograd_pitch(p->round_tiles * p->y_row);
    p->pack_rows = cincel_winograd_pack_rows(p->s.taps);
    p->private_floats = p->private_w + cincel_round_up(p->s.taps * p->nr * p->pack_rows, 16);
    if (p->gradient) {
        p->dz_floats = p->s.images * p->s.out_pixels * p->oc;
        p->dz_cuts = cincel_div_up(p->dz_floats, CINCEL_EPILOGUE_CUT);
    }
}

static size_t workspace(const struct cincel_target *t, const struct cincel_problem *problem,
                        const struct cincel_choice *c)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    return cincel_winograd_weights_workspace(&p);
}

/* More than this of V and Y at once, and rounds are better in any case. */
static const size_t shared_max = (size_t)64 << 20;

static bool check(const struct cincel_target *t, const struct cincel_problem *problem,
                  const struct cincel_choice *c, char why[CINCEL_WHY])
{
    const char *reason;
    if (!cincel_winograd_serves(problem, &reason)) return cincel_winograd_refuse(why, reason);
    if (problem->conv.d.groups > 1) return cincel_winograd_refuse(why, "groups go by slices");
    if (!cincel_winograd_find(cincel_isa_find(t, c->isa), problem, cincel_winograd_tile(c)))
        return cincel_winograd_refuse(why, "no such transform");
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    if (p.by_blocks && p.slices > 1) return cincel_winograd_refuse(why, "order=1 takes one slice of tiles");
    if (p.by_blocks && c->knob[WINOGRAD_W_TILES] != tiles_values[0])
        return cincel_winograd_refuse(why, "order=1 takes all tiles at once");
    if (p.by_blocks &&
        p.s.planes * (p.v_blocks * p.v_plane + p.y_blocks * p.y_plane) * sizeof(float) > shared_max)
        return cincel_winograd_refuse(why, "too many tiles to be transformed at once");
    if (cincel_winograd_repeats(c->knob[WINOGRAD_W_TILES], tiles_values, p.slice_tiles))
        return cincel_winograd_refuse(why, "fewer tiles are all");
    if (cincel_winograd_repeats(c->knob[WINOGRAD_W_COLUMNS], columns_values, (size_t)problem->conv.d.oc))
        return cincel_winograd_refuse(why, "fewer columns are all");
    return true;
}

/*
 * The more tiles a round, the fewer times all of W is read and written; but V and Y of a round should come
 * back from the last cache, unless W is larger than they are.
 */
static void defaults(const struct cincel_target *t, const struct cincel_problem *problem,
                     struct cincel_choice *c)
{
    const cincel_conv_desc *d = &problem->conv.d;
    const char *reason;
    memset(c->knob, 0, sizeof c->knob);
    c->knob[WINOGRAD_W_TILES] = tiles_values[0];
    c->knob[WINOGRAD_W_COLUMNS] = columns_values[0];
    if (!cincel_winograd_serves(problem, &reason)) return; /* check() says so */
    struct cincel_winograd_tiles s;
    cincel_winograd_tiles_derive(problem, cincel_winograd_tile(c), &s);
    const double plane = (double)s.planes * sizeof(float),
                 w = (double)s.u_planes * sizeof(float) * d->ic * d->oc;
    const double limit = w > (double)cincel_l3_bytes(t) / 8.0 ? w : (double)cincel_l3_bytes(t) / 8.0;
    const size_t slice = slice_of(problem, cincel_winograd_tile(c), s.count);
    for (int i = 1; i < knobs[WINOGRAD_W_TILES].count; i++)
        if (!cincel_winograd_repeats(tiles_values[i], tiles_values, slice) &&
            plane * tiles_values[i] * (d->ic + d->oc) <= limit)
            c->knob[WINOGRAD_W_TILES] = tiles_values[i];
    /* by blocks where W leaves the last cache, which holds V and Y (Zen 3, 32 MB, percent of the peak:
       8x512x7x7 110 -> 150, 8x512x14x14 147 -> 177; 8x256x14x14, W of 9 MB, 188 either way) */
    const double vy = plane * (double)s.count * (d->ic + d->oc);
    if (slice == s.count && w > (double)cincel_l3_bytes(t) / 2.0 && vy <= (double)cincel_l3_bytes(t)) {
        c->knob[WINOGRAD_W_ORDER] = WINOGRAD_W_BY_BLOCKS;
        c->knob[WINOGRAD_W_TILES] = tiles_values[0];
        return;
    }
    /* 36 planes are claims enough for a few threads */
    const int columns = c->threads > 4 ? 32 : 128;
    for (int i = 1; i < knobs[WINOGRAD_W_COLUMNS].count; i++)
        if (columns_values[i] <= columns &&
            !cincel_winograd_repeats(columns_values[i], columns_values, (size_t)d->oc))
            c->knob[WINOGRAD_W_COLUMNS] = columns_values[i];
}

static void cost(const struct cincel_target *t, const struct cincel_problem *problem,
                 const struct cincel_choice *c, struct cincel_cost *out)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    const double planes = (double)p.s.planes, tiles = (double)p.s.count, floats = sizeof(float);
    const double width = (double)(p.panels * p.nr), l2 = (double)cincel_l2_bytes(t);
    const double w = floats * (double)p.s.u_planes * (double)p.ic * width;
    /* a tile's channels begin on a line of their own: 3 channels to 32, 64 images of 32x32, 2.2 ms, not 1.3
     */
    const size_t line = CINCEL_ALIGN / sizeof(float);
    const double vy =
        floats * planes * tiles * (double)(cincel_round_up(p.ic, line) + cincel_round_up(p.oc, line));
    const struct cincel_outer_row *row = p.cover.span[0].row;
    const double nv = (double)row->nr / p.isa->vector_floats, mr = row->mr;
    const double loads = mr * nv < mr + nv ? mr * nv / (mr + nv) : 1.0;
    const double latency = mr * nv < 8.0 ? mr * nv / 8.0 : 1.0;
    const double cuts = (double)((p.by_blocks ? p.v_blocks : p.s.u_planes) * p.column_blocks);
    const double largest =
        p.by_blocks ? (double)cincel_max(p.v_width, p.ic - (p.v_blocks - 1) * p.v_width) /
                          (double)(p.ic * p.column_blocks)
                    : (double)(p.s.rows.shared * p.s.cols.shared) / (planes * (double)p.column_blocks);
    double calls = 0.0;
    for (int i = 0; i < p.cover.spans; i++) calls += (double)p.cover.span[i].count;

    *out = (struct cincel_cost){.flops = 2.0 * cincel_winograd_products(&p.s, 1) * (double)p.ic * width};
    out->efficiency = 0.9 * loads * latency;
    /* by blocks lines of V and Y come from L2, and a tile that is wide and low meets more of them (8x512x7x7:
       6x16 10.8 ms, 3x32 12.0) */
    if (p.by_blocks) out->efficiency *= 1.0 - 0.4 * (1.0 + row->nr / 16.0) / (mr * nv);
    out->bytes = cincel_problem_bytes(problem) + 2.0 * floats * (double)p.dz_floats;
    /* caches beyond L2 give and take some two times what memory does */
    if (p.by_blocks) /* V and Y once more for each block of the other's channels */
        out->bytes +=
            0.35 * floats * planes * tiles * ((double)(p.ic * p.column_blocks) + (double)(p.oc * p.v_blocks));
    else if (w > l2)
        out->bytes += w * (double)(p.rounds * p.slices) * (w > (double)cincel_l3_bytes(t) ? 2.0 : 1.0);
    if (!p.by_blocks && vy / (double)(p.rounds * p.slices) > l2)
        out->bytes += vy * (vy / (double)(p.rounds * p.slices) > (double)cincel_l3_bytes(t) ? 3.0 : 1.0);
    /* Zen 3, 36 planes of 8 channels, or of fewer: of x 34 ns, of dy 25; back to dw, transposed, 40. Where V
       and Y leave L2, they are written, read and written back: 120 and 115 (64 images of 32x32, 16 channels
       to 16, 3.2 ms; 8x64x56x56 9.1) */
    const double leaves = !p.by_blocks && vy / (double)(p.rounds * p.slices) > l2 ? 1.3 : 0.0;
    const size_t lanes = (size_t)p.isa->vector_floats;
    const double x_side = (double)cincel_round_up(p.ic, lanes),
                 dy_side = (double)cincel_round_up(p.oc, lanes);
    const double work = cincel_winograd_work(&p.s);
    out->copied =
        floats * planes * tiles * ((0.5 * work + leaves) * x_side + (0.4 * work + leaves) * dy_side) +
        0.7 * work * w + floats * (double)p.dz_floats;
    out->calls = planes * (double)(p.panels * p.rounds * p.slices) * calls + 2.0 * tiles;
    out->cuts = cuts;
    out->balance = (double)cincel_div_up((size_t)cuts, (size_t)p.threads) * p.threads / cuts;
    if (out->balance < largest * p.threads) out->balance = largest * p.threads;
    out->phases = 2.0 * (double)(p.rounds * p.slices) + !p.by_blocks + p.gradient;
}

static double chain(const struct cincel_problem *problem, const struct cincel_choice *c)
{
    struct cincel_winograd_tiles s;
    cincel_winograd_tiles_derive(problem, cincel_winograd_tile(c), &s);
    return cincel_winograd_chain(problem, c, (double)slice_of(problem, cincel_winograd_tile(c), s.count));
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

#define WINOGRAD_ROW(name_, error_, standard_)                                                       \
    {                                                                                                \
        .name = name_, .op = CINCEL_OP_CONV, .pass = CINCEL_BACKWARD_WEIGHTS, .knobs = knobs,        \
        .knob_count = WINOGRAD_W_KNOBS, .row = cincel_winograd_outer_row, .check = check,            \
        .defaults = defaults, .cost = cost, .workspace = workspace, .error = error_, .chain = chain, \
        .rounds = cincel_winograd_rounds, .standard = standard_, .build = build, .discard = discard, \
        .run = cincel_winograd_weights_run,                                                          \
    }

const struct cincel_algo cincel_algo_conv_winograd2_backward_weights =
    WINOGRAD_ROW("winograd2", WINOGRAD2_ERROR, cincel_algo_never_standard);
const struct cincel_algo cincel_algo_conv_winograd4_backward_weights =
    WINOGRAD_ROW("winograd4", WINOGRAD4_ERROR, cincel_winograd_standard);
