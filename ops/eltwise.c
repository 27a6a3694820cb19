#include "ops/eltwise.h"

#include "core/memory.h"
#include "core/status.h"

/*
 * A thread is worth waking (1-2 µs) for this many floats of its own: streaming 16 Ki floats in and out
 * takes 5 µs or more. A softmax element costs about five streamed ones.
 */
enum { FLOATS_A_THREAD = 16 * 1024, SOFTMAX_FLOATS_A_THREAD = 4 * 1024 };

/* Shares begin on cache lines (of tensors that do). */
enum { LINE_FLOATS = 16 };

static int threads_for(const struct cincel_crew *crew, size_t floats, size_t floats_a_thread)
{
    const size_t worth = cincel_max(1, floats / floats_a_thread);
    return (int)cincel_min((size_t)crew->threads, worth);
}

/* ---------------------------------------------------------------------------------- element-wise -- */

/* One operation over `count` elements; `part` does [begin, end) of it. */
struct stream {
    const struct cincel_vector_row *row;
    size_t count;
    void (*part)(const struct stream *s, size_t begin, size_t end);
    int selector; /* cincel_activation or cincel_math */
    const float *in0, *in1;
    float *out0, *out1;
    float lr, momentum, weight_decay;
};

static void stream_body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct stream *s = data;
    size_t end;
    const size_t begin = cincel_share(worker, s->count, LINE_FLOATS, &end);
    if (begin < end) s->part(s, begin, end);
}

static void stream_run(const struct cincel_crew *crew, struct stream *s)
{
    s->row = crew->isa->vector;
    cincel_team_run(crew->team, threads_for(crew, s->count, FLOATS_A_THREAD), 1, stream_body, s);
}

static void act_forward_part(const struct stream *s, size_t begin, size_t end)
{
    s->row->act_forward(s->selector, s->in0 + begin, s->out0 + begin, end - begin);
}

void cincel_eltwise_act_forward(const struct cincel_crew *crew, cincel_activation act, const float *x,
                                float *y, size_t count)
{
    struct stream s = {.count = count, .part = act_forward_part, .selector = act, .in0 = x, .out0 = y};
    stream_run(crew, &s);
}

static void act_backward_part(const struct stream *s, size_t begin, size_t end)
{
    s->row->act_backward(s->selector, s->in0 + begin, s->in1 + begin, s->out0 + begin, end - begin);
}

void cincel_eltwise_act_backward(const struct cincel_crew *crew, cincel_activation act, const float *y,
                                 const float *dy, float *dx, size_t count)
{
    struct stream s = {
        .count = count, .part = act_backward_part, .selector = act, .in0 = y, .in1 = dy, .out0 = dx};
    stream_run(crew, &s);
}

static void math_part(const struct stream *s, size_t begin, size_t end)
{
    const float *x = s->in0 + begin;
    float *y = s->out0 + begin;
    switch ((cincel_math)s->selector) {
    case CINCEL_MATH_EXP: s->row->exp(x, y, end - begin); break;
    case CINCEL_MATH_LOG: s->row->log(x, y, end - begin); break;
    case CINCEL_MATH_TANH: s->row->tanh(x, y, end - begin); break;
    case CINCEL_MATH_SIGMOID: s->row->sigmoid(x, y, end - begin); break;
    }
}

void cincel_eltwise_math(const struct cincel_crew *crew, cincel_math f, const float *x, float *y,
                         size_t count)
{
    struct stream s = {.count = count, .part = math_part, .selector = f, .in0 = x, .out0 = y};
    stream_run(crew, &s);
}

static void sgd_part(const struct stream *s, size_t begin, size_t end)
{
    float *v = s->out1 ? s->out1 + begin : NULL;
    s->row->sgd(s->out0 + begin, s->in0 + begin, v, end - begin, s->lr, s->momentum, s->weight_decay);
}

void cincel_eltwise_sgd(const struct cincel_crew *crew, float *w, const float *dw, float *v, size_t count,
                        float lr, float momentum, float weight_decay)
{
    struct stream s = {.count = count,
                       .part = sgd_part,
                       .in0 = dw,
                       .out0 = w,
                       .out1 = v,
                       .lr = lr,
                       .momentum = momentum,
                       .weight_decay = weight_decay};
    stream_run(crew, &s);
}

