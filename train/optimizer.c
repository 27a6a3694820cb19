#include "train/optimizer.h"

#include <math.h>

#include "core/abi.h"
#include "core/status.h"

static const struct {
    const char *name;
    int moments;
} kinds[] = {
    [CINCEL_OPTIMIZER_SGD] = {"sgd", 1},
    [CINCEL_OPTIMIZER_ADAM] = {"adam", 2},
    [CINCEL_OPTIMIZER_ADAMW] = {"adamw", 2},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

const char *cincel_optimizer_name(int kind) { return kind >= 0 && kind < KINDS ? kinds[kind].name : NULL; }

int cincel_optimizer_moments(cincel_optimizer_kind kind) { return kinds[kind].moments; }

cincel_status cincel_optimizer_check_kind(const char *what, cincel_optimizer_kind kind)
{
    if (cincel_optimizer_name((int)kind)) return CINCEL_OK;
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: optimizer kind is %d, must be one of %s", what,
                       (int)kind, "cincel_optimizer_kind");
}

cincel_status cincel_optimizer_take(const char *what, const cincel_optimizer *from, cincel_optimizer *out)
{
    *out = (cincel_optimizer)CINCEL_OPTIMIZER_INIT;
    cincel_status status = cincel_struct_in(what, from, sizeof *from, sizeof *out, out);
    if (status == CINCEL_OK) status = cincel_optimizer_check_kind(what, out->kind);
    if (status != CINCEL_OK) return status;
    const struct {
        const char *name;
        double value, below;
    } factors[] = {{"momentum", (double)out->momentum, 1.0},
                   {"weight_decay", (double)out->weight_decay, INFINITY},
                   {"beta1", out->beta1, 1.0},
                   {"beta2", out->beta2, 1.0},
                   {"eps", out->eps, INFINITY},
                   {"clip_norm", out->clip_norm, INFINITY}};
    if (!isfinite(out->lr) || out->lr <= 0.0f) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: lr is %g, must be finite and > 0", what,
                           (double)out->lr);
    }
    if (out->eps == 0.0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: eps is 0, must be > 0", what);
    for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++) {
        if (factors[i].value >= 0.0 && factors[i].value < factors[i].below) continue;
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s is %g, must be >= 0 and %s", what,
                           factors[i].name, factors[i].value, factors[i].below == 1.0 ? "< 1" : "finite");
    }
    return CINCEL_OK;
}

static cincel_status clip(cincel_context *ctx, double most, float *g, size_t count)
{
    double norm = 0.0;
    const cincel_status status = cincel_clip_norm(ctx, g, count, most, &norm);
    if (status != CINCEL_OK || isfinite(norm)) return status;
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "optimizer: the gradient's norm is %g", norm);
}

cincel_status cincel_optimizer_step(cincel_context *ctx, const cincel_optimizer *o, uint64_t step, float *w,
                                    float *g, float *const moment[OPTIMIZER_MOMENTS], size_t count)
{
    if (o->clip_norm > 0.0) {
        const cincel_status status = clip(ctx, o->clip_norm, g, count);
        if (status != CINCEL_OK) return status;
    }
    if (o->kind == CINCEL_OPTIMIZER_SGD) {
        float *velocity = o->momentum != 0.0f ? moment[0] : NULL;
        return cincel_sgd_step(ctx, w, g, velocity, count, o->lr, o->momentum, o->weight_decay);
    }
    cincel_adam_desc d = CINCEL_ADAM_DESC_INIT;
    d.step = step;
    d.lr = (double)o->lr;
    d.beta1 = o->beta1;
    d.beta2 = o->beta2;
    d.eps = o->eps;
    d.weight_decay = (double)o->weight_decay;
    d.decoupled = o->kind == CINCEL_OPTIMIZER_ADAMW;
    return cincel_adam_step(ctx, &d, w, g, moment[0], moment[1], count);
}
