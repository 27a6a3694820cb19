/* Public calls of transposed convolution: the plan of the convolution from y to x, and what that does not do
   itself: bias and activation after the forward pass, the activation's gradient before the backward ones,
   addition to dx, and db. */
#include "core/memory.h"
#include "core/status.h"
#include "ops/channels.h"
#include "ops/eltwise.h"
#include "plan/plan.h"

/* The kind's own part of the workspace. */
struct own {
    float *dz;     /* dy behind the activation's gradient, in the caller's layout */
    float *dx;     /* what is to be added to dx */
    float *slices; /* of db */
    size_t bytes;
};

static size_t x_floats(const struct cincel_transpose_problem *t)
{
    return (size_t)t->d.n * (size_t)t->d.ih * (size_t)t->d.iw * (size_t)t->d.ic;
}

static size_t y_rows(const struct cincel_transpose_problem *t)
{
    return (size_t)t->d.n * (size_t)t->oh * (size_t)t->ow;
}

/* With base NULL: its size alone. No product overflows: each is a tensor's, of checked size. */
static struct own carve_own(const struct cincel_transpose_problem *t, cincel_pass pass, char *base)
{
    const bool gradient = t->d.activation != CINCEL_ACT_NONE && pass != CINCEL_FORWARD;
    const size_t channels = (size_t)t->d.oc, rows = y_rows(t);
    struct cincel_carver c = {base, 0};
    struct own own;
    own.dz = cincel_carve(&c, gradient ? rows * channels * sizeof(float) : 0);
    own.dx =
        cincel_carve(&c, pass == CINCEL_BACKWARD_DATA && t->d.accumulate ? x_floats(t) * sizeof(float) : 0);
    own.slices = cincel_carve(
        &c, pass == CINCEL_BACKWARD_WEIGHTS ? cincel_channels_scratch(rows, channels) * sizeof(float) : 0);
    own.bytes = c.used;
    return own;
}

static struct own own_of(const cincel_plan *plan, void *ws)
{
    return carve_own(&plan->transposed, plan->pass, ws ? (char *)ws + plan->layouts.bytes : NULL);
}

cincel_status cincel_conv_transpose_output_size(const cincel_conv_transpose_desc *d, int *oh, int *ow)
{
    struct cincel_transpose_problem t;
    const cincel_status st = cincel_problem_conv_transpose(d, CINCEL_FORWARD, &t);
    if (st != CINCEL_OK) return st;
    if (oh) *oh = t.oh;
    if (ow) *ow = t.ow;
    return CINCEL_OK;
}

cincel_status cincel_conv_transpose_plan(cincel_context *ctx, const cincel_conv_transpose_desc *d,
                                         cincel_pass pass, const cincel_options *options, cincel_plan **out)
{
    struct cincel_transpose_problem t;
    if (!ctx || !out)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "conv_transpose: %s is NULL", ctx ? "out" : "ctx");
    if (pass != CINCEL_FORWARD && pass != CINCEL_BACKWARD_DATA && pass != CINCEL_BACKWARD_WEIGHTS)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "conv_transpose: pass is %d, no such value", (int)pass);
    cincel_status st = cincel_problem_conv_transpose(d, pass, &t);
    if (st != CINCEL_OK) return st;
    const struct cincel_plan_frame frame = {.kind = CINCEL_PLAN_CONV_TRANSPOSE,
                                            .pass = pass,
                                            .own_bytes = carve_own(&t, pass, NULL).bytes,
                                            .accumulates = pass == CINCEL_BACKWARD_DATA && t.d.accumulate};
    cincel_plan *plan;
    st = cincel_plan_create_framed(ctx, &frame, &t.inverse, options, &plan);
    if (st != CINCEL_OK) return st;
    plan->transposed = t;
    *out = plan;
    return CINCEL_OK;
}

/* y is needed where the activation's gradient is taken from it; elsewhere any pointer will do for the check.
 */
static const void *needed_output(const cincel_plan *plan, const float *y)
{
    return plan && plan->kind == CINCEL_PLAN_CONV_TRANSPOSE &&
                   plan->transposed.d.activation != CINCEL_ACT_NONE
               ? (const void *)y
               : "";
}

