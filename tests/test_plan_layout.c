/* Plans on NCHW tensors and OIHW weights give the bits of the NHWC plan, accumulation included; the public
   conversions; the workspace limit to the byte, conversions included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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
    cincel_config config = CINCEL_CONFIG_INIT;
    cincel_context *ctx = NULL;
    config.threads = threads;
    must(cincel_context_create(&config, &ctx));
    return ctx;
}

/* Batches of rows x cols, as plain loops: a copy where `turn` is 0. */
static float *turned(const float *src, size_t batch, size_t rows, size_t cols, int turn)
{
    float *dst = test_guarded(batch * rows * cols * sizeof(float));
    for (size_t b = 0; b < batch; b++)
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++)
                dst[b * rows * cols + (turn ? c * rows + r : r * cols + c)] = src[(b * rows + r) * cols + c];
    return dst;
}

/* A tensor in the layout under test and its size. */
struct tensor {
    float *at;
    size_t batch, pixels, channels;
    int turn;
};

static struct tensor tensor_of(const float *ours, size_t batch, size_t pixels, size_t channels, int turn)
{
    return (struct tensor){turned(ours, batch, pixels, channels, turn), batch, pixels, channels, turn};
}

static size_t count_of(const struct tensor *t) { return t->batch * t->pixels * t->channels; }

static void tensor_free(struct tensor *t) { test_guarded_free(t->at, count_of(t) * sizeof(float)); }

/* Is the tensor, back in our layout, what the other plan wrote? */
static void same_bits(const struct tensor *t, const float *expected, const char *what, uint64_t seed)
{
    float *back = turned(t->at, t->batch, t->turn ? t->channels : t->pixels,
                         t->turn ? t->pixels : t->channels, t->turn);
    const size_t bytes = count_of(t) * sizeof(float);
    if (memcmp(back, expected, bytes) != 0)
        fail_msg("seed %llu: %s differs from the NHWC plan's", (unsigned long long)seed, what);
    test_guarded_free(back, bytes);
}

/* A workspace full of NaN, ending at an unreadable page. */
static void *dirty_workspace(size_t bytes)
{
    void *ws = test_guarded((bytes + 63) / 64 * 64);
    memset(ws, 0xff, bytes);
    return ws;
}

/* The tensors of one pass. */
struct operands {
    const float *x, *w, *bias, *dy, *y_in;
    float *y, *dx, *dw, *db;
};

static void run_conv(cincel_context *ctx, const cincel_conv_desc *d, cincel_pass pass,
                     const cincel_options *options, const struct operands *o)
{
    cincel_plan *plan = NULL;
    must(cincel_conv_plan(ctx, d, pass, options, &plan));
    const size_t bytes = cincel_plan_workspace_size(plan);
    void *ws = dirty_workspace(bytes);
    const float *y_in = d->activation == CINCEL_ACT_NONE ? NULL : o->y_in;
    if (pass == CINCEL_FORWARD)
        must(cincel_conv_forward(plan, o->x, o->w, o->bias, o->y, ws));
    else if (pass == CINCEL_BACKWARD_DATA)
        must(cincel_conv_backward_data(plan, o->dy, o->w, y_in, o->dx, ws));
    else
        must(cincel_conv_backward_weights(plan, o->x, o->dy, y_in, o->dw, o->db, ws));
    test_guarded_free(ws, (bytes + 63) / 64 * 64);
    cincel_plan_destroy(plan);
}

