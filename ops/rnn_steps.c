#include "ops/rnn_steps.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/rnn_problem.h"
#include "core/status.h"

/* -------------------------------------------------------------------------------- what is chosen -- */

/* Is it the tallest of its width? */
static bool leads(const struct cincel_isa *isa, int i)
{
    for (int j = 0; j < isa->gemm_count; j++)
        if (isa->gemm[j].nr == isa->gemm[i].nr && isa->gemm[j].mr > isa->gemm[i].mr) return false;
    return true;
}

const char *cincel_rnn_row(const struct cincel_isa *isa, int i)
{
    for (int j = 0; j < isa->gemm_count; j++)
        if (leads(isa, j) && i-- == 0) return isa->gemm[j].name;
    return NULL;
}

static void find_tiles(const struct cincel_isa *isa, int nr, struct cincel_rnn_tiles *out)
{
    *out = (struct cincel_rnn_tiles){.nr = (size_t)nr};
    for (int mr = CINCEL_RNN_TALLEST; mr > 0; mr--)
        for (int i = 0; i < isa->gemm_count && out->count < CINCEL_RNN_TILES; i++)
            if (isa->gemm[i].nr == nr && isa->gemm[i].mr == mr) out->row[out->count++] = &isa->gemm[i];
    for (int height = 1; height <= CINCEL_RNN_TALLEST; height++)
        while (out->row[out->fit[height]]->mr > height) out->fit[height]++;
}

/*
 * Rows of x and h side by side should leave L2 room for sums and for the panel that is fetched meanwhile (one
 * core of Zen 3, LSTM, ratio of joined to separate products: 1.025 at 131 KB, 1.01 at 327, 0.97 at 426; GRU,
 * which joins two gates of three, 0.99 at 262 and 327, 0.985 at 393).
 */
static bool can_join(const struct cincel_target *t, const struct cincel_prepared *p)
{
    const size_t rows = cincel_div_up(p->batch, p->cuts) + 2 * p->nr;
    const double bytes = (double)rows * (double)(p->input + p->hidden) * sizeof(float);
    return p->chunk == 1 && bytes <= 0.625 * (double)cincel_l2_bytes(t);
}

void cincel_rnn_derive(const struct cincel_target *t, const struct cincel_problem *problem,
                       const struct cincel_choice *c, struct cincel_prepared *out)
{
    const cincel_rnn_desc *d = &problem->rnn.d;
    const struct cincel_isa *isa = cincel_isa_find(t, c->isa);
    const size_t nr = (size_t)cincel_gemm_row_find(isa, c->row)->nr;
    *out = (struct cincel_prepared){
        .isa = isa,
        .d = *d,
        .steps = (size_t)d->steps,
        .batch = (size_t)d->batch,
        .input = (size_t)d->input,
        .hidden = (size_t)d->hidden,
        .gates = (size_t)cincel_rnn_gates(d->cell),
        .nr = nr,
        .slices = cincel_div_up((size_t)d->hidden, nr),
        .by_hidden = c->knob[CINCEL_RNN_SPLIT] == CINCEL_RNN_BY_HIDDEN,
        .threads = c->threads,
    };
    out->group = cincel_min(cincel_max((out->by_hidden ? 2 : 4) * 16 / nr, 1), out->slices);
    /* backward passes have no such knob */
    out->chunk = cincel_max(cincel_min((size_t)c->knob[CINCEL_RNN_CHUNK], out->steps), 1);
    out->cuts = out->by_hidden ? 1 : cincel_min((size_t)c->threads, out->batch);
    out->joined = can_join(t, out);
    find_tiles(isa, (int)nr, &out->tiles);
    find_tiles(isa, isa->gemm[0].nr, &out->tall);
    out->tiles.fetch = out->tall.fetch = c->knob[CINCEL_RNN_FETCH] != 0;
    /* the rows of several steps make tall tiles, which widths of few rows don't have: several panels each */
    out->chunks = out->chunk > 1 && nr % out->tall.nr == 0 ? out->tall : out->tiles;
}

