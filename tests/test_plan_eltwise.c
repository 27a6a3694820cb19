/* Public calls without a plan: every misuse is answered with a sentence naming field and value, and writes
   nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cincel/cincel.h"

enum { COUNT = 12 };
static float x[COUNT], y[COUNT], out[COUNT];

static void refuses(cincel_status got, const char *part)
{
    if (got != CINCEL_INVALID_ARGUMENT || !strstr(cincel_error_message(), part))
        fail_msg("status %d, message \"%s\" (wanted \"%s\")", got, cincel_error_message(), part);
    for (int i = 0; i < COUNT; i++) assert_true(out[i] == 0.0f);
}

static void eltwise_refuses(void **state)
{
    cincel_context *ctx = *state;
    refuses(cincel_add_scaled(NULL, 1, x, 1, y, out, COUNT), "add_scaled: ctx is NULL");
    refuses(cincel_add_scaled(ctx, 1, NULL, 1, y, out, COUNT), "add_scaled: x is NULL");
    refuses(cincel_add_scaled(ctx, 1, x, 1, NULL, out, COUNT), "add_scaled: y is NULL");
    refuses(cincel_add_scaled(ctx, 1, x, 1, y, NULL, COUNT), "add_scaled: out is NULL");
    refuses(cincel_add_scaled(ctx, NAN, x, 1, y, out, COUNT), "add_scaled: a is nan");
    refuses(cincel_add_scaled(ctx, 1, x, INFINITY, y, out, COUNT), "add_scaled: b is inf");
    refuses(cincel_dropout(ctx, 1.0f, 1, 2, x, out, COUNT), "dropout: p is 1, must be >= 0 and < 1");
    refuses(cincel_dropout(ctx, -0.5f, 1, 2, x, out, COUNT), "dropout: p is -0.5");
    refuses(cincel_dropout(ctx, NAN, 1, 2, x, out, COUNT), "dropout: p is nan");
    refuses(cincel_dropout(ctx, 0.5f, 1, 2, NULL, out, COUNT), "dropout: x is NULL");
    refuses(cincel_dropout(ctx, 0.5f, 1, 2, x, NULL, COUNT), "dropout: y is NULL");
    assert_int_equal(cincel_dropout(ctx, 0.5f, 1, 2, x, out, 0), CINCEL_OK);
    assert_int_equal(cincel_add_scaled(ctx, 1, x, 1, y, out, 0), CINCEL_OK);
}

static void concat_refuses(void **state)
{
    cincel_context *ctx = *state;
    const float *const parts[] = {x, y}, *const hole[] = {x, NULL};
    float *const into[] = {out, out + 4}, *const into_hole[] = {NULL, out};
    const size_t cols[] = {2, 1}, zero[] = {2, 0}, huge[] = {3, SIZE_MAX / 2};
    refuses(cincel_concat(ctx, NULL, cols, 2, 3, out), "concat: parts is NULL");
    refuses(cincel_concat(ctx, parts, NULL, 2, 3, out), "concat: cols is NULL");
    refuses(cincel_concat(ctx, parts, cols, 2, 3, NULL), "concat: whole is NULL");
    refuses(cincel_concat(ctx, hole, cols, 2, 3, out), "concat: parts[1] is NULL");
    refuses(cincel_concat(ctx, parts, cols, 0, 3, out), "concat: count is 0");
    refuses(cincel_concat(ctx, parts, cols, 2, 0, out), "concat: rows is 0");
    refuses(cincel_concat(ctx, parts, zero, 2, 3, out), "concat: cols[1] is 0");
    refuses(cincel_concat(ctx, parts, huge, 2, 3, out),
            "concat: cols[1] is 9223372036854775807: 3 rows overflow");
    refuses(cincel_concat(ctx, parts, cols, 2, SIZE_MAX / 4, out), "rows overflow");
    refuses(cincel_split(ctx, NULL, cols, 2, 3, into), "split: whole is NULL");
    refuses(cincel_split(ctx, x, cols, 2, 3, NULL), "split: parts is NULL");
    refuses(cincel_split(ctx, x, cols, 2, 3, into_hole), "split: parts[0] is NULL");
    refuses(cincel_split(ctx, x, zero, 2, 3, into), "split: cols[1] is 0");
}

static void softmax_refuses(void **state)
{
    cincel_context *ctx = *state;
    refuses(cincel_softmax_forward(ctx, x, out, 0, 3), "softmax: rows is 0");
    refuses(cincel_softmax_forward(ctx, x, out, 3, 0), "softmax: cols is 0");
    refuses(cincel_log_softmax_forward(ctx, x, out, SIZE_MAX / 8, 9), "log_softmax: ");
    refuses(cincel_log_softmax_forward(ctx, NULL, out, 3, 4), "log_softmax: x is NULL");
    refuses(cincel_softmax_backward(ctx, NULL, x, out, 3, 4), "softmax: y is NULL");
    refuses(cincel_softmax_backward(ctx, y, NULL, out, 3, 4), "softmax: dy is NULL");
    refuses(cincel_log_softmax_backward(ctx, y, x, NULL, 3, 4), "log_softmax: dx is NULL");
    refuses(cincel_log_softmax_backward(ctx, y, x, out, 0, 4), "log_softmax: rows is 0");
}

static void losses_refuse(void **state)
{
    cincel_context *ctx = *state;
    static const int32_t labels[3] = {0, 1, 2};
    cincel_cross_entropy_desc d = CINCEL_CROSS_ENTROPY_DESC_INIT;
    double loss = 7.0;
    refuses(cincel_cross_entropy(ctx, NULL, x, labels, &loss, NULL, out), "cross_entropy: desc is NULL");
    refuses(cincel_cross_entropy(ctx, &d, x, labels, &loss, NULL, out), "cross_entropy: rows is 0");
    d.rows = 3;
    refuses(cincel_cross_entropy(ctx, &d, x, labels, &loss, NULL, out), "cross_entropy: cols is 0");
    d.cols = 4;
    refuses(cincel_cross_entropy(NULL, &d, x, labels, &loss, NULL, out), "cross_entropy: ctx is NULL");
    refuses(cincel_cross_entropy(ctx, &d, NULL, labels, &loss, NULL, out), "cross_entropy: x is NULL");
    refuses(cincel_cross_entropy(ctx, &d, x, NULL, &loss, NULL, out), "cross_entropy: labels is NULL");
    d.label_smoothing = NAN;
    refuses(cincel_cross_entropy(ctx, &d, x, labels, &loss, NULL, out),
            "label_smoothing is nan, must be 0 to 1");
    d.label_smoothing = 1.5f;
    refuses(cincel_cross_entropy(ctx, &d, x, labels, &loss, NULL, out), "label_smoothing is 1.5");
    d.label_smoothing = 0.0f, d.size = 3;
    refuses(cincel_cross_entropy(ctx, &d, x, labels, &loss, NULL, out), "cross_entropy: size");
    refuses(cincel_loss(ctx, (cincel_loss_kind)9, 1, x, y, COUNT, &loss, out), "loss: kind is 9");
    refuses(cincel_loss(ctx, CINCEL_LOSS_HUBER, 0, x, y, COUNT, &loss, out), "loss: delta is 0");
    refuses(cincel_loss(ctx, CINCEL_LOSS_HUBER, NAN, x, y, COUNT, &loss, out), "loss: delta is nan");
    refuses(cincel_loss(ctx, CINCEL_LOSS_MSE, 1, NULL, y, COUNT, &loss, out), "loss: x is NULL");
    refuses(cincel_loss(ctx, CINCEL_LOSS_MSE, 1, x, NULL, COUNT, &loss, out), "loss: target is NULL");
    refuses(cincel_loss(ctx, CINCEL_LOSS_MSE, 1, x, y, 0, &loss, out), "loss: count is 0");
    assert_true(loss == 7.0);
    assert_int_equal(cincel_loss(ctx, CINCEL_LOSS_L1, NAN, x, y, COUNT, &loss, out), CINCEL_OK);
    assert_true(loss == 0.0);
}

static int set_up(void **state) { return (int)cincel_context_create(NULL, (cincel_context **)state); }

static int tear_down(void **state)
{
    cincel_context_destroy(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eltwise_refuses),
        cmocka_unit_test(concat_refuses),
        cmocka_unit_test(softmax_refuses),
        cmocka_unit_test(losses_refuse),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
