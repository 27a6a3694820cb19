#include "ops/reference.h"

#include <assert.h>
#include <math.h>

/* Splits an element number of a [..][h][w][c] tensor into its coordinates. */
struct place {
    size_t image, h, w, c;
};

static struct place place_of(size_t element, size_t height, size_t width, size_t channels)
{
    const size_t pixel = element / channels;
    return (struct place){pixel / width / height, pixel / width % height, pixel % width, element % channels};
}

static size_t element_of(size_t image, size_t h, size_t w, size_t c, size_t height, size_t width,
                         size_t channels)
{
    return ((image * height + h) * width + w) * channels + c;
}

static double sigmoid(double z) { return z < 0.0 ? exp(z) / (1.0 + exp(z)) : 1.0 / (1.0 + exp(-z)); }

/* GELU's tanh form is z·σ(2u); twice u. */
static double gelu_inner(double z) { return 2.0 * sqrt(2.0 / M_PI) * (z + 0.044715 * z * z * z); }

double cincel_reference_act(cincel_activation act, double alpha, double z)
{
    switch (act) {
    case CINCEL_ACT_NONE: return z;
    case CINCEL_ACT_RELU: return z < 0.0 ? 0.0 : z;
    case CINCEL_ACT_LEAKY_RELU: return z > 0.0 ? z : alpha * z;
    case CINCEL_ACT_ELU: return z > 0.0 ? z : alpha * expm1(z);
    case CINCEL_ACT_SIGMOID: return sigmoid(z);
    case CINCEL_ACT_TANH: return tanh(z);
    case CINCEL_ACT_GELU: return isinf(z) && z < 0.0 ? -0.0 : z * 0.5 * erfc(-z * M_SQRT1_2);
    case CINCEL_ACT_GELU_TANH: return isinf(z) && z < 0.0 ? -0.0 : z * sigmoid(gelu_inner(z));
    case CINCEL_ACT_SILU: return isinf(z) && z < 0.0 ? -0.0 : z * sigmoid(z);
    }
    return NAN;
}

/* What z-dependent activations tend to, beyond which their formulas are ∞ · 0. */
static const double slope_settled = 200.0;

double cincel_reference_act_gradient(cincel_activation act, double alpha, double at, double dy)
{
    const double z = at > slope_settled ? slope_settled : at < -slope_settled ? -slope_settled : at;
    switch (act) {
    case CINCEL_ACT_NONE: return dy;
    case CINCEL_ACT_RELU: return at > 0.0 ? dy : 0.0;
    case CINCEL_ACT_LEAKY_RELU: return at > 0.0 ? dy : alpha * dy;
    case CINCEL_ACT_ELU: return at > 0.0 ? dy : (at + alpha) * dy;
    case CINCEL_ACT_SIGMOID: return at * (1.0 - at) * dy;
    case CINCEL_ACT_TANH: return (1.0 - at * at) * dy;
    case CINCEL_ACT_GELU: return (0.5 * erfc(-z * M_SQRT1_2) + z * exp(-0.5 * z * z) / sqrt(2.0 * M_PI)) * dy;
    case CINCEL_ACT_GELU_TANH: {
        const double inner = gelu_inner(z), slope = 2.0 * sqrt(2.0 / M_PI) * (1.0 + 3.0 * 0.044715 * z * z);
        return (sigmoid(inner) + z * sigmoid(inner) * sigmoid(-inner) * slope) * dy;
    }
    case CINCEL_ACT_SILU: return (sigmoid(z) + z * sigmoid(z) * sigmoid(-z)) * dy;
    }
    return NAN;
}

/* dy behind the activation: dy · act'(y). */
static double gradient(const cincel_conv_desc *d, const struct cincel_tensors *t, size_t element)
{
    return cincel_reference_act_gradient(d->activation, (double)d->alpha, (double)t->y_in[element],
                                         (double)t->dy[element]);
}