bool cincel_rnn_check_split(const struct cincel_target *t, const struct cincel_problem *p,
                            const struct cincel_choice *c, char why[CINCEL_WHY])
{
    const int nr = cincel_gemm_row_find(cincel_isa_find(t, c->isa), c->row)->nr;
    const int slices = (p->rnn.d.hidden + nr - 1) / nr;
    const bool by_hidden = c->knob[CINCEL_RNN_SPLIT] == CINCEL_RNN_BY_HIDDEN;
    if (by_hidden && c->threads == 1) {
        snprintf(why, CINCEL_WHY, "one thread has nothing to split");
        return false;
    }
    if (by_hidden ? slices < c->threads : p->rnn.d.batch < c->threads) {
        snprintf(why, CINCEL_WHY, "%d %s for %d threads", by_hidden ? slices : p->rnn.d.batch,
                 by_hidden ? "hidden slices" : "sequences", c->threads);
        return false;
    }
    return true;
}

int cincel_rnn_default_split(const struct cincel_target *t, const struct cincel_problem *p,
                             const struct cincel_choice *c)
{
    const cincel_rnn_desc *d = &p->rnn.d;
    const double gates = (double)cincel_rnn_gates(d->cell) * d->hidden;
    const double weights = sizeof(float) * gates * ((double)d->input + d->hidden);
    /* a few rows a thread make no tile, and each thread would read all weights for them: from beyond L2 that
       counts up to more rows (two threads of Zen 3, sequences or hidden units split: LSTM of 650, 20
       sequences, 13 MB, 48 and 61 % of the FMA peak; of 512, 16 sequences, 8 MB, 56 and 70; of 256, 16
       sequences, 2 MB, the barriers cost more) */
    const bool far = weights > 5.0 * (double)cincel_l2_bytes(t);
    const int nr = cincel_gemm_row_find(cincel_isa_find(t, c->isa), c->row)->nr;
    const int most = far && (d->hidden + nr - 1) / nr >= c->threads ? 16 : 4; /* slices for all */
    return c->threads > 1 && d->batch < most * c->threads ? CINCEL_RNN_BY_HIDDEN : CINCEL_RNN_BY_BATCH;
}

double cincel_rnn_efficiency(const struct cincel_prepared *p, double rows)
{
    const struct cincel_gemm_row *best = p->tiles.row[0];
    const double height = rows < best->mr ? rows : rows / ceil(rows / best->mr);
    const double vectors = (double)(p->nr / (size_t)p->isa->vector_floats), chains = height * vectors;
    /* 10 chains hide the latency of an FMA; a quarter more FMAs than loads hides those (55 … 76 % of peak
       seen below, 80 above) */
    return 0.93 * fmin(1.0, chains / 10.0) * fmin(1.0, chains / (1.25 * (vectors + height)));
}

bool cincel_rnn_far(const struct cincel_target *t, double weights)
{
    return weights > (double)cincel_l2_bytes(t);
}

double cincel_rnn_chain(const struct cincel_problem *p, const struct cincel_choice *c)
{
    (void)c;
    return (double)p->rnn.d.input + p->rnn.d.hidden;
}

cincel_status cincel_rnn_build(const struct cincel_target *t, const struct cincel_problem *problem,
                               const struct cincel_choice *c, struct cincel_prepared **out)
{
    struct cincel_prepared *p = cincel_aligned_alloc(sizeof *p);
    if (!p) return cincel_fail(CINCEL_OUT_OF_MEMORY, "rnn: no memory for a plan");
    cincel_rnn_derive(t, problem, c, p);
    *out = p;
    return CINCEL_OK;
}

void cincel_rnn_discard(struct cincel_prepared *p) { cincel_aligned_free(p); }

/* ----------------------------------------------------------------------------------------- rows -- */

void cincel_rnn_order_carve(const struct cincel_prepared *p, struct cincel_carver *c,
                            struct cincel_rnn_order *out)
{
    out->sequence = cincel_carve(c, p->batch * sizeof *out->sequence);
    out->length = cincel_carve(c, p->batch * sizeof *out->length);
    out->active = cincel_carve(c, (p->steps + 1) * sizeof *out->active);
    out->first = cincel_carve(c, (p->steps + 1) * sizeof *out->first);
    out->cut = cincel_carve(c, (p->cuts + 1) * sizeof *out->cut);
}