/* dy, or what the activation's gradient makes of it. */
static const float *gradient(const cincel_plan *plan, const struct own *own, const float *y, const float *dy)
{
    const cincel_conv_transpose_desc *d = &plan->transposed.d;
    const struct cincel_crew crew = cincel_plan_crew(plan);
    if (d->activation == CINCEL_ACT_NONE) return dy;
    cincel_eltwise_act_backward(&crew, d->activation, d->alpha, y, dy, own->dz,
                                y_rows(&plan->transposed) * (size_t)d->oc);
    return own->dz;
}

cincel_status cincel_conv_transpose_forward(const cincel_plan *plan, const float *x, const float *w,
                                            const float *bias, float *y, void *ws)
{
    const struct cincel_pointer required[] = {{"x", x}, {"w", w}, {"y", y}, {NULL, NULL}};
    const cincel_status st =
        cincel_plan_check_call(plan, CINCEL_PLAN_CONV_TRANSPOSE, CINCEL_FORWARD, required, ws);
    if (st != CINCEL_OK) return st;
    const cincel_conv_transpose_desc *d = &plan->transposed.d;
    const struct cincel_crew crew = cincel_plan_crew(plan);
    const struct cincel_tensors outer = {.dy = x, .w = w, .dx = y, .workspace = ws};
    struct cincel_tensors inner;
    cincel_layouts_enter(&plan->layouts, &crew, &outer, &inner);
    cincel_plan_run_inner(plan, &inner);
    cincel_channels_finish(&crew, bias, d->activation, d->alpha, inner.dx, y_rows(&plan->transposed),
                           (size_t)d->oc);
    cincel_layouts_leave(&plan->layouts, &crew, &outer, &inner);
    return CINCEL_OK;
}

cincel_status cincel_conv_transpose_backward_data(const cincel_plan *plan, const float *dy, const float *w,
                                                  const float *y, float *dx, void *ws)
{
    const struct cincel_pointer required[] = {
        {"dy", dy}, {"w", w}, {"y", needed_output(plan, y)}, {"dx", dx}, {NULL, NULL}};
    const cincel_status st =
        cincel_plan_check_call(plan, CINCEL_PLAN_CONV_TRANSPOSE, CINCEL_BACKWARD_DATA, required, ws);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_plan_crew(plan);
    const struct own own = own_of(plan, ws);
    const struct cincel_tensors outer = {.x = gradient(plan, &own, y, dy), .w = w, .y = dx, .workspace = ws};
    struct cincel_tensors inner;
    cincel_layouts_enter(&plan->layouts, &crew, &outer, &inner);
    float *sum = inner.y;
    if (plan->transposed.d.accumulate) inner.y = own.dx;
    cincel_plan_run_inner(plan, &inner);
    if (plan->transposed.d.accumulate)
        cincel_eltwise_add_scaled(&crew, 1.0f, own.dx, 1.0f, sum, sum, x_floats(&plan->transposed));
    inner.y = sum;
    cincel_layouts_leave(&plan->layouts, &crew, &outer, &inner);
    return CINCEL_OK;
}

cincel_status cincel_conv_transpose_backward_weights(const cincel_plan *plan, const float *x, const float *dy,
                                                     const float *y, float *dw, float *db, void *ws)
{
    const struct cincel_pointer required[] = {
        {"x", x}, {"dy", dy}, {"y", needed_output(plan, y)}, {"dw", dw}, {NULL, NULL}};
    const cincel_status st =
        cincel_plan_check_call(plan, CINCEL_PLAN_CONV_TRANSPOSE, CINCEL_BACKWARD_WEIGHTS, required, ws);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_plan_crew(plan);
    const struct own own = own_of(plan, ws);
    const struct cincel_tensors outer = {
        .x = gradient(plan, &own, y, dy), .dy = x, .dw = dw, .workspace = ws};
    struct cincel_tensors inner;
    cincel_layouts_enter(&plan->layouts, &crew, &outer, &inner);
    if (db)
        cincel_channels_sum(&crew, inner.x, y_rows(&plan->transposed), (size_t)plan->transposed.d.oc,
                            own.slices, db, plan->transposed.d.accumulate);
    cincel_plan_run_inner(plan, &inner);
    cincel_layouts_leave(&plan->layouts, &crew, &outer, &inner);
    return CINCEL_OK;
}