static double forward_element(const struct cincel_problem *p, const struct cincel_tensors *t, size_t element)
{
    const cincel_conv_desc *d = &p->conv.d;
    const struct place y = place_of(element, p->conv.oh, p->conv.ow, d->oc);
    const size_t icg = d->ic / d->groups, group = y.c / (d->oc / d->groups);
    double sum = t->bias ? (double)t->bias[y.c] : 0.0;

    for (int kh = 0; kh < d->kh; kh++) {
        for (int kw = 0; kw < d->kw; kw++) {
            const long ih = (long)y.h * d->stride_h - d->pad_top + (long)kh * d->dilation_h;
            const long iw = (long)y.w * d->stride_w - d->pad_left + (long)kw * d->dilation_w;
            if (ih < 0 || ih >= d->ih || iw < 0 || iw >= d->iw) continue;
            for (size_t c = 0; c < icg; c++) {
                const size_t x = element_of(y.image, ih, iw, group * icg + c, d->ih, d->iw, d->ic);
                const size_t w = element_of(y.c, kh, kw, c, d->kh, d->kw, icg);
                sum += (double)t->x[x] * (double)t->w[w];
            }
        }
    }
    return cincel_reference_act(d->activation, (double)d->alpha, sum);
}

/* The output row (or column) whose tap `kernel` reads input position `in`, or −1. */
static long output_position(long in, int pad, int kernel, int dilation, int stride, int count)
{
    const long from = in + pad - (long)kernel * dilation;
    if (from < 0 || from % stride != 0 || from / stride >= count) return -1;
    return from / stride;
}

static double backward_data_element(const struct cincel_problem *p, const struct cincel_tensors *t,
                                    size_t element)
{
    const cincel_conv_desc *d = &p->conv.d;
    const struct place x = place_of(element, d->ih, d->iw, d->ic);
    const size_t icg = d->ic / d->groups, ocg = d->oc / d->groups;
    const size_t group = x.c / icg;
    double sum = d->accumulate ? (double)t->dx[element] : 0.0;

    for (int kh = 0; kh < d->kh; kh++) {
        for (int kw = 0; kw < d->kw; kw++) {
            const long oh = output_position(x.h, d->pad_top, kh, d->dilation_h, d->stride_h, p->conv.oh);
            const long ow = output_position(x.w, d->pad_left, kw, d->dilation_w, d->stride_w, p->conv.ow);
            if (oh < 0 || ow < 0) continue;
            for (size_t oc = group * ocg; oc < (group + 1) * ocg; oc++) {
                const size_t y = element_of(x.image, oh, ow, oc, p->conv.oh, p->conv.ow, d->oc);
                const size_t w = element_of(oc, kh, kw, x.c % icg, d->kh, d->kw, icg);
                sum += gradient(d, t, y) * (double)t->w[w];
            }
        }
    }
    return sum;
}

static double backward_weights_element(const struct cincel_problem *p, const struct cincel_tensors *t,
                                       size_t element)
{
    const cincel_conv_desc *d = &p->conv.d;
    const size_t icg = d->ic / d->groups;
    const struct place w = place_of(element, d->kh, d->kw, icg); /* image: the output channel */
    const size_t oc = w.image, group = oc / (d->oc / d->groups);
    double sum = d->accumulate ? (double)t->dw[element] : 0.0;

    for (int n = 0; n < d->n; n++) {
        for (int oh = 0; oh < p->conv.oh; oh++) {
            for (int ow = 0; ow < p->conv.ow; ow++) {
                const long ih = (long)oh * d->stride_h - d->pad_top + (long)w.h * d->dilation_h;
                const long iw = (long)ow * d->stride_w - d->pad_left + (long)w.w * d->dilation_w;
                if (ih < 0 || ih >= d->ih || iw < 0 || iw >= d->iw) continue;
                const size_t x = element_of(n, ih, iw, group * icg + w.c, d->ih, d->iw, d->ic);
                const size_t y = element_of(n, oh, ow, oc, p->conv.oh, p->conv.ow, d->oc);
                sum += (double)t->x[x] * gradient(d, t, y);
            }
        }
    }
    return sum;
}

