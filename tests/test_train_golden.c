/*
 * A small network exactly as PyTorch left it (tests/golden/make_golden.py): its weights file is loaded,
 * and logits, loss, gradients, two steps of SGD and the file written afterwards must agree with PyTorch's.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/status.h"
#include "train/model.h"
#include "train/safetensors.h"

/* Relative to the largest element of a tensor: a few hundred roundings of 6e-8. */
static const double TOLERANCE = 1e-5;

static const char weights_path[] = CINCEL_GOLDEN_DIR "/weights.safetensors";

struct golden {
    struct cincel_tensor_file *file;
    cincel_context *ctx;
    cincel_model *model;
    cincel_session *session;
    float *x; /* NHWC */
    int32_t *labels;
    int n;
};

static const struct cincel_tensor_entry *entry_named(const struct cincel_tensor_file *file,
                                                     const char *prefix, const char *name)
{
    char full[64];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    for (size_t i = 0; i < cincel_tensor_file_count(file); i++) {
        const struct cincel_tensor_entry *entry = cincel_tensor_file_entry(file, i);
        if (strcmp(entry->name, full) == 0) return entry;
    }
    fail_msg("no tensor %s in the golden file", full);
    return NULL;
}

static float *numbers(const struct cincel_tensor_file *file, const char *prefix, const char *name)
{
    const struct cincel_tensor_entry *entry = entry_named(file, prefix, name);
    float *out = malloc(entry->count * sizeof *out);
    cincel_tensor_file_read(file, entry, out);
    return out;
}

static cincel_model *golden_model(void)
{
    cincel_model *model;
    cincel_conv2d_options o = CINCEL_CONV2D_OPTIONS_INIT;
    must(cincel_model_create(10, 13, 3, &model));
    o.out_channels = 5;
    o.kernel_w = 2;
    o.stride_w = 2;
    o.pad_top = o.pad_bottom = 1;
    must(cincel_model_add_conv2d(model, &o));
    must(cincel_model_add_relu(model));
    must(cincel_model_add_max_pool2d(model, 2, 2, 0));
    o = (cincel_conv2d_options)CINCEL_CONV2D_OPTIONS_INIT;
    o.out_channels = 4;
    o.pad_top = o.pad_bottom = o.pad_left = o.pad_right = 1;
    o.bias = 0;
    must(cincel_model_add_conv2d(model, &o));
    must(cincel_model_add_relu(model));
    must(cincel_model_add_flatten(model));
    must(cincel_model_add_linear(model, 9, 1));
    must(cincel_model_add_relu(model));
    must(cincel_model_add_linear(model, 6, 1));
    return model;
}

static int set_up(void **state)
{
    struct golden *g = calloc(1, sizeof *g);
    *state = g;
    must(cincel_tensor_file_open(CINCEL_GOLDEN_DIR "/expected.safetensors", &g->file));
    must(cincel_context_create(NULL, &g->ctx));
    g->model = golden_model();
    must(cincel_model_load(g->model, weights_path));

    const struct cincel_tensor_entry *x = entry_named(g->file, "", "x");
    const size_t n = x->shape[0], c = x->shape[1], h = x->shape[2], w = x->shape[3];
    float *nchw = numbers(g->file, "", "x"), *labels = numbers(g->file, "", "labels");
    g->n = (int)n;
    g->x = malloc(x->count * sizeof *g->x);
    g->labels = malloc(n * sizeof *g->labels);
    for (size_t i = 0; i < n; i++) {
        g->labels[i] = (int32_t)labels[i];
        for (size_t p = 0; p < h * w; p++) {
            for (size_t k = 0; k < c; k++) g->x[(i * h * w + p) * c + k] = nchw[(i * c + k) * h * w + p];
        }
    }
    free(labels);
    free(nchw);

    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    o.batch = g->n;
    o.training = 1;
    must(cincel_session_create(g->ctx, g->model, &o, &g->session));
    return 0;
}

static int tear_down(void **state)
{
    struct golden *g = *state;
    cincel_session_destroy(g->session);
    cincel_model_destroy(g->model);
    cincel_context_destroy(g->ctx);
    cincel_tensor_file_close(g->file);
    free(g->x);
    free(g->labels);
    free(g);
    return 0;
}

