/*
 * Recurrent layers, back through time (Werbos, 1990). A step of a block of ranks and hidden slices is the
 * product of the gradients of all gates of the step behind with the slice's columns of W_hh, then the cell's
 * own derivative: one meeting of the workers a step where they split the hidden units. What all steps can be
 * given at once, dx and the gradients of weights and biases, follows (rnn_gradients.c).
 */
#include <assert.h>
#include <string.h>

#include "ops/rnn.h"
#include "ops/rnn_backward.h"

static const int split_values[] = {CINCEL_RNN_BY_BATCH, CINCEL_RNN_BY_HIDDEN};
static const int fetch_values[] = {0, 1};
static const struct cincel_knob knobs[] = {{"split", false, split_values, 2},
                                           {"fetch", false, fetch_values, 2}};

/* The GRU's candidate before r · h is known: two rounds a step. */
static bool two_rounds(const struct cincel_prepared *p) { return p->d.reset_before != 0; }

/* Has W_hh's product of the candidate a gradient of its own? */
static bool two_gradients(const struct cincel_prepared *p)
{
    return p->d.cell == CINCEL_GRU && !p->d.reset_before;
}

static void defaults(const struct cincel_target *t, const struct cincel_problem *p, struct cincel_choice *c)
{
    const cincel_rnn_desc *d = &p->rnn.d;
    const double gates = (double)cincel_rnn_gates(d->cell) * d->hidden;
    c->knob[CINCEL_RNN_SPLIT] = cincel_rnn_default_split(t, p, c);
    c->knob[CINCEL_RNN_FETCH] =
        cincel_rnn_far(t, sizeof(float) * gates * d->hidden) && d->batch >= 4 * c->threads;
}

/* ------------------------------------------------------------------------------------ workspace -- */

struct scratch {
    const float **dy; /* [batch] */
};

struct buffers {
    float *w_hh;    /* packed: [slices][gates · hidden][nr] */
    float *dh, *dm; /* [batch][slices · nr] */
    float *dc;      /* [batch][hidden] */
    char *scratch;  /* [threads] */
    size_t scratch_bytes;
};

struct job {
    struct cincel_rnn_backward_job all;
    struct buffers b;
};

static size_t dh_ld(const struct cincel_prepared *p) { return p->slices * p->nr; }

/* Products of the two rounds have their own panels, of gates r and z, and of the candidate. */
static size_t panel_floats(const struct cincel_prepared *p)
{
    if (!two_rounds(p)) return cincel_rnn_panel(&p->tiles, p->gates * p->hidden);
    return cincel_rnn_panel(&p->tiles, 2 * p->hidden) + cincel_rnn_panel(&p->tiles, p->hidden);
}

static void carve_scratch(const struct cincel_prepared *p, struct cincel_carver *c, struct scratch *s)
{
    s->dy = cincel_carve(c, p->batch * sizeof *s->dy);
}

static size_t carve(const struct cincel_prepared *p, void *base, struct job *job)
{
    const size_t rows = p->steps * p->batch, gates = cincel_rnn_gradient_ld(p);
    struct cincel_carver c = {base, 0}, one = {NULL, 0};
    struct scratch unused;
    cincel_rnn_order_carve(p, &c, &job->all.order);
    job->all.d_ih = cincel_carve(&c, rows * gates * sizeof(float));
    job->all.d_hh = job->all.d_ih;
    if (two_gradients(p)) job->all.d_hh = cincel_carve(&c, rows * gates * sizeof(float));
    job->b.w_hh = cincel_carve(&c, p->slices * panel_floats(p) * sizeof(float));
    job->b.dh = cincel_carve(&c, p->batch * dh_ld(p) * sizeof(float));
    job->b.dm = cincel_carve(&c, two_rounds(p) ? p->batch * dh_ld(p) * sizeof(float) : 0);
    job->b.dc = cincel_carve(&c, p->d.cell == CINCEL_LSTM ? p->batch * p->hidden * sizeof(float) : 0);
    carve_scratch(p, &one, &unused);
    job->b.scratch_bytes = one.used;
    job->b.scratch = cincel_carve(&c, job->b.scratch_bytes * (size_t)p->threads);
    cincel_rnn_gradients_carve(p, &c, &job->all.g);
    return c.used;
}

static size_t workspace(const struct cincel_target *t, const struct cincel_problem *problem,
                        const struct cincel_choice *c)
{
    struct cincel_prepared p;
    struct job job;
    cincel_rnn_derive(t, problem, c, &p);
    return carve(&p, NULL, &job);
}