static void check_conv(cincel_context *ctx, uint64_t seed, cincel_pass pass)
{
    struct test_random r = {{seed, 7, (uint32_t)pass}, 0};
    struct cincel_problem p;
    struct conv_case c;
    conv_case_problem(&r, pass, &p);
    conv_case_create(&r, &p, CONV_UNIFORM, &c);
    cincel_conv_desc d = p.conv.d;
    const int turn = test_draw(&r, 0, 3) > 0, turn_w = !turn || test_draw(&r, 0, 1);
    const size_t n = (size_t)d.n, ic = (size_t)d.ic, oc = (size_t)d.oc, icg = ic / (size_t)d.groups;
    const size_t in = (size_t)d.ih * (size_t)d.iw, out = (size_t)p.conv.oh * (size_t)p.conv.ow;
    const size_t cells = (size_t)d.kh * (size_t)d.kw;
    struct tensor x = tensor_of(c.x, n, in, ic, turn), dx = tensor_of(c.dx, n, in, ic, turn);
    struct tensor y = tensor_of(c.y, n, out, oc, turn), y_in = tensor_of(c.y_in, n, out, oc, turn);
    struct tensor dy = tensor_of(c.dy, n, out, oc, turn);
    struct tensor w = tensor_of(c.w, oc, cells, icg, turn_w), dw = tensor_of(c.dw, oc, cells, icg, turn_w);
    struct tensor db = tensor_of(c.db, 1, 1, oc, 0);

    run_conv(ctx, &d, pass, NULL, &(struct operands){c.x, c.w, c.bias, c.dy, c.y_in, c.y, c.dx, c.dw, c.db});
    d.layout = turn ? CINCEL_NCHW : CINCEL_NHWC;
    d.weights_layout = turn_w ? CINCEL_OIHW : CINCEL_OHWI;
    run_conv(ctx, &d, pass, NULL,
             &(struct operands){x.at, w.at, c.bias, dy.at, y_in.at, y.at, dx.at, dw.at, db.at});
    same_bits(&y, c.y, "y", seed);
    same_bits(&dx, c.dx, "dx", seed);
    same_bits(&dw, c.dw, "dw", seed);
    same_bits(&db, c.db, "db", seed);

    struct tensor *const all[] = {&x, &dx, &y, &y_in, &dy, &w, &dw, &db};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) tensor_free(all[i]);
    conv_case_free(&c);
}

static void convolutions_give_the_bits_of_nhwc(void **state)
{
    (void)state;
    const long cases = test_cases(120);
    cincel_context *ctx[] = {make_context(1), make_context(3)};
    for (long i = 0; i < cases; i++)
        for (int pass = 0; pass < 3; pass++) check_conv(ctx[i % 2], (uint64_t)i, (cincel_pass)pass);
    cincel_context_destroy(ctx[0]);
    cincel_context_destroy(ctx[1]);
}

/* ------------------------------------------------------------------------------------- pooling -- */

static float *random_floats(struct test_random *r, size_t count)
{
    float *v = test_guarded(count * sizeof *v);
    for (size_t i = 0; i < count; i++) v[i] = 2.0f * cincel_random_uniform(&r->source, r->next++) - 1.0f;
    return v;
}

/* Forward then backward; `y` and `dx` are written, argmax is made and used inside. */
static void run_pool(cincel_context *ctx, const cincel_pool_desc *d, const float *x, const float *dy,
                     float *y, float *dx)
{
    cincel_plan *forward = NULL, *backward = NULL;
    must(cincel_pool_plan(ctx, d, CINCEL_FORWARD, NULL, &forward));
    must(cincel_pool_plan(ctx, d, CINCEL_BACKWARD_DATA, NULL, &backward));
    const size_t sizes[] = {cincel_plan_workspace_size(forward), cincel_plan_workspace_size(backward)};
    const size_t bytes = sizes[0] > sizes[1] ? sizes[0] : sizes[1];
    void *ws = bytes ? dirty_workspace(bytes) : NULL, *argmax = malloc(cincel_pool_argmax_size(forward) + 1);
    must(cincel_pool_forward(forward, x, y, argmax, ws));
    must(cincel_pool_backward(backward, dy, argmax, dx, ws));
    if (ws) test_guarded_free(ws, (bytes + 63) / 64 * 64);
    free(argmax);
    cincel_plan_destroy(forward);
    cincel_plan_destroy(backward);
}

