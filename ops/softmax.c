#include "ops/softmax.h"

/* One operation on every row. */
struct softmax {
    const struct cincel_softmax_row *row;
    /* the row that begins at element `at` */
    void (*one)(const struct softmax *s, size_t at, float *out, const struct cincel_softmax_flow *flow);
    const float *in0, *in1;
    float *out;
    size_t rows, cols;
    const struct cincel_vector_row *past; /* not NULL: `out` goes past the caches */
    bool direct;                          /* ... from the kernel itself, which is faster */
};

/* At least so far ahead, in whole rows: memory keeps up with the exponentials from half of it on (measured on
   Zen 3, rows of 64 to 4096 floats). */
enum { FETCH_FLOATS = 1000 };

/* Rows whose length or address the kernel cannot store so: several at a time where they are short. */
static void rows_past_caches(const struct softmax *s, size_t first, size_t end)
{
    _Alignas(64) float block[CINCEL_SOFTMAX_BLOCK];
    const size_t cols = s->cols, most = cincel_max(2 * CINCEL_STREAM_BLOCK / cols, 1);
    for (size_t r = first, count; r < end; r += count) {
        count = cincel_min(most, end - r);
        for (size_t i = 0; i < count; i++) {
            const struct cincel_softmax_flow flow = cincel_softmax_flow(s->rows, cols, r + i, NULL);
            s->one(s, (r + i) * cols, block + i * cols, &flow);
        }
        s->past->stream(block, s->out + r * cols, count * cols);
    }
}

static void rows_one_by_one(const struct softmax *s, size_t first, size_t end)
{
    _Alignas(64) float block[CINCEL_SOFTMAX_BLOCK];
    for (size_t r = first; r < end; r++) {
        const struct cincel_softmax_flow flow =
            cincel_softmax_flow(s->rows, s->cols, r, s->direct ? block : NULL);
        s->one(s, r * s->cols, s->out + r * s->cols, &flow);
    }
}

static void body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct softmax *s = data;
    size_t end;
    const size_t first = cincel_share(worker, s->rows, 1, &end);
    if (s->past && !s->direct)
        rows_past_caches(s, first, end);
    else
        rows_one_by_one(s, first, end);
    if (s->past) s->past->fence();
}

struct cincel_softmax_flow cincel_softmax_flow(size_t rows, size_t cols, size_t row, float *block)
{
    const size_t ahead = cincel_div_up(FETCH_FLOATS, cols) * cols;
    const bool more = ahead + cols <= (rows - row) * cols;
    return (struct cincel_softmax_flow){.ahead = more ? ahead : 0, .block = block, .stream = block != NULL};
}

bool cincel_softmax_streams(const struct cincel_crew *crew, const float *out, size_t rows, size_t cols)
{
    const size_t lanes = (size_t)crew->isa->vector_floats;
    return cols <= CINCEL_SOFTMAX_BLOCK && cols % lanes == 0 && (uintptr_t)out % (lanes * sizeof *out) == 0 &&
           cincel_crew_streams(crew, rows * cols);
}

static void run(const struct cincel_crew *crew, struct softmax *s, size_t floats_a_thread)
{
    if (s->cols == 0) return;
    s->row = crew->isa->softmax;
    const bool in_place = s->out == s->in0 || s->out == s->in1;
    if (s->cols <= CINCEL_SOFTMAX_BLOCK && !in_place && cincel_crew_streams(crew, s->rows * s->cols)) {
        s->past = crew->isa->vector;
        s->direct = cincel_softmax_streams(crew, s->out, s->rows, s->cols);
    }
    const int threads = cincel_crew_threads(crew, s->rows * s->cols, floats_a_thread);
    cincel_team_run(crew->team, threads, 1, body, s);
}

static void forward(const struct softmax *s, size_t at, float *out, const struct cincel_softmax_flow *flow)
{
    s->row->run(s->in0 + at, out, s->cols, NULL, flow);
}

void cincel_softmax_rows(const struct cincel_crew *crew, const float *x, float *y, size_t rows, size_t cols)
{
    struct softmax s = {.one = forward, .in0 = x, .out = y, .rows = rows, .cols = cols};
    run(crew, &s, CINCEL_EXPS_A_THREAD);
}

static void log_forward(const struct softmax *s, size_t at, float *out,
                        const struct cincel_softmax_flow *flow)
{
    s->row->log_run(s->in0 + at, out, s->cols, flow);
}

void cincel_log_softmax_rows(const struct cincel_crew *crew, const float *x, float *y, size_t rows,
                             size_t cols)
{
    struct softmax s = {.one = log_forward, .in0 = x, .out = y, .rows = rows, .cols = cols};
    run(crew, &s, CINCEL_EXPS_A_THREAD);
}

static void backward(const struct softmax *s, size_t at, float *out, const struct cincel_softmax_flow *flow)
{
    s->row->backward(s->in0 + at, s->in1 + at, out, s->cols, flow);
}

void cincel_softmax_rows_backward(const struct cincel_crew *crew, const float *y, const float *dy, float *dx,
                                  size_t rows, size_t cols)
{
    struct softmax s = {.one = backward, .in0 = y, .in1 = dy, .out = dx, .rows = rows, .cols = cols};
    run(crew, &s, CINCEL_FLOATS_A_THREAD);
}

static void log_backward(const struct softmax *s, size_t at, float *out,
                         const struct cincel_softmax_flow *flow)
{
    s->row->log_backward(s->in0 + at, s->in1 + at, out, s->cols, flow);
}

void cincel_log_softmax_rows_backward(const struct cincel_crew *crew, const float *y, const float *dy,
                                      float *dx, size_t rows, size_t cols)
{
    struct softmax s = {.one = log_backward, .in0 = y, .in1 = dy, .out = dx, .rows = rows, .cols = cols};
    run(crew, &s, CINCEL_EXPS_A_THREAD);
}
