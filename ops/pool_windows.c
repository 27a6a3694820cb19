/*
 * Pooling by windows, forward and backward. Both walk the tensor they write and hand what pixels see the
 * other one alike, runs of lines by runs of columns, to one kernel call, with a list of the cells to look at.
 * Backward gathers: an input pixel asks the windows that contain it for its share, so dx is written once,
 * without a clearing pass, and its sums have a fixed order.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/status.h"
#include "ops/pool.h"
#include "ops/pool_axis.h"

enum {
    KNOB_STREAM,
    STREAM_CHANNELS = 16, /* a cache line of floats: less would be written in parts */
    /* Lines written together: their runs of columns come one after another and shall meet them in L1. Two
       lines of 14 KB took 1.1 times as long together as one by one. */
    TOGETHER_FLOATS = 4 * 1024,
};

static const int switch_values[] = {0, 1};
static const struct cincel_knob knobs[] = {
    {"stream", false, switch_values, 2}, /* 1: the output is stored past the caches */
};

struct cincel_prepared {
    const struct cincel_pool_row *kernel;
    cincel_pool_forward_kernel *forward;
    cincel_pool_desc desc;
    struct cincel_pool_axis height, width;
    size_t channels;
    size_t height_out, width_out;     /* of the tensor written */
    size_t other_height, other_width; /* of the tensor read */
    size_t rows, rows_per_cut;        /* of the tensor written, all images */
    size_t together;                  /* rows */
    size_t argmax_bytes;              /* an element; 0: averages */
    float scale;                      /* of averages that count the padding: of every window */
    int threads, stream;

    bool weighed;                /* averages that do not count the padding */
    int line_step;               /* of lines that are looked at together */
    int runs;                    /* of columns */
    struct cincel_pool_run *run; /* [runs] */
};

/* ------------------------------------------------------------------------------------ the choice -- */

