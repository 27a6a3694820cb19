/*
 * Every kind of layer and every objective against PyTorch (tests/golden/make_layers.py): a state_dict under
 * PyTorch's names is loaded; outputs in training and in evaluation, loss, gradients, running statistics and
 * the file written afterwards must agree.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scratch.h"
#include "tests/support/status.h"
#include "train/model.h"
#include "train/safetensors.h"

/* Relative to the largest element of a tensor; norms and GELU have more roundings on the way. */
static const double TIGHT = 1e-5, LOOSE = 1e-4;

/* ------------------------------------------------------------------------------------------- models -- */

static void add_conv(cincel_model *m, int stride)
{
    cincel_conv2d_options o = CINCEL_CONV2D_OPTIONS_INIT;
    o.out_channels = 6;
    o.kernel_w = 2;
    o.stride_h = o.stride_w = stride;
    must(cincel_model_add_conv2d(m, &o));
}

static void add_end(cincel_model *m)
{
    must(cincel_model_add_flatten(m));
    must(cincel_model_add_linear(m, 4, 1));
}

static void build_activation(cincel_model *m, int act, double alpha)
{
    add_conv(m, 1);
    must(cincel_model_add_activation(m, (cincel_activation)act, (float)alpha));
    must(cincel_model_add_max_pool2d(m, 2, 2, 0));
    must(cincel_model_add_activation(m, (cincel_activation)act, (float)alpha));
    add_end(m);
    must(cincel_model_add_activation(m, (cincel_activation)act, (float)alpha));
}

/* `out`: 0 slides, 1 is global, 35 gives 3 x 5 */
static void build_pool(cincel_model *m, int kind, double out)
{
    cincel_pool2d_options o = CINCEL_POOL2D_OPTIONS_INIT;
    o.kind = (cincel_pool_kind)kind;
    o.kernel_h = 3;
    o.stride_w = 1;
    o.pad_top = o.pad_bottom = o.pad_left = o.pad_right = 1;
    if (out > 0) {
        o.out_h = out > 1 ? 3 : 1;
        o.out_w = out > 1 ? 5 : 1;
    }
    add_conv(m, 1);
    must(cincel_model_add_pool2d(m, &o));
    add_end(m);
}

static void build_batch_norm(cincel_model *m, int flat, double unused)
{
    (void)unused;
    add_conv(m, flat ? 2 : 1);
    if (flat) {
        must(cincel_model_add_flatten(m));
        must(cincel_model_add_batch_norm(m, 1e-5f, 0.1f));
        must(cincel_model_add_linear(m, 5, 1));
        must(cincel_model_add_batch_norm(m, 1e-5f, 0.1f));
        must(cincel_model_add_linear(m, 4, 1));
    } else {
        must(cincel_model_add_batch_norm(m, 1e-3f, 0.2f));
        add_end(m);
    }
}

static void build_layer_norm(cincel_model *m, int flat, double unused)
{
    (void)unused;
    add_conv(m, flat ? 2 : 1);
    if (flat) must(cincel_model_add_flatten(m));
    must(cincel_model_add_layer_norm(m, 1e-5f));
    if (flat)
        must(cincel_model_add_linear(m, 4, 1));
    else
        add_end(m);
}

static void build_conv(cincel_model *m, int unused, double unused_too)
{
    (void)unused;
    (void)unused_too;
    cincel_conv2d_options o = CINCEL_CONV2D_OPTIONS_INIT;
    o.out_channels = 6;
    o.kernel_w = 2;
    o.stride_h = 2;
    o.pad_top = o.pad_bottom = 1;
    o.dilation_w = 2;
    o.groups = 3;
    must(cincel_model_add_conv2d(m, &o));
    add_end(m);
}

