#include "core/problem.h"

#include <float.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/abi.h"
#include "core/check.h"
#include "core/memory.h"
#include "core/rnn_problem.h"
#include "core/status.h"

/* ---------------------------------------------------------------------------- shared checks -- */

static const char *const pass_names[] = {"fwd", "bwd_data", "bwd_weights", "bwd"};

static cincel_status check_pass(const char *name, cincel_pass pass, cincel_pass last)
{
    if ((int)pass < CINCEL_FORWARD || pass > last) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: pass %d does not exist", name, (int)pass);
    }
    return CINCEL_OK;
}

cincel_status cincel_activation_check(const char *op, cincel_activation act, float alpha)
{
    if ((int)act < CINCEL_ACT_NONE || act > CINCEL_ACT_SILU) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: activation %d does not exist", op, (int)act);
    }
    if (cincel_activation_has_alpha(act) && !(alpha > 0.0f && alpha <= FLT_MAX)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: alpha is %g, must be finite and > 0", op,
                           (double)alpha);
    }
    return CINCEL_OK;
}

/* A backward pass has y but not z. */
static cincel_status check_foldable(const char *op, cincel_activation act, cincel_pass pass)
{
    if (pass == CINCEL_FORWARD || !cincel_activation_needs_input(act)) return CINCEL_OK;
    return cincel_fail(CINCEL_UNSUPPORTED, "%s: activation %s needs z: run it as its own pass", op,
                       act == CINCEL_ACT_GELU        ? "gelu"
                       : act == CINCEL_ACT_GELU_TANH ? "gelu_tanh"
                                                     : "silu");
}

static cincel_status check_layout(const char *op, cincel_layout layout)
{
    if (layout == CINCEL_NHWC || layout == CINCEL_NCHW) return CINCEL_OK;
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: layout %d does not exist", op, (int)layout);
}

/* One direction of a sliding window, with the names its fields have in messages. */
struct axis {
    const char *in_name, *out_name, *kernel_name, *low_name, *high_name;
    int in, kernel, stride, dilation, low, high;
};

static cincel_status check_padding(const char *op, const struct axis *a, const char *pad_name, int pad,
                                   int64_t extent)
{
    if (pad < 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s is %d, must be >= 0", op, pad_name, pad);
    if (pad < extent) return CINCEL_OK;
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s %d %s %s %lld", op, pad_name, pad,
                       pad == extent ? "must be below" : "exceeds", a->kernel_name, (long long)extent);
}

/* Everything along an axis fits an int: kernel extent, padded input and output. */
static cincel_status check_axis(const char *op, const struct axis *a, int *out)
{
    const int64_t extent = (int64_t)a->dilation * (a->kernel - 1) + 1;
    cincel_status status = check_padding(op, a, a->low_name, a->low, extent);
    if (!status) status = check_padding(op, a, a->high_name, a->high, extent);
    if (status) return status;
    const int64_t padded = (int64_t)a->in + a->low + a->high;
    if (padded > INT_MAX) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s %d is too large with %s %d and %s %d", op,
                           a->in_name, a->in, a->low_name, a->low, a->high_name, a->high);
    }
    if (extent > padded) {
        return cincel_fail(
            CINCEL_INVALID_ARGUMENT, "%s: %s would be empty: %s %lld exceeds %s %d with padding %d + %d", op,
            a->out_name, a->kernel_name, (long long)extent, a->in_name, a->in, a->low, a->high);
    }
    *out = (int)((padded - extent) / a->stride + 1);
    return CINCEL_OK;
}

/* ------------------------------------------------------------------------------ convolution -- */

static cincel_status check_conv(const char *op, const cincel_conv_desc *d, cincel_pass pass, int *oh, int *ow)
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
    const struct cincel_field accumulate = {"accumulate", d->accumulate};
    cincel_status status = cincel_check_positive(op, positive, sizeof positive / sizeof *positive);
    if (!status) status = cincel_activation_check(op, d->activation, d->alpha);
    if (!status) status = check_foldable(op, d->activation, pass);
    if (!status) status = cincel_check_switches(op, &accumulate, 1);
    if (!status) status = check_layout(op, d->layout);
    if (status) return status;
    if (d->weights_layout != CINCEL_OHWI && d->weights_layout != CINCEL_OIHW)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: weights_layout %d does not exist", op,
                           (int)d->weights_layout);
    status = cincel_check_groups(op, d->groups, d->ic, d->oc);
    if (status) return status;
    const char *height = d->dilation_h > 1 ? "dilated kernel height" : "kernel height";
    const char *width = d->dilation_w > 1 ? "dilated kernel width" : "kernel width";
    const struct axis h = {"ih",  "output height", height,        "pad_top",  "pad_bottom", d->ih,
                           d->kh, d->stride_h,     d->dilation_h, d->pad_top, d->pad_bottom};
    const struct axis w = {"iw",  "output width", width,         "pad_left",  "pad_right", d->iw,
                           d->kw, d->stride_w,    d->dilation_w, d->pad_left, d->pad_right};
    status = check_axis(op, &h, oh);
    if (!status) status = check_axis(op, &w, ow);
    if (!status) status = cincel_check_tensor(op, "x", (const int[]){d->n, d->ih, d->iw, d->ic});
    if (!status) status = cincel_check_tensor(op, "w", (const int[]){d->oc, d->kh, d->kw, d->ic / d->groups});
    if (!status) status = cincel_check_tensor(op, "y", (const int[]){d->n, *oh, *ow, d->oc});
    return status;
}