void cincel_rnn_order_fill(const struct cincel_prepared *p, const int *lengths,
                           const struct cincel_rnn_order *o)
{
    /* a counting sort, stable: active[s] first counts the sequences longer than s */
    memset(o->active, 0, (p->steps + 1) * sizeof *o->active);
    for (size_t b = 0; b < p->batch; b++) o->active[(lengths ? (size_t)lengths[b] : p->steps) - 1]++;
    for (size_t s = p->steps - 1; s-- > 0;) o->active[s] += o->active[s + 1];
    memcpy(o->first, o->active + 1, p->steps * sizeof *o->first); /* rank of the first as long as s + 1 */
    for (size_t b = 0; b < p->batch; b++) {
        const size_t length = lengths ? (size_t)lengths[b] : p->steps, rank = o->first[length - 1]++;
        o->sequence[rank] = (int)b;
        o->length[rank] = (int)length;
    }
    o->first[0] = 0;
    for (size_t s = 0; s < p->steps; s++) o->first[s + 1] = o->first[s] + o->active[s];
    /* cuts of about the same number of rows */
    const size_t rows = o->first[p->steps];
    size_t rank = 0, before = 0;
    o->cut[0] = 0;
    for (size_t c = 1; c <= p->cuts; c++) {
        const size_t goal = rows / p->cuts * c + rows % p->cuts * c / p->cuts;
        const size_t last = p->batch - (p->cuts - c); /* leave a rank to each of the others */
        while (rank < last && (rank < c || before + (size_t)o->length[rank] / 2 < goal))
            before += (size_t)o->length[rank++];
        o->cut[c] = c == p->cuts ? p->batch : rank;
    }
}

void cincel_rnn_clear_padding(const struct cincel_prepared *p, const struct cincel_rnn_order *o, size_t begin,
                              size_t end, float *rows, size_t ld, size_t width)
{
    for (size_t rank = begin; rank < end; rank++)
        for (size_t time = (size_t)o->length[rank]; time < p->steps; time++) {
            const size_t sequence = (size_t)o->sequence[rank];
            const size_t row = p->d.batch_first ? sequence * p->steps + time : time * p->batch + sequence;
            memset(rows + row * ld, 0, width * sizeof(float));
        }
}

void cincel_rnn_state_in(const struct cincel_prepared *p, const struct cincel_rnn_order *o, size_t begin,
                         size_t end, const float *state, float *ranks, size_t ld)
{
    for (size_t rank = begin; rank < end; rank++) {
        float *to = ranks + rank * ld;
        if (state)
            memcpy(to, state + (size_t)o->sequence[rank] * p->hidden, p->hidden * sizeof(float));
        else
            memset(to, 0, p->hidden * sizeof(float));
    }
}

void cincel_rnn_state_out(const struct cincel_prepared *p, const struct cincel_rnn_order *o, size_t begin,
                          size_t end, const float *ranks, size_t ld, float *state)
{
    for (size_t rank = begin; rank < end; rank++)
        memcpy(state + (size_t)o->sequence[rank] * p->hidden, ranks + rank * ld, p->hidden * sizeof(float));
}

bool cincel_rnn_has_extra(const struct cincel_prepared *p) { return p->d.cell == CINCEL_GRU; }

struct cincel_rnn_kept cincel_rnn_kept_of(const struct cincel_prepared *p, void *reserve)
{
    const size_t rows = p->steps * p->batch;
    float *base = reserve;
    struct cincel_rnn_kept kept = {.gates = base, .h_prev = base + rows * p->gates * p->hidden};
    if (p->d.cell == CINCEL_LSTM) kept.c_prev = kept.h_prev + rows * p->hidden;
    if (cincel_rnn_has_extra(p)) kept.extra = kept.h_prev + rows * p->hidden;
    return kept;
}

/* ------------------------------------------------------------------------------------- products -- */

static const struct cincel_gemm_row *tile_of(const struct cincel_rnn_tiles *t, size_t height)
{
    return t->row[t->fit[cincel_min(height, CINCEL_RNN_TALLEST)]];
}

