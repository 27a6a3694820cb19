/* Arrays of floats for tests, which free() them. */
#ifndef CINCEL_TESTS_SUPPORT_FLOATS_H
#define CINCEL_TESTS_SUPPORT_FLOATS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/conv_cases.h"

/* −scale … scale */
static inline float *draw_floats(struct test_random *r, size_t count, float scale)
{
    float *x = malloc(count * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++) x[i] = scale * (float)test_draw(r, -1000, 1000) * 1e-3f;
    return x;
}

static inline float *copy_of(const float *x, size_t count)
{
    float *y = malloc(count * sizeof *y);
    assert_non_null(y);
    memcpy(y, x, count * sizeof *y);
    return y;
}

#endif
