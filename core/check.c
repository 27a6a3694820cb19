#include "core/check.h"

#include <stdbool.h>
#include <stdint.h>

#include "core/memory.h"
#include "core/status.h"

cincel_status cincel_check_descriptor(const char *op, const void *d)
{
    return d ? CINCEL_OK : cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: descriptor is NULL", op);
}

cincel_status cincel_check_positive(const char *op, const struct cincel_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fields[i].value <= 0)
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s is %d, must be > 0", op, fields[i].name,
                               fields[i].value);
    return CINCEL_OK;
}

cincel_status cincel_check_switches(const char *op, const struct cincel_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fields[i].value != 0 && fields[i].value != 1)
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s is %d, must be 0 or 1", op, fields[i].name,
                               fields[i].value);
    return CINCEL_OK;
}

cincel_status cincel_check_groups(const char *op, int groups, int ic, int oc)
{
    if (ic % groups == 0 && oc % groups == 0) return CINCEL_OK;
    const bool input = ic % groups != 0;
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: groups %d does not divide %s %d", op, groups,
                       input ? "ic" : "oc", input ? ic : oc);
}

cincel_status cincel_check_tensor(const char *op, const char *tensor, const int dims[4])
{
    size_t bytes = sizeof(float);
    bool fits = true;
    for (int i = 0; i < 4; i++) fits = fits && cincel_mul(bytes, (size_t)dims[i], &bytes);
    if (fits && bytes <= PTRDIFF_MAX) return CINCEL_OK;
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: tensor %s of %dx%dx%dx%d floats is too large", op,
                       tensor, dims[0], dims[1], dims[2], dims[3]);
}
