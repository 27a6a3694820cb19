/* Aligned memory, overflow-checked sizes and the carving of one block into parts. */
#ifndef CINCEL_CORE_MEMORY_H
#define CINCEL_CORE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cincel/cincel.h"

#define CINCEL_ALIGN ((size_t)64) /* a cache line, and a zmm register */

/* NULL when there is no memory or `bytes` is 0. Large blocks ask for huge pages. Release with
   cincel_aligned_free. */
CINCEL_API void *cincel_aligned_alloc(size_t bytes);
CINCEL_API void cincel_aligned_free(void *p);

static inline size_t cincel_round_up(size_t v, size_t to) { return (v + to - 1) / to * to; }
static inline size_t cincel_div_up(size_t v, size_t by) { return (v + by - 1) / by; }
static inline size_t cincel_min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t cincel_max(size_t a, size_t b) { return a > b ? a : b; }

/* *total = a·b; false when it does not fit. */
static inline bool cincel_mul(size_t a, size_t b, size_t *total)
{
    return !__builtin_mul_overflow(a, b, total);
}

/*
 * Lays parts out in one workspace: call once with base NULL to learn the size, again to get pointers.
 *   struct cincel_carver c = {ws, 0};
 *   float *panels = cincel_carve(&c, count * sizeof(float));
 */
struct cincel_carver {
    char *base;
    size_t used;
};
static inline void *cincel_carve(struct cincel_carver *c, size_t bytes)
{
    void *part = c->base ? c->base + c->used : NULL;
    c->used += cincel_round_up(bytes, CINCEL_ALIGN);
    return part;
}

#endif
