/*
 * Max pooling, forward and backward. Both walk the rows of the tensor they write and hand each run of
 * alike pixels to one kernel call, with tables made once: which cells to look at and their numbers.
 * Backward gathers: an input pixel asks the windows that contain it whether it won, so dx is written
 * once, without a clearing pass, and its sums have a fixed order.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/status.h"
#include "ops/pool.h"
#include "ops/pool_runs.h"

enum {
    KNOB_STREAM,
    MAX_CELLS = 256,        /* a cell's number is a byte of argmax */
    STREAM_CHANNELS = 16,   /* a cache line of floats: less would be written in parts */
    CUT_FLOATS = 16 * 1024, /* written by one claimed cut at least: 64 KB, some microseconds */
};

static const int switch_values[] = {0, 1};
static const struct cincel_knob knobs[] = {
    {"stream", false, switch_values, 2}, /* 1: the output is stored past the caches */
};

struct cincel_prepared {
    const struct cincel_pool_row *kernel;
    struct cincel_pool_axis height, width;
    size_t channels;
    size_t height_out, width_out;     /* of the tensor written */
    size_t other_height, other_width; /* of the tensor read */
    size_t rows, rows_per_cut;        /* of the tensor written, all images */
    int threads, stream, accumulate;

    int kinds, runs;              /* kinds of rows; runs of columns */
    struct cincel_pool_run *kind; /* [kinds] */
    struct cincel_pool_run *run;  /* [runs] */
    size_t *table;                /* [kinds][runs] and one more: where the cells of both begin in … */
    ptrdiff_t *offset;            /* … these, floats from the first cell */
    uint8_t *index;               /* … and these, numbers kh·KW + kw */
};

/* ------------------------------------------------------------------------------------ the choice -- */

static const char *pool_row(const struct cincel_isa *isa, int i)
{
    (void)isa;
    return i == 0 ? "" : NULL;
}

static bool pool_check(const struct cincel_target *t, const struct cincel_problem *p,
                       const struct cincel_choice *c, char why[CINCEL_WHY])
{
    const cincel_pool_desc *d = &p->pool.d;
    if ((long long)d->kh * d->kw > MAX_CELLS) {
        snprintf(why, CINCEL_WHY, "a window of %dx%d cells is over %d", d->kh, d->kw, MAX_CELLS);
        return false;
    }
    if (!c->knob[KNOB_STREAM]) return true;
    if (!cincel_isa_find(t, c->isa)->pool->streams) {
        snprintf(why, CINCEL_WHY, "stream=1: ISA %s has no stores past the caches", c->isa);
        return false;
    }
    if (d->c % STREAM_CHANNELS != 0) {
        snprintf(why, CINCEL_WHY, "stream=1: %d channels are no multiple of %d", d->c, STREAM_CHANNELS);
        return false;
    }
    if (d->accumulate) {
        snprintf(why, CINCEL_WHY, "stream=1: an accumulated output is in the caches already");
        return false;
    }
    return true;
}

/* Floats of the tensor the pass writes. */
static double output_floats(const struct cincel_problem *p)
{
    const cincel_pool_desc *d = &p->pool.d;
    const double pixels = p->pass == CINCEL_FORWARD ? (double)p->pool.oh * p->pool.ow : (double)d->ih * d->iw;
    return pixels * d->n * d->c;
}

static void pool_defaults(const struct cincel_target *t, const struct cincel_problem *p,
                          struct cincel_choice *c)
{
    char why[CINCEL_WHY];
    c->knob[KNOB_STREAM] = 1;
    /* Where all tensors fit the last cache, the output is best left there. Measured with 32 MB of it:
       6 MB outputs in 8 MB of tensors 0.5-1.0x with streaming, 26 MB in 34 MB 1.2-1.3x. */
    const size_t cache = cincel_max(t->machine->topo.l3_bytes, t->machine->topo.l2_bytes);
    if (cincel_problem_bytes(p) <= (double)cache || !pool_check(t, p, c, why)) c->knob[KNOB_STREAM] = 0;
}

static size_t rows_per_cut(size_t row_floats) { return cincel_max(1, CUT_FLOATS / row_floats); }

static void pool_cost(const struct cincel_target *t, const struct cincel_problem *p,
                      const struct cincel_choice *c, struct cincel_cost *out)
{
    (void)t;
    const cincel_pool_desc *d = &p->pool.d;
    const bool forward = p->pass == CINCEL_FORWARD;
    const double floats = output_floats(p);
    const size_t rows = (size_t)d->n * (size_t)(forward ? p->pool.oh : d->ih);
    const size_t cuts = cincel_div_up(rows, rows_per_cut((size_t)(floats / (double)rows)));
    const size_t threads = (size_t)c->threads;
    out->flops = (double)d->n * p->pool.oh * p->pool.ow * d->c * d->kh * d->kw; /* comparisons … */
    out->efficiency = forward ? 0.07 : 0.04; /* … measured on Zen 3, all data in L2 */
    /* a store into the caches reads the line first */
    out->bytes = cincel_problem_bytes(p) + (c->knob[KNOB_STREAM] ? 0.0 : floats * sizeof(float));
    out->balance = (double)(cincel_div_up(cuts, threads) * threads) / (double)cuts;
    out->calls = (double)rows * (forward ? 1 : d->stride_w);
}