static void build_conv_transpose(cincel_model *m, int unused, double unused_too)
{
    (void)unused;
    (void)unused_too;
    cincel_conv_transpose2d_options o = CINCEL_CONV_TRANSPOSE2D_OPTIONS_INIT;
    o.out_channels = 6;
    o.kernel_h = 3;
    o.stride_w = 3;
    o.pad_top = o.pad_bottom = 1;
    o.out_pad_h = 1;
    o.out_pad_w = 2;
    o.groups = 3;
    must(cincel_model_add_conv_transpose2d(m, &o));
    must(cincel_model_add_activation(m, CINCEL_ACT_TANH, 0));
    must(cincel_model_add_max_pool2d(m, 3, 3, 0));
    o = (cincel_conv_transpose2d_options)CINCEL_CONV_TRANSPOSE2D_OPTIONS_INIT;
    o.out_channels = 4;
    o.kernel_h = o.kernel_w = 3;
    o.stride_h = o.stride_w = 1;
    o.dilation_w = 2;
    o.bias = 0;
    must(cincel_model_add_conv_transpose2d(m, &o));
    add_end(m);
}

static void build_vectors(cincel_model *m, int unused, double unused_too)
{
    (void)unused;
    (void)unused_too;
    must(cincel_model_add_flatten(m));
    must(cincel_model_add_linear(m, 5, 1));
    must(cincel_model_add_activation(m, CINCEL_ACT_TANH, 0));
    must(cincel_model_add_linear(m, 4, 1));
}

static const struct golden_case {
    const char *name;
    void (*build)(cincel_model *m, int kind, double value);
    int kind;
    double value;
    cincel_objective objective;
    bool loose;
} cases[] = {
#define OBJECTIVE(kind, delta, smoothing)                         \
    {                                                             \
        sizeof(cincel_objective), kind, delta, smoothing, NULL, 0 \
    }
#define LABELS OBJECTIVE(CINCEL_OBJECTIVE_CROSS_ENTROPY, 1.0f, 0.0f)
    {"relu", build_activation, CINCEL_ACT_RELU, 0, LABELS, false},
    {"leaky_relu", build_activation, CINCEL_ACT_LEAKY_RELU, 0.3, LABELS, false},
    {"elu", build_activation, CINCEL_ACT_ELU, 0.7, LABELS, false},
    {"sigmoid", build_activation, CINCEL_ACT_SIGMOID, 0, LABELS, false},
    {"tanh", build_activation, CINCEL_ACT_TANH, 0, LABELS, false},
    {"gelu", build_activation, CINCEL_ACT_GELU, 0, LABELS, true},
    {"gelu_tanh", build_activation, CINCEL_ACT_GELU_TANH, 0, LABELS, true},
    {"silu", build_activation, CINCEL_ACT_SILU, 0, LABELS, false},
    {"max_pool", build_pool, CINCEL_POOL_MAX, 0, LABELS, false},
    {"avg_pool_include", build_pool, CINCEL_POOL_AVG_INCLUDE_PAD, 0, LABELS, false},
    {"avg_pool_exclude", build_pool, CINCEL_POOL_AVG_EXCLUDE_PAD, 0, LABELS, false},
    {"avg_pool_adaptive", build_pool, CINCEL_POOL_AVG_EXCLUDE_PAD, 35, LABELS, false},
    {"max_pool_adaptive", build_pool, CINCEL_POOL_MAX, 35, LABELS, false},
    {"avg_pool_global", build_pool, CINCEL_POOL_AVG_INCLUDE_PAD, 1, LABELS, false},
    {"max_pool_global", build_pool, CINCEL_POOL_MAX, 1, LABELS, false},
    {"batch_norm", build_batch_norm, 0, 0, LABELS, true},
    {"batch_norm_flat", build_batch_norm, 1, 0, LABELS, true},
    {"layer_norm", build_layer_norm, 0, 0, LABELS, true},
    {"layer_norm_flat", build_layer_norm, 1, 0, LABELS, true},
    {"conv", build_conv, 0, 0, LABELS, false},
    {"conv_transpose", build_conv_transpose, 0, 0, LABELS, false},
    {"mse", build_vectors, 0, 0, OBJECTIVE(CINCEL_OBJECTIVE_MSE, 1.0f, 0.0f), false},
    {"l1", build_vectors, 0, 0, OBJECTIVE(CINCEL_OBJECTIVE_L1, 1.0f, 0.0f), false},
    {"huber", build_vectors, 0, 0, OBJECTIVE(CINCEL_OBJECTIVE_HUBER, 0.6f, 0.0f), false},
    {"bce", build_vectors, 0, 0, OBJECTIVE(CINCEL_OBJECTIVE_BCE, 1.0f, 0.0f), false},
    {"smoothing", build_vectors, 0, 0, OBJECTIVE(CINCEL_OBJECTIVE_CROSS_ENTROPY, 1.0f, 0.2f), false},
#undef LABELS
#undef OBJECTIVE
};
enum { CASES = sizeof cases / sizeof cases[0] };