size_t cincel_reference_size(const struct cincel_problem *p)
{
    if (p->op == CINCEL_OP_POOL) {
        const cincel_pool_desc *d = &p->pool.d;
        return p->pass == CINCEL_FORWARD ? (size_t)d->n * p->pool.oh * p->pool.ow * d->c
                                         : (size_t)d->n * d->ih * d->iw * d->c;
    }
    const cincel_conv_desc *d = &p->conv.d;
    switch (p->pass) {
    case CINCEL_FORWARD: return (size_t)d->n * p->conv.oh * p->conv.ow * d->oc;
    case CINCEL_BACKWARD_DATA: return (size_t)d->n * d->ih * d->iw * d->ic;
    case CINCEL_BACKWARD_WEIGHTS: return (size_t)d->oc * d->kh * d->kw * (d->ic / d->groups);
    case CINCEL_BACKWARD: break;
    }
    return 0;
}

void cincel_reference_conv(const struct cincel_problem *p, const struct cincel_tensors *t,
                           const size_t *index, size_t count, double *out)
{
    assert(p->op == CINCEL_OP_CONV);
    for (size_t i = 0; i < count; i++) {
        const size_t element = index ? index[i] : i;
        assert(element < cincel_reference_size(p));
        switch (p->pass) {
        case CINCEL_FORWARD: out[i] = forward_element(p, t, element); break;
        case CINCEL_BACKWARD_DATA: out[i] = backward_data_element(p, t, element); break;
        case CINCEL_BACKWARD_WEIGHTS: out[i] = backward_weights_element(p, t, element); break;
        case CINCEL_BACKWARD: assert(false); break;
        }
    }
}

void cincel_reference_conv_bias(const struct cincel_problem *p, const struct cincel_tensors *t,
                                const size_t *index, size_t count, double *out)
{
    assert(p->op == CINCEL_OP_CONV);
    const cincel_conv_desc *d = &p->conv.d;
    const size_t pixels = (size_t)d->n * p->conv.oh * p->conv.ow;

    for (size_t i = 0; i < count; i++) {
        const size_t oc = index ? index[i] : i;
        assert(oc < (size_t)d->oc);
        double sum = d->accumulate ? (double)t->db[oc] : 0.0;
        for (size_t pixel = 0; pixel < pixels; pixel++) sum += gradient(d, t, pixel * d->oc + oc);
        out[i] = sum;
    }
}

/* The input positions begin … end−1 of pooling window `o` along an axis. */
static void pool_window(int o, int in, int out, int adaptive, int kernel, int stride, int pad, long *begin,
                        long *end)
{
    const long start = (long)o * stride - pad;
    *begin = adaptive ? (long)o * in / out : start < 0 ? 0 : start;
    *end = adaptive ? (((long)o + 1) * in + out - 1) / out : start + kernel < in ? start + kernel : in;
}

/* A window of a pooling problem: the cells of the image it covers, and its first cell's place in it. */
struct pool_window {
    long h, h_end, w, w_end;
    long kh, kw;
};

static struct pool_window pool_window_at(const struct cincel_problem *p, int oh, int ow)
{
    const cincel_pool_desc *d = &p->pool.d;
    struct pool_window v;
    pool_window(oh, d->ih, p->pool.oh, d->oh, d->kh, d->stride_h, d->pad_top, &v.h, &v.h_end);
    pool_window(ow, d->iw, p->pool.ow, d->ow, d->kw, d->stride_w, d->pad_left, &v.w, &v.w_end);
    v.kh = d->oh ? 0 : v.h - ((long)oh * d->stride_h - d->pad_top);
    v.kw = d->ow ? 0 : v.w - ((long)ow * d->stride_w - d->pad_left);
    return v;
}

static double pool_divisor(const cincel_pool_desc *d, const struct pool_window *v)
{
    if (d->kind == CINCEL_POOL_AVG_INCLUDE_PAD) return (double)d->kh * d->kw;
    return (double)(v->h_end - v->h) * (double)(v->w_end - v->w);
}

