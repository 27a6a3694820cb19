/* Public calls of batch norm and layer norm: every bad argument is named, and folding gives what the two
   layers give one after the other. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cincel/cincel.h"

enum { ROWS = 6, CHANNELS = 4, ALL = ROWS * CHANNELS };

/* Arguments of any of the calls, all of them good. */
struct call {
    cincel_context *ctx;
    cincel_batch_norm_desc b;
    cincel_layer_norm_desc l;
    float x[ALL], dy[ALL], y[ALL], dx[ALL];
    float gamma[CHANNELS], beta[CHANNELS], running_mean[CHANNELS], running_var[CHANNELS];
    float mean[ROWS], inv_std[ROWS], dgamma[CHANNELS], dbeta[CHANNELS];
    void *ws;
};

static struct call good(cincel_context *ctx)
{
    struct call c = {.ctx = ctx, .b = CINCEL_BATCH_NORM_DESC_INIT, .l = CINCEL_LAYER_NORM_DESC_INIT};
    c.b.rows = c.l.rows = ROWS;
    c.b.channels = c.l.cols = CHANNELS;
    for (int i = 0; i < ALL; i++) c.x[i] = (float)(i * i % 7), c.dy[i] = (float)(i % 3);
    for (int i = 0; i < CHANNELS; i++) c.gamma[i] = 2.0f, c.running_var[i] = 1.0f + (float)i;
    const size_t bytes = cincel_batch_norm_workspace_size(&c.b) + cincel_layer_norm_workspace_size(&c.l);
    assert_int_equal(cincel_workspace_create(bytes, &c.ws), CINCEL_OK);
    return c;
}

static cincel_status train(struct call *c)
{
    return cincel_batch_norm_train(c->ctx, &c->b, c->x, c->gamma, c->beta, c->running_mean, c->running_var,
                                   c->y, c->mean, c->inv_std, c->ws);
}

static void refused(cincel_status status, const char *says)
{
    assert_int_equal(status, CINCEL_INVALID_ARGUMENT);
    if (!strstr(cincel_error_message(), says)) fail_msg("\"%s\" lacks \"%s\"", cincel_error_message(), says);
}

static void test_descriptors(void **state)
{
    struct call c = good(*state);
    const cincel_batch_norm_desc b = c.b;
    const cincel_layer_norm_desc l = c.l;
    assert_int_equal(train(&c), CINCEL_OK);
#define REFUSED(field, value, says)                         \
    c.b.field = (value), refused(train(&c), says), c.b = b; \
    c.b.field = (value), assert_int_equal(cincel_batch_norm_workspace_size(&c.b), 0), c.b = b
    REFUSED(size, 0, "batch_norm: size 0 is impossible");
    REFUSED(rows, 0, "batch_norm: rows is 0, must be > 0");
    REFUSED(channels, 0, "batch_norm: channels is 0, must be > 0");
    REFUSED(rows, SIZE_MAX / 4, "overflow");
    REFUSED(channels, SIZE_MAX, "overflow");
    REFUSED(eps, 0.0f, "batch_norm: eps is 0, must be finite and > 0");
    REFUSED(eps, NAN, "batch_norm: eps is nan");
    REFUSED(eps, INFINITY, "batch_norm: eps is inf");
    REFUSED(momentum, -0.5f, "batch_norm: momentum is -0.5, must be 0 to 1");
    REFUSED(momentum, NAN, "batch_norm: momentum is nan");
#undef REFUSED
    c.b.rows = 1;
    refused(train(&c), "batch_norm: rows is 1, training needs at least 2");
    c.l.cols = 0;
    refused(cincel_layer_norm_forward(c.ctx, &c.l, c.x, NULL, NULL, c.y, NULL, NULL),
            "layer_norm: cols is 0");
    c.l = l, c.l.eps = -1.0f;
    refused(cincel_layer_norm_forward(c.ctx, &c.l, c.x, NULL, NULL, c.y, NULL, NULL),
            "layer_norm: eps is -1");
    assert_int_equal(cincel_layer_norm_workspace_size(&c.l), 0);
    assert_int_equal(cincel_layer_norm_workspace_size(NULL), 0);
    assert_int_equal(cincel_batch_norm_workspace_size(NULL), 0);
    cincel_workspace_destroy(c.ws);
}

