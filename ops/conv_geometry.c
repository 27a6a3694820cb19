#include "ops/conv_geometry.h"

#include <assert.h>

#include "core/memory.h"

/* One axis of the descriptor. */
struct span {
    int in, out, kernel, stride, pad, dilation; /* `in` is x, `out` is y, whatever the pass */
};

static int gcd(int a, int b)
{
    while (b) {
        const int r = a % b;
        a = b;
        b = r;
    }
    return a;
}

static int clamp(long v, int high) { return v < 0 ? 0 : v > high ? high : (int)v; }

/* Rounded towards −∞, `by` > 0. */
static long div_floor(long v, long by) { return v >= 0 ? v / by : -((-v + by - 1) / by); }

/* Fills inner_begin and inner_end for a source of `size` positions. */
static void find_inner(struct cincel_conv_axis *a, int size)
{
    const long first = a->offset, last = first + (long)(a->taps - 1) * a->offset_step;
    if (a->taps == 0) {
        a->inner_begin = 0;
        a->inner_end = a->count;
        return;
    }
    a->inner_begin = clamp(-div_floor(first, a->src_step), a->count);
    a->inner_end = clamp(div_floor((long)size - 1 - last, a->src_step) + 1, a->count);
    if (a->inner_end < a->inner_begin) a->inner_end = a->inner_begin;
}

static void forward_axis(const struct span *s, struct cincel_conv_axis *a)
{
    *a = (struct cincel_conv_axis){.out_step = 1,
                                   .count = s->out,
                                   .src_step = s->stride,
                                   .taps = s->kernel,
                                   .offset = -s->pad,
                                   .offset_step = s->dilation,
                                   .kernel_step = 1};
    find_inner(a, s->in);
}

/*
 * dx position i = phase + j·stride is reached from dy position o through kernel cell k when
 * o·stride = i + pad − k·dilation. For one phase the right cells are an arithmetic progression of
 * step stride/gcd(stride, dilation), in which o moves by dilation/gcd.
 */
static void backward_axis(const struct span *s, int phase, struct cincel_conv_axis *a)
{
    const int common = gcd(s->stride, s->dilation);
    const int step = s->stride / common;
    *a = (struct cincel_conv_axis){.out_start = phase,
                                   .out_step = s->stride,
                                   .count = (s->in - 1 - phase) / s->stride + 1, /* phase < in */
                                   .src_step = 1,
                                   .offset_step = s->dilation / common,
                                   .kernel_step = -step};
    for (int k = 0; k < s->kernel && k < step; k++) {
        const long reach = (long)phase + s->pad - (long)k * s->dilation;
        if (reach % s->stride) continue;
        a->taps = (s->kernel - 1 - k) / step + 1;
        a->kernel = k + (a->taps - 1) * step;
        a->offset = (int)(reach / s->stride) - (a->taps - 1) * a->offset_step;
        break;
    }
    find_inner(a, s->out);
}

static struct span row_span(const struct cincel_problem *p)
{
    const cincel_conv_desc *d = &p->conv.d;
    return (struct span){d->ih, p->conv.oh, d->kh, d->stride_h, d->pad_top, d->dilation_h};
}

static struct span col_span(const struct cincel_problem *p)
{
    const cincel_conv_desc *d = &p->conv.d;
    return (struct span){d->iw, p->conv.ow, d->kw, d->stride_w, d->pad_left, d->dilation_w};
}

static void axis(const struct cincel_problem *p, const struct span *s, int phase,
                 struct cincel_conv_axis *out)
{
    if (p->pass == CINCEL_FORWARD)
        forward_axis(s, out);
    else
        backward_axis(s, phase, out);
}

void cincel_conv_rows(const struct cincel_problem *p, int phase, struct cincel_conv_axis *out)
{
    const struct span s = row_span(p);
    axis(p, &s, phase, out);
}

void cincel_conv_cols(const struct cincel_problem *p, int phase, struct cincel_conv_axis *out)
{
    const struct span s = col_span(p);
    axis(p, &s, phase, out);
}

void cincel_conv_geometry(const struct cincel_problem *p, struct cincel_conv_geometry *out)
{
    assert(p->op == CINCEL_OP_CONV && p->pass != CINCEL_BACKWARD_WEIGHTS);
    const cincel_conv_desc *d = &p->conv.d;
    const bool forward = p->pass == CINCEL_FORWARD;
    *out = (struct cincel_conv_geometry){
        .images = d->n,
        .groups = d->groups,
        .src_h = forward ? d->ih : p->conv.oh,
        .src_w = forward ? d->iw : p->conv.ow,
        .out_h = forward ? p->conv.oh : d->ih,
        .out_w = forward ? p->conv.ow : d->iw,
        .src_channels = (size_t)(forward ? d->ic : d->oc),
        .out_channels = (size_t)(forward ? d->oc : d->ic),
        .k = (forward ? d->ic : d->oc) / d->groups,
        .n = (forward ? d->oc : d->ic) / d->groups,
        .kh = d->kh,
        .kw = d->kw,
        .phases_h = forward || d->stride_h < d->ih ? (forward ? 1 : d->stride_h) : d->ih,
        .phases_w = forward || d->stride_w < d->iw ? (forward ? 1 : d->stride_w) : d->iw,
    };
}
