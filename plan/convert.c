/* Public conversions between layouts. */
#include <stdint.h>
#include <string.h>

#include "core/check.h"
#include "core/status.h"
#include "plan/plan.h"

/* Four sizes of a tensor, with their names in messages. */
static cincel_status check_extents(const char *op, const struct cincel_field size[4])
{
    const cincel_status st = cincel_check_positive(op, size, 4);
    return st ? st
              : cincel_check_tensor(
                    op, "in", (const int[]){size[0].value, size[1].value, size[2].value, size[3].value});
}

static cincel_status check_call(const char *op, const cincel_context *ctx, const float *in, const float *out,
                                int from, int to)
{
    if (!ctx || !in || !out)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s is NULL", op, !ctx ? "ctx" : !in ? "in" : "out");
    if (from < 0 || from > 1 || to < 0 || to > 1) /* both enumerations have two values */
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s %d does not exist", op,
                           from < 0 || from > 1 ? "from" : "to", from < 0 || from > 1 ? from : to);
    return CINCEL_OK;
}

/* `channels_first`: in has the channels before the pixels, and out behind them; or the other way round. */
static void convert(const cincel_context *ctx, bool same, bool channels_first, size_t batch, size_t channels,
                    size_t pixels, const float *in, float *out)
{
    const struct cincel_crew crew = cincel_context_crew(ctx);
    const struct cincel_transposition t = {batch, channels_first ? channels : pixels,
                                           channels_first ? pixels : channels};
    if (same || channels == 1 || pixels == 1)
        memcpy(out, in, batch * channels * pixels * sizeof(float));
    else
        cincel_layout_transpose(&crew, &t, in, out);
}

cincel_status cincel_layout_convert(cincel_context *ctx, cincel_layout from, cincel_layout to, int n, int c,
                                    int h, int w, const float *in, float *out)
{
    const struct cincel_field size[4] = {{"n", n}, {"c", c}, {"h", h}, {"w", w}};
    cincel_status st = check_call("layout_convert", ctx, in, out, (int)from, (int)to);
    if (st == CINCEL_OK) st = check_extents("layout_convert", size);
    if (st != CINCEL_OK) return st;
    convert(ctx, from == to, from == CINCEL_NCHW, (size_t)n, (size_t)c, (size_t)h * (size_t)w, in, out);
    return CINCEL_OK;
}

cincel_status cincel_weights_convert(cincel_context *ctx, cincel_weights_layout from,
                                     cincel_weights_layout to, int oc, int ic, int kh, int kw,
                                     const float *in, float *out)
{
    const struct cincel_field size[4] = {{"oc", oc}, {"ic", ic}, {"kh", kh}, {"kw", kw}};
    cincel_status st = check_call("weights_convert", ctx, in, out, (int)from, (int)to);
    if (st == CINCEL_OK) st = check_extents("weights_convert", size);
    if (st != CINCEL_OK) return st;
    convert(ctx, from == to, from == CINCEL_OIHW, (size_t)oc, (size_t)ic, (size_t)kh * (size_t)kw, in, out);
    return CINCEL_OK;
}