static void check_pool(cincel_context *ctx, uint64_t seed)
{
    struct test_random r = {{seed, 8, 0}, 0};
    cincel_pool_desc d = CINCEL_POOL_DESC_INIT;
    d.kind = (cincel_pool_kind)test_draw(&r, CINCEL_POOL_MAX, CINCEL_POOL_AVG_EXCLUDE_PAD);
    d.n = test_draw(&r, 1, 3);
    d.c = test_draw(&r, 1, 40);
    d.ih = test_draw(&r, 3, 14);
    d.iw = test_draw(&r, 3, 14);
    d.kh = test_draw(&r, 1, 3);
    d.kw = test_draw(&r, 1, 3);
    d.stride_h = test_draw(&r, 1, 3);
    d.stride_w = test_draw(&r, 1, 3);
    d.pad_top = test_draw(&r, 0, d.kh - 1);
    d.pad_right = test_draw(&r, 0, d.kw - 1);
    d.accumulate = test_draw(&r, 0, 1);
    if (test_draw(&r, 0, 3) == 0) d.oh = test_draw(&r, 1, d.ih), d.ow = test_draw(&r, 1, d.iw);
    int oh, ow;
    must(cincel_pool_output_size(&d, &oh, &ow));
    const size_t n = (size_t)d.n, c = (size_t)d.c, in = (size_t)d.ih * (size_t)d.iw;
    const size_t out = (size_t)oh * (size_t)ow;
    float *x = random_floats(&r, n * in * c), *dx = random_floats(&r, n * in * c);
    float *y = random_floats(&r, n * out * c), *dy = random_floats(&r, n * out * c);
    struct tensor xt = tensor_of(x, n, in, c, 1), dxt = tensor_of(dx, n, in, c, 1);
    struct tensor yt = tensor_of(y, n, out, c, 1), dyt = tensor_of(dy, n, out, c, 1);
    run_pool(ctx, &d, x, dy, y, dx);
    d.layout = CINCEL_NCHW;
    run_pool(ctx, &d, xt.at, dyt.at, yt.at, dxt.at);
    same_bits(&yt, y, "pool y", seed);
    same_bits(&dxt, dx, "pool dx", seed);
    test_guarded_free(x, n * in * c * sizeof(float));
    test_guarded_free(dx, n * in * c * sizeof(float));
    test_guarded_free(y, n * out * c * sizeof(float));
    test_guarded_free(dy, n * out * c * sizeof(float));
    struct tensor *const all[] = {&xt, &dxt, &yt, &dyt};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) tensor_free(all[i]);
}

static void pooling_gives_the_bits_of_nhwc(void **state)
{
    (void)state;
    const long cases = test_cases(120);
    cincel_context *ctx = make_context(2);
    for (long i = 0; i < cases; i++) check_pool(ctx, (uint64_t)i);
    cincel_context_destroy(ctx);
}

/* --------------------------------------------------------------------------- conversions alone -- */

/* Sizes below and above one cut, so that rows, columns and batches are all cut somewhere. */
static void conversions_move_every_element(void **state)
{
    (void)state;
    static const int sizes[][4] = {{1, 1, 1, 1},    {3, 5, 1, 1},   {2, 1, 6, 7},
                                   {4, 3, 7, 7},    {300, 3, 5, 5}, {2, 67, 40, 31},
                                   {1, 700, 9, 11}, {1, 3, 99, 98}, {1, 600, 25, 26}};
    cincel_context *ctx = make_context(3);
    struct test_random r = {{1, 9, 0}, 0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int *s = sizes[i];
        const size_t batch = (size_t)s[0], rows = (size_t)s[1], cols = (size_t)s[2] * (size_t)s[3];
        const size_t bytes = batch * rows * cols * sizeof(float);
        float *first = random_floats(&r, batch * rows * cols), *got = test_guarded(bytes);
        float *last = turned(first, batch, rows, cols, 1);
        must(cincel_layout_convert(ctx, CINCEL_NCHW, CINCEL_NHWC, s[0], s[1], s[2], s[3], first, got));
        assert_memory_equal(got, last, bytes);
        must(cincel_layout_convert(ctx, CINCEL_NHWC, CINCEL_NCHW, s[0], s[1], s[2], s[3], last, got));
        assert_memory_equal(got, first, bytes);
        must(cincel_weights_convert(ctx, CINCEL_OIHW, CINCEL_OHWI, s[0], s[1], s[2], s[3], first, got));
        assert_memory_equal(got, last, bytes);
        must(cincel_weights_convert(ctx, CINCEL_OHWI, CINCEL_OIHW, s[0], s[1], s[2], s[3], last, got));
        assert_memory_equal(got, first, bytes);
        must(cincel_layout_convert(ctx, CINCEL_NCHW, CINCEL_NCHW, s[0], s[1], s[2], s[3], last, got));
        assert_memory_equal(got, last, bytes);
        test_guarded_free(first, bytes);
        test_guarded_free(last, bytes);
        test_guarded_free(got, bytes);
    }
    cincel_context_destroy(ctx);
}

