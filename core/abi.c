#include "core/abi.h"

#include <string.h>

#include "core/memory.h"
#include "core/status.h"

/* What no struct of the API will reach; more means that `size` was never set. */
static const size_t largest = 4096;

static cincel_status read_size(const char *name, const void *s, size_t first, size_t *size)
{
    memcpy(size, s, sizeof *size);
    if (*size < first || *size > largest) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT,
                           "%s: size %zu is impossible: set the struct with its _INIT macro", name, *size);
    }
    return CINCEL_OK;
}

cincel_status cincel_struct_in(const char *name, const void *from, size_t first, size_t known, void *to)
{
    size_t size;
    const cincel_status status = read_size(name, from, first, &size);
    if (status) return status;
    const char *bytes = from;
    for (size_t i = known; i < size; i++) {
        if (bytes[i]) {
            return cincel_fail(CINCEL_UNSUPPORTED,
                               "%s: size %zu: fields beyond byte %zu are newer than library %s", name, size,
                               known, cincel_version());
        }
    }
    memcpy(to, from, cincel_min(size, known));
    memcpy(to, &known, sizeof known);
    return CINCEL_OK;
}

cincel_status cincel_struct_check(const char *name, const void *to, size_t first)
{
    size_t size;
    return read_size(name, to, first, &size);
}

cincel_status cincel_struct_out(const char *name, const void *from, size_t first, size_t known, void *to)
{
    size_t size;
    const cincel_status status = read_size(name, to, first, &size);
    if (status) return status;
    memcpy((char *)to + sizeof size, (const char *)from + sizeof size, cincel_min(size, known) - sizeof size);
    return CINCEL_OK;
}
