/* Buffers that end at an unreadable page: one element too far is a crash, not luck. */
#ifndef CINCEL_TESTS_SUPPORT_GUARD_H
#define CINCEL_TESTS_SUPPORT_GUARD_H

#include <stddef.h>

/* `bytes` bytes, the last one just before an unreadable page; aligned as far as `bytes` is a multiple.
   Never NULL (ends the test program when there is no memory). */
void *test_guarded(size_t bytes);
void test_guarded_free(void *p, size_t bytes);

#endif