static void bad_conversions_are_refused(void **state)
{
    (void)state;
    cincel_context *ctx = make_context(1);
    const cincel_layout a = CINCEL_NCHW, b = CINCEL_NHWC;
    float in[4] = {0}, out[4];
    const cincel_status bad = CINCEL_INVALID_ARGUMENT;
    says(cincel_layout_convert(NULL, a, b, 1, 2, 1, 2, in, out), bad, "layout_convert: ctx is NULL");
    says(cincel_layout_convert(ctx, a, b, 1, 2, 1, 2, NULL, out), bad, "in is NULL");
    says(cincel_layout_convert(ctx, a, b, 1, 2, 1, 2, in, NULL), bad, "out is NULL");
    says(cincel_layout_convert(ctx, (cincel_layout)5, b, 1, 2, 1, 2, in, out), bad, "from 5");
    says(cincel_layout_convert(ctx, a, (cincel_layout)-1, 1, 2, 1, 2, in, out), bad, "to -1");
    says(cincel_layout_convert(ctx, a, b, 1, 0, 1, 2, in, out), bad, "c is 0");
    says(cincel_layout_convert(ctx, a, b, 1, 2, -4, 2, in, out), bad, "h is -4");
    says(cincel_layout_convert(ctx, a, b, INT32_MAX, INT32_MAX, INT32_MAX, 2, in, out), bad, "too large");
    says(cincel_weights_convert(ctx, CINCEL_OIHW, CINCEL_OHWI, 0, 1, 1, 1, in, out), bad,
         "weights_convert: oc is 0");
    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    cincel_pool_desc pool = CINCEL_POOL_DESC_INIT;
    cincel_plan *plan = NULL;
    d.ic = d.oc = 1;
    d.layout = (cincel_layout)2;
    says(cincel_conv_plan(ctx, &d, CINCEL_FORWARD, NULL, &plan), bad, "conv: layout 2");
    d.layout = CINCEL_NHWC;
    d.weights_layout = (cincel_weights_layout)7;
    says(cincel_conv_plan(ctx, &d, CINCEL_FORWARD, NULL, &plan), bad, "conv: weights_layout 7");
    pool.c = 1;
    pool.ih = pool.iw = 2;
    pool.layout = (cincel_layout)3;
    says(cincel_pool_plan(ctx, &pool, CINCEL_FORWARD, NULL, &plan), bad, "pool: layout 3");
    cincel_context_destroy(ctx);
}

/* ------------------------------------------------------------------------------- workspace limit -- */

/* The number behind the last "needs" of the message. */
static size_t needed_bytes(void)
{
    const char *at = strstr(cincel_error_message(), "needs ");
    assert_non_null(at);
    return (size_t)strtoull(at + strlen("needs "), NULL, 10);
}

typedef cincel_status make_plan(cincel_context *ctx, const void *d, cincel_pass pass, const cincel_options *o,
                                cincel_plan **out);

static cincel_status make_conv(cincel_context *ctx, const void *d, cincel_pass pass, const cincel_options *o,
                               cincel_plan **out)
{
    return cincel_conv_plan(ctx, d, pass, o, out);
}
static cincel_status make_linear(cincel_context *ctx, const void *d, cincel_pass pass,
                                 const cincel_options *o, cincel_plan **out)
{
    return cincel_linear_plan(ctx, d, pass, o, out);
}
static cincel_status make_pool(cincel_context *ctx, const void *d, cincel_pass pass, const cincel_options *o,
                               cincel_plan **out)
{
    return cincel_pool_plan(ctx, d, pass, o, out);
}