static size_t pool_workspace(const struct cincel_target *t, const struct cincel_problem *p,
                             const struct cincel_choice *c)
{
    (void)t, (void)p, (void)c;
    return 0;
}

/* ----------------------------------------------------------------------------------- preparation -- */

static void pool_discard(struct cincel_prepared *s)
{
    if (!s) return;
    free(s->kind);
    free(s->run);
    free(s->table);
    free(s->offset);
    free(s->index);
    free(s);
}

static struct cincel_pool_run *make_runs(const struct cincel_pool_axis *axis, int *count)
{
    *count = cincel_pool_runs(axis, NULL);
    struct cincel_pool_run *runs = malloc((size_t)*count * sizeof *runs);
    if (runs) cincel_pool_runs(axis, runs);
    return runs;
}

static size_t count_cells(const struct cincel_pool_run *runs, int count)
{
    size_t cells = 0;
    for (int i = 0; i < count; i++) cells += (size_t)runs[i].view.cells;
    return cells;
}

/* Offsets and numbers of the cells a kind of row and a run see together, in the order of the tensor
   read: forward that is (kh, kw) order, so that the first of equal cells wins. */
static void fill_cells(struct cincel_prepared *s, const struct cincel_pool_view *row,
                       const struct cincel_pool_view *column, int kernel_w, size_t at)
{
    const int step_h = s->height.backward ? -s->height.stride : 1;
    const int step_w = s->width.backward ? -s->width.stride : 1;
    for (int h = 0; h < row->cells; h++) {
        for (int w = 0; w < column->cells; w++, at++) {
            const int cell = (row->kernel + h * step_h) * kernel_w + column->kernel + w * step_w;
            assert(cell >= 0 && cell < MAX_CELLS);
            s->offset[at] = (ptrdiff_t)(((size_t)h * s->other_width + (size_t)w) * s->channels);
            s->index[at] = (uint8_t)cell;
        }
    }
}

static bool make_tables(struct cincel_prepared *s)
{
    s->kind = make_runs(&s->height, &s->kinds);
    s->run = make_runs(&s->width, &s->runs);
    if (!s->kind || !s->run) return false;
    const size_t cells = count_cells(s->kind, s->kinds) * count_cells(s->run, s->runs);
    s->table = malloc(((size_t)s->kinds * (size_t)s->runs + 1) * sizeof *s->table);
    s->offset = malloc(cells * sizeof *s->offset);
    s->index = malloc(cells);
    if (!s->table || !s->offset || !s->index) return false;

    size_t at = 0, *entry = s->table;
    for (int k = 0; k < s->kinds; k++) {
        for (int r = 0; r < s->runs; r++) {
            const struct cincel_pool_view *row = &s->kind[k].view, *column = &s->run[r].view;
            fill_cells(s, row, column, s->width.kernel, at);
            *entry++ = at;
            at += (size_t)row->cells * (size_t)column->cells;
        }
    }
    assert(at == cells);
    *entry = at;
    return true;
}

static cincel_status pool_build(const struct cincel_target *t, const struct cincel_problem *p,
                                const struct cincel_choice *c, struct cincel_prepared **out)
{
    const cincel_pool_desc *d = &p->pool.d;
    const bool backward = p->pass != CINCEL_FORWARD;
    struct cincel_prepared *s = calloc(1, sizeof *s);
    if (!s) return cincel_fail(CINCEL_OUT_OF_MEMORY, "pool: no memory for the plan");
    s->kernel = cincel_isa_find(t, c->isa)->pool;
    s->height = (struct cincel_pool_axis){d->ih, p->pool.oh, d->kh, d->stride_h, d->pad_top, backward};
    s->width = (struct cincel_pool_axis){d->iw, p->pool.ow, d->kw, d->stride_w, d->pad_left, backward};
    s->channels = (size_t)d->c;
    s->height_out = (size_t)cincel_pool_positions(&s->height);
    s->width_out = (size_t)cincel_pool_positions(&s->width);
    s->other_height = (size_t)(backward ? p->pool.oh : d->ih);
    s->other_width = (size_t)(backward ? p->pool.ow : d->iw);
    s->rows = (size_t)d->n * s->height_out;
    s->rows_per_cut = rows_per_cut(s->width_out * s->channels);
    s->threads = c->threads;
    s->stream = c->knob[KNOB_STREAM];
    s->accumulate = d->accumulate;
    if (!make_tables(s)) {
        pool_discard(s);
        return cincel_fail(CINCEL_OUT_OF_MEMORY, "pool: no memory for the plan's tables");
    }
    *out = s;
    return CINCEL_OK;
}

