/*
 * Gradients of whole models against finite differences of the loss.
 *
 * The loss is computed by a plain double-precision model written here, so that a step of 1e-6 can be
 * taken: central differences are then good to 1e-8, ReLU and max kinks lie closer than the step with
 * negligible probability (and the seeds are fixed), and every parameter can be asked for 1e-3 relative.
 * A second check differentiates the library's own loss along its gradient.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/philox.h"
#include "tests/support/cases.h"
#include "train/model.h"
#include "train/random.h"

static const double TOLERANCE = 1e-3;

enum { SEED = 99 }; /* of dropout */

/* ------------------------------------------------------------------------- double-precision model -- */

static double *reference_conv(const struct layer *layer, const double *w, const double *b, const double *x,
                              int n)
{
    const cincel_conv2d_options *o = &layer->as.conv;
    const struct layer_shape in = layer->in, out = layer->out;
    const int icg = in.c / o->groups, ocg = out.c / o->groups;
    double *y = calloc((size_t)n * layer_shape_count(out), sizeof *y), *to = y;
    for (int i = 0; i < n; i++)
        for (int oh = 0; oh < out.h; oh++)
            for (int ow = 0; ow < out.w; ow++)
                for (int oc = 0; oc < out.c; oc++) {
                    double sum = b ? b[oc] : 0.0;
                    for (int kh = 0; kh < o->kernel_h; kh++)
                        for (int kw = 0; kw < o->kernel_w; kw++) {
                            const int ih = oh * o->stride_h - o->pad_top + kh * o->dilation_h;
                            const int iw = ow * o->stride_w - o->pad_left + kw * o->dilation_w;
                            if (ih < 0 || ih >= in.h || iw < 0 || iw >= in.w) continue;
                            const double *px =
                                x + (((size_t)i * in.h + ih) * in.w + iw) * in.c + oc / ocg * icg;
                            const double *pw = w + (((size_t)oc * o->kernel_h + kh) * o->kernel_w + kw) * icg;
                            for (int c = 0; c < icg; c++) sum += px[c] * pw[c];
                        }
                    *to++ = sum;
                }
    return y;
}

/* Each input pixel spreads its kernel over the output. */
static double *reference_conv_transpose(const struct layer *layer, const double *w, const double *b,
                                        const double *x, int n)
{
    const cincel_conv_transpose2d_options *o = &layer->as.conv_transpose;
    const struct layer_shape in = layer->in, out = layer->out;
    const int icg = in.c / o->groups, ocg = out.c / o->groups;
    double *y = calloc((size_t)n * layer_shape_count(out), sizeof *y);
    for (size_t i = 0; b && i < (size_t)n * layer_shape_count(out); i++) y[i] = b[i % (size_t)out.c];
    for (int i = 0; i < n; i++)
        for (int ih = 0; ih < in.h; ih++)
            for (int iw = 0; iw < in.w; iw++)
                for (int ic = 0; ic < in.c; ic++) {
                    const double value = x[(((size_t)i * in.h + ih) * in.w + iw) * in.c + ic];
                    for (int k = 0; k < o->kernel_h * o->kernel_w; k++) {
                        const int oh = ih * o->stride_h - o->pad_top + k / o->kernel_w * o->dilation_h;
                        const int ow = iw * o->stride_w - o->pad_left + k % o->kernel_w * o->dilation_w;
                        if (oh < 0 || oh >= out.h || ow < 0 || ow >= out.w) continue;
                        double *to = y + (((size_t)i * out.h + oh) * out.w + ow) * out.c + ic / icg * ocg;
                        const double *pw = w + ((size_t)ic * o->kernel_h * o->kernel_w + k) * ocg;
                        for (int c = 0; c < ocg; c++) to[c] += value * pw[c];
                    }
                }
    return y;
}

static double *reference_linear(const struct layer *layer, const double *w, const double *b, const double *x,
                                int n)
{
    const int in = layer->in.c, out = layer->out.c;
    double *y = calloc((size_t)n * out, sizeof *y);
    for (int i = 0; i < n; i++)
        for (int o = 0; o < out; o++) {
            double sum = b ? b[o] : 0.0;
            for (int k = 0; k < in; k++) sum += w[(size_t)o * in + k] * x[(size_t)i * in + k];
            y[(size_t)i * out + o] = sum;
        }
    return y;
}

