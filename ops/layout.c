#include "ops/layout.h"

#include "core/memory.h"

/* A cut: this much is read and as much written, and both stay in half of any L2 while lines are
   completed. The longer side is rounded up to SPAN, the shorter one at most CUT_FLOATS / (2 SPAN). */
enum { CUT_FLOATS = 16 * 1024, SPAN = 16, STAGE_FLOATS = CUT_FLOATS + CUT_FLOATS / 2 };

/* Where one side is narrower, and no buffer makes runs worth their length, half of that: 2048x49 within L3 36
   to 44 GB/s on Zen 3. */
enum { NARROW = 64 };

/*
 * Rows on the side that is not read or written from end to end, as the prefetchers of Zen 3 still follow
 * them. Measured with tensors of 25 MB in percent of a triad, common stores and past the caches: 16 channels
 * to NCHW 85 and 64, 64 channels to NCHW 47 and 79, to NHWC 54 and 112.
 */
enum { STREAMS = 32 };

/* An eighth of L3, which others use too, makes a tensor far: then its lines are asked for early. Measured on
   Zen 3 in turns with a triad over as much memory, in percent of it: 512x3136 to NHWC 51 without, 83 with, to
   NCHW 75 and 110; 1024x784, half as large, 85 and 77. */
enum { FAR_SHARE = 8, FAR_SIDE = 128 }; /* FAR_SIDE: of a square cut of CUT_FLOATS */

/* What the workers share. */
struct job {
    const struct cincel_layout_row *row;
    const struct cincel_vector_row *past; /* not NULL: takes blocks past the caches */
    bool direct;                          /* ... the transposition itself does, which is faster */
    struct cincel_transposition t;
    const float *src;
    float *dst;
    size_t row_step, col_step; /* of a cut */
    size_t row_cuts, col_cuts;
    size_t batch_step; /* small matrices: so many a cut */
    size_t cuts;
    bool narrow; /* a side below NARROW */
    bool far;    /* much of the tensors is not in L3 */
};

/* Cut number `cut`: a block of one matrix, or several small matrices whole. */
struct block {
    size_t first, last; /* matrices */
    size_t r, c;        /* of the source */
    size_t rows, cols;
};

static struct block block_of(const struct job *job, size_t cut)
{
    struct block k;
    k.r = cut % job->row_cuts * job->row_step;
    k.c = cut / job->row_cuts % job->col_cuts * job->col_step;
    k.first = cut / job->row_cuts / job->col_cuts * job->batch_step;
    k.last = cincel_min(k.first + job->batch_step, job->t.batch);
    k.rows = cincel_min(job->row_step, job->t.rows - k.r);
    k.cols = cincel_min(job->col_step, job->t.cols - k.c);
    return k;
}

/* From a row of a block to what follows it in memory behind the rows at work, where whole rows are read:
   measured on Zen 3, 64 channels to NCHW, 61 to 79 % of a triad from one row ahead to SPAN. */
static size_t next_rows(const struct block *k) { return SPAN * k->cols; }

/* How far ahead of a block's lines at work others are asked for, of either tensor. */
struct ahead {
    size_t src, dst;
};

static struct ahead ahead_of(const struct job *job, const struct block *k)
{
    const size_t whole = k->cols == job->t.cols ? next_rows(k) : 0;
    if (job->narrow || !job->far) return (struct ahead){whole, 0};
    if (k->rows > k->cols) return (struct ahead){2 * whole, 2 * SPAN};
    return (struct ahead){SPAN, SPAN * job->t.rows};
}

static void convert_block(const struct job *job, const struct block *k)
{
    const size_t rows = job->t.rows, cols = job->t.cols, matrix = rows * cols;
    const struct ahead ahead = ahead_of(job, k);
    for (size_t b = k->first; b < k->last; b++)
        job->row->transpose(job->src + b * matrix + k->r * cols + k->c, cols, k->rows, k->cols,
                            job->dst + b * matrix + k->c * rows + k->r, rows, ahead.src, ahead.dst);
}

