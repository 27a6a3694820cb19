/*
 * Pooling by windows, forward and backward. Both walk the tensor they write and hand what pixels see the
 * other one alike, runs of lines by runs of columns, to one kernel call, with a list of the cells to look at.
 * Backward gathers: an input pixel asks the windows that contain it for its share, so dx is written once,
 * without a clearing pass, and its sums have a fixed order.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "ops/pool.h"
#include "ops/pool_axis.h"

enum {
    KNOB_STREAM,
    STREAM_CHANNELS = 16, /* a cache line of floats: less would be written in parts */
    /* Lines written together: their runs of columns come one after another and shall meet them in L2. A sixth
       of it took 1.05-1.25 times as long: calls are short. */
    TOGETHER_FLOATS = 32 * 1024,
    /* Cells of all runs that a plan lists beforehand (1 MB). Else each call lists its own, which takes small
       images 1.05-1.25 times as long; where there are more, windows are large and calls long. */
    LISTED_CELLS = 64 * 1024,
};

static const int switch_values[] = {0, 1};
static const struct cincel_knob knobs[] = {
    {"stream", false, switch_values, 2}, /* 1: the output is stored past the caches */
};

/* What a cell is to a run that sees it. */
struct pool_cell {
    int32_t index; /* its share of the cell number */
    int32_t cells; /* backward: of the window that it is, along the axis */
};

/* An axis in runs. A call that had to work out what it sees took as long as the kernel on a hundred pixels.
 */
struct pool_side {
    const struct cincel_pool_axis *axis;
    int weight; /* what a kernel coordinate of the axis counts for in a cell's number */
    int runs;
    struct cincel_pool_run *run; /* [runs] */
    struct pool_cell **cell;     /* [runs][run.view.cells], one block; NULL: too many */
};

/* Cells as the kernels want them. */
struct pool_lists {
    ptrdiff_t *offset; /* elements, from the first cell on */
    int32_t *index;    /* of max */
    float *scale;      /* averages, backward: of the window that is the cell */
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
    int threads, stream;

