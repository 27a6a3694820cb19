/* Transposed convolution: every pass against the definition in double and against PyTorch, adjoint to itself,
   in every layout, with groups, dilation, padding, out_pad, activations and accumulation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cincel/cincel.h"
#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/guard.h"
#include "tests/support/status.h"

static cincel_context *make_context(int threads)
{
    cincel_context *ctx = NULL;
    cincel_config config = CINCEL_CONFIG_INIT;
    config.threads = threads;
    must(cincel_context_create(&config, &ctx));
    return ctx;
}

/* ------------------------------------------------------------------------------------- a case -- */

enum { X, W, B, Y_IN, DY, Y, DX, DW, DB, TENSORS };

struct sample {
    cincel_conv_transpose_desc d;
    int oh, ow;
    size_t count[TENSORS];
    float *t[TENSORS];
    double *expected[TENSORS]; /* of Y, DX, DW, DB */
};

static size_t image_at(cincel_layout layout, int n, int h, int w, int c, int hs, int ws, int cs)
{
    const size_t row =
        layout == CINCEL_NHWC ? (size_t)n * (size_t)hs + (size_t)h : (size_t)n * (size_t)cs + (size_t)c;
    return layout == CINCEL_NHWC ? (row * (size_t)ws + (size_t)w) * (size_t)cs + (size_t)c
                                 : (row * (size_t)hs + (size_t)h) * (size_t)ws + (size_t)w;
}

static size_t weight_at(const cincel_conv_transpose_desc *d, int c, int a, int b, int o)
{
    const size_t each = (size_t)(d->oc / d->groups), kh = (size_t)d->kh, kw = (size_t)d->kw;
    if (d->weights_layout == CINCEL_OHWI)
        return (((size_t)c * kh + (size_t)a) * kw + (size_t)b) * each + (size_t)o;
    return (((size_t)c * each + (size_t)o) * kh + (size_t)a) * kw + (size_t)b;
}

/* dy behind the activation's gradient; the activations of the tests have simple ones. */
static double gradient(const struct sample *s, size_t i)
{
    const double y = s->t[Y_IN][i], dy = s->t[DY][i];
    if (s->d.activation == CINCEL_ACT_RELU) return y > 0.0 ? dy : 0.0;
    if (s->d.activation == CINCEL_ACT_LEAKY_RELU) return y > 0.0 ? dy : (double)s->d.alpha * dy;
    return dy;
}

static double activated(const cincel_conv_transpose_desc *d, double z)
{
    if (d->activation == CINCEL_ACT_NONE || z > 0.0) return z;
    return d->activation == CINCEL_ACT_RELU ? 0.0 : (double)d->alpha * z;
}

/* One product of the definition: x pixel (n, i, j, c) through cell (a, b) to channel o of its group. */
static void spread(struct sample *s, int n, int i, int j, int c, int a, int b, int o)
{
    const cincel_conv_transpose_desc *d = &s->d;
    const int oc = c / (d->ic / d->groups) * (d->oc / d->groups) + o;
    const int h = i * d->stride_h - d->pad_top + a * d->dilation_h;
    const int w = j * d->stride_w - d->pad_left + b * d->dilation_w;
    if (h < 0 || h >= s->oh || w < 0 || w >= s->ow) return;
    const size_t x = image_at(d->layout, n, i, j, c, d->ih, d->iw, d->ic), k = weight_at(d, c, a, b, o);
    const size_t y = image_at(d->layout, n, h, w, oc, s->oh, s->ow, d->oc);
    s->expected[Y][y] += (double)s->t[W][k] * (double)s->t[X][x];
    s->expected[DX][x] += (double)s->t[W][k] * gradient(s, y);
    s->expected[DW][k] += (double)s->t[X][x] * gradient(s, y);
}

