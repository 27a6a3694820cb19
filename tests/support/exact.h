/* For kernels whose contract states every sum: guarded operands, and comparison bit for bit. */
#ifndef CINCEL_TESTS_SUPPORT_EXACT_H
#define CINCEL_TESTS_SUPPORT_EXACT_H

#include "kernels/kernel.h"
#include "tests/support/conv_cases.h"

/* `count` numbers of −1 … 1 that end at an unreadable page: free with test_guarded_free. At least one is
   there, so that an empty operand has an address. */
float *test_random_floats(struct test_random *r, size_t count);
void test_free_floats(float *p, size_t count);

/* malloc()ed */
float *test_copy_of(const float *from, size_t count);

/* a · b + sum as the ISA rounds it. */
float test_multiply_add(const struct cincel_isa *isa, float a, float b, float sum);

/* Fails, naming the kernel and the case, where a bit differs. */
void test_same_floats(const float *is, const float *wanted, size_t count, const char *name,
                      unsigned long seed);

#endif