/* --------------------------------------------------------------------------------------- the run -- */

struct pool_job {
    const struct cincel_prepared *s;
    const struct cincel_tensors *t;
};

/* A row of the tensor written: where it lies, and where what it sees begins. */
struct pool_line {
    size_t out, other; /* elements, of column 0 */
    const size_t *table;
};

static struct pool_line line_at(const struct cincel_prepared *s, size_t row)
{
    const size_t image = row / s->height_out;
    const struct cincel_pool_view view = cincel_pool_view_at(&s->height, (int)(row % s->height_out));
    int kind = 0;
    while (s->kind[kind].view.cells != view.cells || s->kind[kind].view.kernel != view.kernel) kind++;
    assert(kind < s->kinds);
    const size_t other_row = image * s->other_height + (size_t)view.other;
    return (struct pool_line){row * s->width_out * s->channels, other_row * s->other_width * s->channels,
                              s->table + (size_t)kind * (size_t)s->runs};
}

static void forward_line(const struct cincel_prepared *s, const struct cincel_tensors *t,
                         const struct pool_line *line)
{
    for (int r = 0; r < s->runs; r++) {
        const struct cincel_pool_run *run = &s->run[r];
        const size_t out = line->out + (size_t)run->first * s->channels;
        const struct cincel_maxpool_forward_args args = {
            .x = t->x + line->other + (size_t)run->view.other * s->channels,
            .offset = s->offset + line->table[r],
            .index = s->index + line->table[r],
            .taps = line->table[r + 1] - line->table[r],
            .pixels = (size_t)run->count,
            .channels = s->channels,
            .x_step = (ptrdiff_t)run->move * (ptrdiff_t)s->channels,
            .y = t->y + out,
            .argmax = t->argmax_out ? t->argmax_out + out : NULL,
            .stream = s->stream,
        };
        s->kernel->max_forward(&args);
    }
}

static void backward_line(const struct cincel_prepared *s, const struct cincel_tensors *t,
                          const struct pool_line *line)
{
    for (int r = 0; r < s->runs; r++) {
        const struct cincel_pool_run *run = &s->run[r];
        const size_t other = line->other + (size_t)run->view.other * s->channels;
        const struct cincel_maxpool_backward_args args = {
            .dy = t->dy + other,
            .argmax = t->argmax_in + other,
            .offset = s->offset + line->table[r],
            .index = s->index + line->table[r],
            .windows = line->table[r + 1] - line->table[r],
            .pixels = (size_t)run->count,
            .channels = s->channels,
            .dy_step = (ptrdiff_t)run->move * (ptrdiff_t)s->channels,
            .dx_step = (ptrdiff_t)run->step * (ptrdiff_t)s->channels,
            .dx = t->dx + line->out + (size_t)run->first * s->channels,
            .accumulate = s->accumulate,
            .stream = s->stream,
        };
        s->kernel->max_backward(&args);
    }
}

static void pool_body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct pool_job *job = data;
    const struct cincel_prepared *s = job->s;
    const size_t cuts = cincel_div_up(s->rows, s->rows_per_cut);
    for (size_t cut = cincel_claim(worker); cut < cuts; cut = cincel_claim(worker)) {
        const size_t begin = cut * s->rows_per_cut;
        const size_t end = cincel_min(begin + s->rows_per_cut, s->rows);
        for (size_t row = begin; row < end; row++) {
            const struct pool_line line = line_at(s, row);
            if (s->height.backward)
                backward_line(s, job->t, &line);
            else
                forward_line(s, job->t, &line);
        }
    }
}

static void pool_run(const struct cincel_prepared *s, const struct cincel_tensors *t,
                     struct cincel_team *team)
{
    struct pool_job job = {s, t};
    cincel_team_run(team, s->threads, 1, pool_body, &job);
}

/* Both passes are exact, but for the order of the few additions of overlapping windows. */
const struct cincel_algo cincel_algo_pool_max_forward = {
    .name = "rows",
    .op = CINCEL_OP_POOL,
    .pass = CINCEL_FORWARD,
    .knobs = knobs,
    .knob_count = sizeof knobs / sizeof *knobs,
    .row = pool_row,
    .check = pool_check,
    .defaults = pool_defaults,
    .cost = pool_cost,
    .workspace = pool_workspace,
    .error = 0.0,
    .build = pool_build,
    .discard = pool_discard,
    .run = pool_run,
};

const struct cincel_algo cincel_algo_pool_max_backward = {
    .name = "gather",
    .op = CINCEL_OP_POOL,
    .pass = CINCEL_BACKWARD_DATA,
    .knobs = knobs,
    .knob_count = sizeof knobs / sizeof *knobs,
    .row = pool_row,
    .check = pool_check,
    .defaults = pool_defaults,
    .cost = pool_cost,
    .workspace = pool_workspace,
    .error = 1e-7,
    .build = pool_build,
    .discard = pool_discard,
    .run = pool_run,
};