static void oracle(struct sample *s)
{
    const cincel_conv_transpose_desc *d = &s->d;
    for (int t = DX; t <= DB; t++)
        for (size_t i = 0; i < s->count[t]; i++) s->expected[t][i] = d->accumulate ? (double)s->t[t][i] : 0.0;
    for (int n = 0; n < d->n; n++)
        for (int h = 0; h < s->oh; h++)
            for (int w = 0; w < s->ow; w++)
                for (int c = 0; c < d->oc; c++) {
                    const size_t y = image_at(d->layout, n, h, w, c, s->oh, s->ow, d->oc);
                    s->expected[Y][y] = (double)s->t[B][c];
                    s->expected[DB][c] += gradient(s, y);
                }
    const int pixels = d->n * d->ih * d->iw, cells = d->kh * d->kw;
    for (int p = 0; p < pixels; p++)
        for (int c = 0; c < d->ic; c++)
            for (int k = 0; k < cells; k++)
                for (int o = 0; o < d->oc / d->groups; o++)
                    spread(s, p / d->iw / d->ih, p / d->iw % d->ih, p % d->iw, c, k / d->kw, k % d->kw, o);
    for (size_t i = 0; i < s->count[Y]; i++) s->expected[Y][i] = activated(d, s->expected[Y][i]);
}

static void draw_axis(struct test_random *r, int *in, int *kernel, int *stride, int *dilation, int *low,
                      int *high, int *out_pad)
{
    *in = test_draw(r, 1, 6);
    *kernel = test_draw(r, 1, 4);
    *stride = test_draw(r, 1, 3);
    *dilation = test_draw(r, 0, 2) ? 1 : test_draw(r, 1, 3);
    const int extent = *dilation * (*kernel - 1) + 1, most = *stride > *dilation ? *stride : *dilation;
    *low = test_draw(r, 0, 1) ? 0 : test_draw(r, 0, extent - 1);
    *high = test_draw(r, 0, 1) ? *low : test_draw(r, 0, extent - 1);
    *out_pad = test_draw(r, 0, most - 1);
}

/* A valid problem; some combinations have no output, or an out_pad that is not served. */
static void draw_problem(struct test_random *r, struct sample *s)
{
    do {
        cincel_conv_transpose_desc *d = &s->d;
        *d = (cincel_conv_transpose_desc)CINCEL_CONV_TRANSPOSE_DESC_INIT;
        d->n = test_draw(r, 1, 3);
        d->groups = test_draw(r, 0, 2) ? 1 : test_draw(r, 2, 3);
        d->ic = d->groups * test_draw(r, 1, 9);
        d->oc = d->groups * test_draw(r, 1, test_draw(r, 0, 4) ? 9 : 40);
        draw_axis(r, &d->ih, &d->kh, &d->stride_h, &d->dilation_h, &d->pad_top, &d->pad_bottom,
                  &d->out_pad_h);
        draw_axis(r, &d->iw, &d->kw, &d->stride_w, &d->dilation_w, &d->pad_left, &d->pad_right,
                  &d->out_pad_w);
        d->activation = (cincel_activation)test_draw(r, CINCEL_ACT_NONE, CINCEL_ACT_LEAKY_RELU);
        d->alpha = 0.25f; /* exact on integers */
        d->accumulate = test_draw(r, 0, 1);
        d->layout = test_draw(r, 0, 1) ? CINCEL_NCHW : CINCEL_NHWC;
        d->weights_layout = test_draw(r, 0, 1) ? CINCEL_OIHW : CINCEL_OHWI;
    } while (cincel_conv_transpose_output_size(&s->d, &s->oh, &s->ow) != CINCEL_OK);
}

static void sample_create(struct test_random *r, struct sample *s)
{
    const cincel_conv_transpose_desc *d = &s->d;
    const size_t x = (size_t)d->n * (size_t)d->ih * (size_t)d->iw * (size_t)d->ic, oc = (size_t)d->oc;
    const size_t w = (size_t)d->ic * (size_t)d->kh * (size_t)d->kw * (size_t)(d->oc / d->groups);
    const size_t y = (size_t)d->n * (size_t)s->oh * (size_t)s->ow * oc;
    const size_t counts[TENSORS] = {x, w, oc, y, y, y, x, w, oc};
    for (int t = 0; t < TENSORS; t++) {
        s->count[t] = counts[t];
        s->t[t] = test_guarded(counts[t] * sizeof(float));
        s->expected[t] = calloc(counts[t], sizeof(double));
        assert_non_null(s->expected[t]);
        for (size_t i = 0; i < counts[t]; i++) s->t[t][i] = (float)test_draw(r, -3, 3);
    }
}