static bool pool_check(const struct cincel_target *t, const struct cincel_problem *p,
                       const struct cincel_choice *c, char why[CINCEL_WHY])
{
    const cincel_pool_desc *d = &p->pool.d;
    const bool average_forward = d->kind != CINCEL_POOL_MAX && p->pass == CINCEL_FORWARD;
    if (average_forward && cincel_pool_is_sliced(p, why)) {
        snprintf(why, CINCEL_WHY, "averages of whole images are summed by slices");
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

/* Rows of the tensor written, of all images. */
static size_t output_rows(const struct cincel_problem *p)
{
    return (size_t)p->pool.d.n * (size_t)(p->pass == CINCEL_FORWARD ? p->pool.oh : p->pool.d.ih);
}

static size_t rows_per_cut(const struct cincel_problem *p)
{
    const double row_floats = cincel_problem_bytes(p) / sizeof(float) / (double)output_rows(p);
    return (size_t)cincel_max(1, (size_t)(CINCEL_POOL_CUT_FLOATS / row_floats));
}

static void pool_cost(const struct cincel_target *t, const struct cincel_problem *p,
                      const struct cincel_choice *c, struct cincel_cost *out)
{
    (void)t;
    const cincel_pool_desc *d = &p->pool.d;
    const bool forward = p->pass == CINCEL_FORWARD;
    const double floats = output_floats(p), cells = (double)d->kh * d->kw;
    const size_t rows = output_rows(p);
    const size_t cuts = cincel_div_up(rows, rows_per_cut(p));
    const size_t threads = (size_t)c->threads;
    out->flops = (double)d->n * p->pool.oh * p->pool.ow * d->c * cells; /* comparisons or additions … */
    out->efficiency = forward ? 0.07 : 0.04; /* … measured on Zen 3, all data in L2 */
    /* a store into the caches reads the line first */
    out->bytes = cincel_problem_bytes(p) + (c->knob[KNOB_STREAM] ? 0.0 : floats * sizeof(float));
    out->balance = (double)(cincel_div_up(cuts, threads) * threads) / (double)cuts;
    out->calls = (double)rows * (forward ? 1.0 + cells / CINCEL_POOL_GROUP : d->stride_w);
    out->cuts = (double)cuts;
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
    free(s->run);
    free(s);
}

static struct cincel_pool_axis make_axis(const struct cincel_problem *p, bool height)
{
    const cincel_pool_desc *d = &p->pool.d;
    const bool backward = p->pass != CINCEL_FORWARD, adaptive = d->oh > 0;
    if (height)
        return (struct cincel_pool_axis){d->ih,      p->pool.oh, d->kh,   d->stride_h,
                                         d->pad_top, backward,   adaptive};
    return (struct cincel_pool_axis){d->iw, p->pool.ow, d->kw, d->stride_w, d->pad_left, backward, adaptive};
}

/* Backward, lines a stride apart see windows alike, and those of one window do: whichever leaves fewer runs.
 */
static int line_step(const struct cincel_prepared *s)
{
    const struct cincel_pool_axis *axis = &s->height;
    const size_t stride = (size_t)axis->stride;
    if (!axis->backward || axis->adaptive || stride >= s->together) return 1;
    return axis->kernel > axis->stride || stride < s->together / stride ? axis->stride : 1;
}

static cincel_status pool_build(const struct cincel_target *t, const struct cincel_problem *p,
                                const struct cincel_choice *c, struct cincel_prepared **out)
{
    const cincel_pool_desc *d = &p->pool.d;
    const bool backward = p->pass != CINCEL_FORWARD;
    struct cincel_prepared *s = calloc(1, sizeof *s);
    if (!s) return cincel_fail(CINCEL_OUT_OF_MEMORY, "pool: no memory for the plan");
    const struct cincel_isa *isa = cincel_isa_find(t, c->isa);
    s->kernel = isa->pool;
    s->forward = cincel_pool_forward_kernel_of(isa, p);
    s->desc = *d;
    s->height = make_axis(p, true);
    s->width = make_axis(p, false);
    s->channels = (size_t)d->c;
    s->height_out = (size_t)cincel_pool_positions(&s->height);
    s->width_out = (size_t)cincel_pool_positions(&s->width);
    s->other_height = (size_t)(backward ? p->pool.oh : d->ih);
    s->other_width = (size_t)(backward ? p->pool.ow : d->iw);
    s->rows = output_rows(p);
    s->rows_per_cut = rows_per_cut(p);
    s->together = cincel_max(1, TOGETHER_FLOATS / (s->width_out * s->channels));
    s->argmax_bytes = cincel_problem_argmax_bytes(p);
    s->scale = cincel_pool_scale(d, d->kh, d->kw);
    s->threads = c->threads;
    s->stream = c->knob[KNOB_STREAM];
    s->weighed = d->kind == CINCEL_POOL_AVG_EXCLUDE_PAD;
    s->line_step = line_step(s);
    const struct cincel_pool_wish wish = {.weighed = s->weighed, .alike = true};
    s->runs = cincel_pool_runs(&s->width, wish, NULL);
    s->run = malloc((size_t)s->runs * sizeof *s->run);
    if (!s->run) {
        pool_discard(s);
        return cincel_fail(CINCEL_OUT_OF_MEMORY, "pool: no memory for the plan's tables");
    }
    cincel_pool_runs(&s->width, wish, s->run);
    *out = s;
    return CINCEL_OK;
}

/* --------------------------------------------------------------------------------------- the run -- */

struct pool_job {
    const struct cincel_prepared *s;
    const struct cincel_tensors *t;
};

/* Lines of the tensor written, of one image, that see the other one alike. */
struct pool_lines {
    struct cincel_pool_run run;
    size_t out, other; /* elements, of column 0 of the first line and of the first row it sees */
};

/* As many as there are from `first` on, before `end`. */
static struct pool_lines lines_from(const struct cincel_prepared *s, size_t image, int first, int end)
{
    struct pool_lines lines = {cincel_pool_run_from(&s->height, s->weighed, first, s->line_step, end), 0, 0};
    const size_t other = image * s->other_height + (size_t)lines.run.view.other;
    lines.out = (image * s->height_out + (size_t)first) * s->width_out * s->channels;
    lines.other = other * s->other_width * s->channels;
    return lines;
}

/* The cells that lines and a run of columns see together, row by row: the next ones to look at. */
struct pool_cells {
    const struct cincel_prepared *s;
    const struct pool_lines *lines;
    const struct cincel_pool_run *run;
    int h, w; /* cell of the views */
    size_t left;
    ptrdiff_t offset[CINCEL_POOL_GROUP];
    int32_t index[CINCEL_POOL_GROUP];
    float scale[CINCEL_POOL_GROUP]; /* backward: of the window that is the cell */
};

static struct pool_cells cells_of(const struct cincel_prepared *s, const struct pool_lines *lines,
                                  const struct cincel_pool_run *run)
{
    struct pool_cells c;
    c.s = s, c.lines = lines, c.run = run;
    c.h = c.w = 0;
    c.left = (size_t)lines->run.view.cells * (size_t)run->view.cells;
    return c;
}

/* The factors of the windows ow … ow + count − 1 of row oh. */
static void window_scales(const struct cincel_prepared *s, int oh, int ow, int count, float *scale)
{
    if (s->desc.kind == CINCEL_POOL_AVG_INCLUDE_PAD) {
        for (int i = 0; i < count; i++) scale[i] = s->scale;
        return;
    }
    const int rows = cincel_pool_window_at(&s->height, oh).count;
    for (int i = 0; i < count; i++)
        scale[i] = cincel_pool_scale(&s->desc, rows, cincel_pool_window_at(&s->width, ow + i).count);
}

/* Cells w … w + count−1 of row h of the views, from entry `at` of the lists on. */
static void list_cells(struct pool_cells *c, size_t at, int count)
{
    const struct cincel_prepared *s = c->s;
    const struct cincel_pool_view *row = &c->lines->run.view, *column = &c->run->view;
    const size_t first = ((size_t)c->h * s->other_width + (size_t)c->w) * s->channels;
    for (int i = 0; i < count; i++) c->offset[at + (size_t)i] = (ptrdiff_t)(first + (size_t)i * s->channels);
    if (s->argmax_bytes > 0) {
        const int cell = cincel_pool_cell(&s->height, c->lines->run.first, row, c->h) * s->width.kernel;
        for (int i = 0; i < count; i++)
            c->index[at + (size_t)i] = cell + cincel_pool_cell(&s->width, c->run->first, column, c->w + i);
    } else if (s->height.backward) {
        window_scales(s, row->other + c->h, column->other + c->w, count, c->scale + at);
    }
}

/* Fills the lists; returns their length, 0 at the end. */
static size_t next_cells(struct pool_cells *c)
{
    const int columns = c->run->view.cells;
    const size_t count = cincel_min(c->left, CINCEL_POOL_GROUP);
    for (size_t at = 0; at < count;) {
        const int part = (int)cincel_min((size_t)(columns - c->w), count - at);
        list_cells(c, at, part);
        at += (size_t)part;
        c->w += part;
        if (c->w == columns) c->w = 0, c->h++;
    }
    c->left -= count;
    return count;
}

static void *argmax_at(const struct cincel_prepared *s, void *argmax, size_t element)
{
    return argmax && s->argmax_bytes ? (char *)argmax + element * s->argmax_bytes : NULL;
}

static void forward_run(const struct cincel_prepared *s, const struct cincel_tensors *t,
                        const struct pool_lines *lines, const struct cincel_pool_run *run)
{
    struct pool_cells cells = cells_of(s, lines, run);
    const size_t out = lines->out + (size_t)run->first * s->channels;
    struct cincel_pool_forward_args args = {
        .x = t->x + lines->other + (size_t)run->view.other * s->channels,
        .offset = cells.offset,
        .index = cells.index,
        .lines = (size_t)lines->run.count,
        .pixels = (size_t)run->count,
        .channels = s->channels,
        .x_step = (ptrdiff_t)run->move * (ptrdiff_t)s->channels,
        .x_line = (ptrdiff_t)lines->run.move * (ptrdiff_t)(s->other_width * s->channels),
        .y_line = (ptrdiff_t)lines->run.step * (ptrdiff_t)(s->width_out * s->channels),
        .y = t->y + out,
        .argmax = argmax_at(s, t->argmax_out, out),
        .wide = s->argmax_bytes > 1,
        .scale = 1.0f,
        .stream = s->stream && cells.left <= CINCEL_POOL_GROUP, /* else y is read again at once */
    };
    while ((args.taps = next_cells(&cells)) > 0) {
        if (cells.left == 0) args.scale = cincel_pool_scale(&s->desc, lines->run.view.cells, run->view.cells);
        s->forward(&args);
        args.resume = 1;
    }
}

static void backward_run(const struct cincel_prepared *s, const struct cincel_tensors *t,
                         const struct pool_lines *lines, const struct cincel_pool_run *run)
{
    struct pool_cells cells = cells_of(s, lines, run);
    const size_t other = lines->other + (size_t)run->view.other * s->channels;
    const bool max = s->argmax_bytes > 0;
    struct cincel_pool_backward_args args = {
        .dy = t->dy + other,
        .argmax = max ? (const char *)t->argmax_in + other * s->argmax_bytes : NULL,
        .offset = cells.offset,
        .index = cells.index,
        .scale = cells.scale,
        .lines = (size_t)lines->run.count,
        .pixels = (size_t)run->count,
        .channels = s->channels,
        .dy_step = (ptrdiff_t)run->move * (ptrdiff_t)s->channels,
        .dx_step = (ptrdiff_t)run->step * (ptrdiff_t)s->channels,
        .dy_line = (ptrdiff_t)lines->run.move * (ptrdiff_t)(s->other_width * s->channels),
        .dx_line = (ptrdiff_t)lines->run.step * (ptrdiff_t)(s->width_out * s->channels),
        .index_step = run->turn,
        .index_line = lines->run.turn * s->width.kernel,
        .alike = (size_t)run->alike,
        .wide = s->argmax_bytes > 1,
        .dx = t->dx + lines->out + (size_t)run->first * s->channels,
        .accumulate = s->desc.accumulate,
        .stream = s->stream && cells.left <= CINCEL_POOL_GROUP,
    };
    do {
        args.windows = next_cells(&cells); /* 0 where no window covers the pixels */
        (max ? s->kernel->max_backward : s->kernel->avg_backward)(&args);
        args.accumulate = 1;
    } while (cells.left > 0);
}

/* Lines begin … end − 1 of an image. */
static void image_lines(const struct pool_job *job, size_t image, int begin, int end)
{
    const struct cincel_prepared *s = job->s;
    for (int lane = begin; lane < end && lane < begin + s->line_step; lane++)
        for (int first = lane; first < end;) {
            const struct pool_lines lines = lines_from(s, image, first, end);
            for (int r = 0; r < s->runs; r++)
                (s->height.backward ? backward_run : forward_run)(s, job->t, &lines, &s->run[r]);
            first += lines.run.count * s->line_step;
        }
}

static void pool_body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct pool_job *job = data;
    const struct cincel_prepared *s = job->s;
    const size_t cuts = cincel_div_up(s->rows, s->rows_per_cut);
    for (size_t cut; cincel_claim(worker, cuts, &cut);) {
        const size_t end = cincel_min((cut + 1) * s->rows_per_cut, s->rows);
        for (size_t row = cut * s->rows_per_cut, next; row < end; row = next) {
            const size_t image = row / s->height_out, first = image * s->height_out;
            next = cincel_min(cincel_min(row + s->together, first + s->height_out), end);
            image_lines(job, image, (int)(row - first), (int)(next - first));
        }
    }
}

static void pool_run(const struct cincel_prepared *s, const struct cincel_tensors *t,
                     struct cincel_team *team)
{
    struct pool_job job = {s, t};
    cincel_team_run(team, s->threads, 1, pool_body, &job);
}

/* Length of the chains of additions: within a group, and over the groups; gradients are one chain. */
static double pool_chain(const struct cincel_problem *p, const struct cincel_choice *c)
{
    (void)c;
    const cincel_pool_desc *d = &p->pool.d;
    const double cells = (double)d->kh * d->kw;
    if (p->pass == CINCEL_FORWARD)
        return d->kind == CINCEL_POOL_MAX ? 1.0 : CINCEL_POOL_GROUP + cells / CINCEL_POOL_GROUP;
    return 1.0 + (double)(d->kh / d->stride_h) * (d->kw / d->stride_w);
}

const struct cincel_algo cincel_algo_pool_rows = {
    .name = "rows",
    .op = CINCEL_OP_POOL,
    .pass = CINCEL_FORWARD,
    .knobs = knobs,
    .knob_count = sizeof knobs / sizeof *knobs,
    .row = cincel_pool_no_row,
    .check = pool_check,
    .defaults = pool_defaults,
    .cost = pool_cost,
    .workspace = pool_workspace,
    .error = 1e-7,
    .chain = pool_chain,
    .build = pool_build,
    .discard = pool_discard,
    .run = pool_run,
};

const struct cincel_algo cincel_algo_pool_gather = {
    .name = "gather",
    .op = CINCEL_OP_POOL,
    .pass = CINCEL_BACKWARD_DATA,
    .knobs = knobs,
    .knob_count = sizeof knobs / sizeof *knobs,
    .row = cincel_pool_no_row,
    .check = pool_check,
    .defaults = pool_defaults,
    .cost = pool_cost,
    .workspace = pool_workspace,
    .error = 1e-7,
    .chain = pool_chain,
    .build = pool_build,
    .discard = pool_discard,
    .run = pool_run,
};