/* Where window `i` of an axis begins and ends. */
static void window(int i, int in, int out, bool adaptive, int kernel, int stride, int pad, int *begin,
                   int *end)
{
    *begin = adaptive ? (int)((long)i * in / out) : i * stride - pad;
    *end = adaptive ? (int)(((long)(i + 1) * in + out - 1) / out) : *begin + kernel;
}

static double *reference_pool(const struct layer *layer, const double *x, int n)
{
    const struct layer_shape in = layer->in, out = layer->out;
    const cincel_pool2d_options *o = &layer->as.pool;
    const bool adaptive = o->out_h > 0;
    double *y = calloc((size_t)n * layer_shape_count(out), sizeof *y), *to = y;
    for (int i = 0; i < n; i++)
        for (int oh = 0; oh < out.h; oh++)
            for (int ow = 0; ow < out.w; ow++)
                for (int c = 0; c < out.c; c++) {
                    int top, bottom, left, right, inside = 0;
                    double max = -INFINITY, sum = 0.0;
                    window(oh, in.h, out.h, adaptive, o->kernel_h, o->stride_h, o->pad_top, &top, &bottom);
                    window(ow, in.w, out.w, adaptive, o->kernel_w, o->stride_w, o->pad_left, &left, &right);
                    for (int ih = top; ih < bottom; ih++)
                        for (int iw = left; iw < right; iw++) {
                            if (ih < 0 || ih >= in.h || iw < 0 || iw >= in.w) continue;
                            const double value = x[(((size_t)i * in.h + ih) * in.w + iw) * in.c + c];
                            max = fmax(max, value);
                            sum += value;
                            inside++;
                        }
                    const int area = (bottom - top) * (right - left);
                    *to++ = o->kind == CINCEL_POOL_MAX               ? max
                            : o->kind == CINCEL_POOL_AVG_INCLUDE_PAD ? sum / area
                                                                     : sum / inside;
                }
    return y;
}

static double reference_activation(cincel_activation act, double alpha, double z)
{
    switch (act) {
    case CINCEL_ACT_NONE: return z;
    case CINCEL_ACT_RELU: return fmax(z, 0.0);
    case CINCEL_ACT_LEAKY_RELU: return z > 0.0 ? z : alpha * z;
    case CINCEL_ACT_ELU: return z > 0.0 ? z : alpha * expm1(z);
    case CINCEL_ACT_SIGMOID: return 1.0 / (1.0 + exp(-z));
    case CINCEL_ACT_TANH: return tanh(z);
    case CINCEL_ACT_GELU: return 0.5 * z * erfc(-z * sqrt(0.5));
    case CINCEL_ACT_GELU_TANH: {
        static const double PI = 3.14159265358979323846;
        return 0.5 * z * (1.0 + tanh(sqrt(2.0 / PI) * (z + 0.044715 * z * z * z)));
    }
    case CINCEL_ACT_SILU: return z / (1.0 + exp(-z));
    }
    return NAN;
}

/* Parameters of the model, in its arrangement, as doubles. */
static double *reference_parameters(const cincel_model *model)
{
    double *p = calloc(model->block, sizeof *p);
    for (size_t i = 0; i < model->block; i++) p[i] = model->parameters[i];
    return p;
}

/* Multiplies by what cincel_dropout makes of ones in a session's step number `steps`: 0 or 1 / (1 − p). */
static void reference_dropout(const cincel_model *model, size_t l, double *values, size_t count)
{
    cincel_context *ctx;
    float *mask = malloc(count * sizeof *mask);
    for (size_t i = 0; i < count; i++) mask[i] = 1.0f;
    const uint64_t stream = (uint64_t)(RANDOM_DROPOUT + l) << 32;
    assert_int_equal(cincel_context_create(NULL, &ctx), CINCEL_OK);
    assert_int_equal(cincel_dropout(ctx, model->layer[l].as.drop, SEED, stream, mask, mask, count),
                     CINCEL_OK);
    cincel_context_destroy(ctx);
    for (size_t i = 0; i < count; i++) values[i] *= mask[i];
    free(mask);
}