static void sample_free(struct sample *s)
{
    for (int t = 0; t < TENSORS; t++) {
        test_guarded_free(s->t[t], s->count[t] * sizeof(float));
        free(s->expected[t]);
    }
}

static void run_pass(cincel_context *ctx, struct sample *s, cincel_pass pass)
{
    cincel_plan *plan = NULL;
    must(cincel_conv_transpose_plan(ctx, &s->d, pass, NULL, &plan));
    const size_t bytes = (cincel_plan_workspace_size(plan) + 63) / 64 * 64;
    void *ws = bytes ? test_guarded(bytes) : NULL;
    if (ws) memset(ws, 0xff, bytes);
    float *const *t = s->t;
    const float *y_in = s->d.activation == CINCEL_ACT_NONE ? NULL : t[Y_IN];
    if (pass == CINCEL_FORWARD)
        must(cincel_conv_transpose_forward(plan, t[X], t[W], t[B], t[Y], ws));
    else if (pass == CINCEL_BACKWARD_DATA)
        must(cincel_conv_transpose_backward_data(plan, t[DY], t[W], y_in, t[DX], ws));
    else
        must(cincel_conv_transpose_backward_weights(plan, t[X], t[DY], y_in, t[DW], t[DB], ws));
    if (ws) test_guarded_free(ws, bytes);
    cincel_plan_destroy(plan);
}

static void compare(const struct sample *s, int t, const char *name, double tolerance, uint64_t seed)
{
    for (size_t i = 0; i < s->count[t]; i++)
        if (!(fabs((double)s->t[t][i] - s->expected[t][i]) <= tolerance))
            fail_msg("case %llu: %s[%zu] is %.9g, must be %.9g", (unsigned long long)seed, name, i,
                     (double)s->t[t][i], s->expected[t][i]);
}

/* Small integers: any order of summation is exact, and so are the leaky slopes. */
static void passes_follow_the_definition(void **state)
{
    (void)state;
    const long cases = test_cases(300);
    cincel_context *ctx[] = {make_context(1), make_context(3)};
    for (long i = 0; i < cases; i++) {
        struct test_random r = {{(uint64_t)i, 13, 0}, 0};
        struct sample s;
        draw_problem(&r, &s);
        sample_create(&r, &s);
        oracle(&s);
        for (int pass = 0; pass < 3; pass++) run_pass(ctx[i % 2], &s, (cincel_pass)pass);
        compare(&s, Y, "y", 0.0, (uint64_t)i);
        compare(&s, DX, "dx", 0.0, (uint64_t)i);
        compare(&s, DW, "dw", 0.0, (uint64_t)i);
        compare(&s, DB, "db", 0.0, (uint64_t)i);
        sample_free(&s);
    }
    cincel_context_destroy(ctx[0]);
    cincel_context_destroy(ctx[1]);
}

