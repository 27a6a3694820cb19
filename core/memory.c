#include "core/memory.h"

#include <stdlib.h>

void *cincel_aligned_alloc(size_t bytes)
{
    if (bytes == 0 || bytes > PTRDIFF_MAX - CINCEL_ALIGN) return NULL;
    return aligned_alloc(CINCEL_ALIGN, cincel_round_up(bytes, CINCEL_ALIGN));
}

void cincel_aligned_free(void *p) { free(p); }
