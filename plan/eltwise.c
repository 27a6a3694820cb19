/* Public whole-tensor calls: arguments checked here, work done by ops/eltwise.c on the context's team. */
#include "ops/eltwise.h"

#include "core/status.h"
#include "plan/plan.h"

struct cincel_crew cincel_context_crew(const cincel_context *ctx)
{
    return (struct cincel_crew){ctx->team, ctx->machine.threads, ctx->isas[0]};
}

cincel_status cincel_check_pointers(const char *name, const struct cincel_pointer *required)
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
    cincel_status st = cincel_check_pointers("activation", required);
    if (st == CINCEL_OK) st = check_activation(act);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_eltwise_act_forward(&crew, act, x, y, count);
    return CINCEL_OK;
}

cincel_status cincel_activation_backward(cincel_context *ctx, cincel_activation act, const float *y,
                                         const float *dy, float *dx, size_t count)
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"y", y}, {"dy", dy}, {"dx", dx}, {NULL, NULL}};
    cincel_status st = cincel_check_pointers("activation", required);
    if (st == CINCEL_OK) st = check_activation(act);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_eltwise_act_backward(&crew, act, y, dy, dx, count);
    return CINCEL_OK;
}

cincel_status cincel_math_apply(cincel_context *ctx, cincel_math f, const float *x, float *y, size_t count)
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"x", x}, {"y", y}, {NULL, NULL}};
    const cincel_status st = cincel_check_pointers("math", required);
    if (st != CINCEL_OK) return st;
    if (f != CINCEL_MATH_EXP && f != CINCEL_MATH_LOG && f != CINCEL_MATH_TANH && f != CINCEL_MATH_SIGMOID)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "math: f is %d, no such value", (int)f);
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_eltwise_math(&crew, f, x, y, count);
    return CINCEL_OK;
}

cincel_status cincel_sgd_step(cincel_context *ctx, float *w, const float *dw, float *v, size_t count,
                              float lr, float momentum, float weight_decay)
{
    const struct cincel_pointer required[] = {
        {"ctx", ctx}, {"w", w}, {"dw", dw}, {"v", momentum != 0.0f ? v : (const void *)w}, {NULL, NULL}};
    const cincel_status st = cincel_check_pointers("sgd", required);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_eltwise_sgd(&crew, w, dw, v, count, lr, momentum, weight_decay);
    return CINCEL_OK;
}
