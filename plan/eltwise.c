/* Public whole-tensor calls: arguments checked here, work done by ops/eltwise.c on the context's team. */
#include "ops/eltwise.h"

#include <math.h>

#include "core/problem.h"
#include "core/status.h"
#include "ops/concat.h"
#include "ops/dropout.h"
#include "plan/plan.h"

struct cincel_crew cincel_context_crew(const cincel_context *ctx)
{
    return (struct cincel_crew){ctx->team, ctx->machine.threads, ctx->isas[0],
                                cincel_topology_cache(&ctx->machine.topo)};
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

cincel_status cincel_add_scaled(cincel_context *ctx, float a, const float *x, float b, const float *y,
                                float *out, size_t count)
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"x", x}, {"y", y}, {"out", out}, {NULL, NULL}};
    const cincel_status st = cincel_check_pointers("add_scaled", required);
    if (st != CINCEL_OK) return st;
    if (!isfinite(a) || !isfinite(b))
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "add_scaled: %s is %g, must be finite",
                           isfinite(a) ? "b" : "a", (double)(isfinite(a) ? b : a));
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_eltwise_add_scaled(&crew, a, x, b, y, out, count);
    return CINCEL_OK;
}

/* The sizes of a concatenation or a split: all positive, none of the products too large. */
static cincel_status check_columns(const char *name, const size_t *cols, size_t count, size_t rows)
{
    size_t width = 0;
    if (count == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: count is 0, must be > 0", name);
    if (rows == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: rows is 0, must be > 0", name);
    for (size_t i = 0; i < count; i++) {
        if (cols[i] == 0)
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: cols[%zu] is 0, must be > 0", name, i);
        if (cols[i] > PTRDIFF_MAX / sizeof(float) / rows - width)
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: cols[%zu] is %zu: %zu rows overflow", name, i,
                               cols[i], rows);
        width += cols[i];
    }
    return CINCEL_OK;
}

static cincel_status check_parts(const char *name, const float *const *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!parts[i]) return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: parts[%zu] is NULL", name, i);
    return CINCEL_OK;
}

cincel_status cincel_concat(cincel_context *ctx, const float *const *parts, const size_t *cols, size_t count,
                            size_t rows, float *whole)
{
    const struct cincel_pointer required[] = {
        {"ctx", ctx}, {"parts", parts}, {"cols", cols}, {"whole", whole}, {NULL, NULL}};
    cincel_status st = cincel_check_pointers("concat", required);
    if (st == CINCEL_OK) st = check_columns("concat", cols, count, rows);
    if (st == CINCEL_OK) st = check_parts("concat", parts, count);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_concat_columns(&crew, parts, cols, count, rows, whole);
    return CINCEL_OK;
}

cincel_status cincel_split(cincel_context *ctx, const float *whole, const size_t *cols, size_t count,
                           size_t rows, float *const *parts)
{
    const struct cincel_pointer required[] = {
        {"ctx", ctx}, {"whole", whole}, {"cols", cols}, {"parts", parts}, {NULL, NULL}};
    cincel_status st = cincel_check_pointers("split", required);
    if (st == CINCEL_OK) st = check_columns("split", cols, count, rows);
    if (st == CINCEL_OK) st = check_parts("split", (const float *const *)parts, count);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_split_columns(&crew, whole, cols, count, rows, parts);
    return CINCEL_OK;
}

cincel_status cincel_dropout(cincel_context *ctx, float p, uint64_t seed, uint64_t stream, const float *x,
                             float *y, size_t count)
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"x", x}, {"y", y}, {NULL, NULL}};
    const cincel_status st = cincel_check_pointers("dropout", required);
    if (st != CINCEL_OK) return st;
    if (!(p >= 0.0f && p < 1.0f))
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "dropout: p is %g, must be >= 0 and < 1", (double)p);
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_dropout_elements(&crew, p, seed, stream, x, y, count);
    return CINCEL_OK;
}