/* Groups of numbers with one mean and one variance each: the channels of a batch, or its samples. Element
   (group, member) is at group · group_step + member · member_step; weight and bias go by group for a batch
   norm, by member for a layer norm. */
static void normalise(double *x, size_t groups, size_t members, size_t group_step, size_t member_step,
                      double eps, const double *weight, const double *bias, bool by_group)
{
    for (size_t g = 0; g < groups; g++) {
        double mean = 0.0, variance = 0.0;
        double *at = x + g * group_step;
        for (size_t m = 0; m < members; m++) mean += at[m * member_step] / (double)members;
        for (size_t m = 0; m < members; m++) variance += pow(at[m * member_step] - mean, 2) / (double)members;
        for (size_t m = 0; m < members; m++) {
            double *v = &at[m * member_step];
            const size_t w = by_group ? g : m;
            *v = (*v - mean) / sqrt(variance + eps) * weight[w] + bias[w];
        }
    }
}

static double reference_loss(const cincel_model *model, const double *parameters, const float *x,
                             const int32_t *labels, int n)
{
    const size_t inputs = (size_t)n * layer_shape_count(model->in);
    double *now = calloc(inputs, sizeof *now);
    for (size_t i = 0; i < inputs; i++) now[i] = x[i];
    for (size_t l = 0; l < model->layers; l++) {
        const struct layer *layer = &model->layer[l];
        const double *w = layer->tensors > 0 ? parameters + layer->tensor[0].offset : NULL;
        const double *b = layer->tensors > 1 ? parameters + layer->tensor[1].offset : NULL;
        double *next = NULL;
        if (layer->kind == &cincel_layer_conv2d) next = reference_conv(layer, w, b, now, n);
        if (layer->kind == &cincel_layer_conv_transpose2d)
            next = reference_conv_transpose(layer, w, b, now, n);
        if (layer->kind == &cincel_layer_linear) next = reference_linear(layer, w, b, now, n);
        if (layer->kind == &cincel_layer_max_pool2d || layer->kind == &cincel_layer_avg_pool2d)
            next = reference_pool(layer, now, n);
        if (layer->kind->activation != CINCEL_ACT_NONE) {
            for (size_t i = 0; i < (size_t)n * layer_shape_count(layer->out); i++)
                now[i] = reference_activation(layer->kind->activation, layer->alpha, now[i]);
        }
        const size_t numbers = layer_shape_count(layer->out), channels = (size_t)layer->out.c;
        if (layer->kind == &cincel_layer_batch_norm)
            normalise(now, channels, (size_t)n * numbers / channels, 1, channels, layer->as.norm.eps, w, b,
                      true);
        if (layer->kind == &cincel_layer_layer_norm)
            normalise(now, (size_t)n, numbers, numbers, 1, layer->as.norm.eps, w, b, false);
        if (layer->kind == &cincel_layer_dropout)
            reference_dropout(model, l, now, (size_t)n * layer_shape_count(layer->out));
        if (next) {
            free(now);
            now = next;
        }
    }
    const size_t classes = layer_shape_count(cincel_model_out(model));
    double loss = 0.0;
    for (int i = 0; i < n; i++) {
        const double *z = now + (size_t)i * classes;
        double max = z[0], sum = 0.0;
        for (size_t c = 1; c < classes; c++) max = fmax(max, z[c]);
        for (size_t c = 0; c < classes; c++) sum += exp(z[c] - max);
        loss += log(sum) + max - z[labels[i]];
    }
    free(now);
    return loss / n;
}

/* ----------------------------------------------------------------------------------------- checks -- */

struct sample {
    float *x;
    int32_t *labels;
    int n;
};

static struct sample make_sample(const cincel_model *model, int n, uint64_t seed)
{
    const struct cincel_random random = {seed, 0xda7a, 0};
    const size_t count = (size_t)n * layer_shape_count(model->in);
    struct sample s = {calloc(count, sizeof(float)), calloc((size_t)n, sizeof(int32_t)), n};
    cincel_random_fill_normal(&random, 0, s.x, count);
    const uint32_t classes = (uint32_t)layer_shape_count(cincel_model_out(model));
    for (int i = 0; i < n; i++) {
        s.labels[i] = (int32_t)cincel_random_below(&random, ((uint64_t)1 << 33) + (uint64_t)i, classes);
    }
    return s;
}

