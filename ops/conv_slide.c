#include "ops/conv_slide.h"

size_t cincel_slide_order(const ptrdiff_t *at, size_t taps, ptrdiff_t px, size_t *order, size_t *length)
{
    for (size_t tap = 0; tap < taps; tap++) {
        size_t i = tap;
        for (; i > 0 && at[order[i - 1]] > at[tap]; i--) order[i] = order[i - 1];
        order[i] = tap;
    }
    size_t runs = 0;
    for (size_t i = 0; i < taps; i++) {
        const int goes_on =
            i > 0 && length[runs - 1] < CINCEL_SLIDE_TAPS && at[order[i]] - at[order[i - 1]] == px;
        if (!goes_on) length[runs++] = 0;
        length[runs - 1]++;
    }
    return runs;
}