/* ------------------------------------------------------------------------------------- golden values -- */

static const struct cincel_tensor_entry *entry_named(const struct cincel_tensor_file *file,
                                                     const char *case_name, const char *prefix,
                                                     const char *name)
{
    char full[96];
    snprintf(full, sizeof full, "%s/%s%s", case_name, prefix, name);
    for (size_t i = 0; i < cincel_tensor_file_count(file); i++) {
        const struct cincel_tensor_entry *entry = cincel_tensor_file_entry(file, i);
        if (strcmp(entry->name, full) == 0) return entry;
    }
    fail_msg("no tensor %s in the golden file", full);
    return NULL;
}

static float *numbers(const struct cincel_tensor_file *file, const char *case_name, const char *prefix,
                      const char *name)
{
    const struct cincel_tensor_entry *entry = entry_named(file, case_name, prefix, name);
    float *out = malloc(entry->count * sizeof *out);
    cincel_tensor_file_read(file, entry, out);
    return out;
}

static void assert_close(const struct golden_case *c, const char *what, const float *got,
                         const float *expected, size_t count)
{
    const double tolerance = c->loose ? LOOSE : TIGHT;
    double scale = 3e-3; /* a gradient that is 0 in mathematics is roundings of 1 here as there */
    for (size_t i = 0; i < count; i++) scale = fmax(scale, fabs((double)expected[i]));
    for (size_t i = 0; i < count; i++) {
        const double error = fabs((double)got[i] - (double)expected[i]) / scale;
        if (!(error <= tolerance)) {
            fail_msg("%s: %s[%zu] is %.9g, PyTorch has %.9g (%.2g of the largest)", c->name, what, i,
                     (double)got[i], (double)expected[i], error);
        }
    }
}

/* Element (row, c, y, x) of PyTorch's tensor against (row, y, x, c) of ours; written out on purpose instead
   of using the library's own permutation. */
static void assert_tensor(const struct golden_case *c, const struct cincel_tensor_file *file,
                          const char *prefix, const struct layer_tensor *t, const float *got)
{
    float *torch = numbers(file, c->name, prefix, t->name), *ours = malloc(t->count * sizeof *ours);
    for (size_t i = 0; i < t->count; i++) {
        const size_t x = i % t->w, y = i / t->w % t->h, k = i / (t->w * t->h) % t->c;
        const size_t row = i / (t->w * t->h * t->c);
        ours[i] = got[((row * t->h + y) * t->w + x) * t->c + k];
    }
    assert_close(c, t->name, ours, torch, t->count);
    free(ours);
    free(torch);
}

/* The case's "before" tensors as a file of their own, under the names of a state_dict. */
static void write_state_dict(const struct cincel_tensor_file *file, const char *case_name, const char *path)
{
    enum { MOST = 32 };
    struct cincel_tensor_source source[MOST];
    float *data[MOST];
    size_t count = 0;
    char prefix[64];
    const int length = snprintf(prefix, sizeof prefix, "%s/before/", case_name);
    for (size_t i = 0; i < cincel_tensor_file_count(file); i++) {
        const struct cincel_tensor_entry *entry = cincel_tensor_file_entry(file, i);
        if (strncmp(entry->name, prefix, (size_t)length) != 0) continue;
        assert_true(count < MOST);
        data[count] = malloc(entry->count * sizeof(float));
        cincel_tensor_file_read(file, entry, data[count]);
        source[count] = (struct cincel_tensor_source){
            .name = entry->name + length, .type = entry->type, .ndim = entry->ndim, .data = data[count]};
        memcpy(source[count].shape, entry->shape, sizeof entry->shape);
        count++;
    }
    must(cincel_tensor_file_write(path, source, count, NULL, 0));
    for (size_t i = 0; i < count; i++) free(data[i]);
}

