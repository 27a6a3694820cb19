/* Softmax, log-softmax and every loss with its gradient against PyTorch's (tests/golden/make_loss_golden.py).
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cincel/cincel.h"
#include "tests/support/status.h"
#include "train/safetensors.h"

/* Relative to the largest element of a tensor. */
static const double TOLERANCE = 1e-5;

enum { MOST = 11 * 19 };

struct golden {
    struct cincel_tensor_file *file;
    cincel_context *ctx;
    size_t rows, cols, count;
    float *logits, *dy, *labels, *weights, *x, *target, *chance, *parameters;
};

static float *numbers(const struct golden *g, const char *name, size_t *rows, size_t *cols)
{
    for (size_t i = 0; i < cincel_tensor_file_count(g->file); i++) {
        const struct cincel_tensor_entry *entry = cincel_tensor_file_entry(g->file, i);
        if (strcmp(entry->name, name) != 0) continue;
        float *out = malloc(entry->count * sizeof *out);
        cincel_tensor_file_read(g->file, entry, out);
        if (rows) *rows = entry->shape[0];
        if (cols) *cols = entry->ndim > 1 ? entry->shape[1] : 1;
        return out;
    }
    fail_msg("no tensor %s in the golden file", name);
    return NULL;
}

static int set_up(void **state)
{
    static struct golden g;
    *state = &g;
    must(cincel_tensor_file_open(CINCEL_GOLDEN_DIR "/losses.safetensors", &g.file));
    must(cincel_context_create(NULL, &g.ctx));
    g.logits = numbers(&g, "logits", &g.rows, &g.cols);
    g.dy = numbers(&g, "dy", NULL, NULL);
    g.labels = numbers(&g, "labels", NULL, NULL);
    g.weights = numbers(&g, "weights", NULL, NULL);
    g.x = numbers(&g, "x", &g.count, NULL);
    g.target = numbers(&g, "target", NULL, NULL);
    g.chance = numbers(&g, "chance", NULL, NULL);
    g.parameters = numbers(&g, "parameters", NULL, NULL);
    return 0;
}

static int tear_down(void **state)
{
    struct golden *g = *state;
    free(g->logits), free(g->dy), free(g->labels), free(g->weights);
    free(g->x), free(g->target), free(g->chance), free(g->parameters);
    cincel_context_destroy(g->ctx);
    cincel_tensor_file_close(g->file);
    return 0;
}

static void assert_golden(const struct golden *g, const char *name, const char *suffix, const float *got,
                          size_t count)
{
    char full[64];
    double scale = 0.0;
    snprintf(full, sizeof full, "%s%s", name, suffix);
    float *expected = numbers(g, full, NULL, NULL);
    for (size_t i = 0; i < count; i++) scale = fmax(scale, fabs((double)expected[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)expected[i]) <= TOLERANCE * scale))
            fail_msg("%s[%zu] is %.9g, PyTorch has %.9g", full, i, (double)got[i], (double)expected[i]);
    free(expected);
}

static void softmax_agrees(void **state)
{
    const struct golden *g = *state;
    const size_t count = g->rows * g->cols;
    float y[MOST], dx[MOST];
    assert_true(count <= MOST);
    must(cincel_softmax_forward(g->ctx, g->logits, y, g->rows, g->cols));
    must(cincel_softmax_backward(g->ctx, y, g->dy, dx, g->rows, g->cols));
    assert_golden(g, "softmax", "", y, count);
    assert_golden(g, "softmax", ".dx", dx, count);
    must(cincel_log_softmax_forward(g->ctx, g->logits, y, g->rows, g->cols));
    must(cincel_log_softmax_backward(g->ctx, y, g->dy, dx, g->rows, g->cols));
    assert_golden(g, "log_softmax", "", y, count);
    assert_golden(g, "log_softmax", ".dx", dx, count);
}

static void cross_entropy_agrees(void **state)
{
    const struct golden *g = *state;
    int32_t labels[MOST];
    for (size_t r = 0; r < g->rows; r++) labels[r] = (int32_t)g->labels[r];
    for (int i = 0; i < 8; i++) {
        cincel_cross_entropy_desc d = CINCEL_CROSS_ENTROPY_DESC_INIT;
        char name[32];
        float dx[MOST], single;
        double loss;
        d.rows = g->rows, d.cols = g->cols;
        if (i & 1) d.label_smoothing = g->parameters[0];
        if (i & 2) d.class_weights = g->weights;
        if (i & 4) d.ignore_index = (int32_t)g->parameters[1];
        must(cincel_cross_entropy(g->ctx, &d, g->logits, labels, &loss, NULL, dx));
        snprintf(name, sizeof name, "cross_entropy.%d", i);
        single = (float)loss;
        assert_golden(g, name, "", &single, 1);
        assert_golden(g, name, ".dx", dx, g->rows * g->cols);
    }
}

static void element_losses_agree(void **state)
{
    const struct golden *g = *state;
    const struct {
        const char *name;
        cincel_loss_kind kind;
        const float *target;
    } losses[] = {{"bce", CINCEL_LOSS_BCE_LOGITS, g->chance},
                  {"mse", CINCEL_LOSS_MSE, g->target},
                  {"l1", CINCEL_LOSS_L1, g->target},
                  {"huber", CINCEL_LOSS_HUBER, g->target}};
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        float dx[MOST], single;
        double loss;
        must(cincel_loss(g->ctx, losses[i].kind, g->parameters[2], g->x, losses[i].target, g->count, &loss,
                         dx));
        single = (float)loss;
        assert_golden(g, losses[i].name, "", &single, 1);
        assert_golden(g, losses[i].name, ".dx", dx, g->count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_agrees),
        cmocka_unit_test(cross_entropy_agrees),
        cmocka_unit_test(element_losses_agree),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
