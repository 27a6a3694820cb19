#include <stdlib.h>

#include "train/safetensors.h"

/* What passes the checks can be found and read whole, and holds no more numbers than the file has bytes for.
 */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct cincel_tensor_file *file;
    if (cincel_tensor_file_parse(bytes, size, "fuzz", &file) != CINCEL_OK) return 0;
    size_t total = 0;
    for (size_t i = 0; i < cincel_tensor_file_count(file); i++) {
        const struct cincel_tensor_entry *entry = cincel_tensor_file_entry(file, i);
        const struct cincel_tensor_entry *found;
        if (cincel_tensor_file_find(file, entry->name, entry->ndim, entry->shape, &found) != CINCEL_OK)
            abort();
        float *data = malloc(found->count * sizeof *data + 1);
        cincel_tensor_file_read(file, found, data);
        free(data);
        total += found->count;
    }
    if (total * sizeof(float) > size) abort();
    cincel_tensor_file_metadata(file, "format");
    cincel_tensor_file_close(file);
    return 0;
}