static void cost(const struct cincel_target *t, const struct cincel_problem *problem,
                 const struct cincel_choice *c, struct cincel_cost *out)
{
    struct cincel_prepared p;
    cincel_rnn_derive(t, problem, c, &p);
    const double rows = (double)cincel_div_up(p.batch, p.cuts), steps = (double)p.steps;
    const double weights = (double)(p.gates * p.hidden) * (double)(p.input + p.hidden) * sizeof(float);
    const double recurrent = (double)(p.slices * panel_floats(&p)) * sizeof(float);
    const double busiest = p.by_hidden ? (double)cincel_div_up(p.slices, (size_t)p.threads) / (double)p.slices
                                       : rows / (double)p.batch;
    const double flops = cincel_problem_flops(problem);
    /* through time a quarter of the work (where input and hidden are alike), the rest in tall tiles */
    const double through = 0.5 * (double)p.hidden / (double)(p.input + p.hidden);
    const double tall = cincel_rnn_efficiency(&p, 1e3), low = cincel_rnn_efficiency(&p, rows);
    *out = (struct cincel_cost){
        .flops = flops + 60.0 * steps * (double)(p.batch * p.hidden),
        .efficiency = 1.0 / (through / low + (1.0 - through) / tall),
        .bytes = cincel_problem_bytes(problem),
        .copied = weights + 2.0 * steps * (double)p.batch * (double)(p.gates * p.hidden) * sizeof(float),
        .balance = 1.0 + through * (busiest * (double)p.threads - 1.0),
        .cuts = (double)p.cuts,
        .phases = (p.by_hidden ? steps * (two_rounds(&p) ? 2.0 : 1.0) + 1.0 : 1.0) + 2.0,
    };
    const double tiles = (double)cincel_div_up((size_t)rows, (size_t)p.tiles.row[0]->mr);
    out->calls = steps * (double)(p.cuts * p.slices) * (tiles + 1.0);
    const double l2 = (double)cincel_l2_bytes(t), mine = p.by_hidden ? recurrent / p.threads : recurrent;
    if (mine > l2) out->copied += steps * (double)p.cuts * recurrent / 4.0;
}

/* ------------------------------------------------------------------------------------- the work -- */

struct block {
    size_t begin, end, slice, slice_end;
    struct scratch s;
};

/* Rows of W_hh, into the panels of all slices; `item` counts them in CINCEL_RNN_PACKED. */
static void pack_rows(const struct job *job, size_t item)
{
    const struct cincel_prepared *p = job->all.p;
    const size_t begin = item * CINCEL_RNN_PACKED;
    const size_t end = cincel_min(begin + CINCEL_RNN_PACKED, p->gates * p->hidden);
    const size_t first = (two_rounds(p) ? 2 : p->gates) * p->hidden; /* rows of the first panel of a slice */
    for (size_t row = begin, next; row < end; row = next) {
        next = row < first ? cincel_min(end, first) : end;
        float *to = job->b.w_hh +
                    (row < first ? row * p->nr : cincel_rnn_panel(&p->tiles, first) + (row - first) * p->nr);
        p->isa->pack->split(&(struct cincel_split_args){.src = job->all.r->w_hh + row * p->hidden,
                                                        .ld = p->hidden,
                                                        .rows = next - row,
                                                        .columns = p->hidden,
                                                        .panels = p->slices,
                                                        .step = p->nr,
                                                        .nr = p->nr,
                                                        .dst = to,
                                                        .dst_panel = panel_floats(p)});
    }
}

static size_t running(const struct cincel_rnn_order *o, const struct block *k, size_t step)
{
    return cincel_max(k->begin, cincel_min(k->end, o->active[step]));
}

/* out[rank] (+)= d[rank's row of the step] · panel, over `gates` gates from `gate` on; one slice. */
static void multiply(const struct job *job, const struct block *k, size_t step, size_t rows, size_t gate,
                     size_t gates, size_t slice, float *out, int load)
{
    const struct cincel_prepared *p = job->all.p;
    const size_t width = cincel_rnn_gradient_ld(p), depth = gates * p->hidden;
    const float *d = job->all.d_hh + (job->all.order.first[step] + k->begin) * width + gate * p->hidden;
    const float *panel = job->b.w_hh + slice * panel_floats(p);
    cincel_rnn_multiply(&p->tiles,
                        &(struct cincel_rnn_product){
                            .a = d,
                            .a_step = width,
                            .k = depth,
                            .rows = rows,
                            .panel = gate == 2 ? panel + cincel_rnn_panel(&p->tiles, 2 * p->hidden) : panel,
                            .c = out + k->begin * dh_ld(p) + slice * p->nr,
                            .c_step = dh_ld(p),
                            .n = (int)p->nr,
                            .load = load,
                        });
}

/* What the step behind `step` gives to h: into dh, to which a GRU has added what it passes on directly. */
static void take_from_behind(const struct job *job, const struct block *k, size_t step, size_t slice)
{
    const struct cincel_prepared *p = job->all.p;
    const size_t rows = running(&job->all.order, k, step) - k->begin;
    if (rows == 0) return;
    multiply(job, k, step, rows, 0, two_rounds(p) ? 2 : p->gates, slice, job->b.dh, p->d.cell == CINCEL_GRU);
}