/* The same names, types, shapes and numbers in both files, in any order. */
static void assert_same_file(const char *a_path, const char *b_path)
{
    struct cincel_tensor_file *a, *b;
    must(cincel_tensor_file_open(a_path, &a));
    must(cincel_tensor_file_open(b_path, &b));
    assert_int_equal(cincel_tensor_file_count(a), cincel_tensor_file_count(b));
    for (size_t i = 0; i < cincel_tensor_file_count(a); i++) {
        const struct cincel_tensor_entry *wanted = cincel_tensor_file_entry(a, i), *found;
        must(cincel_tensor_file_find(b, wanted->name, wanted->ndim, wanted->shape, &found));
        assert_int_equal(found->type, wanted->type);
        float *x = malloc(wanted->count * sizeof *x), *y = malloc(wanted->count * sizeof *y);
        cincel_tensor_file_read(a, wanted, x);
        cincel_tensor_file_read(b, found, y);
        assert_memory_equal(x, y, wanted->count * sizeof *x);
        free(y);
        free(x);
    }
    cincel_tensor_file_close(b);
    cincel_tensor_file_close(a);
}

/* -------------------------------------------------------------------------------------------- checks -- */

struct inputs {
    int n, h, w, c;
    float *x;       /* NHWC */
    float *targets; /* as in the file */
    int32_t labels[8];
};

static struct inputs read_inputs(const struct cincel_tensor_file *file, const char *name)
{
    const struct cincel_tensor_entry *x = entry_named(file, name, "", "x");
    struct inputs in = {
        (int)x->shape[0], (int)x->shape[2], (int)x->shape[3], (int)x->shape[1], NULL, NULL, {0}};
    const size_t pixels = x->shape[2] * x->shape[3], channels = x->shape[1];
    float *nchw = numbers(file, name, "", "x");
    in.x = malloc(x->count * sizeof *in.x);
    for (size_t i = 0; i < x->shape[0]; i++) {
        for (size_t p = 0; p < pixels; p++) {
            for (size_t k = 0; k < channels; k++)
                in.x[(i * pixels + p) * channels + k] = nchw[(i * channels + k) * pixels + p];
        }
    }
    free(nchw);
    in.targets = numbers(file, name, "", "y");
    for (int i = 0; i < in.n && i < 8; i++) in.labels[i] = (int32_t)in.targets[i];
    return in;
}

static void step(const struct golden_case *c, cincel_session *session, const struct inputs *in, double *loss)
{
    if (c->objective.kind == CINCEL_OBJECTIVE_CROSS_ENTROPY)
        must(cincel_session_gradients(session, in->x, in->labels, in->n, loss, NULL));
    else
        must(cincel_session_target_gradients(session, in->x, in->targets, in->n, loss, NULL));
}

static cincel_session *make_session(cincel_context *ctx, cincel_model *model, const struct golden_case *c,
                                    int n, bool training)
{
    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    cincel_session *session;
    o.batch = n;
    o.training = training;
    o.objective = &c->objective;
    must(cincel_session_create(ctx, model, &o, &session));
    return session;
}

static cincel_model *load_model(const struct golden_case *c, const struct inputs *in, const char *path)
{
    cincel_model *model;
    must(cincel_model_create(in->h, in->w, in->c, &model));
    c->build(model, c->kind, c->value);
    must(cincel_model_load(model, path));
    return model;
}