/* Each tensor's gradient at `probes` elements: relative to the element where it is not small beside the
   tensor's RMS, to a tenth of the RMS where it is. */
static void check_elements(const cincel_model *model, const cincel_session *session, const struct sample *s,
                           long probes, uint64_t seed)
{
    double *p = reference_parameters(model);
    for (size_t i = 0; i < model->tensors; i++) {
        const struct layer_tensor *t = cincel_model_tensor(model, i);
        const float *gradient = cincel_session_gradient(session, i);
        double square = 0.0;
        for (size_t e = 0; e < t->count; e++) square += (double)gradient[e] * gradient[e];
        const double floor = 0.1 * sqrt(square / (double)t->count);
        assert_true(floor > 0.0);
        const struct cincel_random random = {seed, 0x9e0be, (uint32_t)i};
        for (long probe = 0; probe < probes; probe++) {
            const size_t e = cincel_random_below(&random, (uint64_t)probe, (uint32_t)t->count);
            double *w = p + t->offset + e;
            const double kept = *w, h = 1e-6;
            *w = kept + h;
            const double above = reference_loss(model, p, s->x, s->labels, s->n);
            *w = kept - h;
            const double below = reference_loss(model, p, s->x, s->labels, s->n);
            *w = kept;
            const double expected = (above - below) / (2.0 * h);
            const double error = fabs(gradient[e] - expected) / fmax(fabs(expected), floor);
            if (error > TOLERANCE) {
                fail_msg("seed %llu, %s[%zu]: gradient %.8g, finite difference %.8g, relative error %.2g",
                         (unsigned long long)seed, t->name, e, (double)gradient[e], expected, error);
            }
        }
    }
    free(p);
}

/* dL/dh along the gradient is its length: the library's own loss, in the library's own precision. */
static void check_direction(cincel_model *model, cincel_session *session, const struct sample *s)
{
    double square = 0.0, above, below;
    float *direction = calloc(model->block, sizeof *direction), *kept = calloc(model->block, sizeof *kept);
    for (size_t i = 0; i < model->tensors; i++) {
        const struct layer_tensor *t = cincel_model_tensor(model, i);
        const float *gradient = cincel_session_gradient(session, i);
        memcpy(layer_tensor_in(direction, t), gradient, t->count * sizeof *gradient);
        for (size_t e = 0; e < t->count; e++) square += (double)gradient[e] * gradient[e];
    }
    memcpy(kept, model->parameters, model->block * sizeof *kept);
    const double length = sqrt(square), h = 3e-4 / length; /* rounding 1e-7 / h·length² ≈ truncation */
    for (size_t i = 0; i < model->block; i++) model->parameters[i] = (float)(kept[i] + h * direction[i]);
    assert_int_equal(cincel_session_gradients(session, s->x, s->labels, s->n, &above, NULL), CINCEL_OK);
    for (size_t i = 0; i < model->block; i++) model->parameters[i] = (float)(kept[i] - h * direction[i]);
    assert_int_equal(cincel_session_gradients(session, s->x, s->labels, s->n, &below, NULL), CINCEL_OK);
    memcpy(model->parameters, kept, model->block * sizeof *kept);
    const double slope = (above - below) / (2.0 * h), error = fabs(slope - square) / square;
    if (error > 2e-2) fail_msg("slope along the gradient %.6g, its square length %.6g", slope, square);
    free(kept);
    free(direction);
}

