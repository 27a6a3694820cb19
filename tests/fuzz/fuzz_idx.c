#include <stdlib.h>

#include "tests/fuzz/memory_file.h"
#include "train/idx.h"

/* What is read has the size it says. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *path = memory_file(bytes, size);
    static const int kinds[] = {CINCEL_IDX_IMAGES, CINCEL_IDX_LABELS};
    for (int k = 0; k < 2; k++) {
        struct cincel_idx idx;
        if (cincel_idx_read(path, kinds[k], &idx) != CINCEL_OK) continue;
        const size_t count = idx.shape[0] * idx.shape[1] * idx.shape[2];
        unsigned sum = 0;
        for (size_t i = 0; i < count; i++) sum += idx.data[i];
        if (!count || sum > 255 * count) abort();
        cincel_idx_free(&idx);
    }
    return 0;
}