/* --------------------------------------------------------------------------------------- softmax -- */

struct softmax {
    const struct cincel_softmax_row *row;
    const float *x;
    float *y;
    size_t rows, cols;
};

static void softmax_body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct softmax *s = data;
    size_t end;
    for (size_t r = cincel_share(worker, s->rows, 1, &end); r < end; r++)
        s->row->run(s->x + r * s->cols, s->y + r * s->cols, s->cols, 1.0f);
}

void cincel_softmax_rows(const struct cincel_crew *crew, const float *x, float *y, size_t rows, size_t cols)
{
    if (cols == 0) return;
    struct softmax s = {crew->isa->softmax, x, y, rows, cols};
    cincel_team_run(crew->team, threads_for(crew, rows * cols, SOFTMAX_FLOATS_A_THREAD), 1, softmax_body, &s);
}

/* ------------------------------------------------------------------------------------------ loss -- */

/* Losses are summed within blocks of rows and then block by block: an order the threads do not change. */
enum { LOSS_BLOCKS = 64 };

struct loss {
    const struct cincel_softmax_row *row;
    const float *x;
    const int32_t *labels;
    float *dx;
    size_t rows, cols, rows_per_block, blocks;
    double sum[LOSS_BLOCKS];
    size_t hits[LOSS_BLOCKS];
};

/* Is the first of the largest logits the label's? Every comparison with a NaN says no. */
static int is_hit(const float *x, size_t cols, size_t label)
{
    const float own = x[label];
    size_t below = 0;
    for (size_t j = 0; j < label; j++) below += x[j] < own;
    for (size_t j = label; j < cols; j++) below += x[j] <= own;
    return below == cols;
}

static void loss_row(struct loss *l, size_t r, size_t block)
{
    const float *x = l->x + r * l->cols;
    float *dx = l->dx ? l->dx + r * l->cols : NULL;
    const size_t label = (size_t)l->labels[r];
    const float scale = (float)(1.0 / (double)l->rows);
    const float own = x[label]; /* read before dx, which may be x, is written */
    l->hits[block] += (size_t)is_hit(x, l->cols, label);
    l->sum[block] += l->row->run(x, dx, l->cols, scale) - (double)own;
    if (dx) dx[label] -= scale;
}

static void loss_body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    struct loss *l = data;
    size_t last;
    for (size_t b = cincel_share(worker, l->blocks, 1, &last); b < last; b++) {
        l->sum[b] = 0.0;
        l->hits[b] = 0;
        const size_t end = cincel_min((b + 1) * l->rows_per_block, l->rows);
        for (size_t r = b * l->rows_per_block; r < end; r++) loss_row(l, r, b);
    }
}

static cincel_status check_labels(const int32_t *labels, size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++)
        if (labels[r] < 0 || (size_t)labels[r] >= cols)
            return cincel_fail(CINCEL_INVALID_ARGUMENT,
                               "softmax_cross_entropy: label of row %zu is %d, must be 0 to %zu", r,
                               (int)labels[r], cols - 1);
    return CINCEL_OK;
}

cincel_status cincel_softmax_loss(const struct cincel_crew *crew, const float *x, const int32_t *labels,
                                  size_t rows, size_t cols, double *loss, size_t *hits, float *dx)
{
    const cincel_status status = check_labels(labels, rows, cols);
    if (status) return status;
    struct loss l = {
        .row = crew->isa->softmax, .x = x, .labels = labels, .dx = dx, .rows = rows, .cols = cols};
    l.rows_per_block = cincel_div_up(rows, LOSS_BLOCKS);
    l.blocks = cincel_div_up(rows, l.rows_per_block);
    cincel_team_run(crew->team, threads_for(crew, rows * cols, SOFTMAX_FLOATS_A_THREAD), 1, loss_body, &l);

    double sum = 0.0;
    size_t hit_rows = 0;
    for (size_t b = 0; b < l.blocks; b++) {
        sum += l.sum[b];
        hit_rows += l.hits[b];
    }
    if (loss) *loss = sum / (double)rows;
    if (hits) *hits = hit_rows;
    return CINCEL_OK;
}
