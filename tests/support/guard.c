#include "tests/support/guard.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t pages_bytes(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

/*
 * An emulator may really read what a masked load masks out (qemu 7.2 does for vmaskmovps, where CPUs must
 * not fault): $CINCEL_TEST_EMULATOR says so, and the guard then stops writes only.
 */
static int guard_protection(void) { return getenv("CINCEL_TEST_EMULATOR") ? PROT_READ : PROT_NONE; }

void *test_guarded(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), used = pages_bytes(bytes);
    char *map = mmap(NULL, used + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + used, page, guard_protection())) {
        perror("test_guarded");
        exit(2);
    }
    return map + used - bytes;
}

void test_guarded_free(void *p, size_t bytes)
{
    if (!p) return;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), used = pages_bytes(bytes);
    munmap((char *)p + bytes - used, used + page);
}

void test_region_open(struct test_region *r, size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), used = pages_bytes(bytes);
    char *map = mmap(NULL, used + 2 * page, guard_protection(), MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + page, used, PROT_READ | PROT_WRITE)) {
        perror("test_region_open");
        exit(2);
    }
    *r = (struct test_region){map + page, map + page + used};
}

void test_region_close(struct test_region *r)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    munmap(r->begin - page, (size_t)(r->end - r->begin) + 2 * page);
}

void *test_region_last(const struct test_region *r, size_t bytes, size_t align)
{
    if (bytes > (size_t)(r->end - r->begin)) {
        fprintf(stderr, "test_region_last: %zu bytes wanted of %zu\n", bytes, (size_t)(r->end - r->begin));
        exit(2);
    }
    char *p = r->end - bytes;
    return p - ((uintptr_t)p & (align - 1));
}