/* All columns of the block at once: what the forward pass kept comes in whole rows out of the caches. */
static struct cincel_cell_gradient_args cell_args(const struct job *job, const struct block *k, size_t step,
                                                  size_t rows)
{
    const struct cincel_prepared *p = job->all.p;
    const struct cincel_rnn_kept *kept = &job->all.kept;
    const size_t at = k->slice * p->nr, end = cincel_min(k->slice_end * p->nr, p->hidden);
    const size_t row = job->all.order.first[step] + k->begin, width = p->gates * p->hidden;
    const size_t ld = cincel_rnn_gradient_ld(p);
    struct cincel_cell_gradient_args a = {
        .rows = rows,
        .at = at,
        .n = (int)(end - at),
        .kept = kept->gates + row * width + at,
        .kept_ld = width,
        .kept_gate = p->hidden,
        .extra_ld = p->hidden,
        .h_prev = kept->h_prev + row * p->hidden + at,
        .prev_ld = p->hidden,
        .dy = job->all.r->dy ? k->s.dy : NULL,
        .dh = job->b.dh + k->begin * dh_ld(p) + at,
        .dh_ld = dh_ld(p),
        .dc_ld = p->hidden,
        .d_ih = job->all.d_ih + row * ld + at,
        .d_hh = job->all.d_hh + row * ld + at,
        .d_ld = ld,
        .d_gate = p->hidden,
        .update_new = p->d.update_new,
    };
    if (kept->extra) a.extra = kept->extra + row * p->hidden + at;
    if (p->d.cell == CINCEL_LSTM) {
        a.c_prev = kept->c_prev + row * p->hidden + at;
        a.dc = job->b.dc + k->begin * p->hidden + at;
    }
    if (two_rounds(p)) a.dm = job->b.dm + k->begin * dh_ld(p) + at;
    return a;
}

static void run_cell(const struct cincel_prepared *p, const struct cincel_cell_gradient_args *a)
{
    switch (p->d.cell) {
    case CINCEL_RNN_TANH: p->isa->cell->tanh_gradient(a); break;
    case CINCEL_RNN_RELU: p->isa->cell->relu_gradient(a); break;
    case CINCEL_LSTM: p->isa->cell->lstm_gradient(a); break;
    case CINCEL_GRU:
        if (two_rounds(p))
            p->isa->cell->gru_finish_gradient(a);
        else
            p->isa->cell->gru_gradient(a);
        break;
    }
}

/* One step of a block; of cells of two rounds the first. */
static void run_step(const struct job *job, const struct block *k, size_t step)
{
    const struct cincel_prepared *p = job->all.p;
    const struct cincel_rnn_order *o = &job->all.order;
    const size_t last = running(o, k, step), rows = last - k->begin;
    for (size_t rank = k->begin; job->all.r->dy && rank < last; rank++)
        k->s.dy[rank - k->begin] = job->all.r->dy + cincel_rnn_place(p, o, step, rank) * (size_t)p->d.y_ld;
    if (rows == 0 || k->slice == k->slice_end) return;
    for (size_t slice = k->slice; slice < k->slice_end && step + 1 < p->steps; slice++)
        take_from_behind(job, k, step + 1, slice);
    const struct cincel_cell_gradient_args a = cell_args(job, k, step, rows);
    run_cell(p, &a);
}

/* The gradient of reset · h, and with it that of the reset gate. */
static void run_second_round(const struct job *job, const struct block *k, size_t step)
{
    const struct cincel_prepared *p = job->all.p;
    const size_t rows = running(&job->all.order, k, step) - k->begin;
    if (rows == 0 || k->slice == k->slice_end) return;
    for (size_t slice = k->slice; slice < k->slice_end; slice++)
        multiply(job, k, step, rows, 2, 1, slice, job->b.dm, 0);
    const struct cincel_cell_gradient_args a = cell_args(job, k, step, rows);
    p->isa->cell->gru_reset_gradient(&a);
}

/* Behind the first step: dh0 and dc0 of a block. */
static void finish(const struct job *job, const struct block *k)
{
    const struct cincel_prepared *p = job->all.p;
    const struct cincel_rnn_order *o = &job->all.order;
    for (size_t slice = k->slice; slice < k->slice_end; slice++) {
        const size_t at = slice * p->nr, count = cincel_min(p->nr, p->hidden - at);
        if (!job->all.r->dh0) break;
        take_from_behind(job, k, 0, slice);
        for (size_t rank = k->begin; rank < k->end; rank++)
            memcpy(job->all.r->dh0 + (size_t)o->sequence[rank] * p->hidden + at,
                   job->b.dh + rank * dh_ld(p) + at, count * sizeof(float));
    }
    if (p->d.cell == CINCEL_LSTM && job->all.r->dc0 && k->slice == 0)
        cincel_rnn_state_out(p, o, k->begin, k->end, job->b.dc, p->hidden, job->all.r->dc0);
}