static void assert_close(const char *what, const float *got, const float *expected, size_t count)
{
    double scale = 0.0;
    for (size_t i = 0; i < count; i++) scale = fmax(scale, fabs((double)expected[i]));
    for (size_t i = 0; i < count; i++) {
        const double error = fabs((double)got[i] - (double)expected[i]) / scale;
        if (!(error <= TOLERANCE)) {
            fail_msg("%s[%zu] is %.9g, PyTorch has %.9g", what, i, (double)got[i], (double)expected[i]);
        }
    }
}

/* Element (row, c, y, x) of PyTorch's tensor against (row, y, x, c) of ours; written out on purpose
   instead of using the library's own permutation. */
static void assert_tensor(const struct golden *g, const char *prefix, const struct layer_tensor *t,
                          const float *got)
{
    float *torch = numbers(g->file, prefix, t->name), *ours = malloc(t->count * sizeof *ours);
    for (size_t i = 0; i < t->count; i++) {
        const size_t x = i % t->w, y = i / t->w % t->h, c = i / (t->w * t->h) % t->c;
        const size_t row = i / (t->w * t->h * t->c);
        ours[i] = got[((row * t->h + y) * t->w + x) * t->c + c];
    }
    assert_close(t->name, ours, torch, t->count);
    free(ours);
    free(torch);
}

static void logits_agree(void **state)
{
    const struct golden *g = *state;
    const float *logits;
    must(cincel_session_forward(g->session, g->x, g->n, &logits));
    float *expected = numbers(g->file, "", "logits");
    assert_close("logits", logits, expected, (size_t)g->n * 6);
    free(expected);
}

static void loss_and_gradients_agree(void **state)
{
    const struct golden *g = *state;
    double loss;
    must(cincel_session_gradients(g->session, g->x, g->labels, g->n, &loss, NULL));
    float *expected = numbers(g->file, "", "loss");
    const float got = (float)loss;
    assert_close("loss", &got, expected, 1);
    free(expected);
    for (size_t i = 0; i < g->model->tensors; i++) {
        assert_tensor(g, "grad.", cincel_model_tensor(g->model, i), cincel_session_gradient(g->session, i));
    }
}

static void two_steps_of_sgd_agree(void **state)
{
    const struct golden *g = *state;
    float *sgd = numbers(g->file, "", "sgd");
    for (int step = 0; step < 2; step++) {
        must(cincel_session_gradients(g->session, g->x, g->labels, g->n, NULL, NULL));
        must(cincel_session_sgd(g->session, sgd[0], sgd[1], sgd[2]));
    }
    free(sgd);
    for (size_t i = 0; i < g->model->tensors; i++) {
        const struct layer_tensor *t = cincel_model_tensor(g->model, i);
        assert_tensor(g, "trained.", t, layer_tensor_in(g->model->parameters, t));
    }
}

/* The file saved from the loaded model holds PyTorch's tensors, number for number. */
static void saved_file_is_pytorchs(void **state)
{
    const struct golden *g = *state;
    char path[] = "test_train_golden.XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    must(cincel_model_save(g->model, path));
    struct cincel_tensor_file *torch, *ours;
    must(cincel_tensor_file_open(weights_path, &torch));
    must(cincel_tensor_file_open(path, &ours));
    unlink(path);
    assert_int_equal(cincel_tensor_file_count(ours), cincel_tensor_file_count(torch));
    for (size_t i = 0; i < cincel_tensor_file_count(torch); i++) {
        const struct cincel_tensor_entry *expected = cincel_tensor_file_entry(torch, i), *found;
        must(cincel_tensor_file_find(ours, expected->name, expected->ndim, expected->shape, &found));
        float *a = numbers(torch, "", expected->name), *b = numbers(ours, "", expected->name);
        assert_memory_equal(a, b, expected->count * sizeof *a);
        free(b);
        free(a);
    }
    cincel_tensor_file_close(ours);
    cincel_tensor_file_close(torch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(logits_agree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(loss_and_gradients_agree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_steps_of_sgd_agree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(saved_file_is_pytorchs, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
