/*
 * Recurrent layers, forward. A slice of hidden units takes as many columns as the register tile has, of every
 * gate: the products of a step and slice stay in L1 until the cell has been computed from them. Each sum is
 * one FMA chain, over the input first and then over the state. So the input's part can be made for `chunk`
 * steps at once without changing a bit, which reads W_ih less often and fills tall tiles; or in the step, and
 * then the rows of both are joined, [x | h], where they fit L2, and one call makes the whole chain.
 */
#include <assert.h>
#include <string.h>

#include "ops/rnn.h"
#include "ops/rnn_panels.h"
#include "ops/rnn_steps.h"

static const int split_values[] = {CINCEL_RNN_BY_BATCH, CINCEL_RNN_BY_HIDDEN};
static const int chunk_values[] = {1, 4, 16, 64};
static const int fetch_values[] = {0, 1};
static const struct cincel_knob knobs[] = {
    {"split", false, split_values, 2}, {"fetch", false, fetch_values, 2}, {"chunk", false, chunk_values, 4}};

/* Blocks of sums: one a gate, and another of the GRU whose candidate keeps the state's product apart. */
static size_t block_count(const struct cincel_prepared *p)
{
    return p->gates + (p->d.cell == CINCEL_GRU && !p->d.reset_before);
}

/* The candidate waits for r · h of all hidden units: two rounds a step. */
static bool two_rounds(const struct cincel_prepared *p) { return p->d.reset_before != 0; }

/* Sums of all slices live from one phase to another. */
static bool sums_stay(const struct cincel_prepared *p) { return p->chunk > 1 || two_rounds(p); }

static bool check(const struct cincel_target *t, const struct cincel_problem *p,
                  const struct cincel_choice *c, char why[CINCEL_WHY])
{
    const int chunk = c->knob[CINCEL_RNN_CHUNK];
    if (chunk > 1 && chunk / 4 >= p->rnn.d.steps) { /* a shorter one holds all steps */
        strcpy(why, "the chunk is longer than the sequence");
        return false;
    }
    return cincel_rnn_check_split(t, p, c, why);
}

/*
 * Two tiles of rows are enough to meet W_ih in the step. With more steps the sums of all slices, written and
 * read again, cost more than the weights that are read less often (one core of Zen 3, % of the FMA peak with
 * 1 step and with 4: LSTM of 256, 12 … 32 sequences, 86–89 and 84–87; of 1024, 20 sequences, 91 and 88).
 * Fewer rows are made some 64 to 128 (8 sequences, 16 steps: 81, 1: 70).
 */
static int default_chunk(const struct cincel_target *t, const cincel_rnn_desc *d,
                         const struct cincel_choice *c)
{
    const int cuts = c->knob[CINCEL_RNN_SPLIT] == CINCEL_RNN_BY_HIDDEN ? 1 : c->threads;
    const int most = 128, mr = cincel_gemm_row_find(cincel_isa_find(t, c->isa), c->row)->mr;
    int wanted = 1;
    if (d->batch / cuts >= 2 * mr) return wanted;
    for (size_t i = 0; i < sizeof chunk_values / sizeof *chunk_values; i++)
        if (chunk_values[i] / 4 < d->steps && chunk_values[i] <= most / d->batch) wanted = chunk_values[i];
    return wanted;
}

static void defaults(const struct cincel_target *t, const struct cincel_problem *p, struct cincel_choice *c)
{
    const cincel_rnn_desc *d = &p->rnn.d;
    const double gates = (double)cincel_rnn_gates(d->cell) * d->hidden;
    const bool far = cincel_rnn_far(t, sizeof(float) * gates * ((double)d->input + d->hidden));
    c->knob[CINCEL_RNN_SPLIT] = cincel_rnn_default_split(t, p, c);
    c->knob[CINCEL_RNN_FETCH] = far && d->batch >= 4 * c->threads;
    c->knob[CINCEL_RNN_CHUNK] = default_chunk(t, d, c);
}

