/*
 * One convolution layer by hand: forward with bias and ReLU, and both gradients.
 *   cc conv_gradients.c $(pkg-config --cflags --libs cincel)
 */
#include <cincel/cincel.h>
#include <stdio.h>
#include <stdlib.h>

static void must(cincel_status status)
{
    if (status == CINCEL_OK) return;
    fprintf(stderr, "conv_gradients: %s\n", cincel_error_message());
    exit(1);
}

static float *ramp(size_t count, float step)
{
    float *v = malloc(count * sizeof *v);
    if (!v) exit(1);
    for (size_t i = 0; i < count; i++) v[i] = (float)((int)(i % 17) - 8) * step;
    return v;
}

/* A plan for one pass, and a workspace that fits it. */
static cincel_plan *plan_pass(cincel_context *ctx, const cincel_conv_desc *d, cincel_pass pass, void **ws)
{
    cincel_plan *plan;
    must(cincel_conv_plan(ctx, d, pass, NULL, &plan));
    must(cincel_workspace_create(cincel_plan_workspace_size(plan), ws));
    printf("%s\n", cincel_plan_describe(plan));
    return plan;
}

int main(void)
{
    cincel_context *ctx;
    must(cincel_context_create(NULL, &ctx)); /* all defaults: best ISA, all physical cores allowed */

    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    d.n = 8;
    d.ic = d.oc = 64;
    d.ih = d.iw = 56;
    d.kh = d.kw = 3;
    d.pad_top = d.pad_bottom = d.pad_left = d.pad_right = 1;
    d.activation = CINCEL_ACT_RELU;

    const size_t pixels = (size_t)8 * 56 * 56;
    float *x = ramp(pixels * 64, 0.1f), *w = ramp((size_t)64 * 9 * 64, 0.01f), *bias = ramp(64, 0.1f);
    float *y = ramp(pixels * 64, 0.0f), *dy = ramp(pixels * 64, 0.001f), *dx = ramp(pixels * 64, 0.0f);
    float *dw = ramp((size_t)64 * 9 * 64, 0.0f), *db = ramp(64, 0.0f);

    void *ws[3];
    cincel_plan *forward = plan_pass(ctx, &d, CINCEL_FORWARD, &ws[0]);
    cincel_plan *data = plan_pass(ctx, &d, CINCEL_BACKWARD_DATA, &ws[1]);
    cincel_plan *weights = plan_pass(ctx, &d, CINCEL_BACKWARD_WEIGHTS, &ws[2]);

    must(cincel_conv_forward(forward, x, w, bias, y, ws[0]));
    must(cincel_conv_backward_data(data, dy, w, y, dx, ws[1]));
    must(cincel_conv_backward_weights(weights, x, dy, y, dw, db, ws[2]));
    printf("y[0] %g   dx[0] %g   dw[0] %g   db[0] %g\n", y[0], dx[0], dw[0], db[0]);

    for (int i = 0; i < 3; i++) cincel_workspace_destroy(ws[i]);
    cincel_plan_destroy(weights);
    cincel_plan_destroy(data);
    cincel_plan_destroy(forward);
    cincel_context_destroy(ctx);
    free(x), free(w), free(bias), free(y), free(dy), free(dx), free(dw), free(db);
    return 0;
}
