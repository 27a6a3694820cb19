/* Public calls of batch norm and layer norm: arguments checked here, work done by ops/norm_*.c. */
#include "ops/norm.h"

#include <math.h>
#include <stdint.h>

#include "core/abi.h"
#include "core/memory.h"
#include "core/status.h"
#include "plan/plan.h"

/* Two arguments of which the caller gives both or neither. */
static cincel_status check_pair(const char *name, struct cincel_pointer a, struct cincel_pointer b)
{
    if (!a.value == !b.value) return CINCEL_OK;
    const int missing = a.value != NULL;
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s is NULL, but %s is not", name,
                       missing ? b.name : a.name, missing ? a.name : b.name);
}

static cincel_status check_workspace(const char *name, const void *ws)
{
    if (!ws) return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: ws is NULL", name);
    if ((uintptr_t)ws % CINCEL_ALIGN != 0)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: ws is not aligned to %zu bytes", name, CINCEL_ALIGN);
    return CINCEL_OK;
}

/* Sizes positive, the tensor's bytes (and those of a workspace, which is smaller than 64 of its rows) a size.
 */
static cincel_status check_sizes(const char *name, size_t rows, const char *cols_name, size_t cols, float eps)
{
    if (rows == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: rows is 0, must be > 0", name);
    if (cols == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s is 0, must be > 0", name, cols_name);
    if (cols > PTRDIFF_MAX / 64 / sizeof(float) / rows)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: rows %zu x %s %zu overflow", name, rows, cols_name,
                           cols);
    if (!(eps > 0.0f) || !isfinite(eps))
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: eps is %g, must be finite and > 0", name,
                           (double)eps);
    return CINCEL_OK;
}

/* The arguments of a backward call, but the descriptor. */
static cincel_status check_backward(const char *name, const cincel_context *ctx,
                                    const struct cincel_norm_tensors *t)
{
    const struct cincel_pointer required[] = {
        {"ctx", ctx},  {"x", t->x}, {"dy", t->dy}, {"mean", t->mean_in}, {"inv_std", t->inv_std_in},
        {"dx", t->dx}, {NULL, NULL}};
    const cincel_status st = cincel_check_pointers(name, required);
    return st == CINCEL_OK ? check_workspace(name, t->workspace) : st;
}

/* ---------------------------------------------------------------------------------- batch norm -- */

/* The caller's descriptor, checked; fields newer than the caller have their defaults. */
static cincel_status take_batch_norm(const cincel_batch_norm_desc *from, cincel_batch_norm_desc *d)
{
    *d = (cincel_batch_norm_desc)CINCEL_BATCH_NORM_DESC_INIT;
    if (!from) return cincel_fail(CINCEL_INVALID_ARGUMENT, "batch_norm: d is NULL");
    cincel_status st = cincel_struct_in("batch_norm", from, sizeof *d, sizeof *d, d);
    if (st == CINCEL_OK) st = check_sizes("batch_norm", d->rows, "channels", d->channels, d->eps);
    if (st != CINCEL_OK) return st;
    if (!(d->momentum >= 0.0f && d->momentum <= 1.0f))
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "batch_norm: momentum is %g, must be 0 to 1",
                           (double)d->momentum);
    return CINCEL_OK;
}

size_t cincel_batch_norm_workspace_size(const cincel_batch_norm_desc *d)
{
    cincel_batch_norm_desc own;
    return take_batch_norm(d, &own) == CINCEL_OK ? cincel_batch_norm_bytes(&own) : 0;
}

cincel_status cincel_batch_norm_train(cincel_context *ctx, const cincel_batch_norm_desc *d, const float *x,
                                      const float *gamma, const float *beta, float *running_mean,
                                      float *running_var, float *y, float *mean, float *inv_std, void *ws)
{
    const struct cincel_pointer required[] = {{"ctx", ctx},         {"x", x},    {"y", y}, {"mean", mean},
                                              {"inv_std", inv_std}, {NULL, NULL}};
    const struct cincel_pointer running[] = {{"running_mean", running_mean}, {"running_var", running_var}};
    cincel_batch_norm_desc own;
    cincel_status st = take_batch_norm(d, &own);
    if (st == CINCEL_OK) st = cincel_check_pointers("batch_norm", required);
    if (st == CINCEL_OK) st = check_pair("batch_norm", running[0], running[1]);
    if (st == CINCEL_OK) st = check_workspace("batch_norm", ws);
    if (st != CINCEL_OK) return st;
    if (own.rows < 2)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "batch_norm: rows is 1, training needs at least 2");
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_batch_norm_run_train(
        &crew, &own,
        &(struct cincel_norm_tensors){.x = x,
                                      .gamma = gamma,
                                      .beta = beta,
                                      .running_mean = running_mean,
                                      .running_var = running_var,
                                      .y = y,
                                      .mean = mean,
                                      .inv_std = inv_std,
                                      .stream = cincel_crew_streams(&crew, own.rows * own.channels),
                                      .workspace = ws});
    return CINCEL_OK;
}

cincel_status cincel_batch_norm_infer(cincel_context *ctx, const cincel_batch_norm_desc *d, const float *x,
                                      const float *gamma, const float *beta, const float *running_mean,
                                      const float *running_var, float *y)
{
    const struct cincel_pointer required[] = {
        {"ctx", ctx}, {"x", x},    {"running_mean", running_mean}, {"running_var", running_var},
        {"y", y},     {NULL, NULL}};
    cincel_batch_norm_desc own;
    cincel_status st = take_batch_norm(d, &own);
    if (st == CINCEL_OK) st = cincel_check_pointers("batch_norm", required);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_batch_norm_run_infer(
        &crew, &own,
        &(struct cincel_norm_tensors){.x = x,
                                      .gamma = gamma,
                                      .beta = beta,
                                      .mean_in = running_mean,
                                      .var_in = running_var,
                                      .y = y,
                                      .stream = cincel_crew_streams(&crew, own.rows * own.channels)});
    return CINCEL_OK;
}