/* As convert_block, past the caches: of one piece of dst. Runs apart from each other want the buffer below,
   which writes each from end to end (4 GB/s without, 15 with it, on Zen 3). */
static void convert_block_direct(const struct job *job, const struct block *k)
{
    const size_t rows = job->t.rows, cols = job->t.cols, matrix = rows * cols;
    for (size_t b = k->first; b < k->last; b++)
        job->row->transpose_past(job->src + b * matrix + k->r * cols + k->c, cols, k->rows, k->cols,
                                 job->dst + b * matrix + k->c * rows + k->r, rows, k->cols);
}

/* By way of a buffer in L2, out of which whole lines go past the caches. */
static void convert_block_past(const struct job *job, const struct block *k, float *stage)
{
    const size_t rows = job->t.rows, cols = job->t.cols, matrix = rows * cols, size = k->rows * k->cols;
    for (size_t b = k->first; b < k->last; b++)
        job->row->transpose(job->src + b * matrix + k->r * cols + k->c, cols, k->rows, k->cols,
                            stage + (b - k->first) * size, k->rows, k->cols == cols ? next_rows(k) : k->cols,
                            0);
    float *const dst = job->dst + k->first * matrix + k->c * rows + k->r;
    if (k->rows == rows) /* one piece */
        job->past->stream(stage, dst, (k->last - k->first) * size);
    else
        for (size_t c = 0; c < k->cols; c++) job->past->stream(stage + c * k->rows, dst + c * rows, k->rows);
}

static void body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct job *job = data;
    _Alignas(64) float stage[STAGE_FLOATS];
    size_t cut;
    while (cincel_claim(worker, job->cuts, &cut)) {
        const struct block k = block_of(job, cut);
        if (job->past && job->direct && k.rows == job->t.rows && k.cols >= SPAN)
            convert_block_direct(job, &k);
        else if (job->past)
            convert_block_past(job, &k, stage);
        else
            convert_block(job, &k);
    }
    if (job->past) job->past->fence();
}

/* Blocks of about `floats`: the short side whole where it is at most `most`. */
static void cut(struct job *job, size_t floats, size_t most)
{
    const size_t rows = job->t.rows, cols = job->t.cols;
    job->row_step = rows;
    job->col_step = cols;
    if (rows * cols > floats) {
        if (rows <= cols) {
            job->row_step = cincel_min(rows, most);
            job->col_step = cincel_round_up(floats / job->row_step, SPAN);
        } else {
            job->col_step = cincel_min(cols, most);
            job->row_step = cincel_round_up(floats / job->col_step, SPAN);
        }
    }
    job->row_cuts = cincel_div_up(rows, job->row_step);
    job->col_cuts = cincel_div_up(cols, job->col_step);
    job->batch_step = cincel_max(floats / (rows * cols), 1);
    job->cuts = cincel_div_up(job->t.batch, job->batch_step) * job->row_cuts * job->col_cuts;
}

void cincel_layout_transpose(const struct cincel_crew *crew, const struct cincel_transposition *t,
                             const float *src, float *dst)
{
    struct job job = {.row = crew->isa->layout, .t = *t, .src = src, .dst = dst};
    const size_t floats = t->batch * t->rows * t->cols;
    const bool many = cincel_min(t->rows, t->cols) > STREAMS;
    if (many && cincel_crew_streams(crew, floats)) job.past = crew->isa->vector;
    job.narrow = cincel_min(t->rows, t->cols) < NARROW;
    job.far = crew->cache_bytes > 0 && floats >= crew->cache_bytes / FAR_SHARE / sizeof(float);
    const size_t size = job.past || !job.narrow ? CUT_FLOATS : CUT_FLOATS / 2;
    cut(&job, size, job.far && !job.past && !job.narrow ? FAR_SIDE : size / (2 * SPAN));
    /* then blocks begin on lines and are whole ones, as cuts are */
    job.direct = t->rows % SPAN == 0 && (uintptr_t)dst % (SPAN * sizeof *dst) == 0;
    cincel_team_run(crew->team, cincel_crew_threads(crew, floats, CINCEL_FLOATS_A_THREAD), 1, body, &job);
}
