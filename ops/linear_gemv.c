/*
 * Fully connected layers at small batch: the weights are a stream, read (or written) once, in place. Packing
 * them, as the tiled algorithms do, would move every weight three times and use it `n` times.
 *
 * Forward is one dot product an output, in the 16 chains of the kernel; of several images in tiles of rows of
 * w and images (struct cincel_narrow_args), the same chains. The backward passes combine rows: dx of the rows
 * of w, dw of the rows of x, one FMA chain an element, over outputs or images ascending. Of few outputs they
 * do so at any batch: tiles would be mostly empty.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "ops/conv.h"
#include "ops/epilogue.h"

/* Beyond it a tile's reuse of the weights wins on every machine we know, and cost() need not be asked. */
enum { BATCH_MAX = 16 };

/* Weights of one cut, forward and backward-weights: L2 keeps them from image to image, and claiming one is
   nothing beside reading it. */
enum { CUT_FLOATS = 8192, CUTS_WANTED = 16 };

/* Rows of w that backward-data combines at a time into dx of every image: what a call of the kernel takes, 32
   KB, of which the next images find most in L1. Of 64 rows x 512 columns they found it in L2: 1.1-1.45 times
   as long; half the width, 1.1-1.3. */
enum { COMBINE_ROWS = 8, COMBINE_COLUMNS = 1024 };

/* Backward with this few outputs serves larger batches, by images or by blocks of columns that stay in L1
   with some rows of x. */
enum { FEW_OUTPUTS = 4, FEW_FLOATS_MAX = 65536, FEW_COLUMNS = 128, FEW_ROWS = 32, FEW_WIDE = 1024 };

struct cincel_prepared {
    const struct cincel_isa *isa;
    cincel_pass pass;
    struct cincel_epilogue epilogue;
    bool gradient; /* dy passes through the activation's gradient first */
    bool accumulate;
    bool few; /* outputs, of more images than BATCH_MAX */
    size_t n, in, out;
    size_t count;      /* what is cut: outputs (backward-data: inputs; few: images, of dw inputs) */
    size_t step, cuts; /* of them in a cut, their number */
    int threads;
};

/* -------------------------------------------------------------------------------- what is chosen -- */

static void derive(const struct cincel_target *t, const struct cincel_problem *problem,
                   const struct cincel_choice *c, struct cincel_prepared *p)
{
    const cincel_conv_desc *d = &problem->conv.d;
    *p = (struct cincel_prepared){.isa = cincel_isa_find(t, c->isa),
                                  .pass = problem->pass,
                                  .accumulate = d->accumulate != 0,
                                  .n = (size_t)d->n,
                                  .in = (size_t)d->ic,
                                  .out = (size_t)d->oc,
                                  .threads = c->threads};
    p->epilogue = cincel_epilogue_of(p->isa, d);
    p->gradient = p->pass != CINCEL_FORWARD && d->activation != CINCEL_ACT_NONE;
    p->few = p->n > BATCH_MAX;
    p->count = p->pass == CINCEL_BACKWARD_DATA ? p->in : p->out;
    if (p->few) {
        const size_t image = cincel_max(p->in * p->out, 1);
        p->count = p->pass == CINCEL_BACKWARD_DATA ? p->n : p->in;
        p->step = p->pass == CINCEL_BACKWARD_DATA ? cincel_div_up(2 * CUT_FLOATS, image)
                                                  : (p->out == 1 ? 4 : 1) * FEW_COLUMNS;
        p->cuts = cincel_div_up(p->count, p->step);
        return;
    }
    if (p->pass == CINCEL_BACKWARD_DATA) {
        /* as wide as the threads allow: a wide row of w is a better stream. No element of dx knows how wide
           its cut is. One image needs no L2 to hold the rows, but its dx in L1 */
        const size_t most = p->n > 1 ? COMBINE_COLUMNS : 4096;
        const size_t wanted = cincel_div_up(p->in, (size_t)p->threads);
        p->step = cincel_round_up(cincel_min(wanted, most), 64);
        p->cuts = cincel_div_up(p->in, p->step);
        return;
    }
    /* one image asks nothing of L2 but enough cuts to share out evenly */
    const size_t alone = p->n == 1 ? p->out / (CUTS_WANTED * (size_t)p->threads) : 0;
    p->step = cincel_round_up(cincel_max(CUT_FLOATS / p->in, cincel_max(alone, 1)),
                              4); /* dots() takes four rows at a time */
    p->cuts = cincel_div_up(p->out, p->step);
}