/* Fields that cannot matter get one value, so that equal problems have equal keys. */
static void normalise_conv(cincel_conv_desc *d, cincel_pass pass)
{
    if (d->kh == 1) d->dilation_h = 1;
    if (d->kw == 1) d->dilation_w = 1;
    if (pass == CINCEL_FORWARD) d->accumulate = 0;
    if (!cincel_activation_has_alpha(d->activation)) d->alpha = 0.0f;
}

cincel_status cincel_problem_conv(const cincel_conv_desc *d, cincel_pass pass, const char *name,
                                  struct cincel_problem *out)
{
    struct cincel_problem p = {.op = CINCEL_OP_CONV, .pass = pass, .conv = {.d = CINCEL_CONV_DESC_INIT}};
    cincel_status status = cincel_check_descriptor(name, d);
    if (!status) status = check_pass(name, pass, CINCEL_BACKWARD_WEIGHTS);
    if (!status) status = cincel_struct_in(name, d, sizeof *d, sizeof *d, &p.conv.d);
    if (!status) status = check_conv(name, &p.conv.d, pass, &p.conv.oh, &p.conv.ow);
    if (status) return status;
    normalise_conv(&p.conv.d, pass);
    *out = p;
    return CINCEL_OK;
}

cincel_status cincel_problem_linear(const cincel_linear_desc *d, cincel_pass pass, struct cincel_problem *out)
{
    static const char name[] = "linear";
    cincel_linear_desc known = CINCEL_LINEAR_DESC_INIT;
    cincel_status status = cincel_check_descriptor(name, d);
    if (!status) status = cincel_struct_in(name, d, sizeof *d, sizeof *d, &known);
    if (status) return status;
    const struct cincel_field positive[] = {{"n", known.n}, {"in", known.in}, {"out", known.out}};
    status = cincel_check_positive(name, positive, sizeof positive / sizeof *positive);
    if (status) return status;
    cincel_conv_desc conv = CINCEL_CONV_DESC_INIT;
    conv.n = known.n;
    conv.ic = known.in;
    conv.oc = known.out;
    conv.activation = known.activation;
    conv.accumulate = known.accumulate;
    conv.alpha = known.alpha;
    return cincel_problem_conv(&conv, pass, name, out);
}

/* ---------------------------------------------------------------------------------- pooling -- */

static const char pool_name[] = "pool";

/* Kind, extents and the fields that say which windows are meant. */
static cincel_status check_pool_fields(const cincel_pool_desc *d)
{
    const bool adaptive = d->oh != 0 || d->ow != 0;
    const struct cincel_field positive[] = {
        {"n", d->n},
        {"c", d->c},
        {"ih", d->ih},
        {"iw", d->iw},
        {adaptive ? "oh (with ow)" : "kh", adaptive ? d->oh : d->kh},
        {adaptive ? "ow (with oh)" : "kw", adaptive ? d->ow : d->kw},
        {"stride_h", adaptive ? 1 : d->stride_h},
        {"stride_w", adaptive ? 1 : d->stride_w},
    };
    const struct cincel_field accumulate = {"accumulate", d->accumulate};
    if ((int)d->kind < CINCEL_POOL_MAX || d->kind > CINCEL_POOL_AVG_EXCLUDE_PAD) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: kind %d does not exist", pool_name, (int)d->kind);
    }
    cincel_status status = cincel_check_positive(pool_name, positive, sizeof positive / sizeof *positive);
    if (!status) status = cincel_check_switches(pool_name, &accumulate, 1);
    return status ? status : check_layout(pool_name, d->layout);
}

/* Windows of an axis that `out` divides follow one another; others have at most in / out + 2 cells:
   one for each end that lies within a cell. */
static int adaptive_extent(int in, int out)
{
    const int bound = in / out + 2;
    return in % out == 0 ? in / out : bound < in ? bound : in;
}