static double dot(const float *a, const float *b, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* <dy, T(x, w)> = <Bdata(dy, w), x> = <Bweights(x, dy), w>, exact on integers; without bias and activation.
 */
static void passes_are_adjoint(void **state)
{
    (void)state;
    const long cases = test_cases(100);
    cincel_context *ctx = make_context(2);
    for (long i = 0; i < cases; i++) {
        struct test_random r = {{(uint64_t)i, 14, 0}, 0};
        struct sample s;
        draw_problem(&r, &s);
        s.d.activation = CINCEL_ACT_NONE;
        s.d.accumulate = 0;
        sample_create(&r, &s);
        memset(s.t[B], 0, s.count[B] * sizeof(float));
        for (int pass = 0; pass < 3; pass++) run_pass(ctx, &s, (cincel_pass)pass);
        const double through = dot(s.t[DY], s.t[Y], s.count[Y]);
        assert_true(through == dot(s.t[DX], s.t[X], s.count[X]));
        assert_true(through == dot(s.t[DW], s.t[W], s.count[W]));
        sample_free(&s);
    }
    cincel_context_destroy(ctx);
}

/* Bits do not depend on the threads; sizes at which every part is shared. */
static void threads_change_no_bit(void **state)
{
    (void)state;
    static const int tensors[] = {Y, DX, DW, DB};
    struct sample s[2];
    for (int k = 0; k < 2; k++) {
        struct test_random r = {{5, 15, 0}, 0};
        s[k].d = (cincel_conv_transpose_desc)CINCEL_CONV_TRANSPOSE_DESC_INIT;
        cincel_conv_transpose_desc *d = &s[k].d;
        d->n = 3;
        d->ic = 12;
        d->ih = d->iw = 20;
        d->oc = 19;
        d->kh = d->kw = 3;
        d->stride_h = d->stride_w = 2;
        d->pad_top = d->pad_left = 1;
        d->activation = CINCEL_ACT_TANH;
        d->layout = CINCEL_NCHW;
        must(cincel_conv_transpose_output_size(d, &s[k].oh, &s[k].ow));
        sample_create(&r, &s[k]);
        for (int t = 0; t <= DY; t++)
            for (size_t i = 0; i < s[k].count[t]; i++)
                s[k].t[t][i] = 2.0f * cincel_random_uniform(&r.source, r.next++) - 1.0f;
        cincel_context *ctx = make_context(k ? 7 : 1);
        for (int pass = 0; pass < 3; pass++) run_pass(ctx, &s[k], (cincel_pass)pass);
        cincel_context_destroy(ctx);
    }
    for (int i = 0; i < 4; i++)
        assert_memory_equal(s[0].t[tensors[i]], s[1].t[tensors[i]], s[0].count[tensors[i]] * sizeof(float));
    sample_free(&s[0]);
    sample_free(&s[1]);
}

static void bad_fields_are_named(void **state)
{
    (void)state;
    cincel_context *ctx = make_context(1);
    cincel_conv_transpose_desc good = CINCEL_CONV_TRANSPOSE_DESC_INIT, d;
    cincel_plan *plan = NULL;
    const cincel_status bad = CINCEL_INVALID_ARGUMENT;
    good.ic = 4;
    good.oc = 6;
    good.ih = good.iw = 5;
    good.kh = good.kw = 3;
    good.stride_h = good.stride_w = 2;
    d = good;
#define REFUSED(status_, part_) \
    says(cincel_conv_transpose_plan(ctx, &d, CINCEL_FORWARD, NULL, &plan), status_, part_), d = good
    says(cincel_conv_transpose_plan(NULL, &d, CINCEL_FORWARD, NULL, &plan), bad, "ctx is NULL");
    says(cincel_conv_transpose_plan(ctx, NULL, CINCEL_FORWARD, NULL, &plan), bad, "descriptor is NULL");
    says(cincel_conv_transpose_plan(ctx, &d, CINCEL_FORWARD, NULL, NULL), bad, "out is NULL");
    says(cincel_conv_transpose_plan(ctx, &d, (cincel_pass)4, NULL, &plan), bad, "pass is 4");
    d.oc = 0;
    REFUSED(bad, "conv_transpose: oc is 0");
    d.groups = 3;
    REFUSED(bad, "groups 3 does not divide ic 4");
    d.groups = 4;
    REFUSED(bad, "groups 4 does not divide oc 6");
    d.out_pad_h = 2;
    REFUSED(bad, "out_pad_h is 2");
    d.out_pad_w = -1;
    REFUSED(bad, "out_pad_w is -1");
    d.dilation_h = 4;
    d.out_pad_h = 3;
    REFUSED(CINCEL_UNSUPPORTED, "out_pad_h 3");
    d.pad_top = 3;
    REFUSED(bad, "pad_top 3");
    d.ih = 1;
    d.pad_top = d.pad_bottom = 2;
    REFUSED(bad, "output height would be -1");
    d.iw = INT32_MAX;
    REFUSED(bad, "output width");
    d.activation = (cincel_activation)77;
    REFUSED(bad, "activation 77");
    d.accumulate = 2;
    REFUSED(bad, "accumulate is 2");
    d.layout = (cincel_layout)9;
    REFUSED(bad, "layout 9");
    d.size = 1;
    REFUSED(bad, "size 1");
#undef REFUSED
    d.activation = CINCEL_ACT_GELU;
    says(cincel_conv_transpose_plan(ctx, &d, CINCEL_BACKWARD_DATA, NULL, &plan), CINCEL_UNSUPPORTED, "gelu");
    assert_null(plan);
    cincel_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_follow_the_definition),
        cmocka_unit_test(passes_are_adjoint),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(bad_fields_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
