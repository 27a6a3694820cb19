/* Optimizer steps: arguments checked here, work done by ops/optim.c on the context's team. */
#include "ops/optim.h"

#include <math.h>

#include "core/abi.h"
#include "core/status.h"
#include "ops/eltwise.h"
#include "plan/plan.h"

cincel_status cincel_sgd_step(cincel_context *ctx, float *w, const float *dw, float *v, size_t count,
                              float lr, float momentum, float weight_decay)
{
    const struct cincel_pointer required[] = {
        {"ctx", ctx}, {"w", w}, {"dw", dw}, {"v", momentum != 0.0f ? v : (const void *)w}, {NULL, NULL}};
    const struct {
        const char *name;
        float value;
    } factors[] = {{"lr", lr}, {"momentum", momentum}, {"weight_decay", weight_decay}};
    const cincel_status st = cincel_check_pointers("sgd", required);
    if (st != CINCEL_OK) return st;
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++)
        if (!isfinite(factors[i].value) || factors[i].value < 0.0f)
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "sgd: %s is %g, must be finite and >= 0",
                               factors[i].name, (double)factors[i].value);
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_optim_sgd(&crew, w, dw, v, count, lr, momentum, weight_decay);
    return CINCEL_OK;
}

static cincel_status check_adam(const cincel_adam_desc *d)
{
    const struct {
        const char *name;
        double value, below;
    } factors[] = {{"lr", d->lr, INFINITY},
                   {"beta1", d->beta1, 1.0},
                   {"beta2", d->beta2, 1.0},
                   {"eps", d->eps, INFINITY},
                   {"weight_decay", d->weight_decay, INFINITY}};
    if (d->step == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "adam: step is 0, must be >= 1");
    if (d->eps == 0.0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "adam: eps is 0, must be > 0");
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        if (factors[i].value >= 0.0 && factors[i].value < factors[i].below) continue;
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "adam: %s is %g, must be >= 0 and %s", factors[i].name,
                           factors[i].value, factors[i].below == 1.0 ? "< 1" : "finite");
    }
    return CINCEL_OK;
}

cincel_status cincel_adam_step(cincel_context *ctx, const cincel_adam_desc *d, float *w, const float *dw,
                               float *m, float *v, size_t count)
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"d", d}, {"w", w},    {"dw", dw},
                                              {"m", m},     {"v", v}, {NULL, NULL}};
    cincel_adam_desc mine = CINCEL_ADAM_DESC_INIT;
    cincel_status st = cincel_check_pointers("adam", required);
    if (st == CINCEL_OK) st = cincel_struct_in("adam", d, sizeof *d, sizeof mine, &mine);
    if (st == CINCEL_OK) st = check_adam(&mine);
    if (st != CINCEL_OK) return st;
    const double step = (double)mine.step;
    const double decay = mine.decoupled ? mine.lr * mine.weight_decay : 0.0;
    const struct cincel_adam_args args = {
        .w = w,
        .dw = dw,
        .m = m,
        .v = v,
        .count = count,
        .beta1 = (float)mine.beta1,
        .rest1 = (float)(1.0 - mine.beta1),
        .beta2 = (float)mine.beta2,
        .rest2 = (float)(1.0 - mine.beta2),
        .l2 = mine.decoupled ? 0.0f : (float)mine.weight_decay,
        .keep = (float)(1.0 - decay),
        .rate = (float)(mine.lr / (1.0 - pow(mine.beta1, step))),
        .root = (float)(1.0 / sqrt(1.0 - pow(mine.beta2, step))),
        .eps = (float)mine.eps,
    };
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_optim_adam(&crew, &args);
    return CINCEL_OK;
}

cincel_status cincel_clip_norm(cincel_context *ctx, float *x, size_t count, double max_norm, double *norm)
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"x", x}, {NULL, NULL}};
    const cincel_status st = cincel_check_pointers("clip_norm", required);
    if (st != CINCEL_OK) return st;
    if (!(max_norm > 0.0))
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "clip_norm: max_norm is %g, must be > 0", max_norm);
    const struct cincel_crew crew = cincel_context_crew(ctx);
    const double found = cincel_optim_norm(&crew, x, count);
    if (norm) *norm = found;
    if (!isfinite(found) || found <= max_norm) return CINCEL_OK;
    const float factor = (float)(max_norm / found);
    cincel_eltwise_add_scaled(&crew, factor, x, 0.0f, x, x, count);
    return CINCEL_OK;
}