/* Packs, and sets what comes from behind the last step. */
static void prepare(const struct job *job, struct cincel_worker *worker)
{
    const struct cincel_prepared *p = job->all.p;
    const struct cincel_rnn_tensors *r = job->all.r;
    const size_t of_w = cincel_div_up(p->gates * p->hidden, CINCEL_RNN_PACKED);
    const size_t more = cincel_rnn_gradients_packings(&job->all);
    size_t item;
    while (cincel_claim(worker, of_w + more + 1, &item)) {
        if (item < of_w) {
            pack_rows(job, item);
        } else if (item < of_w + more) {
            cincel_rnn_gradients_pack(&job->all, item - of_w);
        } else {
            memset(job->b.dh, 0, p->batch * dh_ld(p) * sizeof(float)); /* the padding of each row too */
            cincel_rnn_state_in(p, &job->all.order, 0, p->batch, r->dh_n, job->b.dh, dh_ld(p));
            if (p->d.cell == CINCEL_LSTM)
                cincel_rnn_state_in(p, &job->all.order, 0, p->batch, r->dc_n, job->b.dc, p->hidden);
            if (r->dx) cincel_rnn_clear_padding(p, &job->all.order, 0, p->batch, r->dx, p->input, p->input);
        }
    }
}

static struct block worker_block(const struct job *job, const struct cincel_worker *worker)
{
    struct block k = {.begin = 0, .end = job->all.p->batch, .slice = 0, .slice_end = job->all.p->slices};
    struct cincel_carver c = {job->b.scratch + (size_t)worker->id * job->b.scratch_bytes, 0};
    carve_scratch(job->all.p, &c, &k.s);
    return k;
}

static void run_by_batch(const struct job *job, struct cincel_worker *worker)
{
    struct block k = worker_block(job, worker);
    size_t cut;
    while (cincel_claim(worker, job->all.p->cuts, &cut)) {
        k.begin = job->all.order.cut[cut], k.end = job->all.order.cut[cut + 1];
        for (size_t step = job->all.p->steps; step-- > 0;) {
            run_step(job, &k, step);
            if (two_rounds(job->all.p)) run_second_round(job, &k, step);
        }
        finish(job, &k);
    }
}

/* Phases through time. */
static size_t time_phases(const struct cincel_prepared *p)
{
    return p->by_hidden ? p->steps * (two_rounds(p) ? 2 : 1) + 1 : 1;
}

static void run_by_hidden(const struct job *job, struct cincel_worker *worker, size_t phase)
{
    const struct cincel_prepared *p = job->all.p;
    const size_t rounds = two_rounds(p) ? 2 : 1;
    struct block k = worker_block(job, worker);
    k.slice = cincel_share(worker, p->slices, 1, &k.slice_end);
    if (phase == p->steps * rounds) {
        finish(job, &k);
        return;
    }
    const size_t step = p->steps - 1 - phase / rounds;
    if (phase % rounds == 0)
        run_step(job, &k, step);
    else
        run_second_round(job, &k, step);
}

static void body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct job *job = data;
    if (phase == 0)
        prepare(job, worker);
    else if (phase > time_phases(job->all.p))
        cincel_rnn_gradients_run(&job->all, worker);
    else if (job->all.p->by_hidden)
        run_by_hidden(job, worker, phase - 1);
    else
        run_by_batch(job, worker);
}

static void run(const struct cincel_prepared *p, const struct cincel_tensors *t, struct cincel_team *team)
{
    struct job job = {.all = {.p = p, .r = t->rnn}};
    assert(t->rnn && t->workspace);
    carve(p, t->workspace, &job);
    /* only read: the members serve the forward pass too */
    job.all.kept = cincel_rnn_kept_of(p, (void *)(uintptr_t)t->rnn->reserve_in);
    cincel_rnn_order_fill(p, t->rnn->lengths, &job.all.order);
    cincel_team_run(team, p->threads, time_phases(p) + 2, body, &job);
}

const struct cincel_algo cincel_algo_rnn_backward = {
    .name = "steps",
    .op = CINCEL_OP_RNN,
    .pass = CINCEL_BACKWARD,
    .knobs = knobs,
    .knob_count = sizeof knobs / sizeof *knobs,
    .row = cincel_rnn_row,
    .check = cincel_rnn_check_split,
    .defaults = defaults,
    .cost = cost,
    .workspace = workspace,
    .error = 2.5e-7,
    .chain = cincel_rnn_chain,
    .build = cincel_rnn_build,
    .discard = cincel_rnn_discard,
    .run = run,
};