static const char *row_name(const struct cincel_isa *isa, int i)
{
    (void)isa;
    return i == 0 ? "" : NULL;
}

static bool check(const struct cincel_target *t, const struct cincel_problem *problem,
                  const struct cincel_choice *c, char why[CINCEL_WHY])
{
    (void)t;
    (void)c;
    const cincel_conv_desc *d = &problem->conv.d;
    const char *reason = NULL;
    if (d->ih != 1 || d->iw != 1 || d->kh != 1 || d->kw != 1 || d->groups != 1)
        reason = "only fully connected layers are a matrix times a vector";
    else if (d->n > BATCH_MAX &&
             (problem->pass == CINCEL_FORWARD || d->oc > FEW_OUTPUTS || d->n > FEW_FLOATS_MAX / d->oc))
        reason = "the batch is too large to meet the weights row by row";
    if (reason) snprintf(why, CINCEL_WHY, "gemv: %s", reason);
    return reason == NULL;
}

static void defaults(const struct cincel_target *t, const struct cincel_problem *problem,
                     struct cincel_choice *c)
{
    (void)t;
    (void)problem;
    memset(c->knob, 0, sizeof c->knob);
}

static size_t private_bytes(const struct cincel_prepared *p)
{
    return p->gradient ? cincel_round_up(p->n * p->out * sizeof(float), CINCEL_ALIGN) : 0;
}

static size_t workspace(const struct cincel_target *t, const struct cincel_problem *problem,
                        const struct cincel_choice *c)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    return private_bytes(&p) * (size_t)p.threads;
}

static void cost(const struct cincel_target *t, const struct cincel_problem *problem,
                 const struct cincel_choice *c, struct cincel_cost *out)
{
    struct cincel_prepared p;
    derive(t, problem, c, &p);
    const double weights = (double)p.in * (double)p.out, images = (double)p.n;
    const double rounds = (double)cincel_div_up(p.cuts, (size_t)p.threads);
    *out = (struct cincel_cost){
        .flops = 2.0 * images * weights,
        /* an FMA a load, two loads a cycle, out of L2 from the second image on; tiles of images reuse them */
        .efficiency = p.pass == CINCEL_FORWARD && p.n > 1 ? 0.6 : 0.4,
        .bytes = cincel_problem_bytes(problem),
        .balance = rounds * (double)p.threads / (double)p.cuts,
        .calls = images * (double)p.cuts,
        .cuts = (double)p.cuts,
    };
    /* a row of dw is a call, but one without tile or pointers */
    if (p.pass == CINCEL_BACKWARD_WEIGHTS) out->calls = 0.25 * (double)p.out;
    if (p.few) {
        const double blocks = p.pass == CINCEL_BACKWARD_DATA
                                  ? images * (double)cincel_div_up(p.in, FEW_WIDE)
                                  : (double)(p.cuts * p.out * cincel_div_up(p.n, FEW_ROWS));
        out->calls = 0.5 * blocks;
        return;
    }
    if (p.pass == CINCEL_BACKWARD_DATA && p.n > 1) {
        out->calls *= 0.25 * (double)cincel_div_up(p.out, COMBINE_ROWS);
        out->efficiency = 0.6; /* rows come from L1; the tiles of im2col reach this of eight images */
    }
}