/* The fields of sliding windows, where the descriptor asks for adaptive ones. */
static void normalise_adaptive(cincel_pool_desc *d)
{
    const bool sliding = d->ih % d->oh == 0 && d->iw % d->ow == 0;
    d->kh = adaptive_extent(d->ih, d->oh);
    d->kw = adaptive_extent(d->iw, d->ow);
    d->stride_h = sliding ? d->kh : 1;
    d->stride_w = sliding ? d->kw : 1;
    d->pad_top = d->pad_bottom = d->pad_left = d->pad_right = 0;
    if (sliding) d->oh = d->ow = 0;
}

/* Windows that do not slide: a plan looks at them one by one. */
static cincel_status check_adaptive(const cincel_pool_desc *d)
{
    enum { MOST = 1 << 20 };
    const struct cincel_field sizes[] = {{"ih", d->ih}, {"iw", d->iw}, {"oh", d->oh}, {"ow", d->ow}};
    for (size_t i = 0; d->oh > 0 && i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].value > MOST)
            return cincel_fail(CINCEL_UNSUPPORTED, "%s: %s is %d, adaptive windows that do not slide take %d",
                               pool_name, sizes[i].name, sizes[i].value, MOST);
    return CINCEL_OK;
}

static cincel_status check_pool(const cincel_pool_desc *d, int *oh, int *ow)
{
    const struct axis h = {"ih",         "output height", "kernel height", "pad_top", "pad_bottom",
                           d->ih,        d->kh,           d->stride_h,     1,         d->pad_top,
                           d->pad_bottom};
    const struct axis w = {"iw",        "output width", "kernel width", "pad_left",
                           "pad_right", d->iw,          d->kw,          d->stride_w,
                           1,           d->pad_left,    d->pad_right};
    cincel_status status = check_adaptive(d);
    if (!status) status = check_axis(pool_name, &h, oh);
    if (!status) status = check_axis(pool_name, &w, ow);
    if (status) return status;
    if (d->oh > 0) *oh = d->oh, *ow = d->ow;
    status = cincel_check_tensor(pool_name, "x", (const int[]){d->n, d->ih, d->iw, d->c});
    if (!status) status = cincel_check_tensor(pool_name, "y", (const int[]){d->n, *oh, *ow, d->c});
    if (!status && d->kind == CINCEL_POOL_MAX && (int64_t)d->kh * d->kw > INT32_MAX) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: a window of kh %d x kw %d cells is too large",
                           pool_name, d->kh, d->kw);
    }
    return status;
}

/* Fields that cannot matter get one value, so that equal problems have equal keys. */
static void normalise_pool(struct cincel_problem *p)
{
    cincel_pool_desc *d = &p->pool.d;
    if (p->pool.oh == 1) d->stride_h = 1;
    if (p->pool.ow == 1) d->stride_w = 1;
    const bool padded = d->pad_top || d->pad_bottom || d->pad_left || d->pad_right;
    if (d->kind == CINCEL_POOL_AVG_EXCLUDE_PAD && !padded) d->kind = CINCEL_POOL_AVG_INCLUDE_PAD;
    if (d->kind != CINCEL_POOL_MAX && d->oh > 0) d->kind = CINCEL_POOL_AVG_EXCLUDE_PAD;
    if (p->pass == CINCEL_FORWARD) d->accumulate = 0;
}

cincel_status cincel_problem_pool(const cincel_pool_desc *d, cincel_pass pass, struct cincel_problem *out)
{
    struct cincel_problem p = {.op = CINCEL_OP_POOL, .pass = pass, .pool = {.d = CINCEL_POOL_DESC_INIT}};
    cincel_status status = cincel_check_descriptor(pool_name, d);
    if (!status) status = check_pass(pool_name, pass, CINCEL_BACKWARD_DATA);
    if (!status) status = cincel_struct_in(pool_name, d, sizeof *d, sizeof *d, &p.pool.d);
    if (!status) status = check_pool_fields(&p.pool.d);
    if (status) return status;
    if (p.pool.d.oh > 0) normalise_adaptive(&p.pool.d);
    status = check_pool(&p.pool.d, &p.pool.oh, &p.pool.ow);
    if (status) return status;
    normalise_pool(&p);
    *out = p;
    return CINCEL_OK;
}

/* ----------------------------------------------------------------------------- key and cost -- */

/* ":3c23d70a", the bits: decimals would need a decimal point, which is the locale's. */
static void print_alpha(float alpha, char *out, size_t size)
{
    uint32_t bits;
    memcpy(&bits, &alpha, sizeof bits);
    snprintf(out, size, ":%08x", (unsigned)bits);
}