static void check_model(cincel_model *model, int n, long probes, uint64_t seed)
{
    cincel_context *ctx;
    cincel_session *session;
    assert_int_equal(cincel_context_create(NULL, &ctx), CINCEL_OK);
    assert_int_equal(cincel_model_init(model, CINCEL_INIT_KAIMING, seed), CINCEL_OK);
    for (size_t i = 0; i < model->tensors; i++) {
        const struct layer_tensor *t = cincel_model_tensor(model, i);
        const struct cincel_random random = {seed, 0x907b, (uint32_t)i};
        float *data = layer_tensor_in(model->parameters, t);
        for (size_t e = 0; e < t->count && t->role >= TENSOR_ONES; e++)
            data[e] += cincel_random_uniform(&random, e) - 0.5f;
    }
    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    o.batch = n;
    o.training = 1;
    cincel_options plan = CINCEL_OPTIONS_INIT;
    plan.effort = CINCEL_ESTIMATE;
    o.plan = &plan;
    o.seed = SEED;
    assert_int_equal(cincel_session_create(ctx, model, &o, &session), CINCEL_OK);
    struct sample s = make_sample(model, n, seed);

    bool drops = false;
    for (size_t l = 0; l < model->layers; l++) drops = drops || model->layer[l].kind == &cincel_layer_dropout;
    double loss;
    assert_int_equal(cincel_session_gradients(session, s.x, s.labels, n, &loss, NULL), CINCEL_OK);
    double *p = reference_parameters(model);
    const double expected = reference_loss(model, p, s.x, s.labels, n);
    if (fabs(loss - expected) > 1e-5 * fabs(expected)) fail_msg("loss %.9g, expected %.9g", loss, expected);
    free(p);
    check_elements(model, session, &s, probes, seed);
    if (!drops) check_direction(model, session, &s); /* every step drops others */

    free(s.x);
    free(s.labels);
    cincel_session_destroy(session);
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
}

static void test_simplecnn(void **state)
{
    (void)state;
    cincel_model *model;
    assert_int_equal(cincel_model_builtin("simplecnn", 28, 28, 1, 10, &model), CINCEL_OK);
    check_model(model, 2, test_cases(6), 11);
}

static void test_small_simplecnn(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        cincel_model *model;
        assert_int_equal(cincel_model_builtin("simplecnn", 8, 12, 2, 3, &model), CINCEL_OK);
        check_model(model, 3, test_cases(10), seed);
    }
}

/* What the schedule must get right beyond simplecnn: a pool and a ReLU before the first parameters, a ReLU
   no layer can fuse, overlapping and padded pooling behind a fused one, groups, stride, dilation, no bias,
   a ReLU behind a flatten, and one at the very end. */
static void test_unusual_order(void **state)
{
    (void)state;
    cincel_model *model;
    cincel_conv2d_options o = CINCEL_CONV2D_OPTIONS_INIT;
    assert_int_equal(cincel_model_create(13, 11, 2, &model), CINCEL_OK);
    assert_int_equal(cincel_model_add_max_pool2d(model, 2, 1, 0), CINCEL_OK);
    o.out_channels = 6;
    o.groups = 2;
    o.kernel_w = 2;
    o.stride_w = 2;
    o.pad_top = 1;
    o.bias = 0;
    assert_int_equal(cincel_model_add_conv2d(model, &o), CINCEL_OK);
    assert_int_equal(cincel_model_add_relu(model), CINCEL_OK);
    assert_int_equal(cincel_model_add_max_pool2d(model, 3, 2, 1), CINCEL_OK);
    assert_int_equal(cincel_model_add_relu(model), CINCEL_OK);
    o = (cincel_conv2d_options)CINCEL_CONV2D_OPTIONS_INIT;
    o.out_channels = 5;
    o.kernel_h = 2;
    o.dilation_h = 2;
    o.pad_left = 2;
    assert_int_equal(cincel_model_add_conv2d(model, &o), CINCEL_OK);
    assert_int_equal(cincel_model_add_flatten(model), CINCEL_OK);
    assert_int_equal(cincel_model_add_relu(model), CINCEL_OK);
    assert_int_equal(cincel_model_add_linear(model, 7, 1), CINCEL_OK);
    assert_int_equal(cincel_model_add_linear(model, 6, 0), CINCEL_OK);
    assert_int_equal(cincel_model_add_relu(model), CINCEL_OK);
    check_model(model, 4, test_cases(20), 3);
}

/* Each activation behind a convolution (fused, but for those that need what went into them), behind a max
   pool that moves its mask, alone behind an average pool, and at the end. */
