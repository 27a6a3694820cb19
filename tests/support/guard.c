#include "tests/support/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t pages_bytes(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

void *test_guarded(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), used = pages_bytes(bytes);
    char *map = mmap(NULL, used + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + used, page, PROT_NONE)) {
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
