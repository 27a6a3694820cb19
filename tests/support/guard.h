/* Buffers that end at an unreadable page: one element too far is a crash, not luck. */
#ifndef CINCEL_TESTS_SUPPORT_GUARD_H
#define CINCEL_TESTS_SUPPORT_GUARD_H

#include <stddef.h>

/* `bytes` bytes, the last one just before an unreadable page; aligned as far as `bytes` is a multiple.
   Never NULL (ends the test program when there is no memory). */
void *test_guarded(size_t bytes);
void test_guarded_free(void *p, size_t bytes);

/* The same for many small cases: a stretch between two unreadable pages, to be used again and again. */
struct test_region {
    char *begin, *end; /* multiples of a page */
};
void test_region_open(struct test_region *r, size_t bytes);
void test_region_close(struct test_region *r);
/* The last `bytes` bytes of the region that start at a multiple of `align` (a power of two). */
void *test_region_last(const struct test_region *r, size_t bytes, size_t align);

#endif