static void test_activations(void **state)
{
    (void)state;
    for (int act = CINCEL_ACT_RELU; act <= CINCEL_ACT_SILU; act++) {
        cincel_model *model;
        cincel_conv2d_options o = CINCEL_CONV2D_OPTIONS_INIT;
        cincel_pool2d_options p = CINCEL_POOL2D_OPTIONS_INIT;
        o.out_channels = 5;
        p.kind = CINCEL_POOL_AVG_EXCLUDE_PAD;
        p.pad_top = 1;
        assert_int_equal(cincel_model_create(9, 11, 2, &model), CINCEL_OK);
        assert_int_equal(cincel_model_add_conv2d(model, &o), CINCEL_OK);
        assert_int_equal(cincel_model_add_activation(model, (cincel_activation)act, 0.3f), CINCEL_OK);
        assert_int_equal(cincel_model_add_max_pool2d(model, 2, 1, 0), CINCEL_OK);
        assert_int_equal(cincel_model_add_pool2d(model, &p), CINCEL_OK);
        assert_int_equal(cincel_model_add_activation(model, (cincel_activation)act, 0.7f), CINCEL_OK);
        assert_int_equal(cincel_model_add_flatten(model), CINCEL_OK);
        assert_int_equal(cincel_model_add_linear(model, 6, 1), CINCEL_OK);
        assert_int_equal(cincel_model_add_activation(model, (cincel_activation)act, 0.1f), CINCEL_OK);
        check_model(model, 3, test_cases(8), 40 + (uint64_t)act);
    }
}

/* All kinds of windows, between convolutions so that gradients pass through them. */
static void test_pools(void **state)
{
    (void)state;
    static const cincel_pool2d_options pools[] = {
        {sizeof(cincel_pool2d_options), CINCEL_POOL_AVG_INCLUDE_PAD, 3, 2, 2, 1, 1, 0, 0, 1, 0, 0},
        {sizeof(cincel_pool2d_options), CINCEL_POOL_AVG_EXCLUDE_PAD, 3, 2, 2, 1, 1, 2, 1, 0, 0, 0},
        {sizeof(cincel_pool2d_options), CINCEL_POOL_MAX, 2, 3, 1, 2, 1, 0, 0, 1, 0, 0},
        {sizeof(cincel_pool2d_options), CINCEL_POOL_AVG_INCLUDE_PAD, 2, 2, 2, 2, 0, 0, 0, 0, 4, 3},
        {sizeof(cincel_pool2d_options), CINCEL_POOL_MAX, 2, 2, 2, 2, 0, 0, 0, 0, 3, 5},
        {sizeof(cincel_pool2d_options), CINCEL_POOL_AVG_EXCLUDE_PAD, 2, 2, 2, 2, 0, 0, 0, 0, 1, 1},
        {sizeof(cincel_pool2d_options), CINCEL_POOL_MAX, 2, 2, 2, 2, 0, 0, 0, 0, 1, 1},
    };
    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++) {
        cincel_model *model;
        cincel_conv2d_options o = CINCEL_CONV2D_OPTIONS_INIT;
        o.out_channels = 6;
        assert_int_equal(cincel_model_create(10, 13, 2, &model), CINCEL_OK);
        assert_int_equal(cincel_model_add_conv2d(model, &o), CINCEL_OK);
        assert_int_equal(cincel_model_add_activation(model, CINCEL_ACT_ELU, 0.5f), CINCEL_OK);
        assert_int_equal(cincel_model_add_pool2d(model, &pools[i]), CINCEL_OK);
        o.kernel_h = o.kernel_w = 1;
        assert_int_equal(cincel_model_add_conv2d(model, &o), CINCEL_OK);
        assert_int_equal(cincel_model_add_flatten(model), CINCEL_OK);
        assert_int_equal(cincel_model_add_linear(model, 4, 1), CINCEL_OK);
        check_model(model, 3, test_cases(8), 60 + i);
    }
}

/* Before the first parameters, behind a fused activation, and alone. */
static void test_dropout(void **state)
{
    (void)state;
    cincel_model *model;
    cincel_conv2d_options o = CINCEL_CONV2D_OPTIONS_INIT;
    o.out_channels = 5;
    assert_int_equal(cincel_model_create(8, 7, 2, &model), CINCEL_OK);
    assert_int_equal(cincel_model_add_dropout(model, 0.1f), CINCEL_OK);
    assert_int_equal(cincel_model_add_conv2d(model, &o), CINCEL_OK);
    assert_int_equal(cincel_model_add_relu(model), CINCEL_OK);
    assert_int_equal(cincel_model_add_dropout(model, 0.5f), CINCEL_OK);
    assert_int_equal(cincel_model_add_flatten(model), CINCEL_OK);
    assert_int_equal(cincel_model_add_linear(model, 30, 1), CINCEL_OK);
    assert_int_equal(cincel_model_add_dropout(model, 0.25f), CINCEL_OK);
    assert_int_equal(cincel_model_add_linear(model, 4, 1), CINCEL_OK);
    check_model(model, 4, test_cases(20), 71);
}