/* ------------------------------------------------------------------------------------ workspace -- */

/* A worker's own: pointers and sums. */
struct scratch {
    const float **x; /* rows of a chunk, where they don't lie evenly: [chunk · batch] */
    float *joined;   /* [batch][joined_ld], where rows are joined */
    float **h_out, **c_out, **y;
    float *sums; /* of one slice, where they don't stay */
};

struct buffers {
    struct cincel_rnn_order order;
    float *panels;    /* cincel_rnn_panel_at */
    float *bias;      /* [groups][blocks][columns of a group] */
    float *h[2], *c;  /* without reserve: states of ranks, h of even and of odd steps */
    float *h_n, *c_n; /* where the caller does not want them */
    float *extra;     /* reset · h, without reserve */
    float *sums;      /* [cut][group][row of the chunk][blocks][columns] */
    char *scratch;    /* [threads] */
    size_t scratch_bytes;
};

/* An odd number of lines, so that no number of channels puts rows into the same sets of L1. */
static size_t joined_ld(const struct cincel_prepared *p)
{
    return cincel_round_up(p->input + p->hidden, 16) | 16;
}

static size_t groups(const struct cincel_prepared *p) { return cincel_div_up(p->slices, p->group); }

/* Of one group of slices. */
static size_t sums_floats(const struct cincel_prepared *p, size_t rows)
{
    return rows * block_count(p) * p->group * p->nr;
}

static void carve_scratch(const struct cincel_prepared *p, struct cincel_carver *c, struct scratch *s)
{
    const size_t rows = p->batch;
    s->x = cincel_carve(c, p->joined ? 0 : p->chunk * rows * sizeof *s->x);
    s->joined = cincel_carve(c, p->joined ? rows * joined_ld(p) * sizeof *s->joined : 0);
    s->h_out = cincel_carve(c, rows * sizeof *s->h_out);
    s->c_out = cincel_carve(c, rows * sizeof *s->c_out);
    s->y = cincel_carve(c, rows * sizeof *s->y);
    s->sums = cincel_carve(c, sums_stay(p) ? 0 : sums_floats(p, rows) * sizeof(float));
}

static size_t carve(const struct cincel_prepared *p, void *base, struct buffers *b)
{
    const size_t state = p->batch * p->hidden * sizeof(float);
    const size_t own = p->d.training ? 0 : state;
    struct cincel_carver c = {base, 0}, one = {NULL, 0};
    struct scratch unused;
    cincel_rnn_order_carve(p, &c, &b->order);
    b->panels = cincel_carve(&c, cincel_rnn_panels_floats(p) * sizeof(float));
    b->bias = cincel_carve(&c, groups(p) * sums_floats(p, 1) * sizeof(float));
    b->h[0] = cincel_carve(&c, own);
    b->h[1] = cincel_carve(&c, own);
    b->c = cincel_carve(&c, p->d.cell == CINCEL_LSTM ? own : 0);
    b->h_n = cincel_carve(&c, state);
    b->c_n = cincel_carve(&c, p->d.cell == CINCEL_LSTM ? state : 0);
    b->extra = cincel_carve(&c, two_rounds(p) ? own : 0);
    b->sums =
        cincel_carve(&c, sums_stay(p) ? groups(p) * sums_floats(p, p->chunk * p->batch) * sizeof(float) : 0);
    carve_scratch(p, &one, &unused);
    b->scratch_bytes = one.used;
    b->scratch = cincel_carve(&c, b->scratch_bytes * (size_t)p->threads);
    return c.used;
}

static size_t workspace(const struct cincel_target *t, const struct cincel_problem *problem,
                        const struct cincel_choice *c)
{
    struct cincel_prepared p;
    struct buffers b;
    cincel_rnn_derive(t, problem, c, &p);
    return carve(&p, NULL, &b);
}

