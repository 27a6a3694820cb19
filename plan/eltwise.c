/* Public whole-tensor calls: arguments checked here, work done by ops/eltwise.c on the context's team. */
#include "ops/eltwise.h"

#include "core/problem.h"
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

cincel_status cincel_activation_forward(cincel_context *ctx, cincel_activation act, float alpha,
                                        const float *x, float *y, size_t count)
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"x", x}, {"y", y}, {NULL, NULL}};
    cincel_status st = cincel_check_pointers("activation", required);
    if (st == CINCEL_OK) st = cincel_activation_check("activation", act, alpha);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_eltwise_act_forward(&crew, act, alpha, x, y, count);
    return CINCEL_OK;
}

cincel_status cincel_activation_backward(cincel_context *ctx, cincel_activation act, float alpha,
                                         const float *x, const float *y, const float *dy, float *dx,
                                         size_t count)
{
    const bool from_input = cincel_activation_needs_input(act);
    const float *const at = act == CINCEL_ACT_NONE ? dy : from_input ? x : y;
    const struct cincel_pointer required[] = {
        {"ctx", ctx}, {"dy", dy}, {from_input ? "x" : "y", at}, {"dx", dx}, {NULL, NULL}};
    cincel_status st = cincel_activation_check("activation", act, alpha);
    if (st == CINCEL_OK) st = cincel_check_pointers("activation", required);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_eltwise_act_backward(&crew, act, alpha, at, dy, dx, count);
    return CINCEL_OK;
}

cincel_status cincel_math_apply(cincel_context *ctx, cincel_math f, const float *x, float *y, size_t count)
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"x", x}, {"y", y}, {NULL, NULL}};
    const cincel_status st = cincel_check_pointers("math", required);
    if (st != CINCEL_OK) return st;
    if ((int)f < CINCEL_MATH_EXP || f > CINCEL_MATH_PHI)
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