void cincel_reference_maxpool_forward(const struct cincel_problem *p, const struct cincel_tensors *t,
                                      const size_t *index, size_t count, float *out, int32_t *argmax)
{
    assert(p->op == CINCEL_OP_POOL && p->pool.d.kind == CINCEL_POOL_MAX);
    const cincel_pool_desc *d = &p->pool.d;

    for (size_t i = 0; i < count; i++) {
        const struct place y = place_of(index ? index[i] : i, p->pool.oh, p->pool.ow, d->c);
        const struct pool_window v = pool_window_at(p, (int)y.h, (int)y.w);
        float best = 0.0f;
        long cell = -1;
        for (long h = v.h; h < v.h_end; h++) {
            for (long w = v.w; w < v.w_end; w++) {
                const float x = t->x[element_of(y.image, h, w, y.c, d->ih, d->iw, d->c)];
                if (cell < 0 || x > best || (isnan(x) && !isnan(best))) {
                    best = x;
                    cell = (v.kh + h - v.h) * d->kw + v.kw + w - v.w;
                }
            }
        }
        out[i] = best;
        if (argmax) argmax[i] = (int32_t)cell;
    }
}

void cincel_reference_avgpool_forward(const struct cincel_problem *p, const struct cincel_tensors *t,
                                      const size_t *index, size_t count, double *out)
{
    assert(p->op == CINCEL_OP_POOL && p->pool.d.kind != CINCEL_POOL_MAX);
    const cincel_pool_desc *d = &p->pool.d;

    for (size_t i = 0; i < count; i++) {
        const struct place y = place_of(index ? index[i] : i, p->pool.oh, p->pool.ow, d->c);
        const struct pool_window v = pool_window_at(p, (int)y.h, (int)y.w);
        double sum = 0.0;
        for (long h = v.h; h < v.h_end; h++)
            for (long w = v.w; w < v.w_end; w++)
                sum += (double)t->x[element_of(y.image, h, w, y.c, d->ih, d->iw, d->c)];
        out[i] = sum / pool_divisor(d, &v);
    }
}

/* What window (oh, ow) gives to its cell (h, w) at channel c. */
static double pool_share(const struct cincel_problem *p, const struct cincel_tensors *t, struct place x,
                         int oh, int ow, const struct pool_window *v)
{
    const cincel_pool_desc *d = &p->pool.d;
    const size_t y = element_of(x.image, oh, ow, x.c, p->pool.oh, p->pool.ow, d->c);
    if (d->kind != CINCEL_POOL_MAX) return (double)t->dy[y] / pool_divisor(d, v);
    const long cell = (v->kh + (long)x.h - v->h) * d->kw + v->kw + (long)x.w - v->w;
    const bool bytes = cincel_problem_argmax_bytes(p) == 1;
    const long winner = bytes ? ((const uint8_t *)t->argmax_in)[y] : ((const int32_t *)t->argmax_in)[y];
    return winner == cell ? (double)t->dy[y] : 0.0;
}

void cincel_reference_pool_backward(const struct cincel_problem *p, const struct cincel_tensors *t,
                                    const size_t *index, size_t count, double *out)
{
    assert(p->op == CINCEL_OP_POOL);
    const cincel_pool_desc *d = &p->pool.d;

    for (size_t i = 0; i < count; i++) {
        const size_t element = index ? index[i] : i;
        const struct place x = place_of(element, d->ih, d->iw, d->c);
        double sum = d->accumulate ? (double)t->dx[element] : 0.0;
        for (int oh = 0; oh < p->pool.oh; oh++) {
            const struct pool_window row = pool_window_at(p, oh, 0);
            if ((long)x.h < row.h || (long)x.h >= row.h_end) continue;
            for (int ow = 0; ow < p->pool.ow; ow++) {
                const struct pool_window v = pool_window_at(p, oh, ow);
                if ((long)x.w >= v.w && (long)x.w < v.w_end) sum += pool_share(p, t, x, oh, ow, &v);
            }
        }
        out[i] = sum;
    }
}