static void cost(const struct cincel_target *t, const struct cincel_problem *problem,
                 const struct cincel_choice *c, struct cincel_cost *out)
{
    struct cincel_prepared p;
    cincel_rnn_derive(t, problem, c, &p);
    const double rows = (double)cincel_div_up(p.batch, p.cuts), steps = (double)p.steps;
    const double padded = (double)(p.slices * p.nr) / (double)p.hidden;
    const double weights = (double)cincel_rnn_panels_floats(&p) * sizeof(float);
    const double cells = steps * (double)p.batch * (double)p.hidden;
    const double busiest = p.by_hidden
                               ? (double)cincel_div_up(groups(&p), (size_t)p.threads) / (double)groups(&p)
                               : rows / (double)p.batch;
    *out = (struct cincel_cost){
        /* a cell takes as long as some 60 FMAs */
        .flops = cincel_problem_flops(problem) * padded + 120.0 * cells,
        .efficiency = cincel_rnn_efficiency(&p, rows),
        .bytes = cincel_problem_bytes(problem),
        .copied = weights,
        .balance = busiest * (double)p.threads,
        .cuts = (double)p.cuts,
        .phases = p.by_hidden ? 1.0 + steps * (two_rounds(&p) ? 2.0 : 1.0) : 2.0,
    };
    const double tiles = (double)cincel_div_up((size_t)rows, (size_t)p.tiles.row[0]->mr);
    out->calls = steps * (double)(p.cuts * p.slices * p.gates) * (tiles + 1.0);
    /* each cut reads all weights at every step: beyond L2 as fast as a copy */
    const double l2 = (double)cincel_l2_bytes(t), mine = p.by_hidden ? weights / p.threads : weights;
    if (mine > l2) out->copied += steps * (double)p.cuts * weights / 4.0;
}

/* ------------------------------------------------------------------------------------- the work -- */

struct job {
    const struct cincel_prepared *p;
    const struct cincel_tensors *t;
    const struct cincel_rnn_tensors *r;
    struct buffers b;
    struct cincel_rnn_kept kept;
    const float *panels;
};

/* Ranks begin … end−1 and slices slice … slice_end−1, done by one worker. */
struct block {
    size_t begin, end, slice, slice_end;
    struct scratch s;
};

/* Both biases of a gate, or of the GRU's candidate one in each block. */
static void pack_bias(const struct job *job, size_t slice)
{
    const struct cincel_prepared *p = job->p;
    const size_t blocks = block_count(p), column = slice * p->nr, n = cincel_min(p->nr, p->hidden - column);
    const size_t ld = p->group * p->nr;
    float *bias = job->b.bias + slice / p->group * sums_floats(p, 1) + slice % p->group * p->nr;
    for (size_t g = 0; g < blocks; g++) memset(bias + g * ld, 0, p->nr * sizeof(float));
    for (size_t g = 0; g < p->gates; g++) {
        const size_t from = g * p->hidden + column;
        const size_t of_h = g == 2 && blocks > p->gates ? 3 : g;
        if (job->r->b_ih) p->isa->vector->add(job->r->b_ih + from, bias + g * ld, n);
        if (job->r->b_hh) p->isa->vector->add(job->r->b_hh + from, bias + of_h * ld, n);
    }
}

/* h and c before a step: with a reserve in its rows, without one in the buffers of ranks. */
static float *h_before(const struct job *job, size_t step)
{
    if (!job->p->d.training) return job->b.h[step % 2];
    return job->kept.h_prev + job->b.order.first[step] * job->p->hidden;
}
static float *c_before(const struct job *job, size_t step)
{
    if (!job->p->d.training) return job->b.c;
    return job->kept.c_prev + job->b.order.first[step] * job->p->hidden;
}
static float *extra_of(const struct job *job, size_t step)
{
    if (!job->p->d.training) return job->b.extra;
    return job->kept.extra + job->b.order.first[step] * job->p->hidden;
}

