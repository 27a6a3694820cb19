/* Optimizers and clipping against PyTorch's (tests/golden/make_optim_golden.py). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/status.h"
#include "train/optimizer.h"
#include "train/safetensors.h"

/* Of one number: each is its own chain of steps. */
static const double TOLERANCE = 1e-5;

struct golden {
    struct cincel_tensor_file *file;
    cincel_context *ctx;
    size_t steps, count;
    float *start, *gradients;
};

static float *numbers(const struct golden *g, const char *name, size_t shape[2])
{
    for (size_t i = 0; i < cincel_tensor_file_count(g->file); i++) {
        const struct cincel_tensor_entry *entry = cincel_tensor_file_entry(g->file, i);
        if (strcmp(entry->name, name) != 0) continue;
        float *out = malloc(entry->count * sizeof *out);
        cincel_tensor_file_read(g->file, entry, out);
        if (shape) memcpy(shape, entry->shape, 2 * sizeof *shape);
        return out;
    }
    fail_msg("no tensor %s in the golden file", name);
    return NULL;
}

static int set_up(void **state)
{
    static struct golden g;
    size_t shape[2];
    *state = &g;
    must(cincel_tensor_file_open(CINCEL_GOLDEN_DIR "/optim.safetensors", &g.file));
    must(cincel_context_create(NULL, &g.ctx));
    g.start = numbers(&g, "start", NULL);
    g.gradients = numbers(&g, "gradients", shape);
    g.steps = shape[0];
    g.count = shape[1];
    return 0;
}

static int tear_down(void **state)
{
    struct golden *g = *state;
    free(g->start), free(g->gradients);
    cincel_context_destroy(g->ctx);
    cincel_tensor_file_close(g->file);
    return 0;
}

static void assert_golden(const struct golden *g, const char *name, const float *got, size_t count)
{
    float *expected = numbers(g, name, NULL);
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)expected[i]) <= TOLERANCE * fmax(1.0, fabs((double)expected[i]))))
            fail_msg("%s[%zu] is %.9g, PyTorch has %.9g", name, i, (double)got[i], (double)expected[i]);
    free(expected);
}

/* All steps from the start, as a session makes them. */
static void check_steps(const struct golden *g, const char *name, const cincel_optimizer *o)
{
    const size_t bytes = g->count * sizeof(float);
    float *w = malloc(bytes), *gradient = malloc(bytes);
    float *const moment[OPTIMIZER_MOMENTS] = {calloc(1, bytes), calloc(1, bytes)};
    memcpy(w, g->start, bytes);
    for (size_t s = 0; s < g->steps; s++) {
        memcpy(gradient, g->gradients + s * g->count, bytes);
        must(cincel_optimizer_step(g->ctx, o, s + 1, w, gradient, moment, g->count));
    }
    assert_golden(g, name, w, g->count);
    free(w), free(gradient), free(moment[0]), free(moment[1]);
}

static void steps_agree(void **state)
{
    const struct golden *g = *state;
    cincel_optimizer o = CINCEL_OPTIMIZER_INIT;
    o.lr = 0.125f, o.momentum = 0.75f, o.weight_decay = 0.0625f;
    check_steps(g, "sgd", &o);
    o = (cincel_optimizer)CINCEL_OPTIMIZER_INIT;
    o.kind = CINCEL_OPTIMIZER_ADAM;
    o.lr = 0.0078125f;
    check_steps(g, "adam", &o);
    o.beta1 = 0.75, o.beta2 = 0.96875, o.weight_decay = 0.25f, o.eps = 0.5;
    check_steps(g, "adam_decay", &o);
    o.eps = 1e-8;
    o.kind = CINCEL_OPTIMIZER_ADAMW;
    check_steps(g, "adamw", &o);
}

static void clipping_agrees(void **state)
{
    const struct golden *g = *state;
    const struct {
        const char *name, *norm;
        double most;
    } cases[] = {{"clipped", "clipped.norm", 0.5}, {"not_clipped", "not_clipped.norm", 1e9}};
    for (int i = 0; i < 2; i++) {
        float *x = malloc(g->count * sizeof *x);
        double norm = 0.0;
        memcpy(x, g->gradients, g->count * sizeof *x);
        must(cincel_clip_norm(g->ctx, x, g->count, cases[i].most, &norm));
        assert_golden(g, cases[i].name, x, g->count);
        const float found = (float)norm;
        assert_golden(g, cases[i].norm, &found, 1);
        free(x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_agree),
        cmocka_unit_test(clipping_agrees),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
