/* Public whole-tensor calls: arguments checked here, work done by ops/eltwise.c on the context's team. */
#include "ops/eltwise.h"

#include "core/status.h"
#include "plan/plan.h"

static struct cincel_crew whole_team(const cincel_context *ctx)
{
    return (struct cincel_crew){ctx->team, ctx->machine.threads, ctx->isas[0]};
}

/* No pointer of the list is NULL (`ctx` may stand in it like any other). */
static cincel_status check_pointers(const char *name, const struct cincel_pointer *required)
{
    for (; required->name; required++)
        if (!required->value)
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s is NULL", name, required->name);
    return CINCEL_OK;
}

static cincel_status check_activation(cincel_activation act)
{
    if (act == CINCEL_ACT_NONE || act == CINCEL_ACT_RELU) return CINCEL_OK;
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "activation: act is %d, no such value", (int)act);
}

cincel_status cincel_activation_forward(cincel_context *ctx, cincel_activation act, const float *x, float *y,
                                        size_t count)
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"x", x}, {"y", y}, {NULL, NULL}};
    cincel_status st = check_pointers("activation", required);
    if (st == CINCEL_OK) st = check_activation(act);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = whole_team(ctx);
    cincel_eltwise_act_forward(&crew, act, x, y, count);
    return CINCEL_OK;
}

cincel_status cincel_activation_backward(cincel_context *ctx, cincel_activation act, const float *y,
                                         const float *dy, float *dx, size_t count)
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"y", y}, {"dy", dy}, {"dx", dx}, {NULL, NULL}};
    cincel_status st = check_pointers("activation", required);
    if (st == CINCEL_OK) st = check_activation(act);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = whole_team(ctx);
    cincel_eltwise_act_backward(&crew, act, y, dy, dx, count);
    return CINCEL_OK;
}

/* Rows of logits: both sizes positive and their product a size. */
static cincel_status check_rows(size_t rows, size_t cols)
{
    if (rows == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "softmax: rows is 0, must be > 0");
    if (cols == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "softmax: cols is 0, must be > 0");
    if (cols > PTRDIFF_MAX / sizeof(float) / rows)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "softmax: %zu rows of %zu cols overflow", rows, cols);
    return CINCEL_OK;
}

cincel_status cincel_softmax_forward(cincel_context *ctx, const float *x, float *y, size_t rows, size_t cols)
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"x", x}, {"y", y}, {NULL, NULL}};
    cincel_status st = check_pointers("softmax", required);
    if (st == CINCEL_OK) st = check_rows(rows, cols);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = whole_team(ctx);
    cincel_softmax_rows(&crew, x, y, rows, cols);
    return CINCEL_OK;
}

cincel_status cincel_softmax_cross_entropy(cincel_context *ctx, const float *x, const int32_t *labels,
                                           size_t rows, size_t cols, double *loss, size_t *hits, float *dx)
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"x", x}, {"labels", labels}, {NULL, NULL}};
    cincel_status st = check_pointers("softmax", required);
    if (st == CINCEL_OK) st = check_rows(rows, cols);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = whole_team(ctx);
    return cincel_softmax_loss(&crew, x, labels, rows, cols, loss, hits, dx);
}

cincel_status cincel_math_apply(cincel_context *ctx, cincel_math f, const float *x, float *y, size_t count)
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"x", x}, {"y", y}, {NULL, NULL}};
    const cincel_status st = check_pointers("math", required);
    if (st != CINCEL_OK) return st;
    if (f != CINCEL_MATH_EXP && f != CINCEL_MATH_LOG && f != CINCEL_MATH_TANH && f != CINCEL_MATH_SIGMOID)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "math: f is %d, no such value", (int)f);
    const struct cincel_crew crew = whole_team(ctx);
    cincel_eltwise_math(&crew, f, x, y, count);
    return CINCEL_OK;
}

cincel_status cincel_sgd_step(cincel_context *ctx, float *w, const float *dw, float *v, size_t count,
                              float lr, float momentum, float weight_decay)
{
    const struct cincel_pointer required[] = {
        {"ctx", ctx}, {"w", w}, {"dw", dw}, {"v", momentum != 0.0f ? v : (const void *)w}, {NULL, NULL}};
    const cincel_status st = check_pointers("sgd", required);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = whole_team(ctx);
    cincel_eltwise_sgd(&crew, w, dw, v, count, lr, momentum, weight_decay);
    return CINCEL_OK;
}