/* Where a step's h and c go: before the next step, or, of a sequence's last, to the final states. */
static void aim(const struct job *job, const struct block *k, size_t step, size_t last)
{
    const struct cincel_prepared *p = job->p;
    const struct cincel_rnn_order *o = &job->b.order;
    float *h_n = job->r->h_n ? job->r->h_n : job->b.h_n, *c_n = job->r->c_n ? job->r->c_n : job->b.c_n;
    const bool lstm = p->d.cell == CINCEL_LSTM;
    for (size_t rank = k->begin, i = 0; rank < last; rank++, i++) {
        const size_t home = (size_t)o->sequence[rank] * p->hidden;
        const bool goes_on = rank < o->active[step + 1];
        k->s.h_out[i] = goes_on ? h_before(job, step + 1) + rank * p->hidden : h_n + home;
        if (lstm) k->s.c_out[i] = goes_on ? c_before(job, step + 1) + rank * p->hidden : c_n + home;
        k->s.y[i] = job->r->y + cincel_rnn_place(p, o, step, rank) * (size_t)p->d.y_ld;
    }
}

static size_t running(const struct cincel_rnn_order *o, const struct block *k, size_t step)
{
    return cincel_max(k->begin, cincel_min(k->end, o->active[step]));
}

/* The sums of a group: `row` counts the block's rows since the chunk began. */
static float *sums_of(const struct job *job, const struct block *k, size_t group, size_t row)
{
    const struct cincel_prepared *p = job->p;
    if (!sums_stay(p)) return k->s.sums + sums_floats(p, row);
    const size_t rows = p->chunk * (k->end - k->begin);
    return job->b.sums + groups(p) * sums_floats(p, p->chunk * k->begin) + group * sums_floats(p, rows) +
           sums_floats(p, row);
}

/* A slice of a block in row 0 of its group's sums. */
static float *sums_at(const struct cincel_prepared *p, float *sums, size_t slice, size_t block)
{
    return sums + (block * p->group + slice % p->group) * p->nr;
}

/* Rows of x of a chunk. */
struct inputs {
    size_t rows, step; /* step 0: they lie anywhere, see scratch */
};

static struct inputs find_inputs(const struct job *job, const struct block *k, size_t step)
{
    const struct cincel_prepared *p = job->p;
    const struct cincel_rnn_order *o = &job->b.order;
    struct inputs in = {0, 0};
    for (size_t s = step; s < cincel_min(step + p->chunk, p->steps); s++)
        for (size_t rank = k->begin; rank < running(o, k, s); rank++)
            k->s.x[in.rows++] = job->r->x + cincel_rnn_place(p, o, s, rank) * p->input;
    in.step = cincel_rnn_step_of(k->s.x, in.rows);
    return in;
}

/* The input's products of the steps of a chunk: one slice. */
static void multiply_input(const struct job *job, const struct block *k, size_t slice, struct inputs in)
{
    const struct cincel_prepared *p = job->p;
    struct cincel_rnn_product product = {.a = k->s.x[0],
                                         .a_step = in.step,
                                         .a_rows = in.step ? NULL : k->s.x,
                                         .k = p->input,
                                         .rows = in.rows,
                                         .c_step = sums_floats(p, 1),
                                         .n = (int)p->chunks.nr};
    float *sums = sums_of(job, k, slice / p->group, 0);
    for (size_t g = 0; g < p->gates; g++) {
        product.panel = job->panels + cincel_rnn_panel_at(p, slice, false, g);
        for (size_t j = 0; j < p->nr; j += p->chunks.nr) {
            product.c = sums_at(p, sums, slice, g) + j;
            cincel_rnn_multiply(&p->chunks, &product);
            product.panel += cincel_rnn_panel(&p->chunks, p->input);
        }
    }
}

