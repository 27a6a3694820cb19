/* A 1x1 convolution whose result is known by heart, through the installed library. */
#include <cincel/cincel.h>
#include <stdio.h>

static cincel_status twice_and_one(cincel_context *ctx, float *y)
{
    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    d.ic = d.oc = 1;
    const float x = 3.0f, w = 2.0f, bias = 1.0f;
    cincel_plan *plan = NULL;
    void *ws = NULL;
    cincel_status st = cincel_conv_plan(ctx, &d, CINCEL_FORWARD, NULL, &plan);
    if (st == CINCEL_OK) st = cincel_workspace_create(cincel_plan_workspace_size(plan), &ws);
    if (st == CINCEL_OK) st = cincel_conv_forward(plan, &x, &w, &bias, y, ws);
    cincel_workspace_destroy(ws);
    cincel_plan_destroy(plan);
    return st;
}

int main(void)
{
    cincel_context *ctx = NULL;
    float y = 0.0f;
    cincel_status st = cincel_context_create(NULL, &ctx);
    if (st == CINCEL_OK) st = twice_and_one(ctx, &y);
    if (st != CINCEL_OK) fprintf(stderr, "%s: %s\n", cincel_status_string(st), cincel_error_message());
    cincel_context_destroy(ctx);
    return st == CINCEL_OK && y == 7.0f ? 0 : 1;
}
