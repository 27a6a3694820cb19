/* Public calls of softmax and losses: arguments checked here, work done by ops/ on the context's team. */
#include "ops/loss.h"

#include <math.h>

#include "core/abi.h"
#include "core/status.h"
#include "ops/softmax.h"
#include "plan/plan.h"

/* Rows of logits: both sizes positive and their product a size. */
static cincel_status check_rows(const char *name, size_t rows, size_t cols)
{
    if (rows == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: rows is 0, must be > 0", name);
    if (cols == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: cols is 0, must be > 0", name);
    if (cols > PTRDIFF_MAX / sizeof(float) / rows)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %zu rows of %zu cols overflow", name, rows, cols);
    return CINCEL_OK;
}

static cincel_status forward(const char *name, cincel_context *ctx, const float *x, float *y, size_t rows,
                             size_t cols,
                             void (*run)(const struct cincel_crew *, const float *, float *, size_t, size_t))
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"x", x}, {"y", y}, {NULL, NULL}};
    cincel_status st = cincel_check_pointers(name, required);
    if (st == CINCEL_OK) st = check_rows(name, rows, cols);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_context_crew(ctx);
    run(&crew, x, y, rows, cols);
    return CINCEL_OK;
}

cincel_status cincel_softmax_forward(cincel_context *ctx, const float *x, float *y, size_t rows, size_t cols)
{
    return forward("softmax", ctx, x, y, rows, cols, cincel_softmax_rows);
}

cincel_status cincel_log_softmax_forward(cincel_context *ctx, const float *x, float *y, size_t rows,
                                         size_t cols)
{
    return forward("log_softmax", ctx, x, y, rows, cols, cincel_log_softmax_rows);
}

static cincel_status backward(const char *name, cincel_context *ctx, const float *y, const float *dy,
                              float *dx, size_t rows, size_t cols,
                              void (*run)(const struct cincel_crew *, const float *, const float *, float *,
                                          size_t, size_t))
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"y", y}, {"dy", dy}, {"dx", dx}, {NULL, NULL}};
    cincel_status st = cincel_check_pointers(name, required);
    if (st == CINCEL_OK) st = check_rows(name, rows, cols);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_context_crew(ctx);
    run(&crew, y, dy, dx, rows, cols);
    return CINCEL_OK;
}

cincel_status cincel_softmax_backward(cincel_context *ctx, const float *y, const float *dy, float *dx,
                                      size_t rows, size_t cols)
{
    return backward("softmax", ctx, y, dy, dx, rows, cols, cincel_softmax_rows_backward);
}

cincel_status cincel_log_softmax_backward(cincel_context *ctx, const float *y, const float *dy, float *dx,
                                          size_t rows, size_t cols)
{
    return backward("log_softmax", ctx, y, dy, dx, rows, cols, cincel_log_softmax_rows_backward);
}

cincel_status cincel_cross_entropy(cincel_context *ctx, const cincel_cross_entropy_desc *desc, const float *x,
                                   const int32_t *labels, double *loss, size_t *hits, float *dx)
{
    static const char name[] = "cross_entropy";
    const struct cincel_pointer required[] = {
        {"ctx", ctx}, {"desc", desc}, {"x", x}, {"labels", labels}, {NULL, NULL}};
    cincel_cross_entropy_desc d = CINCEL_CROSS_ENTROPY_DESC_INIT;
    cincel_status st = cincel_check_pointers(name, required);
    if (st == CINCEL_OK) st = cincel_struct_in(name, desc, sizeof d, sizeof d, &d);
    if (st == CINCEL_OK) st = check_rows(name, d.rows, d.cols);
    if (st == CINCEL_OK && !(d.label_smoothing >= 0.0f && d.label_smoothing <= 1.0f))
        st = cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: label_smoothing is %g, must be 0 to 1", name,
                         (double)d.label_smoothing);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_context_crew(ctx);
    return cincel_cross_entropy_rows(&crew, &d, x, labels, loss, hits, dx);
}

cincel_status cincel_loss(cincel_context *ctx, cincel_loss_kind kind, float delta, const float *x,
                          const float *target, size_t count, double *loss, float *dx)
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"x", x}, {"target", target}, {NULL, NULL}};
    const cincel_status st = cincel_check_pointers("loss", required);
    if (st != CINCEL_OK) return st;
    if (kind != CINCEL_LOSS_BCE_LOGITS && kind != CINCEL_LOSS_MSE && kind != CINCEL_LOSS_L1 &&
        kind != CINCEL_LOSS_HUBER)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "loss: kind is %d, no such value", (int)kind);
    if (kind == CINCEL_LOSS_HUBER && !(delta > 0.0f && isfinite(delta)))
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "loss: delta is %g, must be finite and > 0",
                           (double)delta);
    if (count == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "loss: count is 0, must be > 0");
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_loss_elements(&crew, kind, delta, x, target, count, loss, dx);
    return CINCEL_OK;
}
