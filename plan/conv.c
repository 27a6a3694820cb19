/* Public calls of convolution and of the fully connected layer, which is its 1x1 case. */
#include "core/status.h"
#include "plan/plan.h"

cincel_status cincel_conv_output_size(const cincel_conv_desc *d, int *oh, int *ow)
{
    struct cincel_problem p;
    const cincel_status st = cincel_problem_conv(d, CINCEL_FORWARD, "conv", &p);
    if (st != CINCEL_OK) return st;
    if (oh) *oh = p.conv.oh;
    if (ow) *ow = p.conv.ow;
    return CINCEL_OK;
}

static cincel_status check_plan_arguments(const cincel_context *ctx, cincel_pass pass, const char *name,
                                          cincel_plan *const *out)
{
    if (!ctx || !out)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s is NULL", name, ctx ? "out" : "ctx");
    if (pass != CINCEL_FORWARD && pass != CINCEL_BACKWARD_DATA && pass != CINCEL_BACKWARD_WEIGHTS)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: pass is %d, no such value", name, (int)pass);
    return CINCEL_OK;
}

cincel_status cincel_conv_plan(cincel_context *ctx, const cincel_conv_desc *d, cincel_pass pass,
                               const cincel_options *options, cincel_plan **out)
{
    struct cincel_problem p;
    cincel_status st = check_plan_arguments(ctx, pass, "conv", out);
    if (st == CINCEL_OK) st = cincel_problem_conv(d, pass, "conv", &p);
    return st == CINCEL_OK ? cincel_plan_create(ctx, CINCEL_PLAN_CONV, &p, options, out) : st;
}

cincel_status cincel_linear_plan(cincel_context *ctx, const cincel_linear_desc *d, cincel_pass pass,
                                 const cincel_options *options, cincel_plan **out)
{
    struct cincel_problem p;
    cincel_status st = check_plan_arguments(ctx, pass, "linear", out);
    if (st == CINCEL_OK) st = cincel_problem_linear(d, pass, &p);
    return st == CINCEL_OK ? cincel_plan_create(ctx, CINCEL_PLAN_LINEAR, &p, options, out) : st;
}

static cincel_status forward(const cincel_plan *plan, enum cincel_plan_kind kind, const float *x,
                             const float *w, const float *bias, float *y, void *ws)
{
    const struct cincel_pointer required[] = {{"x", x}, {"w", w}, {"y", y}, {NULL, NULL}};
    const cincel_status st = cincel_plan_check_call(plan, kind, CINCEL_FORWARD, required, ws);
    if (st != CINCEL_OK) return st;
    cincel_plan_run(plan, &(struct cincel_tensors){.x = x, .w = w, .bias = bias, .y = y, .workspace = ws});
    return CINCEL_OK;
}

/* The forward output is needed where the activation's gradient is taken from it; elsewhere any pointer
   will do for the check. */
static const void *needed_output(const cincel_plan *plan, const float *y)
{
    return plan && plan->problem.op == CINCEL_OP_CONV && plan->problem.conv.d.activation != CINCEL_ACT_NONE
               ? (const void *)y
               : "";
}

static cincel_status backward_data(const cincel_plan *plan, enum cincel_plan_kind kind, const float *dy,
                                   const float *w, const float *y, float *dx, void *ws)
{
    const struct cincel_pointer required[] = {
        {"dy", dy}, {"w", w}, {"y", needed_output(plan, y)}, {"dx", dx}, {NULL, NULL}};
    const cincel_status st = cincel_plan_check_call(plan, kind, CINCEL_BACKWARD_DATA, required, ws);
    if (st != CINCEL_OK) return st;
    cincel_plan_run(plan, &(struct cincel_tensors){.dy = dy, .w = w, .y_in = y, .dx = dx, .workspace = ws});
    return CINCEL_OK;
}

static cincel_status backward_weights(const cincel_plan *plan, enum cincel_plan_kind kind, const float *x,
                                      const float *dy, const float *y, float *dw, float *db, void *ws)
{
    const struct cincel_pointer required[] = {
        {"x", x}, {"dy", dy}, {"y", needed_output(plan, y)}, {"dw", dw}, {NULL, NULL}};
    const cincel_status st = cincel_plan_check_call(plan, kind, CINCEL_BACKWARD_WEIGHTS, required, ws);
    if (st != CINCEL_OK) return st;
    cincel_plan_run(
        plan, &(struct cincel_tensors){.x = x, .dy = dy, .y_in = y, .dw = dw, .db = db, .workspace = ws});
    return CINCEL_OK;
}

cincel_status cincel_conv_forward(const cincel_plan *plan, const float *x, const float *w, const float *bias,
                                  float *y, void *ws)
{
    return forward(plan, CINCEL_PLAN_CONV, x, w, bias, y, ws);
}

cincel_status cincel_conv_backward_data(const cincel_plan *plan, const float *dy, const float *w,
                                        const float *y, float *dx, void *ws)
{
    return backward_data(plan, CINCEL_PLAN_CONV, dy, w, y, dx, ws);
}

cincel_status cincel_conv_backward_weights(const cincel_plan *plan, const float *x, const float *dy,
                                           const float *y, float *dw, float *db, void *ws)
{
    return backward_weights(plan, CINCEL_PLAN_CONV, x, dy, y, dw, db, ws);
}

cincel_status cincel_linear_forward(const cincel_plan *plan, const float *x, const float *w,
                                    const float *bias, float *y, void *ws)
{
    return forward(plan, CINCEL_PLAN_LINEAR, x, w, bias, y, ws);
}

cincel_status cincel_linear_backward_data(const cincel_plan *plan, const float *dy, const float *w,
                                          const float *y, float *dx, void *ws)
{
    return backward_data(plan, CINCEL_PLAN_LINEAR, dy, w, y, dx, ws);
}

cincel_status cincel_linear_backward_weights(const cincel_plan *plan, const float *x, const float *dy,
                                             const float *y, float *dw, float *db, void *ws)
{
    return backward_weights(plan, CINCEL_PLAN_LINEAR, x, dy, y, dw, db, ws);
}
