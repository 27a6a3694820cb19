/* Embeddings: arguments checked here, work done by ops/embedding.c on the context's team. */
#include "ops/embedding.h"

#include "core/status.h"
#include "plan/plan.h"

static cincel_status check_table(const int32_t *ids, size_t count, size_t vocabulary, size_t width)
{
    const struct {
        const char *name;
        size_t value;
    } sizes[] = {{"count", count}, {"vocabulary", vocabulary}, {"width", width}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].value == 0)
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "embedding: %s is 0, must be > 0", sizes[i].name);
    const size_t rows = cincel_max(count, vocabulary);
    if (width > PTRDIFF_MAX / sizeof(float) / rows)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "embedding: width is %zu: %zu rows overflow", width,
                           rows);
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= vocabulary)
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "embedding: ids[%zu] is %d, must be 0 to %zu", i,
                               (int)ids[i], vocabulary - 1);
    return CINCEL_OK;
}

cincel_status cincel_embedding_forward(cincel_context *ctx, const int32_t *ids, const float *w, size_t count,
                                       size_t vocabulary, size_t width, float *y)
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"ids", ids}, {"w", w}, {"y", y}, {NULL, NULL}};
    cincel_status st = cincel_check_pointers("embedding", required);
    if (st == CINCEL_OK) st = check_table(ids, count, vocabulary, width);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_embedding_gather(&crew, ids, w, count, width, y);
    return CINCEL_OK;
}

cincel_status cincel_embedding_backward(cincel_context *ctx, const int32_t *ids, const float *dy,
                                        size_t count, size_t vocabulary, size_t width, float *dw)
{
    const struct cincel_pointer required[] = {
        {"ctx", ctx}, {"ids", ids}, {"dy", dy}, {"dw", dw}, {NULL, NULL}};
    cincel_status st = cincel_check_pointers("embedding", required);
    if (st == CINCEL_OK) st = check_table(ids, count, vocabulary, width);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_embedding_scatter(&crew, ids, dy, count, vocabulary, width, dw);
    return CINCEL_OK;
}
