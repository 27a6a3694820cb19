#include "ops/concat.h"

/* Rows are moved in bands of about so many floats (16 KB), part after part: the narrow strips of a band stay
   in L1 until its lines are full. */
enum { BAND_FLOATS = 4 * 1024 };

/* Bands that go past the caches (ops/crew.h), by way of a block on the stack. */
enum { PAST_FLOATS = 2 * CINCEL_STREAM_BLOCK };

struct concat {
    const struct cincel_vector_row *row;
    const float *const *from; /* parts: concat; NULL: split */
    float *const *to;         /* parts: split; NULL: concat */
    const float *whole_from;
    float *whole_to;
    const size_t *cols;
    size_t count, rows, width; /* parts, rows, columns of the whole */
    bool past;                 /* what is written goes past the caches */
};

/* Columns [begin, end) of the whole, in `rows` rows from `top`. */
static void move(const struct concat *c, size_t top, size_t rows, size_t begin, size_t end)
{
    size_t left = 0; /* column of the whole where part i begins */
    for (size_t i = 0; i < c->count; left += c->cols[i++]) {
        const size_t first = cincel_max(begin, left), last = cincel_min(end, left + c->cols[i]);
        if (first >= last) continue;
        const size_t in_part = top * c->cols[i] + first - left, in_whole = top * c->width + first;
        if (c->from)
            c->row->copy_rows(c->from[i] + in_part, c->cols[i], c->whole_to + in_whole, c->width, rows,
                              last - first);
        else
            c->row->copy_rows(c->whole_from + in_whole, c->width, c->to[i] + in_part, c->cols[i], rows,
                              last - first);
    }
}

/* `rows` whole rows from `top`, PAST_FLOATS at most. */
static void move_past(const struct concat *c, size_t top, size_t rows)
{
    _Alignas(64) float block[PAST_FLOATS];
    size_t left = 0;
    for (size_t i = 0; i < c->count; left += c->cols[i++]) {
        const size_t cols = c->cols[i];
        if (c->from) {
            c->row->copy_rows(c->from[i] + top * cols, cols, block + left, c->width, rows, cols);
        } else {
            c->row->copy_rows(c->whole_from + top * c->width + left, c->width, block, cols, rows, cols);
            c->row->stream(block, c->to[i] + top * cols, rows * cols);
        }
    }
    if (c->from) c->row->stream(block, c->whole_to + top * c->width, rows * c->width);
}

/* A share is a stretch of the whole: the end of a row, rows, the beginning of one. */
static void body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct concat *c = data;
    size_t end;
    size_t at = cincel_share(worker, c->rows * c->width, CINCEL_LINE_FLOATS, &end);
    const size_t band = cincel_max(1, (c->past ? PAST_FLOATS : BAND_FLOATS) / c->width);
    while (at < end) {
        const size_t top = at / c->width, begin = at % c->width;
        if (begin > 0 || end - at < c->width) {
            const size_t last = cincel_min(c->width, begin + (end - at));
            move(c, top, 1, begin, last);
            at += last - begin;
        } else {
            const size_t rows = cincel_min(band, (end - at) / c->width);
            if (c->past)
                move_past(c, top, rows);
            else
                move(c, top, rows, 0, c->width);
            at += rows * c->width;
        }
    }
    if (c->past) c->row->fence();
}

static void run(const struct cincel_crew *crew, struct concat *c)
{
    c->row = crew->isa->vector;
    for (size_t i = 0; i < c->count; i++) c->width += c->cols[i];
    c->past = c->width <= PAST_FLOATS && cincel_crew_streams(crew, c->rows * c->width);
    const int threads = cincel_crew_threads(crew, c->rows * c->width, CINCEL_FLOATS_A_THREAD);
    cincel_team_run(crew->team, threads, 1, body, c);
}

void cincel_concat_columns(const struct cincel_crew *crew, const float *const *parts, const size_t *cols,
                           size_t count, size_t rows, float *whole)
{
    struct concat c = {.from = parts, .whole_to = whole, .cols = cols, .count = count, .rows = rows};
    run(crew, &c);
}

void cincel_split_columns(const struct cincel_crew *crew, const float *whole, const size_t *cols,
                          size_t count, size_t rows, float *const *parts)
{
    struct concat c = {.to = parts, .whole_from = whole, .cols = cols, .count = count, .rows = rows};
    run(crew, &c);
}