/* What a refusal names is enough, and a byte less is not. Returns 0 where a plan needs no workspace at all.
 */
static int check_limit(cincel_context *ctx, make_plan *make, const void *d, cincel_pass pass,
                       cincel_effort effort)
{
    cincel_options o = CINCEL_OPTIONS_INIT;
    cincel_plan *plan = NULL;
    o.effort = effort;
    o.budget_seconds = 0.01;
    must(make(ctx, d, pass, &o, &plan));
    const size_t free_choice = cincel_plan_workspace_size(plan);
    cincel_plan_destroy(plan);
    plan = NULL;
    o.max_workspace_bytes = 1;
    if (make(ctx, d, pass, &o, &plan) == CINCEL_OK) {
        assert_int_equal(cincel_plan_workspace_size(plan), 0);
        cincel_plan_destroy(plan);
        return 0;
    }
    says(make(ctx, d, pass, &o, &plan), CINCEL_UNSUPPORTED, "max_workspace_bytes 1 is too small");
    const size_t least = needed_bytes();
    assert_in_range(least, 2, free_choice);
    o.max_workspace_bytes = least - 1;
    says(make(ctx, d, pass, &o, &plan), CINCEL_UNSUPPORTED, "is too small");
    assert_null(plan);
    o.max_workspace_bytes = least;
    must(make(ctx, d, pass, &o, &plan));
    assert_true(cincel_plan_workspace_size(plan) <= least);
    /* a choice of one's own is held to the limit too */
    cincel_options given = CINCEL_OPTIONS_INIT;
    cincel_plan *again = NULL;
    given.choice = cincel_plan_choice(plan);
    given.max_workspace_bytes = least - 1;
    says(make(ctx, d, pass, &given, &again), CINCEL_UNSUPPORTED, "this choice needs");
    given.max_workspace_bytes = least;
    must(make(ctx, d, pass, &given, &again));
    cincel_plan_destroy(again);
    cincel_plan_destroy(plan);
    return 1;
}

static void limits_hold_to_the_byte(void **state)
{
    (void)state;
    cincel_context *ctx = make_context(2);
    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    d.n = 2;
    d.ic = d.oc = 24;
    d.ih = d.iw = 12;
    d.kh = d.kw = 3;
    cincel_linear_desc linear = CINCEL_LINEAR_DESC_INIT;
    linear.n = 5;
    linear.in = 40;
    linear.out = 30;
    cincel_pool_desc pool = CINCEL_POOL_DESC_INIT;
    pool.c = 6;
    pool.ih = pool.iw = 8;
    int held = 0;
    for (int layout = 0; layout < 2; layout++)
        for (int pass = 0; pass < 3; pass++) {
            d.layout = pool.layout = layout ? CINCEL_NCHW : CINCEL_NHWC;
            d.weights_layout = layout ? CINCEL_OIHW : CINCEL_OHWI;
            held += check_limit(ctx, make_conv, &d, (cincel_pass)pass, CINCEL_ESTIMATE);
            held += check_limit(ctx, make_conv, &d, (cincel_pass)pass, CINCEL_MEASURE);
            check_limit(ctx, make_linear, &linear, (cincel_pass)pass, CINCEL_ESTIMATE);
            if (pass < 2) check_limit(ctx, make_pool, &pool, (cincel_pass)pass, CINCEL_ESTIMATE);
        }
    assert_int_equal(held, 12); /* every convolution here packs or accumulates somewhere */
    cincel_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_give_the_bits_of_nhwc),
        cmocka_unit_test(pooling_gives_the_bits_of_nhwc),
        cmocka_unit_test(conversions_move_every_element),
        cmocka_unit_test(bad_conversions_are_refused),
        cmocka_unit_test(limits_hold_to_the_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