static void test_pointers_of_batch_norm(void **state)
{
    struct call c = good(*state);
    cincel_context *ctx = c.ctx;
    refused(cincel_batch_norm_train(NULL, &c.b, c.x, 0, 0, 0, 0, c.y, c.mean, c.inv_std, c.ws),
            "ctx is NULL");
    refused(cincel_batch_norm_train(ctx, NULL, c.x, 0, 0, 0, 0, c.y, c.mean, c.inv_std, c.ws), "d is NULL");
    refused(cincel_batch_norm_train(ctx, &c.b, NULL, 0, 0, 0, 0, c.y, c.mean, c.inv_std, c.ws), "x is NULL");
    refused(cincel_batch_norm_train(ctx, &c.b, c.x, 0, 0, 0, 0, NULL, c.mean, c.inv_std, c.ws), "y is NULL");
    refused(cincel_batch_norm_train(ctx, &c.b, c.x, 0, 0, 0, 0, c.y, NULL, c.inv_std, c.ws), "mean is NULL");
    refused(cincel_batch_norm_train(ctx, &c.b, c.x, 0, 0, 0, 0, c.y, c.mean, NULL, c.ws), "inv_std is NULL");
    refused(cincel_batch_norm_train(ctx, &c.b, c.x, 0, 0, 0, 0, c.y, c.mean, c.inv_std, NULL), "ws is NULL");
    refused(cincel_batch_norm_train(ctx, &c.b, c.x, 0, 0, 0, 0, c.y, c.mean, c.inv_std, (char *)c.ws + 4),
            "ws is not aligned");
    refused(cincel_batch_norm_train(ctx, &c.b, c.x, 0, 0, c.running_mean, 0, c.y, c.mean, c.inv_std, c.ws),
            "running_var is NULL, but running_mean is not");
    refused(cincel_batch_norm_infer(ctx, &c.b, c.x, 0, 0, NULL, c.running_var, c.y), "running_mean is NULL");
    refused(cincel_batch_norm_infer(ctx, &c.b, c.x, 0, 0, c.running_mean, NULL, c.y), "running_var is NULL");
    refused(cincel_batch_norm_backward(ctx, &c.b, c.x, NULL, 0, c.mean, c.inv_std, c.dx, 0, 0, c.ws),
            "dy is NULL");
    refused(cincel_batch_norm_backward(ctx, &c.b, c.x, c.dy, 0, c.mean, c.inv_std, NULL, 0, 0, c.ws),
            "dx is NULL");
    refused(cincel_batch_norm_backward(ctx, &c.b, c.x, c.dy, 0, c.mean, c.inv_std, c.dx, 0, 0, NULL),
            "ws is NULL");
    refused(cincel_batch_norm_fold(&c.b, 0, 0, c.running_mean, c.running_var, 0, c.x, 0, c.y, c.dbeta),
            "inner is 0");
    refused(cincel_batch_norm_fold(&c.b, 0, 0, c.running_mean, c.running_var, 2, c.x, 0, c.y, NULL),
            "bias_out is NULL");
    cincel_workspace_destroy(c.ws);
}

static void test_pointers_of_layer_norm(void **state)
{
    struct call c = good(*state);
    cincel_context *ctx = c.ctx;
    refused(cincel_layer_norm_forward(ctx, &c.l, NULL, 0, 0, c.y, 0, 0), "layer_norm: x is NULL");
    refused(cincel_layer_norm_forward(ctx, &c.l, c.x, c.gamma, 0, c.y, 0, 0),
            "beta is NULL, but gamma is not");
    refused(cincel_layer_norm_forward(ctx, &c.l, c.x, 0, 0, c.y, 0, c.inv_std),
            "mean is NULL, but inv_std is not");
    refused(cincel_layer_norm_backward(ctx, &c.l, c.x, c.dy, 0, NULL, c.inv_std, c.dx, 0, 0, c.ws),
            "mean is NULL");
    refused(
        cincel_layer_norm_backward(ctx, &c.l, c.x, c.dy, 0, c.mean, c.inv_std, c.dx, 0, 0, (char *)c.ws + 32),
        "ws is not aligned to 64 bytes");
    assert_int_equal(cincel_layer_norm_forward(ctx, &c.l, c.x, 0, 0, c.y, c.mean, c.inv_std), CINCEL_OK);
    assert_int_equal(
        cincel_layer_norm_backward(ctx, &c.l, c.x, c.dy, 0, c.mean, c.inv_std, c.dx, c.dgamma, c.dbeta, c.ws),
        CINCEL_OK);
    cincel_workspace_destroy(c.ws);
}