bool cincel_problem_key(const struct cincel_problem *p, char *out, size_t size)
{
    int length;
    if (p->op == CINCEL_OP_CONV) {
        const cincel_conv_desc *d = &p->conv.d;
        char alpha[16] = "";
        if (cincel_activation_has_alpha(d->activation)) print_alpha(d->alpha, alpha, sizeof alpha);
        length = snprintf(
            out, size, "conv/%s n%d g%d ic%d ih%d iw%d oc%d k%dx%d s%dx%d p%d,%d,%d,%d d%dx%d act%d%s acc%d",
            pass_names[p->pass], d->n, d->groups, d->ic, d->ih, d->iw, d->oc, d->kh, d->kw, d->stride_h,
            d->stride_w, d->pad_top, d->pad_bottom, d->pad_left, d->pad_right, d->dilation_h, d->dilation_w,
            (int)d->activation, alpha, d->accumulate);
    } else if (p->op == CINCEL_OP_RNN) {
        const cincel_rnn_desc *d = &p->rnn.d;
        length = snprintf(out, size, "%s/%s t%d b%d i%d h%d train%d first%d before%d acc%d",
                          cincel_rnn_cell_name(d->cell), pass_names[p->pass], d->steps, d->batch, d->input,
                          d->hidden, d->training, d->batch_first, d->reset_before, d->accumulate);
    } else {
        const cincel_pool_desc *d = &p->pool.d;
        static const char *const kinds[] = {"maxpool", "avgpool", "avgpool_valid"};
        char adaptive[32] = "";
        if (d->oh > 0) snprintf(adaptive, sizeof adaptive, " o%dx%d", d->oh, d->ow);
        length =
            snprintf(out, size, "%s/%s n%d c%d ih%d iw%d k%dx%d s%dx%d p%d,%d,%d,%d acc%d%s", kinds[d->kind],
                     pass_names[p->pass], d->n, d->c, d->ih, d->iw, d->kh, d->kw, d->stride_h, d->stride_w,
                     d->pad_top, d->pad_bottom, d->pad_left, d->pad_right, d->accumulate, adaptive);
    }
    return length >= 0 && (size_t)length < size;
}

double cincel_problem_flops(const struct cincel_problem *p)
{
    if (p->op == CINCEL_OP_POOL) return 0.0;
    if (p->op == CINCEL_OP_RNN) return cincel_rnn_flops(p);
    const cincel_conv_desc *d = &p->conv.d;
    return 2.0 * d->n * p->conv.oh * p->conv.ow * d->oc * d->kh * d->kw * (d->ic / d->groups);
}

/* Elements of x: strides wider than the kernel pass over some, but every one of dx is written. */
static double conv_input(const struct cincel_problem *p)
{
    const cincel_conv_desc *d = &p->conv.d;
    const bool whole = p->pass == CINCEL_BACKWARD_DATA;
    const double met_h = (double)p->conv.oh * d->kh, met_w = (double)p->conv.ow * d->kw;
    const double rows = !whole && met_h < d->ih ? met_h : d->ih;
    const double columns = !whole && met_w < d->iw ? met_w : d->iw;
    return d->n * rows * columns * d->ic;
}

static double conv_bytes(const struct cincel_problem *p)
{
    const cincel_conv_desc *d = &p->conv.d;
    const double x = conv_input(p);
    const double w = (double)d->oc * d->kh * d->kw * (d->ic / d->groups);
    const double y = (double)d->n * p->conv.oh * p->conv.ow * d->oc;
    double floats = x + w + y;
    if (p->pass == CINCEL_FORWARD) return sizeof(float) * floats;
    if (d->activation != CINCEL_ACT_NONE) floats += y; /* for the activation's gradient */
    if (d->accumulate) floats += p->pass == CINCEL_BACKWARD_DATA ? x : w;
    return sizeof(float) * floats;
}

size_t cincel_problem_argmax_bytes(const struct cincel_problem *p)
{
    const cincel_pool_desc *d = &p->pool.d;
    if (p->op != CINCEL_OP_POOL || d->kind != CINCEL_POOL_MAX) return 0;
    return (int64_t)d->kh * d->kw <= UINT8_MAX + 1 ? 1 : sizeof(int32_t);
}

double cincel_problem_bytes(const struct cincel_problem *p)
{
    if (p->op == CINCEL_OP_CONV) return conv_bytes(p);
    if (p->op == CINCEL_OP_RNN) return cincel_rnn_bytes(p);
    const cincel_pool_desc *d = &p->pool.d;
    const double x = (double)d->n * d->ih * d->iw * d->c;
    const double y = (double)d->n * p->pool.oh * p->pool.ow * d->c;
    const double argmax_bytes = y * (double)cincel_problem_argmax_bytes(p);
    return sizeof(float) * (x + y + (d->accumulate ? x : 0.0)) + argmax_bytes;
}
