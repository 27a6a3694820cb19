/* Transposed convolutions exactly as PyTorch computes them, in its own layouts (tests/golden/make_golden.py).
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

/* Relative to the largest element of a tensor: a few hundred roundings of 6e-8. */
static const double TOLERANCE = 1e-5;

/* Tensor `name` of case `number`, for the caller to free; NULL where there is no such case. */
static float *numbers(const struct cincel_tensor_file *file, int number, const char *name, size_t *count)
{
    char full[32];
    snprintf(full, sizeof full, "%d.%s", number, name);
    for (size_t i = 0; i < cincel_tensor_file_count(file); i++) {
        const struct cincel_tensor_entry *entry = cincel_tensor_file_entry(file, i);
        if (strcmp(entry->name, full) != 0) continue;
        float *out = malloc(entry->count * sizeof *out);
        assert_non_null(out);
        cincel_tensor_file_read(file, entry, out);
        *count = entry->count;
        return out;
    }
    return NULL;
}

static cincel_conv_transpose_desc desc_of(const float *s)
{
    cincel_conv_transpose_desc d = CINCEL_CONV_TRANSPOSE_DESC_INIT;
    int *const fields[] = {&d.n,         &d.groups,    &d.ic,         &d.ih,        &d.iw,      &d.oc,
                           &d.kh,        &d.kw,        &d.stride_h,   &d.stride_w,  &d.pad_top, &d.pad_left,
                           &d.out_pad_h, &d.out_pad_w, &d.dilation_h, &d.dilation_w};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) *fields[i] = (int)s[i];
    d.pad_bottom = d.pad_top;
    d.pad_right = d.pad_left;
    d.layout = CINCEL_NCHW;
    d.weights_layout = CINCEL_OIHW;
    return d;
}

static void compare(const struct cincel_tensor_file *file, int number, const char *name, const float *got)
{
    size_t count;
    float *expected = numbers(file, number, name, &count);
    double largest = 0.0;
    assert_non_null(expected);
    for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs((double)expected[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)expected[i]) <= TOLERANCE * largest))
            fail_msg("case %d: %s[%zu] is %.9g, PyTorch has %.9g", number, name, i, (double)got[i],
                     (double)expected[i]);
    free(expected);
}

static void run_case(cincel_context *ctx, const struct cincel_tensor_file *file, int number,
                     const float *sizes)
{
    const cincel_conv_transpose_desc d = desc_of(sizes);
    static const char *const names[] = {"x", "w", "b", "dy", "y", "dx", "dw", "db"};
    float *t[8];
    for (int i = 0; i < 8; i++) {
        size_t count;
        t[i] = numbers(file, number, names[i], &count);
        assert_non_null(t[i]);
        if (i >= 4) memset(t[i], 0xff, count * sizeof(float)); /* to be computed */
    }
    for (int pass = 0; pass < 3; pass++) {
        cincel_plan *plan = NULL;
        void *ws = NULL;
        must(cincel_conv_transpose_plan(ctx, &d, (cincel_pass)pass, NULL, &plan));
        must(cincel_workspace_create(cincel_plan_workspace_size(plan), &ws));
        if (pass == CINCEL_FORWARD) must(cincel_conv_transpose_forward(plan, t[0], t[1], t[2], t[4], ws));
        if (pass == CINCEL_BACKWARD_DATA)
            must(cincel_conv_transpose_backward_data(plan, t[3], t[1], NULL, t[5], ws));
        if (pass == CINCEL_BACKWARD_WEIGHTS)
            must(cincel_conv_transpose_backward_weights(plan, t[0], t[3], NULL, t[6], t[7], ws));
        cincel_workspace_destroy(ws);
        cincel_plan_destroy(plan);
    }
    for (int i = 4; i < 8; i++) compare(file, number, names[i], t[i]);
    for (int i = 0; i < 8; i++) free(t[i]);
}

static void transposed_convolutions_are_pytorchs(void **state)
{
    (void)state;
    struct cincel_tensor_file *file = NULL;
    cincel_context *ctx = NULL;
    int cases = 0;
    float *sizes;
    size_t count;
    must(cincel_tensor_file_open(CINCEL_GOLDEN_DIR "/conv_transpose.safetensors", &file));
    must(cincel_context_create(NULL, &ctx));
    for (; (sizes = numbers(file, cases, "sizes", &count)) != NULL; cases++) {
        assert_int_equal(count, 16);
        run_case(ctx, file, cases, sizes);
        free(sizes);
    }
    assert_int_equal(cases, 4);
    cincel_context_destroy(ctx);
    cincel_tensor_file_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(transposed_convolutions_are_pytorchs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