/* Both norms on images and on vectors, between convolutions, at the very beginning, and behind a flatten. The
   weights are drawn, not ones, so that the gradient through them counts. */
static void test_norms(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        cincel_model *model;
        cincel_conv2d_options o = CINCEL_CONV2D_OPTIONS_INIT;
        o.out_channels = 5;
        o.pad_top = o.pad_left = o.pad_bottom = o.pad_right =
            1;      /* else the norm behind takes the one before away */
        o.bias = 0; /* as it does with a bias */
        assert_int_equal(cincel_model_create(8, 7, 2, &model), CINCEL_OK);
        if (first) assert_int_equal(cincel_model_add_layer_norm(model, 1e-3f), CINCEL_OK);
        if (!first) assert_int_equal(cincel_model_add_batch_norm(model, 1e-3f, 0.1f), CINCEL_OK);
        assert_int_equal(cincel_model_add_conv2d(model, &o), CINCEL_OK);
        assert_int_equal(cincel_model_add_batch_norm(model, 1e-5f, 0.1f), CINCEL_OK);
        assert_int_equal(cincel_model_add_activation(model, CINCEL_ACT_TANH, 0), CINCEL_OK);
        assert_int_equal(cincel_model_add_layer_norm(model, 1e-5f), CINCEL_OK);
        assert_int_equal(cincel_model_add_max_pool2d(model, 2, 2, 0), CINCEL_OK);
        assert_int_equal(cincel_model_add_flatten(model), CINCEL_OK);
        assert_int_equal(cincel_model_add_batch_norm(model, 0.1f, 0.1f), CINCEL_OK);
        assert_int_equal(cincel_model_add_linear(model, 9, 1), CINCEL_OK);
        assert_int_equal(cincel_model_add_layer_norm(model, 1e-5f), CINCEL_OK);
        assert_int_equal(cincel_model_add_linear(model, 4, 1), CINCEL_OK);
        check_model(model, 6, test_cases(10), 80 + (uint64_t)first);
    }
}

static void test_conv_transpose(void **state)
{
    (void)state;
    cincel_model *model;
    cincel_conv2d_options c = CINCEL_CONV2D_OPTIONS_INIT;
    cincel_conv_transpose2d_options o = CINCEL_CONV_TRANSPOSE2D_OPTIONS_INIT;
    c.out_channels = 4;
    assert_int_equal(cincel_model_create(7, 6, 2, &model), CINCEL_OK);
    assert_int_equal(cincel_model_add_conv2d(model, &c), CINCEL_OK);
    assert_int_equal(cincel_model_add_relu(model), CINCEL_OK);
    o.out_channels = 6;
    o.groups = 2;
    o.kernel_h = 3;
    o.stride_w = 3;
    o.pad_top = 1;
    o.out_pad_h = 1;
    assert_int_equal(cincel_model_add_conv_transpose2d(model, &o), CINCEL_OK);
    assert_int_equal(cincel_model_add_activation(model, CINCEL_ACT_ELU, 0.5f), CINCEL_OK);
    assert_int_equal(cincel_model_add_max_pool2d(model, 2, 2, 0), CINCEL_OK);
    assert_int_equal(cincel_model_add_flatten(model), CINCEL_OK);
    assert_int_equal(cincel_model_add_linear(model, 4, 1), CINCEL_OK);
    check_model(model, 3, test_cases(15), 90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simplecnn),     cmocka_unit_test(test_small_simplecnn),
        cmocka_unit_test(test_unusual_order), cmocka_unit_test(test_activations),
        cmocka_unit_test(test_pools),         cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_norms),         cmocka_unit_test(test_conv_transpose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
