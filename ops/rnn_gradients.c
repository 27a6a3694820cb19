/*
 * What a backward pass gives to all steps at once, from the gradients of the gates' sums, one row a
 * sequence's step:
 * - dx = d_ih · W_ih;
 * - dw_ih = d_ih^T · x, db_ih = Σ d_ih;
 * - dw_hh = d_hh^T · h_prev, db_hh = Σ d_hh.
 *
 * Gradients of weights are one FMA chain an element, over the rows in their order, in blocks of rows: the
 * block's gradients are transposed in L2, so that the tile finds both sides in sequence.
 */
#include <string.h>

#include "ops/rnn_backward.h"

/* Rows of a block of the sums over rows: dw, which is far away, is read and written once a block. */
enum { BLOCK_ROWS = 768 };
/* Gates of a cut of dw: transposed, they take 192 KB of a block of rows. */
enum { CUT_GATES = 64 };
/* Rows of a cut of dx (36 and 60 do as well). */
enum { CUT_ROWS = 96 };
/* Rows that are called ahead of their transposition: they lie too far apart for the CPU to guess. */
enum { TURN_AHEAD = 32 };
/* Behind each transposed row, so that tiles don't fight for one set of L1. */
enum { SKEW = 16 };

struct scratch {
    float **dx;    /* rows of a cut of dx: [CUT_ROWS] */
    float *turned; /* [CUT_GATES][BLOCK_ROWS + SKEW] */
};

static bool two_gradients(const struct cincel_prepared *p)
{
    return p->d.cell == CINCEL_GRU && !p->d.reset_before;
}

static size_t panels(const struct cincel_prepared *p, size_t columns)
{
    return cincel_div_up(columns, p->tall.nr);
}

/* Packed rows: of each block of rows each panel, as if the block were whole. */
static size_t packed_block(const struct cincel_prepared *p, size_t columns)
{
    return panels(p, columns) * BLOCK_ROWS * p->tall.nr;
}

static size_t packed_floats(const struct cincel_prepared *p, size_t columns)
{
    return cincel_div_up(p->steps * p->batch, BLOCK_ROWS) * packed_block(p, columns);
}

static void carve_scratch(struct cincel_carver *c, struct scratch *s)
{
    s->dx = cincel_carve(c, CUT_ROWS * sizeof *s->dx);
    s->turned = cincel_carve(c, (size_t)CUT_GATES * (BLOCK_ROWS + SKEW) * sizeof(float));
}

void cincel_rnn_gradients_carve(const struct cincel_prepared *p, struct cincel_carver *c,
                                struct cincel_rnn_gradient_buffers *out)
{
    struct cincel_carver one = {NULL, 0};
    struct scratch unused;
    out->w_ih = cincel_carve(c, panels(p, p->input) * cincel_rnn_panel(&p->tall, p->gates * p->hidden) *
                                    sizeof(float));
    out->x = cincel_carve(c, packed_floats(p, p->input) * sizeof(float));
    out->h = cincel_carve(c, packed_floats(p, p->hidden) * sizeof(float));
    out->m = out->h;
    if (p->d.reset_before) out->m = cincel_carve(c, packed_floats(p, p->hidden) * sizeof(float));
    carve_scratch(&one, &unused);
    out->scratch_bytes = one.used;
    out->scratch = cincel_carve(c, out->scratch_bytes * (size_t)p->threads);
}

/* -------------------------------------------------------------------------------------- packing -- */

static size_t row_count(const struct cincel_rnn_backward_job *job) { return job->order.first[job->p->steps]; }
static size_t row_blocks(const struct cincel_rnn_backward_job *job)
{
    return cincel_div_up(row_count(job), BLOCK_ROWS);
}

size_t cincel_rnn_gradients_packings(const struct cincel_rnn_backward_job *job)
{
    return cincel_div_up(job->p->gates * job->p->hidden, CINCEL_RNN_PACKED) +
           cincel_div_up(row_count(job), CINCEL_RNN_PACKED);
}

static void split(const struct cincel_prepared *p, const float *src, size_t ld, size_t rows, size_t columns,
                  float *dst, size_t dst_panel)
{
    p->isa->pack->split(&(struct cincel_split_args){.src = src,
                                                    .ld = ld,
                                                    .rows = rows,
                                                    .columns = columns,
                                                    .panels = panels(p, columns),
                                                    .step = p->tall.nr,
                                                    .nr = p->tall.nr,
                                                    .dst = dst,
                                                    .dst_panel = dst_panel});
}