/* The products of `states`, row 0 of the block's, with gates begin … end−1 of a slice. */
static void multiply_state(const struct job *job, const float *states, size_t slice, float *sums, size_t rows,
                           size_t begin, size_t end)
{
    const struct cincel_prepared *p = job->p;
    struct cincel_rnn_product product = {.a = states,
                                         .a_step = p->hidden,
                                         .k = p->hidden,
                                         .rows = rows,
                                         .c_step = sums_floats(p, 1),
                                         .n = (int)p->nr};
    for (size_t g = begin; g < end; g++) {
        const bool apart = g == 2 && block_count(p) > p->gates;
        product.c = sums_at(p, sums, slice, apart ? 3 : g);
        product.panel = job->panels + cincel_rnn_panel_at(p, slice, true, g);
        product.load = !apart;
        if (p->chunk > 1 && g + 1 == end)
            product.next = job->panels + cincel_rnn_panel_at(p, slice + 1, true, begin);
        cincel_rnn_multiply(&p->tiles, &product);
    }
}

static struct cincel_cell_args cell_args(const struct job *job, const struct block *k, size_t step,
                                         size_t group, float *sums, size_t rows)
{
    const struct cincel_prepared *p = job->p;
    const size_t width = p->group * p->nr, at = group * width, rank = k->begin * p->hidden;
    struct cincel_cell_args a = {
        .gates = sums,
        .bias = job->b.bias + group * sums_floats(p, 1),
        .gates_ld = sums_floats(p, 1),
        .block = width,
        .rows = rows,
        .at = at,
        .n = (int)cincel_min(width, p->hidden - at),
        .h_prev = h_before(job, step) + rank + at,
        .prev_ld = p->hidden,
        .h = k->s.h_out,
        .c = k->s.c_out,
        .y = k->s.y,
        .kept_ld = p->gates * p->hidden,
        .kept_gate = p->hidden,
        .extra_ld = p->hidden,
        .update_new = p->d.update_new,
    };
    if (p->d.cell == CINCEL_LSTM) a.c_prev = c_before(job, step) + rank + at;
    if (p->d.training)
        a.kept = job->kept.gates + (job->b.order.first[step] + k->begin) * p->gates * p->hidden + at;
    if (two_rounds(p) || (p->d.training && cincel_rnn_has_extra(p)))
        a.extra = extra_of(job, step) + rank + at;
    return a;
}

static void run_cell(const struct cincel_prepared *p, const struct cincel_cell_args *a)
{
    switch (p->d.cell) {
    case CINCEL_RNN_TANH: p->isa->cell->tanh(a); break;
    case CINCEL_RNN_RELU: p->isa->cell->relu(a); break;
    case CINCEL_LSTM: p->isa->cell->lstm(a); break;
    case CINCEL_GRU: p->isa->cell->gru(a); break;
    }
}

/* A step's row of the block's sums, since its chunk began. */
static size_t chunk_row(const struct job *job, const struct block *k, size_t step)
{
    size_t row = 0;
    for (size_t s = step / job->p->chunk * job->p->chunk; s < step; s++)
        row += running(&job->b.order, k, s) - k->begin;
    return row;
}

/* Rows of x and h of a step, side by side. */
static void join(const struct job *job, const struct block *k, size_t step, size_t last)
{
    const struct cincel_prepared *p = job->p;
    float *to = k->s.joined;
    for (size_t rank = k->begin; rank < last; rank++, to += joined_ld(p)) {
        const float *x = job->r->x + cincel_rnn_place(p, &job->b.order, step, rank) * p->input;
        memcpy(to, x, p->input * sizeof(float));
        memcpy(to + p->input, h_before(job, step) + rank * p->hidden, p->hidden * sizeof(float));
    }
}

