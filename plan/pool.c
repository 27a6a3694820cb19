/* Public calls of pooling. */
#include "core/status.h"
#include "plan/plan.h"

cincel_status cincel_pool_output_size(const cincel_pool_desc *d, int *oh, int *ow)
{
    struct cincel_problem p;
    const cincel_status st = cincel_problem_pool(d, CINCEL_FORWARD, &p);
    if (st != CINCEL_OK) return st;
    if (oh) *oh = p.pool.oh;
    if (ow) *ow = p.pool.ow;
    return CINCEL_OK;
}

cincel_status cincel_pool_plan(cincel_context *ctx, const cincel_pool_desc *d, cincel_pass pass,
                               const cincel_options *options, cincel_plan **out)
{
    struct cincel_problem p;
    if (!ctx || !out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "pool: %s is NULL", ctx ? "out" : "ctx");
    if (pass != CINCEL_FORWARD && pass != CINCEL_BACKWARD_DATA)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "pool: pass is %d, must be FORWARD or BACKWARD_DATA",
                           (int)pass);
    const cincel_status st = cincel_problem_pool(d, pass, &p);
    return st == CINCEL_OK ? cincel_plan_create(ctx, CINCEL_PLAN_POOL, &p, options, out) : st;
}

size_t cincel_pool_argmax_size(const cincel_plan *plan)
{
    if (!plan || plan->kind != CINCEL_PLAN_POOL) return 0;
    const cincel_pool_desc *d = &plan->problem.pool.d;
    const size_t elements = (size_t)d->n * plan->problem.pool.oh * plan->problem.pool.ow * d->c;
    return elements * cincel_problem_argmax_bytes(&plan->problem);
}

cincel_status cincel_pool_forward(const cincel_plan *plan, const float *x, float *y, void *argmax, void *ws)
{
    const struct cincel_pointer required[] = {{"x", x}, {"y", y}, {NULL, NULL}};
    const cincel_status st = cincel_plan_check_call(plan, CINCEL_PLAN_POOL, CINCEL_FORWARD, required, ws);
    if (st != CINCEL_OK) return st;
    cincel_plan_run(plan, &(struct cincel_tensors){.x = x, .y = y, .argmax_out = argmax, .workspace = ws});
    return CINCEL_OK;
}

cincel_status cincel_pool_backward(const cincel_plan *plan, const float *dy, const void *argmax, float *dx,
                                   void *ws)
{
    const bool max = plan && plan->kind == CINCEL_PLAN_POOL && plan->problem.pool.d.kind == CINCEL_POOL_MAX;
    const struct cincel_pointer required[] = {
        {"dy", dy}, {"dx", dx}, {max ? "argmax" : NULL, argmax}, {NULL, NULL}};
    const cincel_status st =
        cincel_plan_check_call(plan, CINCEL_PLAN_POOL, CINCEL_BACKWARD_DATA, required, ws);
    if (st != CINCEL_OK) return st;
    cincel_plan_run(plan, &(struct cincel_tensors){.dy = dy, .argmax_in = argmax, .dx = dx, .workspace = ws});
    return CINCEL_OK;
}
