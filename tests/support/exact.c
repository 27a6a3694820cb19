#include "tests/support/exact.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/guard.h"

float *test_random_floats(struct test_random *r, size_t count)
{
    count += !count;
    float *p = test_guarded(count * sizeof(float));
    for (size_t i = 0; i < count; i++) p[i] = 2.0f * cincel_random_uniform(&r->source, r->next++) - 1.0f;
    return p;
}

void test_free_floats(float *p, size_t count) { test_guarded_free(p, (count + !count) * sizeof(float)); }

float *test_copy_of(const float *from, size_t count)
{
    float *p = malloc(count * sizeof(float));
    assert_non_null(p);
    memcpy(p, from, count * sizeof(float));
    return p;
}

float test_multiply_add(const struct cincel_isa *isa, float a, float b, float sum)
{
    if (isa->has_fma) return fmaf(a, b, sum);
    const volatile float product = a * b; /* two roundings */
    return product + sum;
}

void test_same_floats(const float *is, const float *wanted, size_t count, const char *name,
                      unsigned long seed)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(&is[i], &wanted[i], sizeof *is) != 0)
            fail_msg("%s, case %lu: element %zu is %.9g, must be %.9g", name, seed, i, (double)is[i],
                     (double)wanted[i]);
}