/* The products of joined rows, but for r · h of a second round: one slice. */
static void multiply_joined(const struct job *job, const struct block *k, size_t slice, float *sums,
                            size_t rows)
{
    const struct cincel_prepared *p = job->p;
    struct cincel_rnn_product product = {
        .a_step = joined_ld(p), .rows = rows, .c_step = sums_floats(p, 1), .n = (int)p->nr};
    for (size_t g = 0; g < p->gates; g++) {
        product.a = k->s.joined;
        product.k = cincel_rnn_one_chain(p, g) ? p->input + p->hidden : p->input;
        product.panel = job->panels + cincel_rnn_panel_at(p, slice, false, g);
        product.c = sums_at(p, sums, slice, g);
        cincel_rnn_multiply(&p->tiles, &product);
        if (cincel_rnn_one_chain(p, g) || two_rounds(p)) continue;
        product.a += p->input;
        product.k = p->hidden;
        product.panel = job->panels + cincel_rnn_panel_at(p, slice, true, g);
        product.c = sums_at(p, sums, slice, 3);
        cincel_rnn_multiply(&p->tiles, &product);
    }
}

static bool ends_group(const struct cincel_prepared *p, size_t slice)
{
    return (slice + 1) % p->group == 0 || slice + 1 == p->slices;
}

/* One step of a block; of cells of two rounds the first. */
static void run_step(const struct job *job, const struct block *k, size_t step)
{
    const struct cincel_prepared *p = job->p;
    const size_t last = running(&job->b.order, k, step), rows = last - k->begin;
    const bool begins = !p->joined && step % p->chunk == 0;
    const size_t row = chunk_row(job, k, step);
    const float *states = h_before(job, step) + k->begin * p->hidden;
    if (rows == 0) return;
    const struct inputs inputs = begins ? find_inputs(job, k, step) : (struct inputs){0, 0};
    if (p->joined) join(job, k, step, last);
    aim(job, k, step, last);
    for (size_t slice = k->slice; slice < k->slice_end; slice++) {
        float *sums = sums_of(job, k, slice / p->group, row);
        if (begins) multiply_input(job, k, slice, inputs);
        if (p->joined)
            multiply_joined(job, k, slice, sums, rows);
        else
            multiply_state(job, states, slice, sums, rows, 0, two_rounds(p) ? 2 : p->gates);
        if (!ends_group(p, slice)) continue;
        const struct cincel_cell_args a = cell_args(job, k, step, slice / p->group, sums, rows);
        if (two_rounds(p))
            p->isa->cell->gru_reset(&a);
        else
            run_cell(p, &a);
    }
}

static void run_second_round(const struct job *job, const struct block *k, size_t step)
{
    const struct cincel_prepared *p = job->p;
    const size_t last = running(&job->b.order, k, step), rows = last - k->begin;
    const size_t row = chunk_row(job, k, step);
    const float *states = extra_of(job, step) + k->begin * p->hidden;
    if (rows == 0) return;
    aim(job, k, step, last);
    for (size_t slice = k->slice; slice < k->slice_end; slice++) {
        float *sums = sums_of(job, k, slice / p->group, row);
        multiply_state(job, states, slice, sums, rows, 2, 3);
        if (!ends_group(p, slice)) continue;
        const struct cincel_cell_args a = cell_args(job, k, step, slice / p->group, sums, rows);
        p->isa->cell->gru_finish(&a);
    }
}

/* Packs the weights and sets the initial states, split evenly. */
static void prepare(const struct job *job, struct cincel_worker *worker)
{
    const struct cincel_prepared *p = job->p;
    size_t item;
    while (cincel_claim(worker, p->slices + 1, &item)) {
        if (item < p->slices) {
            if (!job->t->packed) cincel_rnn_pack_slice(p, job->r->w_ih, job->r->w_hh, job->b.panels, item);
            pack_bias(job, item);
            continue;
        }
        cincel_rnn_state_in(p, &job->b.order, 0, p->batch, job->r->h0, h_before(job, 0), p->hidden);
        if (p->d.cell == CINCEL_LSTM)
            cincel_rnn_state_in(p, &job->b.order, 0, p->batch, job->r->c0, c_before(job, 0), p->hidden);
        cincel_rnn_clear_padding(p, &job->b.order, 0, p->batch, job->r->y, (size_t)p->d.y_ld, p->hidden);
    }
}