/* Rows begin … end−1 of x, which lie evenly within a step where all sequences have all steps. */
static void pack_x(const struct cincel_rnn_backward_job *job, size_t begin, size_t end, float *to)
{
    const struct cincel_prepared *p = job->p;
    const struct cincel_rnn_order *o = &job->order;
    const size_t ld = p->input * (p->d.batch_first ? p->steps : 1);
    size_t step = 0;
    for (size_t row = begin, rows; row < end; row += rows) {
        while (o->first[step + 1] <= row) step++;
        const size_t rank = row - o->first[step];
        rows = job->r->lengths ? 1 : cincel_min(end, o->first[step + 1]) - row;
        split(p, job->r->x + cincel_rnn_place(p, o, step, rank) * p->input, ld, rows, p->input,
              to + (row - begin) * p->tall.nr, BLOCK_ROWS * p->tall.nr);
    }
}

/* Where a row lies in the first panel of its block. */
static size_t packed_at(const struct cincel_prepared *p, size_t row, size_t columns)
{
    return row / BLOCK_ROWS * packed_block(p, columns) + row % BLOCK_ROWS * p->tall.nr;
}

void cincel_rnn_gradients_pack(const struct cincel_rnn_backward_job *job, size_t item)
{
    const struct cincel_prepared *p = job->p;
    const struct cincel_rnn_tensors *r = job->r;
    const size_t hidden = p->hidden, depth = p->gates * hidden, nr = p->tall.nr;
    const size_t of_w = cincel_div_up(depth, CINCEL_RNN_PACKED), size = BLOCK_ROWS * nr;
    if (item < of_w) {
        const size_t row = item * CINCEL_RNN_PACKED, rows = cincel_min(CINCEL_RNN_PACKED, depth - row);
        if (r->dx)
            split(p, r->w_ih + row * p->input, p->input, rows, p->input, job->g.w_ih + row * nr,
                  cincel_rnn_panel(&p->tall, depth));
        return;
    }
    const size_t begin = (item - of_w) * CINCEL_RNN_PACKED, at = packed_at(p, begin, hidden);
    const size_t rows = cincel_min(CINCEL_RNN_PACKED, row_count(job) - begin);
    if (r->dw_ih) pack_x(job, begin, begin + rows, job->g.x + packed_at(p, begin, p->input));
    if (r->dw_hh) split(p, job->kept.h_prev + begin * hidden, hidden, rows, hidden, job->g.h + at, size);
    if (r->dw_hh && p->d.reset_before)
        split(p, job->kept.extra + begin * hidden, hidden, rows, hidden, job->g.m + at, size);
}

/* ------------------------------------------------------------------------------------------- dx -- */

/* Rows of dx a cut writes, in the order of the gradients. */
static void point_dx(const struct cincel_rnn_backward_job *job, float **rows, size_t begin, size_t end)
{
    const struct cincel_rnn_order *o = &job->order;
    size_t step = 0;
    for (size_t row = begin; row < end; row++) {
        while (o->first[step + 1] <= row) step++;
        rows[row - begin] =
            job->r->dx + cincel_rnn_place(job->p, o, step, row - o->first[step]) * job->p->input;
    }
}

static void input_cut(const struct cincel_rnn_backward_job *job, const struct scratch *s, size_t begin,
                      size_t end)
{
    const struct cincel_prepared *p = job->p;
    const size_t depth = p->gates * p->hidden, ld = cincel_rnn_gradient_ld(p), nr = p->tall.nr;
    point_dx(job, s->dx, begin, end);
    struct cincel_rnn_product product = {.a = job->d_ih + begin * ld,
                                         .a_step = ld,
                                         .k = depth,
                                         .rows = end - begin,
                                         .panel = job->g.w_ih,
                                         .c = s->dx[0],
                                         .c_step =
                                             cincel_rnn_step_of((const float *const *)s->dx, end - begin)};
    product.c_rows = product.c_step ? NULL : s->dx;
    for (size_t column = 0; column < p->input; column += nr) {
        product.n = (int)cincel_min(nr, p->input - column);
        cincel_rnn_multiply(&p->tall, &product);
        product.panel += cincel_rnn_panel(&p->tall, depth);
        product.c += nr;
        for (size_t i = 0; product.c_rows && i < product.rows; i++) s->dx[i] += nr;
    }
}

/* -------------------------------------------------------------------------------------- weights -- */

/* A cut of dw: gates of one kind, rows begin … end−1 of the matrices. */
struct weights_cut {
    size_t gate, begin, end;
};

static size_t cuts_a_gate(const struct cincel_prepared *p) { return cincel_div_up(p->hidden, CUT_GATES); }