    bool weighed; /* averages that do not count the padding */
    struct pool_side line, column;
    struct pool_lists lists;
    size_t *listed; /* [line.runs · column.runs]: where in the lists their cells begin; NULL: too many */
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

static struct cincel_pool_axis make_axis(const struct cincel_problem *p, bool height)
{
    const cincel_pool_desc *d = &p->pool.d;
    const bool backward = p->pass != CINCEL_FORWARD, adaptive = d->oh > 0;
    if (height)
        return (struct cincel_pool_axis){d->ih,      p->pool.oh, d->kh,   d->stride_h,
                                         d->pad_top, backward,   adaptive};
    return (struct cincel_pool_axis){d->iw, p->pool.ow, d->kw, d->stride_w, d->pad_left, backward, adaptive};
}

static size_t lines_together(const struct cincel_problem *p)
{
    const size_t width = (size_t)(p->pass == CINCEL_FORWARD ? p->pool.ow : p->pool.d.iw);
    return cincel_max(1, TOGETHER_FLOATS / (width * (size_t)p->pool.d.c));
}

/* Backward, lines a stride apart see windows alike, and those of one window do: whichever leaves fewer runs.
 */
static int line_step(const struct cincel_pool_axis *axis, size_t together)
{
    const size_t stride = (size_t)axis->stride;
    if (!axis->backward || axis->adaptive || stride >= together) return 1;
    return axis->kernel > axis->stride || stride < together / stride ? axis->stride : 1;
}

/* Kernel calls: a run of columns for each run of lines of those that are written together. */
static double kernel_calls(const struct cincel_problem *p)
{
    const cincel_pool_desc *d = &p->pool.d;
    const struct cincel_pool_axis height = make_axis(p, true), width = make_axis(p, false);
    const struct cincel_pool_wish wish = {.weighed = d->kind == CINCEL_POOL_AVG_EXCLUDE_PAD, .alike = true};
    const size_t together = lines_together(p);
    const int step = line_step(&height, together);
    const double blocks = ceil((double)cincel_pool_positions(&height) / (double)together);
    const double lines = cincel_pool_runs_by_step(&height, wish.weighed, step, NULL) + step * (blocks - 1.0);
    const double cells = p->pass == CINCEL_FORWARD ? (double)d->kh * d->kw : 1.0;
    return d->n * lines * cincel_pool_runs(&width, wish, NULL) * ceil(cells / CINCEL_POOL_GROUP);
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
    out->calls = kernel_calls(p);
    out->cuts = (double)cuts;
}

static size_t pool_workspace(const struct cincel_target *t, const struct cincel_problem *p,
                             const struct cincel_choice *c)
{
    (void)t, (void)p, (void)c;
    return 0;
}

/* ----------------------------------------------------------------------------------- preparation -- */

static void discard_side(struct pool_side *side)
{
    if (side->cell) free(side->cell[0]);
    free(side->cell);
    free(side->run);
}

static void pool_discard(struct cincel_prepared *s)
{
    if (!s) return;
    discard_side(&s->line);
    discard_side(&s->column);
    free(s->lists.offset);
    free(s->lists.index);
    free(s->lists.scale);
    free(s->listed);
    free(s);
}

static struct pool_cell find_cell(const struct cincel_pool_axis *axis, int weight,
                                  const struct cincel_pool_run *run, int j)
{
    return (struct pool_cell){.index = weight * cincel_pool_cell(axis, run->first, &run->view, j),
                              .cells = axis->backward ? cincel_pool_window_at(axis, run->view.other + j).count
                                                      : 1};
}

/* The cells of all runs, unless they are too many; false: no memory. */
static bool find_cells(struct pool_side *side)
{
    size_t cells = 1; /* malloc(0) may be NULL */
    for (int r = 0; r < side->runs; r++) cells += (size_t)side->run[r].view.cells;
    if (cells > LISTED_CELLS || side->runs > LISTED_CELLS) return true;
    side->cell = calloc((size_t)side->runs, sizeof *side->cell);
    if (!side->cell) return false;
    struct pool_cell *cell = malloc(cells * sizeof *cell);
    side->cell[0] = cell;
    if (!cell) return false;
    for (int r = 0; r < side->runs; r++) {
        side->cell[r] = cell;
        for (int j = 0; j < side->run[r].view.cells; j++)
            *cell++ = find_cell(side->axis, side->weight, &side->run[r], j);
    }
    return true;
}

static struct pool_cell cell_of(const struct pool_side *side, int r, size_t j)
{
    return side->cell ? side->cell[r][j] : find_cell(side->axis, side->weight, &side->run[r], (int)j);
}

/* The runs of both axes and their cells; false: no memory. */
static bool find_runs(struct cincel_prepared *s)
{
    const struct cincel_pool_wish wish = {.weighed = s->weighed, .alike = true};
    const int step = line_step(&s->height, s->together);
    s->column.axis = &s->width, s->column.weight = 1;
    s->line.axis = &s->height, s->line.weight = s->width.kernel;
    s->column.runs = cincel_pool_runs(&s->width, wish, NULL);
    s->line.runs = cincel_pool_runs_by_step(&s->height, s->weighed, step, NULL);
    s->column.run = malloc((size_t)s->column.runs * sizeof *s->column.run);
    s->line.run = malloc((size_t)s->line.runs * sizeof *s->line.run);
    if (!s->column.run || !s->line.run) return false;
    cincel_pool_runs(&s->width, wish, s->column.run);
    cincel_pool_runs_by_step(&s->height, s->weighed, step, s->line.run);
    return find_cells(&s->column) && find_cells(&s->line);
}

/* Cells w … w + count − 1 of row h that run l of lines and run c of columns see together, from entry `at` of
   the lists on. */
static void list_row(const struct cincel_prepared *s, int l, int c, size_t h, size_t w, size_t count,
                     size_t at, const struct pool_lists *lists)
{
    const size_t first = (h * s->other_width + w) * s->channels;
    const struct pool_cell line = cell_of(&s->line, l, h);
    for (size_t i = 0; i < count; i++) lists->offset[at + i] = (ptrdiff_t)(first + i * s->channels);
    if (s->argmax_bytes > 0) {
        for (size_t i = 0; i < count; i++)
            lists->index[at + i] = line.index + cell_of(&s->column, c, w + i).index;
    } else if (s->height.backward) {
        for (size_t i = 0; i < count; i++)
            lists->scale[at + i] =
                cincel_pool_scale(&s->desc, line.cells, cell_of(&s->column, c, w + i).cells);
    }
}

/* Cells first … first + count − 1, row by row. */
static void list_cells(const struct cincel_prepared *s, int l, int c, size_t first, size_t count,
                       const struct pool_lists *lists)
{
    const size_t columns = (size_t)s->column.run[c].view.cells;
    for (size_t at = 0, part; at < count; at += part) {
        const size_t h = (first + at) / columns, w = (first + at) % columns;
        part = cincel_min(columns - w, count - at);
        list_row(s, l, c, h, w, part, at, lists);
    }
}

static size_t cells_of(const struct cincel_prepared *s, int l, int c)
{
    return (size_t)s->line.run[l].view.cells * (size_t)s->column.run[c].view.cells;
}

/* Lists all cells beforehand unless they are too many; false: no memory. */
static bool list_all(struct cincel_prepared *s)
{
    const size_t runs = (size_t)s->line.runs * (size_t)s->column.runs;
    size_t lines = 0, columns = 0, at = 0;
    for (int l = 0; l < s->line.runs; l++) lines += (size_t)s->line.run[l].view.cells;
    for (int c = 0; c < s->column.runs; c++) columns += (size_t)s->column.run[c].view.cells;
    if (lines > LISTED_CELLS || columns > LISTED_CELLS || lines * columns > LISTED_CELLS ||
        runs > LISTED_CELLS)
        return true;
    const size_t cells = lines * columns + 1; /* malloc(0) may be NULL */
    s->lists.offset = malloc(cells * sizeof *s->lists.offset);
    s->lists.index = malloc(cells * sizeof *s->lists.index);
    s->lists.scale = malloc(cells * sizeof *s->lists.scale);
    s->listed = malloc(runs * sizeof *s->listed);
    if (!s->lists.offset || !s->lists.index || !s->lists.scale || !s->listed) return false;
    for (int l = 0; l < s->line.runs; l++)
        for (int c = 0; c < s->column.runs; c++) {
            const struct pool_lists here = {s->lists.offset + at, s->lists.index + at, s->lists.scale + at};
            list_cells(s, l, c, 0, cells_of(s, l, c), &here);
            s->listed[(size_t)l * (size_t)s->column.runs + (size_t)c] = at;
            at += cells_of(s, l, c);
        }
    return true;
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
    s->together = lines_together(p);
    s->argmax_bytes = cincel_problem_argmax_bytes(p);
    s->weighed = d->kind == CINCEL_POOL_AVG_EXCLUDE_PAD;
    s->threads = c->threads;
    s->stream = c->knob[KNOB_STREAM];
    if (!find_runs(s) || !list_all(s)) {
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

/* Lines of a run, of one image. */
struct pool_lines {
    const struct cincel_pool_run *run;
    int number;            /* of the run */
    size_t skipped, count; /* of its lines */
    size_t out, other;     /* elements, of column 0 of the first line and of the first row it sees */
};

/* The lines of run l that lie at begin … end − 1. */
static struct pool_lines lines_within(const struct cincel_prepared *s, size_t image, int l, int begin,
                                      int end)
{
    const struct cincel_pool_run *run = &s->line.run[l];
    struct pool_lines lines = {.run = run, .number = l};
    if (run->first >= end) return lines;
    const int skipped = begin > run->first ? (begin - run->first + run->step - 1) / run->step : 0;
    const int reach = (end - 1 - run->first) / run->step + 1;
    const int stop = reach < run->count ? reach : run->count;
    if (skipped >= stop) return lines;
    lines.skipped = (size_t)skipped;
    lines.count = (size_t)(stop - skipped);
    const size_t line = image * s->height_out + (size_t)(run->first + skipped * run->step);
    const size_t other = image * s->other_height + (size_t)(run->view.other + skipped * run->move);
    lines.out = line * s->width_out * s->channels;
    lines.other = other * s->other_width * s->channels;
    return lines;
}

/* A call's lists where the plan has none. */
struct pool_own {
    ptrdiff_t offset[CINCEL_POOL_GROUP];
    int32_t index[CINCEL_POOL_GROUP];
    float scale[CINCEL_POOL_GROUP];
};

/* `count` cells from `first` on. */
static inline struct pool_lists lists_of(const struct cincel_prepared *s, int l, int c, size_t first,
                                         size_t count, struct pool_own *own)
{
    struct pool_lists lists = {own->offset, own->index, own->scale};
    if (s->listed) {
        const size_t at = s->listed[(size_t)l * (size_t)s->column.runs + (size_t)c] + first;
        lists = (struct pool_lists){s->lists.offset + at, s->lists.index + at, s->lists.scale + at};
    } else {
        list_cells(s, l, c, first, count, &lists);
    }
    return lists;
}

static void *argmax_at(const struct cincel_prepared *s, void *argmax, size_t element)
{
    return argmax && s->argmax_bytes ? (char *)argmax + element * s->argmax_bytes : NULL;
}

static void forward_run(const struct cincel_prepared *s, const struct cincel_tensors *t,
                        const struct pool_lines *lines, int c)
{
    const struct cincel_pool_run *column = &s->column.run[c];
    const size_t out = lines->out + (size_t)column->first * s->channels;
    const size_t cells = cells_of(s, lines->number, c);
    struct pool_own own;
    struct cincel_pool_forward_args args = {
        .x = t->x + lines->other + (size_t)column->view.other * s->channels,
        .offset = own.offset,
        .index = own.index,
        .taps = cells,
        .lines = lines->count,
        .pixels = (size_t)column->count,
        .channels = s->channels,
        .x_step = (ptrdiff_t)column->move * (ptrdiff_t)s->channels,
        .x_line = (ptrdiff_t)lines->run->move * (ptrdiff_t)(s->other_width * s->channels),
        .y_line = (ptrdiff_t)lines->run->step * (ptrdiff_t)(s->width_out * s->channels),
        .y = t->y + out,
        .argmax = argmax_at(s, t->argmax_out, out),
        .wide = s->argmax_bytes > 1,
        .scale = 1.0f,
        .stream = s->stream && cells <= CINCEL_POOL_GROUP, /* else y is read again at once */
    };
    for (size_t at = 0; at < cells; at += args.taps, args.resume = 1) {
        args.taps = cincel_min(cells - at, CINCEL_POOL_GROUP);
        const struct pool_lists lists = lists_of(s, lines->number, c, at, args.taps, &own);
        args.offset = lists.offset;
        args.index = lists.index;
        if (at + args.taps == cells)
            args.scale = cincel_pool_scale(&s->desc, lines->run->view.cells, column->view.cells);
        s->forward(&args);
    }
}

static void backward_run(const struct cincel_prepared *s, const struct cincel_tensors *t,
                         const struct pool_lines *lines, int c)
{
    const struct cincel_pool_run *column = &s->column.run[c];
    const size_t other = lines->other + (size_t)column->view.other * s->channels;
    const size_t cells = cells_of(s, lines->number, c);
    struct pool_own own;
    const bool max = s->argmax_bytes > 0;
    const int32_t index_line = lines->run->turn * s->width.kernel;
    struct cincel_pool_backward_args args = {
        .dy = t->dy + other,
        .argmax = max ? (const char *)t->argmax_in + other * s->argmax_bytes : NULL,
        .offset = own.offset,
        .index = own.index,
        .scale = own.scale,
        .windows = cells,
        .lines = lines->count,
        .pixels = (size_t)column->count,
        .channels = s->channels,
        .dy_step = (ptrdiff_t)column->move * (ptrdiff_t)s->channels,
        .dx_step = (ptrdiff_t)column->step * (ptrdiff_t)s->channels,
        .dy_line = (ptrdiff_t)lines->run->move * (ptrdiff_t)(s->other_width * s->channels),
        .dx_line = (ptrdiff_t)lines->run->step * (ptrdiff_t)(s->width_out * s->channels),
        .index_first = (int32_t)lines->skipped * index_line,
        .index_step = column->turn,
        .index_line = index_line,
        .alike = (size_t)column->alike,
        .wide = s->argmax_bytes > 1,
        .dx = t->dx + lines->out + (size_t)column->first * s->channels,
        .accumulate = s->desc.accumulate,
        .stream = s->stream && cells <= CINCEL_POOL_GROUP,
    };
    size_t at = 0;
    do {
        args.windows = cincel_min(cells - at, CINCEL_POOL_GROUP); /* 0 where no window covers the pixels */
        const struct pool_lists lists = lists_of(s, lines->number, c, at, args.windows, &own);
        args.offset = lists.offset;
        args.index = lists.index;
        args.scale = lists.scale;
        (max ? s->kernel->max_backward : s->kernel->avg_backward)(&args);
        args.accumulate = 1;
        at += args.windows;
    } while (at < cells);
}

/* Lines that no window covers. */
static void clear_lines(const struct cincel_prepared *s, float *dx, const struct pool_lines *lines)
{
    if (s->desc.accumulate) return;
    const size_t line = s->width_out * s->channels;
    for (size_t l = 0; l < lines->count; l++)
        memset(dx + lines->out + l * (size_t)lines->run->step * line, 0, line * sizeof *dx);
}

/* Lines begin … end − 1 of an image. */
static void image_lines(const struct pool_job *job, size_t image, int begin, int end)
{
    const struct cincel_prepared *s = job->s;
    for (int l = 0; l < s->line.runs; l++) {
        const struct pool_lines lines = lines_within(s, image, l, begin, end);
        if (lines.run->view.cells == 0) clear_lines(s, job->t->dx, &lines);
        for (int c = 0; c < s->column.runs && lines.count * (size_t)lines.run->view.cells > 0; c++)
            (s->height.backward ? backward_run : forward_run)(s, job->t, &lines, c);
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