static struct block worker_block(const struct job *job, const struct cincel_worker *worker)
{
    struct block k = {.begin = 0, .end = job->p->batch, .slice = 0, .slice_end = job->p->slices};
    struct cincel_carver c = {job->b.scratch + (size_t)worker->id * job->b.scratch_bytes, 0};
    carve_scratch(job->p, &c, &k.s);
    return k;
}

static void run_by_batch(const struct job *job, struct cincel_worker *worker)
{
    struct block k = worker_block(job, worker);
    size_t cut;
    while (cincel_claim(worker, job->p->cuts, &cut)) {
        k.begin = job->b.order.cut[cut], k.end = job->b.order.cut[cut + 1];
        for (size_t step = 0; step < job->p->steps; step++) {
            run_step(job, &k, step);
            if (two_rounds(job->p)) run_second_round(job, &k, step);
        }
    }
}

static void body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct job *job = data;
    if (phase == 0) {
        prepare(job, worker);
    } else if (!job->p->by_hidden) {
        run_by_batch(job, worker);
    } else {
        struct block k = worker_block(job, worker);
        k.slice = cincel_share(worker, job->p->slices, job->p->group, &k.slice_end);
        const size_t rounds = two_rounds(job->p) ? 2 : 1, step = (phase - 1) / rounds;
        if ((phase - 1) % rounds == 0)
            run_step(job, &k, step);
        else
            run_second_round(job, &k, step);
    }
}

static void run(const struct cincel_prepared *p, const struct cincel_tensors *t, struct cincel_team *team)
{
    struct job job = {.p = p, .t = t, .r = t->rnn};
    assert(t->rnn && t->workspace);
    carve(p, t->workspace, &job.b);
    job.panels = t->packed ? t->packed : job.b.panels;
    if (p->d.training) job.kept = cincel_rnn_kept_of(p, job.r->reserve);
    cincel_rnn_order_fill(p, job.r->lengths, &job.b.order);
    const size_t phases = p->by_hidden ? 1 + p->steps * (two_rounds(p) ? 2 : 1) : 2;
    cincel_team_run(team, p->threads, phases, body, &job);
}

/* -------------------------------------------------------------------------------- packed weights -- */

static size_t packed_bytes(const struct cincel_prepared *p)
{
    return cincel_rnn_panels_floats(p) * sizeof(float);
}

struct packing {
    const struct cincel_prepared *p;
    const float *w_ih, *w_hh;
    float *panels;
};

static void packing_body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct packing *job = data;
    size_t slice;
    (void)phase;
    while (cincel_claim(worker, job->p->slices, &slice))
        cincel_rnn_pack_slice(job->p, job->w_ih, job->w_hh, job->panels, slice);
}

static void pack_rnn(const struct cincel_prepared *p, const float *w_ih, const float *w_hh, void *packed,
                     struct cincel_team *team)
{
    struct packing job = {p, w_ih, w_hh, packed};
    cincel_team_run(team, p->threads, 1, packing_body, &job);
}

const struct cincel_algo cincel_algo_rnn_forward = {
    .name = "steps",
    .op = CINCEL_OP_RNN,
    .pass = CINCEL_FORWARD,
    .knobs = knobs,
    .knob_count = sizeof knobs / sizeof *knobs,
    .row = cincel_rnn_row,
    .check = check,
    .defaults = defaults,
    .cost = cost,
    .workspace = workspace,
    .error = 2.5e-7,
    .chain = cincel_rnn_chain,
    .build = cincel_rnn_build,
    .discard = cincel_rnn_discard,
    .run = run,
    .packed_bytes = packed_bytes,
    .pack_rnn = pack_rnn,
};