static double chain(const struct cincel_problem *problem, const struct cincel_choice *c)
{
    (void)c;
    return cincel_chain_length(problem) / (problem->pass == CINCEL_FORWARD ? 16.0 : 1.0) + 4.0;
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

/* ------------------------------------------------------------------------------------- the work -- */

struct job {
    const struct cincel_prepared *p;
    const struct cincel_tensors *t;
};

/* Outputs begin … end−1 of `images` images from `image` on, without bias: some rows of w meet all of them. */
static void dots_tile(const struct job *job, size_t image, size_t images, size_t begin, size_t end)
{
    const struct cincel_prepared *p = job->p;
    enum { ROWS = 64, IMAGES_MAX = 8 };
    static const ptrdiff_t start = 0;
    float tile[ROWS * IMAGES_MAX];
    assert(images <= IMAGES_MAX);
    for (size_t row = begin; row < end; row += ROWS) {
        const size_t rows = cincel_min(ROWS, end - row);
        p->isa->narrow[images - 1].run(&(struct cincel_narrow_args){
            .x = job->t->w + row * p->in,
            .w = job->t->x + image * p->in,
            .x_at = &start,
            .w_at = &start,
            .step = p->in,
            .ldw = p->in,
            .ldy = images,
            .runs = 1,
            .run = p->in,
            .pixels = rows,
            .y = tile,
            .act = CINCEL_ACT_NONE,
        });
        for (size_t i = 0; i < images; i++)
            for (size_t r = 0; r < rows; r++)
                job->t->y[(image + i) * p->out + row + r] = tile[r * images + i];
    }
}

/* Outputs begin … end−1 of all images. */
static void forward_cut(const struct job *job, size_t begin, size_t end)
{
    const struct cincel_prepared *p = job->p;
    const struct cincel_tensors *t = job->t;
    const size_t groups = cincel_div_up(p->n, (size_t)p->isa->narrow_count);
    for (size_t g = 0; g < groups && p->n > 1; g++) {
        const size_t image = p->n * g / groups;
        dots_tile(job, image, p->n * (g + 1) / groups - image, begin, end);
    }
    for (size_t image = 0; image < p->n; image++) {
        float *y = t->y + image * p->out + begin;
        if (p->n == 1) p->isa->gemv->dots(t->w + begin * p->in, p->in, end - begin, t->x, p->in, y);
        if (t->bias) p->isa->vector->add(t->bias + begin, y, end - begin);
        if (p->epilogue.act != CINCEL_ACT_NONE)
            p->isa->vector->act_forward((int)p->epilogue.act, p->epilogue.alpha, y, y, end - begin);
    }
}

/* Columns begin … end−1 of dx. */
static void data_cut(const struct job *job, const float *dy, size_t begin, size_t end)
{
    const struct cincel_prepared *p = job->p;
    const size_t rows = p->n > 1 ? COMBINE_ROWS : p->out;
    for (size_t row = 0; row < p->out; row += rows)
        for (size_t image = 0; image < p->n; image++)
            p->isa->gemv->combine(&(struct cincel_combine_args){
                .w = job->t->w + row * p->in + begin,
                .s = dy + image * p->out + row,
                .ld = p->in,
                .s_step = 1,
                .rows = cincel_min(rows, p->out - row),
                .count = end - begin,
                .y = job->t->dx + image * p->in + begin,
                .load_y = row > 0 || p->accumulate,
            });
}

/* Rows begin … end−1 of dw, and their db. */
static void weights_cut(const struct job *job, const float *dy, size_t begin, size_t end)
{
    const struct cincel_prepared *p = job->p;
    for (size_t o = begin; o < end; o++)
        p->isa->gemv->combine(&(struct cincel_combine_args){
            .w = job->t->x,
            .s = dy + o,
            .ld = p->in,
            .s_step = p->out,
            .rows = p->n,
            .count = p->in,
            .y = job->t->dw + o * p->in,
            .load_y = p->accumulate,
        });
    if (!job->t->db) return;
    if (!p->accumulate) memset(job->t->db + begin, 0, (end - begin) * sizeof(float));
    p->isa->vector->column_sum(dy + begin, p->out, p->n, end - begin, job->t->db + begin);
}

/* dx of images begin … end−1: few outputs, whose rows of w stay in L1 a block of columns at a time. */
static void data_images(const struct job *job, const float *dy, size_t begin, size_t end)
{
    const struct cincel_prepared *p = job->p;
    for (size_t column = 0; column < p->in; column += FEW_WIDE)
        for (size_t image = begin; image < end; image++)
            p->isa->gemv->combine(&(struct cincel_combine_args){
                .w = job->t->w + column,
                .s = dy + image * p->out,
                .ld = p->in,
                .s_step = 1,
                .rows = p->out,
                .count = cincel_min(FEW_WIDE, p->in - column),
                .y = job->t->dx + image * p->in + column,
                .load_y = p->accumulate,
            });
}

/* Columns begin … end−1 of dw of few outputs; whoever has the first makes db. */
static void weights_columns(const struct job *job, const float *dy, size_t begin, size_t end)
{
    const struct cincel_prepared *p = job->p;
    const size_t rows = p->out == 1 ? p->n : FEW_ROWS;
    for (size_t image = 0; image < p->n; image += rows)
        for (size_t o = 0; o < p->out; o++)
            p->isa->gemv->combine(&(struct cincel_combine_args){
                .w = job->t->x + image * p->in + begin,
                .s = dy + image * p->out + o,
                .ld = p->in,
                .s_step = p->out,
                .rows = cincel_min(rows, p->n - image),
                .count = end - begin,
                .y = job->t->dw + o * p->in + begin,
                .load_y = image > 0 || p->accumulate,
            });
    if (!job->t->db || begin > 0) return;
    if (!p->accumulate) memset(job->t->db, 0, p->out * sizeof(float));
    p->isa->vector->column_sum(dy, p->out, p->n, p->out, job->t->db);
}

static void body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct job *job = data;
    const struct cincel_prepared *p = job->p;
    const float *dy = job->t->dy;
    if (p->gradient) { /* a few thousand floats: each worker makes its own rather than wait for another */
        float *mine = (float *)((char *)job->t->workspace + (size_t)worker->id * private_bytes(p));
        cincel_epilogue_gradient(&p->epilogue, job->t->y_in, dy, mine, p->n * p->out);
        dy = mine;
    }
    /* not claimed: a core meets the same part of the weights, or of dw, at each call, and has some of it */
    size_t last;
    for (size_t cut = cincel_share(worker, p->cuts, 1, &last); cut < last; cut++) {
        const size_t begin = cut * p->step, end = cincel_min(begin + p->step, p->count);
        if (p->pass == CINCEL_FORWARD)
            forward_cut(job, begin, end);
        else if (p->few && p->pass == CINCEL_BACKWARD_DATA)
            data_images(job, dy, begin, end);
        else if (p->few)
            weights_columns(job, dy, begin, end);
        else if (p->pass == CINCEL_BACKWARD_DATA)
            data_cut(job, dy, begin, end);
        else
            weights_cut(job, dy, begin, end);
    }
}

static void run(const struct cincel_prepared *p, const struct cincel_tensors *t, struct cincel_team *team)
{
    struct job job = {p, t};
    assert(t->workspace || private_bytes(p) == 0);
    cincel_team_run(team, p->threads, 1, body, &job);
}

/* max |error| / RMS over √(chain length) is direct's, and the forward chains are 16 times shorter. */
#define GEMV_ROW(pass_)                                                                              \
    {                                                                                                \
        .name = "gemv", .op = CINCEL_OP_CONV, .pass = pass_, .row = row_name, .check = check,        \
        .defaults = defaults, .cost = cost, .workspace = workspace, .error = 2.5e-7, .chain = chain, \
        .build = build, .discard = discard, .run = run,                                              \
    }

const struct cincel_algo cincel_algo_linear_gemv_forward = GEMV_ROW(CINCEL_FORWARD);
const struct cincel_algo cincel_algo_linear_gemv_backward_data = GEMV_ROW(CINCEL_BACKWARD_DATA);
const struct cincel_algo cincel_algo_linear_gemv_backward_weights = GEMV_ROW(CINCEL_BACKWARD_WEIGHTS);