static struct weights_cut weights_cut_of(const struct cincel_prepared *p, size_t cut)
{
    const size_t each = cuts_a_gate(p), gate = cut / each, i = cut % each;
    return (struct weights_cut){gate, gate * p->hidden + p->hidden * i / each,
                                gate * p->hidden + p->hidden * (i + 1) / each};
}

/* dw[begin …] (+)= turned · packed rows of a block */
static void multiply_block(const struct cincel_prepared *p, const struct scratch *s,
                           const struct weights_cut *cut, size_t rows, const float *packed, size_t columns,
                           float *dw, int load)
{
    const size_t nr = p->tall.nr;
    for (size_t column = 0; column < columns; column += nr, packed += BLOCK_ROWS * nr)
        cincel_rnn_multiply(&p->tall, &(struct cincel_rnn_product){
                                          .a = s->turned,
                                          .a_step = BLOCK_ROWS + SKEW,
                                          .k = rows,
                                          .rows = cut->end - cut->begin,
                                          .panel = packed,
                                          .c = dw + cut->begin * columns + column,
                                          .c_step = columns,
                                          .n = (int)cincel_min(nr, columns - column),
                                          .load = load,
                                          .next = packed + BLOCK_ROWS * nr,
                                      });
}

/* Turns a block of gradients; the sum of its rows goes to the bias. */
static void turn_block(const struct cincel_prepared *p, const struct scratch *s,
                       const struct weights_cut *cut, const float *d, size_t rows, float *db)
{
    const size_t width = cincel_rnn_gradient_ld(p), gates = cut->end - cut->begin;
    p->isa->layout->transpose(d + cut->begin, width, rows, gates, s->turned, BLOCK_ROWS + SKEW,
                              TURN_AHEAD * width, 0);
    if (db) p->isa->vector->column_sum(d + cut->begin, width, rows, gates, db + cut->begin);
}

static void weights_cut(const struct cincel_rnn_backward_job *job, const struct scratch *s,
                        const struct weights_cut *cut)
{
    const struct cincel_prepared *p = job->p;
    const struct cincel_rnn_tensors *r = job->r;
    const size_t width = cincel_rnn_gradient_ld(p);
    const bool apart = two_gradients(p) && cut->gate == 2;
    const float *right = cut->gate == 2 ? job->g.m : job->g.h;
    for (size_t block = 0; block < row_blocks(job); block++) {
        const size_t begin = block * BLOCK_ROWS, rows = cincel_min(BLOCK_ROWS, row_count(job) - begin);
        const int load = block > 0 || p->d.accumulate;
        turn_block(p, s, cut, job->d_ih + begin * width, rows, r->db_ih);
        if (r->dw_ih)
            multiply_block(p, s, cut, rows, job->g.x + block * packed_block(p, p->input), p->input, r->dw_ih,
                           load);
        if (apart) turn_block(p, s, cut, job->d_hh + begin * width, rows, NULL);
        if (r->db_hh)
            p->isa->vector->column_sum(job->d_hh + begin * width + cut->begin, width, rows,
                                       cut->end - cut->begin, r->db_hh + cut->begin);
        if (r->dw_hh)
            multiply_block(p, s, cut, rows, right + block * packed_block(p, p->hidden), p->hidden, r->dw_hh,
                           load);
    }
}

void cincel_rnn_gradients_run(const struct cincel_rnn_backward_job *job, struct cincel_worker *worker)
{
    const struct cincel_prepared *p = job->p;
    const struct cincel_rnn_tensors *r = job->r;
    const size_t of_dx = r->dx ? cincel_div_up(row_count(job), CUT_ROWS) : 0;
    const size_t of_dw = r->dw_ih || r->dw_hh || r->db_ih || r->db_hh ? p->gates * cuts_a_gate(p) : 0;
    struct cincel_carver c = {job->g.scratch + (size_t)worker->id * job->g.scratch_bytes, 0};
    struct scratch s;
    carve_scratch(&c, &s);
    size_t item;
    while (cincel_claim(worker, of_dx + of_dw, &item)) {
        if (item < of_dx) {
            input_cut(job, &s, item * CUT_ROWS, cincel_min((item + 1) * CUT_ROWS, row_count(job)));
            continue;
        }
        const struct weights_cut cut = weights_cut_of(p, item - of_dx);
        const size_t bytes = (cut.end - cut.begin) * sizeof(float);
        if (r->db_ih && !p->d.accumulate) memset(r->db_ih + cut.begin, 0, bytes);
        if (r->db_hh && !p->d.accumulate) memset(r->db_hh + cut.begin, 0, bytes);
        weights_cut(job, &s, &cut);
    }
}