cincel_status cincel_batch_norm_backward(cincel_context *ctx, const cincel_batch_norm_desc *d, const float *x,
                                         const float *dy, const float *gamma, const float *mean,
                                         const float *inv_std, float *dx, float *dgamma, float *dbeta,
                                         void *ws)
{
    struct cincel_norm_tensors t = {.x = x,
                                    .dy = dy,
                                    .gamma = gamma,
                                    .mean_in = mean,
                                    .inv_std_in = inv_std,
                                    .dx = dx,
                                    .dgamma = dgamma,
                                    .dbeta = dbeta,
                                    .workspace = ws};
    cincel_batch_norm_desc own;
    cincel_status st = take_batch_norm(d, &own);
    if (st == CINCEL_OK) st = check_backward("batch_norm", ctx, &t);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_context_crew(ctx);
    /* three tensors pass through the caches, not two */
    t.stream = cincel_crew_streams(&crew, 3 * own.rows * own.channels / 2);
    cincel_batch_norm_run_backward(&crew, &own, &t);
    return CINCEL_OK;
}

cincel_status cincel_batch_norm_fold(const cincel_batch_norm_desc *d, const float *gamma, const float *beta,
                                     const float *running_mean, const float *running_var, size_t inner,
                                     const float *w, const float *bias, float *w_out, float *bias_out)
{
    const struct cincel_pointer required[] = {{"running_mean", running_mean},
                                              {"running_var", running_var},
                                              {"w", w},
                                              {"w_out", w_out},
                                              {"bias_out", bias_out},
                                              {NULL, NULL}};
    cincel_batch_norm_desc own;
    cincel_status st = take_batch_norm(d, &own);
    if (st == CINCEL_OK) st = cincel_check_pointers("batch_norm", required);
    if (st != CINCEL_OK) return st;
    if (inner == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "batch_norm: inner is 0, must be > 0");
    cincel_batch_norm_fold_weights(
        &own,
        &(struct cincel_norm_tensors){
            .gamma = gamma, .beta = beta, .mean_in = running_mean, .var_in = running_var},
        inner, w, bias, w_out, bias_out);
    return CINCEL_OK;
}

/* ---------------------------------------------------------------------------------- layer norm -- */

static cincel_status take_layer_norm(const cincel_layer_norm_desc *from, cincel_layer_norm_desc *d)
{
    *d = (cincel_layer_norm_desc)CINCEL_LAYER_NORM_DESC_INIT;
    if (!from) return cincel_fail(CINCEL_INVALID_ARGUMENT, "layer_norm: d is NULL");
    const cincel_status st = cincel_struct_in("layer_norm", from, sizeof *d, sizeof *d, d);
    return st == CINCEL_OK ? check_sizes("layer_norm", d->rows, "cols", d->cols, d->eps) : st;
}

cincel_status cincel_layer_norm_forward(cincel_context *ctx, const cincel_layer_norm_desc *d, const float *x,
                                        const float *gamma, const float *beta, float *y, float *mean,
                                        float *inv_std)
{
    const struct cincel_pointer required[] = {{"ctx", ctx}, {"x", x}, {"y", y}, {NULL, NULL}};
    const struct cincel_pointer affine[] = {{"gamma", gamma}, {"beta", beta}};
    const struct cincel_pointer kept[] = {{"mean", mean}, {"inv_std", inv_std}};
    cincel_layer_norm_desc own;
    cincel_status st = take_layer_norm(d, &own);
    if (st == CINCEL_OK) st = cincel_check_pointers("layer_norm", required);
    if (st == CINCEL_OK) st = check_pair("layer_norm", affine[0], affine[1]);
    if (st == CINCEL_OK) st = check_pair("layer_norm", kept[0], kept[1]);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_context_crew(ctx);
    cincel_layer_norm_run_forward(
        &crew, &own,
        &(struct cincel_norm_tensors){.x = x,
                                      .gamma = gamma,
                                      .beta = beta,
                                      .y = y,
                                      .mean = mean,
                                      .inv_std = inv_std,
                                      .stream = cincel_crew_streams(&crew, own.rows * own.cols)});
    return CINCEL_OK;
}

size_t cincel_layer_norm_workspace_size(const cincel_layer_norm_desc *d)
{
    cincel_layer_norm_desc own;
    return take_layer_norm(d, &own) == CINCEL_OK ? cincel_layer_norm_bytes(&own) : 0;
}

cincel_status cincel_layer_norm_backward(cincel_context *ctx, const cincel_layer_norm_desc *d, const float *x,
                                         const float *dy, const float *gamma, const float *mean,
                                         const float *inv_std, float *dx, float *dgamma, float *dbeta,
                                         void *ws)
{
    struct cincel_norm_tensors t = {.x = x,
                                    .dy = dy,
                                    .gamma = gamma,
                                    .mean_in = mean,
                                    .inv_std_in = inv_std,
                                    .dx = dx,
                                    .dgamma = dgamma,
                                    .dbeta = dbeta,
                                    .workspace = ws};
    cincel_layer_norm_desc own;
    cincel_status st = take_layer_norm(d, &own);
    if (st == CINCEL_OK) st = check_backward("layer_norm", ctx, &t);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_context_crew(ctx);
    /* three tensors pass through the caches, not two */
    t.stream = cincel_crew_streams(&crew, 3 * own.rows * own.cols / 2);
    cincel_layer_norm_run_backward(&crew, &own, &t);
    return CINCEL_OK;
}
