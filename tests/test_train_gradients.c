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

static const double TOLERANCE = 1e-3;

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

static double *reference_pool(const struct layer *layer, const double *x, int n)
{
    const struct layer_shape in = layer->in, out = layer->out;
    const int k = layer->as.pool.kernel, stride = layer->as.pool.stride, pad = layer->as.pool.pad;
    double *y = calloc((size_t)n * layer_shape_count(out), sizeof *y), *to = y;
    for (int i = 0; i < n; i++)
        for (int oh = 0; oh < out.h; oh++)
            for (int ow = 0; ow < out.w; ow++)
                for (int c = 0; c < out.c; c++) {
                    double max = -INFINITY;
                    for (int a = 0; a < k * k; a++) {
                        const int ih = oh * stride - pad + a / k, iw = ow * stride - pad + a % k;
                        if (ih < 0 || ih >= in.h || iw < 0 || iw >= in.w) continue;
                        max = fmax(max, x[(((size_t)i * in.h + ih) * in.w + iw) * in.c + c]);
                    }
                    *to++ = max;
                }
    return y;
}

/* Parameters of the model, in its arrangement, as doubles. */
static double *reference_parameters(const cincel_model *model)
{
    double *p = calloc(model->block, sizeof *p);
    for (size_t i = 0; i < model->block; i++) p[i] = model->parameters[i];
    return p;
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
        if (layer->kind == &cincel_layer_linear) next = reference_linear(layer, w, b, now, n);
        if (layer->kind == &cincel_layer_max_pool2d) next = reference_pool(layer, now, n);
        if (layer->kind == &cincel_layer_relu) {
            for (size_t i = 0; i < (size_t)n * layer_shape_count(layer->out); i++) now[i] = fmax(now[i], 0.0);
        }
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
    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    o.batch = n;
    o.training = 1;
    cincel_options plan = CINCEL_OPTIONS_INIT;
    plan.effort = CINCEL_ESTIMATE;
    o.plan = &plan;
    assert_int_equal(cincel_session_create(ctx, model, &o, &session), CINCEL_OK);
    struct sample s = make_sample(model, n, seed);

    double loss;
    assert_int_equal(cincel_session_gradients(session, s.x, s.labels, n, &loss, NULL), CINCEL_OK);
    double *p = reference_parameters(model);
    const double expected = reference_loss(model, p, s.x, s.labels, n);
    if (fabs(loss - expected) > 1e-5 * fabs(expected)) fail_msg("loss %.9g, expected %.9g", loss, expected);
    free(p);
    check_elements(model, session, &s, probes, seed);
    check_direction(model, session, &s);

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simplecnn),
        cmocka_unit_test(test_small_simplecnn),
        cmocka_unit_test(test_unusual_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