/* Asks for a panel, a piece before each tile. */
static void fetch(const float *panel, size_t lines, size_t begin, size_t end, size_t rows)
{
    enum { LINE = CINCEL_ALIGN / sizeof(float) };
    for (size_t i = lines * begin / rows; i < lines * end / rows; i++)
        __builtin_prefetch(panel + i * LINE, 0, 2);
}

size_t cincel_rnn_step_of(const float *const *rows, size_t count)
{
    if (count < 2) return 1;
    const ptrdiff_t step = rows[1] - rows[0];
    for (size_t i = 2; i < count; i++)
        if (rows[i] - rows[i - 1] != step) return 0;
    return step > 0 ? (size_t)step : 0;
}

/* One tile, of rows i … i + row->mr − 1. */
static void run_tile(const struct cincel_rnn_tiles *t, const struct cincel_rnn_product *x,
                     const struct cincel_gemm_row *row, const float *next, size_t i)
{
    const float *a[CINCEL_RNN_TALLEST];
    float *c[CINCEL_RNN_TALLEST];
    const size_t height = (size_t)row->mr;
    for (size_t j = 0; j < height; j++) {
        a[j] = x->a_rows ? x->a_rows[i + j] : x->a + (i + j) * x->a_step;
        c[j] = x->c_rows ? x->c_rows[i + j] : x->c + (i + j) * x->c_step;
    }
    if (t->fetch) fetch(next, x->k * t->nr * sizeof(float) / CINCEL_ALIGN, i, i + height, x->rows);
    row->run(&(struct cincel_gemm_args){
        .a = a, .b = x->panel, .c = c, .taps = 1, .k = x->k, .m = row->mr, .n = x->n, .load_c = x->load});
}

/* `tiles` tiles of even rows from row i on, in one call, which asks for its share of the next panel little by
   little (Zen 3, panels from L3: 98 % of the FMA peak; a piece before each tile: 91 %, not at all: 94 %). */
static void run_strip(const struct cincel_rnn_tiles *t, const struct cincel_rnn_product *x,
                      const struct cincel_gemm_row *row, const float *next, size_t i, size_t tiles,
                      size_t before)
{
    const size_t height = (size_t)row->mr;
    const size_t step = cincel_div_up(height * t->nr, x->rows); /* floats of the next panel a step of k */
    row->strip(&(struct cincel_strip_args){
        .a = x->a + i * x->a_step,
        .lda = x->a_step,
        .b = x->panel,
        .c = x->c + i * x->c_step,
        .ldc = x->c_step,
        .m = tiles * height,
        .k = x->k,
        .n = x->n,
        .load_c = x->load,
        .ahead = t->fetch ? next + x->k * step * before : NULL,
        .ahead_tile = x->k * step,
        .ahead_step = step,
    });
}

/*
 * Tiles of about the same height cover the rows, so that none is left with one or two of them. A panel is met
 * in its whole length, out of L2 where it is longer than L1: sums are neither stored nor loaded on the way
 * (Zen 3, 20 … 128 rows, k of 512 … 2048: 95 – 97 % of the FMA peak; in parts of 16 KB 92 – 95).
 */
void cincel_rnn_multiply(const struct cincel_rnn_tiles *t, const struct cincel_rnn_product *x)
{
    const uint32_t rows = (uint32_t)x->rows,
                   tallest = (uint32_t)t->row[0]->mr; /* divisions take their time */
    const bool even = !x->a_rows && !x->c_rows;
    const float *next = x->next ? x->next : x->panel + x->k * t->nr;
    uint32_t left = (rows + tallest - 1) / tallest;
    for (uint32_t i = 0, tiles, before = 0; i < rows; before += tiles) {
        const uint32_t height = (rows - i + left - 1) / left;
        const struct cincel_gemm_row *row = tile_of(t, height);
        if (even && row->strip && (uint32_t)row->mr == height) {
            tiles = rows - i - (height - 1) * left; /* the others are a row shorter */
            run_strip(t, x, row, next, i, tiles, before);
        } else {
            tiles = 1;
            run_tile(t, x, row, next, i);
        }
        i += (uint32_t)row->mr * tiles;
        left = left > tiles ? left - tiles : 1;
    }
}
