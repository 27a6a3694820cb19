/* Execute calls allocate nothing: this program replaces malloc and its kin by ones that count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cincel/cincel.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER
#endif

/* Sanitizers have an allocator of their own, and only glibc has these names behind its. */
#if defined(__GLIBC__) && !defined(SANITIZER)
#define COUNTS

static atomic_size_t allocations;

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *p, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);

/* visible, so that the libraries find these ones */
#define VISIBLE __attribute__((visibility("default")))

VISIBLE void *malloc(size_t bytes)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_malloc(bytes);
}

VISIBLE void *calloc(size_t count, size_t bytes)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_calloc(count, bytes);
}

VISIBLE void *realloc(void *p, size_t bytes)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_realloc(p, bytes);
}

VISIBLE void *aligned_alloc(size_t align, size_t bytes)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_memalign(align, bytes);
}

VISIBLE int posix_memalign(void **out, size_t align, size_t bytes)
{
    atomic_fetch_add(&allocations, 1);
    *out = __libc_memalign(align, bytes);
    return *out ? 0 : 12; /* ENOMEM */
}

enum {
    N = 4,
    CHANNELS = 24,
    SIDE = 12,
    FLOATS = N * SIDE * SIDE * CHANNELS,
    WEIGHTS = CHANNELS * 9 * CHANNELS
};

static float x[FLOATS], y[FLOATS], dy[FLOATS], dx[FLOATS], w[WEIGHTS], dw[WEIGHTS], db[CHANNELS];
static float moment[2][WEIGHTS];
static uint8_t argmax[FLOATS];

struct plans {
    cincel_plan *conv[3], *pool[2];
    void *ws;
};

static void make_plans(cincel_context *ctx, struct plans *p)
{
    cincel_conv_desc conv = CINCEL_CONV_DESC_INIT;
    conv.n = N, conv.ic = conv.oc = CHANNELS, conv.ih = conv.iw = SIDE, conv.kh = conv.kw = 3;
    conv.pad_top = conv.pad_bottom = conv.pad_left = conv.pad_right = 1;
    conv.activation = CINCEL_ACT_RELU;
    cincel_pool_desc pool = CINCEL_POOL_DESC_INIT;
    pool.n = N, pool.c = CHANNELS, pool.ih = pool.iw = SIDE;
    size_t bytes = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cincel_conv_plan(ctx, &conv, (cincel_pass)i, NULL, &p->conv[i]), CINCEL_OK);
        if (cincel_plan_workspace_size(p->conv[i]) > bytes) bytes = cincel_plan_workspace_size(p->conv[i]);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cincel_pool_plan(ctx, &pool, (cincel_pass)i, NULL, &p->pool[i]), CINCEL_OK);
        assert_int_equal(cincel_plan_workspace_size(p->pool[i]), 0);
    }
    assert_int_equal(cincel_workspace_create(bytes, &p->ws), CINCEL_OK);
}

static void destroy_plans(struct plans *p)
{
    for (int i = 0; i < 3; i++) cincel_plan_destroy(p->conv[i]);
    for (int i = 0; i < 2; i++) cincel_plan_destroy(p->pool[i]);
    cincel_workspace_destroy(p->ws);
}

