#include "ops/embedding.h"

#include <string.h>

struct embedding {
    const struct cincel_vector_row *row;
    const int32_t *ids;
    const float *from;
    float *to;
    size_t count, vocabulary, width;
};

static void gather_body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct embedding *e = data;
    size_t last;
    for (size_t i = cincel_share(worker, e->count, 1, &last); i < last; i++) {
        const float *from = e->from + (size_t)e->ids[i] * e->width;
        e->row->copy_rows(from, e->width, e->to + i * e->width, e->width, 1, e->width);
    }
}

void cincel_embedding_gather(const struct cincel_crew *crew, const int32_t *ids, const float *w, size_t count,
                             size_t width, float *y)
{
    struct embedding e = {crew->isa->vector, ids, w, y, count, 0, width};
    const int threads = cincel_crew_threads(crew, count * width, CINCEL_FLOATS_A_THREAD);
    cincel_team_run(crew->team, threads, 1, gather_body, &e);
}

/* A share is a strip of columns: each of its sums is one thread's, in the order of the ids. Shares of rows
   would be uneven, as words and letters are. */
static void scatter_body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct embedding *e = data;
    size_t end;
    const size_t at = cincel_share(worker, e->width, CINCEL_LINE_FLOATS, &end);
    if (at >= end) return;
    for (size_t v = 0; v < e->vocabulary; v++)
        memset(e->to + v * e->width + at, 0, (end - at) * sizeof *e->to);
    for (size_t i = 0; i < e->count; i++) {
        float *sum = e->to + (size_t)e->ids[i] * e->width + at;
        e->row->add(e->from + i * e->width + at, sum, end - at);
    }
}

void cincel_embedding_scatter(const struct cincel_crew *crew, const int32_t *ids, const float *dy,
                              size_t count, size_t vocabulary, size_t width, float *dw)
{
    struct embedding e = {crew->isa->vector, ids, dy, dw, count, vocabulary, width};
    const int threads = cincel_crew_threads(crew, (count + vocabulary) * width, CINCEL_FLOATS_A_THREAD);
    cincel_team_run(crew->team, threads, 1, scatter_body, &e);
}