static void check_case(const struct golden_case *c, const struct cincel_tensor_file *file, struct scratch *s)
{
    char path[512], saved[512];
    snprintf(path, sizeof path, "%s", scratch_path(s, "state"));
    snprintf(saved, sizeof saved, "%s", scratch_path(s, "saved"));
    write_state_dict(file, c->name, path);
    struct inputs in = read_inputs(file, c->name);
    cincel_context *ctx;
    must(cincel_context_create(NULL, &ctx));
    cincel_model *model = load_model(c, &in, path);
    must(cincel_model_save(model, saved));
    assert_same_file(path, saved);

    cincel_session *session = make_session(ctx, model, c, in.n, true);
    double loss;
    step(c, session, &in, &loss);
    float *expected = numbers(file, c->name, "", "loss");
    const float got = (float)loss;
    assert_close(c, "loss", &got, expected, 1);
    free(expected);
    for (size_t i = 0; i < model->tensors; i++) {
        assert_tensor(c, file, "grad/", cincel_model_tensor(model, i), cincel_session_gradient(session, i));
    }
    for (size_t i = 0; i < model->states; i++) {
        const struct layer_tensor *t = cincel_model_state(model, i);
        assert_tensor(c, file, "after/", t, layer_tensor_in(model->state, t));
    }
    /* evaluation, by the session that trains and by one that does not */
    cincel_session *inference = make_session(ctx, model, c, in.n, false);
    expected = numbers(file, c->name, "", "eval");
    const float *logits;
    must(cincel_session_forward(session, in.x, in.n, &logits));
    assert_close(c, "outputs", logits, expected, (size_t)in.n * 4);
    must(cincel_session_forward(inference, in.x, in.n, &logits));
    assert_close(c, "outputs of inference", logits, expected, (size_t)in.n * 4);
    free(expected);

    cincel_session_destroy(inference);
    cincel_session_destroy(session);
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
    free(in.targets);
    free(in.x);
}

static void layers_agree_with_pytorch(void **state)
{
    (void)state;
    struct scratch s;
    struct cincel_tensor_file *file;
    scratch_open(&s);
    must(cincel_tensor_file_open(CINCEL_GOLDEN_DIR "/layers.safetensors", &file));
    for (int i = 0; i < CASES; i++) check_case(&cases[i], file, &s);
    cincel_tensor_file_close(file);
    scratch_close(&s);
}

/* Three steps of every model: the same bits in parameters and states for 1, 2 and 3 threads. */
static void threads_do_not_matter(void **state)
{
    (void)state;
    struct scratch s;
    struct cincel_tensor_file *file;
    scratch_open(&s);
    must(cincel_tensor_file_open(CINCEL_GOLDEN_DIR "/layers.safetensors", &file));
    for (int i = 0; i < CASES; i++) {
        const struct golden_case *c = &cases[i];
        char path[512];
        snprintf(path, sizeof path, "%s", scratch_path(&s, "state"));
        write_state_dict(file, c->name, path);
        struct inputs in = read_inputs(file, c->name);
        float *first = NULL;
        for (int threads = 1; threads <= 3; threads++) {
            cincel_config config = CINCEL_CONFIG_INIT;
            cincel_context *ctx;
            config.threads = threads;
            must(cincel_context_create(&config, &ctx));
            cincel_model *model = load_model(c, &in, path);
            cincel_session *session = make_session(ctx, model, c, in.n, true);
            for (int k = 0; k < 3; k++) {
                step(c, session, &in, NULL);
                must(cincel_session_sgd(session, 0.1f, 0.9f, 0.01f));
            }
            const size_t count = cincel_model_snapshot_size(model);
            float *now = malloc(count * sizeof *now);
            cincel_model_take_snapshot(model, now);
            if (first) assert_memory_equal(now, first, count * sizeof *now);
            if (first)
                free(now);
            else
                first = now;
            cincel_session_destroy(session);
            cincel_model_destroy(model);
            cincel_context_destroy(ctx);
        }
        free(first);
        free(in.targets);
        free(in.x);
    }
    cincel_tensor_file_close(file);
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_agree_with_pytorch),
        cmocka_unit_test(threads_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