static void run_all(cincel_context *ctx, const struct plans *p)
{
    static const int32_t labels[N] = {0, 1, 2, 3};
    double loss;
    assert_int_equal(cincel_conv_forward(p->conv[0], x, w, db, y, p->ws), CINCEL_OK);
    assert_int_equal(cincel_conv_backward_data(p->conv[1], dy, w, y, dx, p->ws), CINCEL_OK);
    assert_int_equal(cincel_conv_backward_weights(p->conv[2], x, dy, y, dw, db, p->ws), CINCEL_OK);
    assert_int_equal(cincel_pool_forward(p->pool[0], x, y, argmax, NULL), CINCEL_OK);
    assert_int_equal(cincel_pool_backward(p->pool[1], y, argmax, dx, NULL), CINCEL_OK);
    assert_int_equal(cincel_activation_forward(ctx, CINCEL_ACT_RELU, 0.0f, x, y, FLOATS), CINCEL_OK);
    assert_int_equal(cincel_activation_backward(ctx, CINCEL_ACT_RELU, 0.0f, NULL, y, dy, dx, FLOATS),
                     CINCEL_OK);
    assert_int_equal(cincel_math_apply(ctx, CINCEL_MATH_TANH, x, y, FLOATS), CINCEL_OK);
    assert_int_equal(cincel_softmax_forward(ctx, x, y, N, FLOATS / N), CINCEL_OK);
    assert_int_equal(cincel_log_softmax_forward(ctx, x, y, N, FLOATS / N), CINCEL_OK);
    assert_int_equal(cincel_softmax_backward(ctx, y, dy, dx, N, FLOATS / N), CINCEL_OK);
    assert_int_equal(cincel_log_softmax_backward(ctx, y, dy, dx, N, FLOATS / N), CINCEL_OK);
    assert_int_equal(cincel_loss(ctx, CINCEL_LOSS_MSE, 0.0f, x, y, FLOATS, &loss, dx), CINCEL_OK);
    assert_int_equal(cincel_dropout(ctx, 0.5f, 1, 2, x, y, FLOATS), CINCEL_OK);
    assert_int_equal(cincel_add_scaled(ctx, 1.0f, x, 2.0f, y, dx, FLOATS), CINCEL_OK);
    const float *const halves[2] = {x, dy};
    float *const split[2] = {x, dy};
    const size_t cols[2] = {CHANNELS / 3, CHANNELS * 2 / 3};
    assert_int_equal(cincel_concat(ctx, halves, cols, 2, FLOATS / CHANNELS, y), CINCEL_OK);
    assert_int_equal(cincel_split(ctx, y, cols, 2, FLOATS / CHANNELS, split), CINCEL_OK);
    cincel_cross_entropy_desc d = CINCEL_CROSS_ENTROPY_DESC_INIT;
    d.rows = N, d.cols = FLOATS / N;
    assert_int_equal(cincel_cross_entropy(ctx, &d, x, labels, &loss, NULL, dx), CINCEL_OK);
    assert_int_equal(cincel_sgd_step(ctx, w, dw, NULL, WEIGHTS, 0.1f, 0.0f, 0.0f), CINCEL_OK);
    cincel_adam_desc adam = CINCEL_ADAM_DESC_INIT;
    assert_int_equal(cincel_adam_step(ctx, &adam, w, dw, moment[0], moment[1], WEIGHTS), CINCEL_OK);
    assert_int_equal(cincel_embedding_forward(ctx, labels, w, N, WEIGHTS / 8, 8, y), CINCEL_OK);
    assert_int_equal(cincel_embedding_backward(ctx, labels, dy, N, WEIGHTS / 8, 8, dw), CINCEL_OK);
    assert_int_equal(cincel_clip_norm(ctx, dw, WEIGHTS, 1.0, NULL), CINCEL_OK);
}

#endif

static void execute_calls_allocate_nothing(void **state)
{
    (void)state;
#ifdef COUNTS
    for (int threads = 1; threads <= 2; threads++) {
        cincel_config config = CINCEL_CONFIG_INIT;
        cincel_context *ctx = NULL;
        struct plans plans;
        config.threads = threads;
        assert_int_equal(cincel_context_create(&config, &ctx), CINCEL_OK);
        make_plans(ctx, &plans);
        assert_true(atomic_load(&allocations) > 0); /* they are counted */
        run_all(ctx, &plans); /* the first call wakes the OpenMP runtime, the first region its threads */
        const size_t before = atomic_load(&allocations);
        for (int round = 0; round < 5; round++) run_all(ctx, &plans);
        assert_int_equal(atomic_load(&allocations), before);
        destroy_plans(&plans);
        cincel_context_destroy(ctx);
    }
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(execute_calls_allocate_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
