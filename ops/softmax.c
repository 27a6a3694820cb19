#include "ops/softmax.h"

/* One operation on every row. */
struct softmax {
    const struct cincel_softmax_row *row;
    void (*one)(const struct softmax *s, size_t at, float *out); /* the row that begins at element `at` */
    const float *in0, *in1;
    float *out;
    size_t rows, cols;
    const struct cincel_vector_row *past; /* not NULL: takes `out` past the caches */
};

/* Rows of up to so many floats are stored past the caches, several at a time where they are short. */
enum { BLOCK = 2 * CINCEL_STREAM_BLOCK };

static void rows_past_caches(const struct softmax *s, size_t first, size_t end)
{
    _Alignas(64) float block[BLOCK];
    const size_t cols = s->cols;
    for (size_t r = first, count; r < end; r += count) {
        count = cincel_min(BLOCK / cols, end - r);
        for (size_t i = 0; i < count; i++) s->one(s, (r + i) * cols, block + i * cols);
        s->past->stream(block, s->out + r * cols, count * cols);
    }
    s->past->fence();
}

static void body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct softmax *s = data;
    size_t end;
    const size_t first = cincel_share(worker, s->rows, 1, &end);
    if (s->past)
        rows_past_caches(s, first, end);
    else
        for (size_t r = first; r < end; r++) s->one(s, r * s->cols, s->out + r * s->cols);
}

static void run(const struct cincel_crew *crew, struct softmax *s, size_t floats_a_thread)
{
    if (s->cols == 0) return;
    s->row = crew->isa->softmax;
    const int threads = cincel_crew_threads(crew, s->rows * s->cols, floats_a_thread);
    cincel_team_run(crew->team, threads, 1, body, s);
}

static void forward(const struct softmax *s, size_t at, float *out)
{
    s->row->run(s->in0 + at, out, s->cols, 1.0f, 0.0f);
}

void cincel_softmax_rows(const struct cincel_crew *crew, const float *x, float *y, size_t rows, size_t cols)
{
    struct softmax s = {.one = forward, .in0 = x, .out = y, .rows = rows, .cols = cols};
    run(crew, &s, CINCEL_EXPS_A_THREAD);
}

static void log_forward(const struct softmax *s, size_t at, float *out)
{
    s->row->log_run(s->in0 + at, out, s->cols);
}

void cincel_log_softmax_rows(const struct cincel_crew *crew, const float *x, float *y, size_t rows,
                             size_t cols)
{
    struct softmax s = {.one = log_forward, .in0 = x, .out = y, .rows = rows, .cols = cols};
    run(crew, &s, CINCEL_EXPS_A_THREAD);
}

static void backward(const struct softmax *s, size_t at, float *out)
{
    s->row->backward(s->in0 + at, s->in1 + at, out, s->cols);
}

void cincel_softmax_rows_backward(const struct cincel_crew *crew, const float *y, const float *dy, float *dx,
                                  size_t rows, size_t cols)
{
    struct softmax s = {.one = backward, .in0 = y, .in1 = dy, .out = dx, .rows = rows, .cols = cols};
    if (cols <= BLOCK && dx != y && dx != dy && cincel_crew_streams(crew, rows * cols))
        s.past = crew->isa->vector;
    run(crew, &s, CINCEL_FLOATS_A_THREAD);
}

static void log_backward(const struct softmax *s, size_t at, float *out)
{
    s->row->log_backward(s->in0 + at, s->in1 + at, out, s->cols);
}

void cincel_log_softmax_rows_backward(const struct cincel_crew *crew, const float *y, const float *dy,
                                      float *dx, size_t rows, size_t cols)
{
    struct softmax s = {.one = log_backward, .in0 = y, .in1 = dy, .out = dx, .rows = rows, .cols = cols};
    run(crew, &s, CINCEL_EXPS_A_THREAD);
}
