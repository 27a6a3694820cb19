#include "ops/layout.h"

#include "core/memory.h"

/* A cut: this much is read and as much written, and both stay in half of any L2 while lines are completed. */
enum { CUT_FLOATS = 16 * 1024, SPAN = 16 };

/* What the workers share. */
struct job {
    const struct cincel_layout_row *row;
    struct cincel_transposition t;
    const float *src;
    float *dst;
    size_t row_step, col_step; /* of a cut */
    size_t row_cuts, col_cuts;
    size_t batch_step; /* small matrices: so many a cut */
    size_t cuts;
};

/* Cut number `cut`: a block of one matrix, or several small matrices whole. */
static void convert_cut(const struct job *job, size_t cut)
{
    const size_t rows = job->t.rows, cols = job->t.cols, matrix = rows * cols;
    const size_t r = cut % job->row_cuts * job->row_step;
    const size_t c = cut / job->row_cuts % job->col_cuts * job->col_step;
    const size_t first = cut / job->row_cuts / job->col_cuts * job->batch_step;
    const size_t last = cincel_min(first + job->batch_step, job->t.batch);
    for (size_t b = first; b < last; b++)
        job->row->transpose(job->src + b * matrix + r * cols + c, cols, cincel_min(job->row_step, rows - r),
                            cincel_min(job->col_step, cols - c), job->dst + b * matrix + c * rows + r, rows);
}

static void body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct job *job = data;
    size_t cut;
    while ((cut = cincel_claim(worker)) < job->cuts) convert_cut(job, cut);
}

/* Blocks of about CUT_FLOATS: the short side whole where it fits. */
static void cut(struct job *job)
{
    const size_t rows = job->t.rows, cols = job->t.cols;
    job->row_step = rows;
    job->col_step = cols;
    if (rows * cols > CUT_FLOATS) {
        if (rows <= cols) {
            job->row_step = cincel_min(rows, CUT_FLOATS / (4 * SPAN));
            job->col_step = cincel_round_up(CUT_FLOATS / job->row_step, SPAN);
        } else {
            job->col_step = cincel_min(cols, CUT_FLOATS / (4 * SPAN));
            job->row_step = cincel_round_up(CUT_FLOATS / job->col_step, SPAN);
        }
    }
    job->row_cuts = cincel_div_up(rows, job->row_step);
    job->col_cuts = cincel_div_up(cols, job->col_step);
    job->batch_step = cincel_max(CUT_FLOATS / (rows * cols), 1);
    job->cuts = cincel_div_up(job->t.batch, job->batch_step) * job->row_cuts * job->col_cuts;
}

void cincel_layout_transpose(const struct cincel_crew *crew, const struct cincel_transposition *t,
                             const float *src, float *dst)
{
    struct job job = {.row = crew->isa->layout, .t = *t, .src = src, .dst = dst};
    const size_t floats = t->batch * t->rows * t->cols;
    cut(&job);
    cincel_team_run(crew->team, cincel_crew_threads(crew, floats, CINCEL_FLOATS_A_THREAD), 1, body, &job);
}
