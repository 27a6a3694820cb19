/* Pooling, values and gradients, against PyTorch's (tests/golden/make_pool_golden.py): every kind, sliding,
   adaptive and global windows, through the public calls. */
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
#include "tests/support/status.h"
#include "train/safetensors.h"

/* Relative to the largest element of a tensor: a few roundings of 6e-8 each. */
static const double TOLERANCE = 1e-6;

/* Tensor NAME.SUFFIX of the file; *count is its number of elements. */
static float *numbers(const struct cincel_tensor_file *file, const char *name, const char *suffix,
                      size_t *count)
{
    char full[64];
    snprintf(full, sizeof full, "%s.%s", name, suffix);
    for (size_t i = 0; i < cincel_tensor_file_count(file); i++) {
        const struct cincel_tensor_entry *entry = cincel_tensor_file_entry(file, i);
        if (strcmp(entry->name, full) != 0) continue;
        float *out = malloc(entry->count * sizeof *out);
        cincel_tensor_file_read(file, entry, out);
        *count = entry->count;
        return out;
    }
    fail_msg("no tensor %s in the golden file", full);
    return NULL;
}

/* The tensor [n][c][pixels] as [n][pixels][c]. */
static float *nhwc(const struct cincel_tensor_file *file, const char *name, const char *suffix, size_t n,
                   size_t c, size_t pixels)
{
    size_t count = 0;
    float *nchw = numbers(file, name, suffix, &count);
    assert_int_equal(count, n * c * pixels);
    float *out = malloc(count * sizeof *out);
    for (size_t i = 0; i < n * c * pixels; i++) {
        const size_t pixel = i % pixels, channel = i / pixels % c, image = i / pixels / c;
        out[(image * pixels + pixel) * c + channel] = nchw[i];
    }
    free(nchw);
    return out;
}

static void assert_close(const char *name, const char *what, const float *got, const float *expected,
                         size_t count)
{
    double scale = 0.0;
    for (size_t i = 0; i < count; i++) scale = fmax(scale, fabs((double)expected[i]));
    for (size_t i = 0; i < count; i++) {
        const double error = fabs((double)got[i] - (double)expected[i]) / scale;
        if (!(error <= TOLERANCE))
            fail_msg("%s: %s[%zu] is %.9g, PyTorch has %.9g", name, what, i, (double)got[i],
                     (double)expected[i]);
    }
}

static cincel_pool_desc read_desc(const struct cincel_tensor_file *file, const char *name)
{
    size_t count = 0;
    float *v = numbers(file, name, "case", &count);
    assert_int_equal(count, 13);
    cincel_pool_desc d = CINCEL_POOL_DESC_INIT;
    d.kind = (cincel_pool_kind)v[0];
    d.n = (int)v[1], d.c = (int)v[2], d.ih = (int)v[3], d.iw = (int)v[4];
    d.kh = (int)v[5], d.kw = (int)v[6], d.stride_h = (int)v[7], d.stride_w = (int)v[8];
    d.pad_top = d.pad_bottom = (int)v[9], d.pad_left = d.pad_right = (int)v[10];
    d.oh = (int)v[11], d.ow = (int)v[12];
    free(v);
    return d;
}

static void *workspace(const cincel_plan *plan)
{
    void *ws;
    must(cincel_workspace_create(cincel_plan_workspace_size(plan), &ws));
    return ws;
}

static void check_case(cincel_context *ctx, const struct cincel_tensor_file *file, const char *name)
{
    const cincel_pool_desc d = read_desc(file, name);
    cincel_plan *forward, *backward;
    int oh, ow;
    must(cincel_pool_output_size(&d, &oh, &ow));
    must(cincel_pool_plan(ctx, &d, CINCEL_FORWARD, NULL, &forward));
    must(cincel_pool_plan(ctx, &d, CINCEL_BACKWARD_DATA, NULL, &backward));
    const size_t n = (size_t)d.n, c = (size_t)d.c;
    const size_t pixels = (size_t)d.ih * (size_t)d.iw, pixels_out = (size_t)oh * (size_t)ow;
    const size_t in = n * c * pixels, out = n * c * pixels_out;
    float *x = nhwc(file, name, "x", n, c, pixels), *want_dx = nhwc(file, name, "dx", n, c, pixels);
    float *dy = nhwc(file, name, "dy", n, c, pixels_out), *want_y = nhwc(file, name, "y", n, c, pixels_out);
    float *y = malloc(out * sizeof *y), *dx = malloc(in * sizeof *dx);
    void *argmax = malloc(cincel_pool_argmax_size(forward) + 1);
    void *ws = workspace(forward), *ws_backward = workspace(backward);
    must(cincel_pool_forward(forward, x, y, argmax, ws));
    must(cincel_pool_backward(backward, dy, d.kind == CINCEL_POOL_MAX ? argmax : NULL, dx, ws_backward));
    assert_close(name, "y", y, want_y, out);
    assert_close(name, "dx", dx, want_dx, in);
    cincel_workspace_destroy(ws);
    cincel_workspace_destroy(ws_backward);
    float *const all[] = {x, want_dx, want_y, dy, y, dx};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    free(argmax);
    cincel_plan_destroy(forward);
    cincel_plan_destroy(backward);
}

static void every_case_agrees(void **state)
{
    (void)state;
    struct cincel_tensor_file *file;
    cincel_context *ctx;
    int cases = 0;
    must(cincel_tensor_file_open(CINCEL_GOLDEN_DIR "/pool.safetensors", &file));
    must(cincel_context_create(NULL, &ctx));
    for (size_t i = 0; i < cincel_tensor_file_count(file); i++) {
        char name[64];
        snprintf(name, sizeof name, "%s", cincel_tensor_file_entry(file, i)->name);
        char *suffix = strstr(name, ".case");
        if (!suffix) continue;
        *suffix = '\0';
        check_case(ctx, file, name);
        cases++;
    }
    assert_true(cases >= 10);
    cincel_context_destroy(ctx);
    cincel_tensor_file_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_agrees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
