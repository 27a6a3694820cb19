#include "core/transpose_problem.h"

#include <limits.h>

#include "core/abi.h"
#include "core/check.h"
#include "core/status.h"

static const char op[] = "conv_transpose";

/* One direction, with the names its fields have in messages. */
struct axis {
    const char *out_name, *pad_name, *stride_name;
    int in, kernel, stride, dilation, low, high, out_pad;
};

/* The output's size, and the far padding with which a convolution leads back from it to exactly `in`. */
static cincel_status solve_axis(const struct axis *a, int *out, int *high)
{
    const int reach = a->stride > a->dilation ? a->stride : a->dilation;
    if (a->out_pad < 0 || a->out_pad >= reach)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s is %d, must be 0 … %d (below stride or dilation)",
                           op, a->pad_name, a->out_pad, reach - 1);
    const int64_t extent = (int64_t)a->dilation * (a->kernel - 1) + 1;
    const int64_t size = (int64_t)(a->in - 1) * a->stride - a->low - a->high + extent + a->out_pad;
    if (size < 1 || size > INT_MAX)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s would be %lld, must be 1 … %d", op, a->out_name,
                           (long long)size, INT_MAX);
    /* a whole stride more would be a pixel more of x: then padding gives way, which changes nothing else */
    const int taken = a->out_pad < a->stride ? 0 : a->out_pad < a->high ? a->out_pad : a->high;
    if (a->out_pad - taken >= a->stride)
        return cincel_fail(CINCEL_UNSUPPORTED, "%s: %s %d less the padding %d is not below %s %d", op,
                           a->pad_name, a->out_pad, a->high, a->stride_name, a->stride);
    *out = (int)size;
    *high = a->high - taken;
    return CINCEL_OK;
}

static cincel_status check_sizes(const cincel_conv_transpose_desc *d)
{
    const struct cincel_field positive[] = {
        {"n", d->n},
        {"groups", d->groups},
        {"ic", d->ic},
        {"ih", d->ih},
        {"iw", d->iw},
        {"oc", d->oc},
        {"kh", d->kh},
        {"kw", d->kw},
        {"stride_h", d->stride_h},
        {"stride_w", d->stride_w},
        {"dilation_h", d->dilation_h},
        {"dilation_w", d->dilation_w},
    };
    const cincel_status st = cincel_check_positive(op, positive, sizeof positive / sizeof *positive);
    return st ? st : cincel_check_groups(op, d->groups, d->ic, d->oc);
}

/* Fields of both descriptors that mean the same, ic and oc in each other's place. */
static cincel_conv_desc inverse_of(const struct cincel_transpose_problem *t, int pad_bottom, int pad_right)
{
    const cincel_conv_transpose_desc *d = &t->d;
    cincel_conv_desc c = CINCEL_CONV_DESC_INIT;
    c.n = d->n;
    c.groups = d->groups;
    c.ic = d->oc;
    c.ih = t->oh;
    c.iw = t->ow;
    c.oc = d->ic;
    c.kh = d->kh;
    c.kw = d->kw;
    c.stride_h = d->stride_h;
    c.stride_w = d->stride_w;
    c.pad_top = d->pad_top;
    c.pad_bottom = pad_bottom;
    c.pad_left = d->pad_left;
    c.pad_right = pad_right;
    c.dilation_h = d->dilation_h;
    c.dilation_w = d->dilation_w;
    c.activation = d->activation;
    c.alpha = d->alpha;
    c.accumulate = d->accumulate;
    c.layout = d->layout;
    c.weights_layout = d->weights_layout;
    return c;
}

cincel_status cincel_problem_conv_transpose(const cincel_conv_transpose_desc *given, cincel_pass pass,
                                            struct cincel_transpose_problem *out)
{
    static const cincel_pass exchanged[] = {[CINCEL_FORWARD] = CINCEL_BACKWARD_DATA,
                                            [CINCEL_BACKWARD_DATA] = CINCEL_FORWARD,
                                            [CINCEL_BACKWARD_WEIGHTS] = CINCEL_BACKWARD_WEIGHTS};
    struct cincel_transpose_problem t = {.d = CINCEL_CONV_TRANSPOSE_DESC_INIT};
    cincel_conv_transpose_desc *d = &t.d;
    int bottom, right;
    cincel_status st = cincel_check_descriptor(op, given);
    if (!st) st = cincel_struct_in(op, given, sizeof *d, sizeof *d, d);
    if (!st) st = check_sizes(d);
    if (st) return st;
    const struct axis h = {"output height", "out_pad_h",   "stride_h", d->ih,         d->kh,
                           d->stride_h,     d->dilation_h, d->pad_top, d->pad_bottom, d->out_pad_h};
    const struct axis w = {"output width", "out_pad_w",   "stride_w",  d->iw,        d->kw,
                           d->stride_w,    d->dilation_w, d->pad_left, d->pad_right, d->out_pad_w};
    st = solve_axis(&h, &t.oh, &bottom);
    if (!st) st = solve_axis(&w, &t.ow, &right);
    if (!st) st = cincel_check_tensor(op, "x", (const int[]){d->n, d->ih, d->iw, d->ic});
    if (!st) st = cincel_check_tensor(op, "w", (const int[]){d->ic, d->kh, d->kw, d->oc / d->groups});
    if (!st) st = cincel_check_tensor(op, "y", (const int[]){d->n, t.oh, t.ow, d->oc});
    if (st) return st;
    /* every other field, as this pass sees it … */
    cincel_conv_desc inverse = inverse_of(&t, d->pad_bottom, d->pad_right);
    st = cincel_problem_conv(&inverse, pass, op, &t.inverse);
    if (st) return st;
    /* … then the problem that is solved */
    inverse = inverse_of(&t, bottom, right);
    inverse.activation = CINCEL_ACT_NONE;
    inverse.accumulate = pass == CINCEL_BACKWARD_WEIGHTS && d->accumulate;
    st = cincel_problem_conv(&inverse, exchanged[pass], op, &t.inverse);
    if (st) return st;
    if (t.inverse.conv.oh != d->ih || t.inverse.conv.ow != d->iw)
        return cincel_fail(CINCEL_INTERNAL_ERROR, "%s: %dx%d pixels lead back to %dx%d", op, t.oh, t.ow,
                           t.inverse.conv.oh, t.inverse.conv.ow);
    *out = t;
    return CINCEL_OK;
}