/* Running statistics over two batches, worked out by hand: mean 2 and variance 2 (unbiased) of 1, 3. */
static void test_running_statistics(void **state)
{
    cincel_batch_norm_desc d = CINCEL_BATCH_NORM_DESC_INIT;
    d.rows = 2, d.channels = 1, d.momentum = 0.5f;
    const float x[2] = {1.0f, 3.0f};
    float y[2], mean, inv_std, running_mean = 0.0f, running_var = 1.0f;
    void *ws;
    assert_int_equal(cincel_workspace_create(cincel_batch_norm_workspace_size(&d), &ws), CINCEL_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(cincel_batch_norm_train(*state, &d, x, NULL, NULL, &running_mean, &running_var, y,
                                                 &mean, &inv_std, ws),
                         CINCEL_OK);
    assert_true(mean == 2.0f && running_mean == 1.5f && running_var == 1.75f);
    assert_true(fabsf(y[0] + 1.0f) < 1e-5f && y[1] == -y[0]);
    cincel_workspace_destroy(ws);
}

/* conv → infer, and the convolution with folded weights. */
static void test_fold(void **state)
{
    enum { N = 2, IC = 3, OC = 5, SIDE = 4, INNER = 9 * IC, PIXELS = N * SIDE * SIDE };
    float x[PIXELS * IC], w[OC * INNER], bias[OC], y[PIXELS * OC], z[PIXELS * OC];
    float gamma[OC], beta[OC], mean[OC], var[OC], w_out[OC * INNER], bias_out[OC];
    for (int i = 0; i < PIXELS * IC; i++) x[i] = (float)(i * 37 % 19) / 19 - 0.5f;
    for (int i = 0; i < OC * INNER; i++) w[i] = (float)(i * 53 % 23) / 23 - 0.5f;
    for (int i = 0; i < OC; i++) {
        bias[i] = (float)i, gamma[i] = 1.5f - (float)i, beta[i] = 0.25f * (float)i;
        mean[i] = (float)i * 0.5f, var[i] = 0.3f + (float)i;
    }
    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    d.n = N, d.ic = IC, d.oc = OC, d.ih = d.iw = SIDE, d.kh = d.kw = 3;
    d.pad_top = d.pad_bottom = d.pad_left = d.pad_right = 1;
    cincel_batch_norm_desc b = CINCEL_BATCH_NORM_DESC_INIT;
    b.rows = PIXELS, b.channels = OC;
    cincel_plan *plan;
    void *ws;
    assert_int_equal(cincel_conv_plan(*state, &d, CINCEL_FORWARD, NULL, &plan), CINCEL_OK);
    assert_int_equal(cincel_workspace_create(cincel_plan_workspace_size(plan), &ws), CINCEL_OK);
    assert_int_equal(cincel_conv_forward(plan, x, w, bias, y, ws), CINCEL_OK);
    assert_int_equal(cincel_batch_norm_infer(*state, &b, y, gamma, beta, mean, var, y), CINCEL_OK);
    assert_int_equal(cincel_batch_norm_fold(&b, gamma, beta, mean, var, INNER, w, bias, w_out, bias_out),
                     CINCEL_OK);
    assert_int_equal(cincel_conv_forward(plan, x, w_out, bias_out, z, ws), CINCEL_OK);
    for (int i = 0; i < PIXELS * OC; i++) assert_true(fabsf(y[i] - z[i]) < 2e-5f * fmaxf(1.0f, fabsf(y[i])));
    assert_int_equal(cincel_batch_norm_fold(&b, gamma, beta, mean, var, INNER, w, bias, w, bias), CINCEL_OK);
    assert_memory_equal(w, w_out, sizeof w); /* in place */
    assert_memory_equal(bias, bias_out, sizeof bias);
    cincel_workspace_destroy(ws);
    cincel_plan_destroy(plan);
}

/* Large enough for stores past the caches of any machine with up to 64 MB of them. */
static void test_large(void **state)
{
    enum { COLS = 1040 };
    cincel_batch_norm_desc d = CINCEL_BATCH_NORM_DESC_INIT;
    d.rows = 8200, d.channels = COLS;
    const size_t count = d.rows * COLS;
    void *memory, *ws;
    float mean[COLS], inv_std[COLS];
    assert_int_equal(cincel_workspace_create(2 * count * sizeof(float), &memory), CINCEL_OK);
    assert_int_equal(cincel_workspace_create(cincel_batch_norm_workspace_size(&d), &ws), CINCEL_OK);
    float *x = memory, *y = x + count;
    for (size_t k = 0; k < count; k++) x[k] = (float)(k % 1009);
    assert_int_equal(cincel_batch_norm_train(*state, &d, x, NULL, NULL, NULL, NULL, y, mean, inv_std, ws),
                     CINCEL_OK);
    for (size_t k = 0; k < count; k += 997) {
        const size_t c = k % COLS;
        assert_true(fabsf(y[k] - (x[k] - mean[c]) * inv_std[c]) < 1e-5f);
    }
    cincel_workspace_destroy(ws);
    cincel_workspace_destroy(memory);
}

int main(void)
{
    cincel_context *ctx;
    if (cincel_context_create(NULL, &ctx) != CINCEL_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_descriptors, ctx),
        cmocka_unit_test_prestate(test_pointers_of_batch_norm, ctx),
        cmocka_unit_test_prestate(test_pointers_of_layer_norm, ctx),
        cmocka_unit_test_prestate(test_running_statistics, ctx),
        cmocka_unit_test_prestate(test_fold, ctx),
        cmocka_unit_test_prestate(test_large, ctx),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cincel_context_destroy(ctx);
    return failed;
}
