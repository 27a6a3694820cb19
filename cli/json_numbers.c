#include "cli/json_numbers.h"

#include <math.h>

#include "core/status.h"

json_t *json_numbers(const float *value, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(array, json_real((double)value[i]));
    return array;
}

cincel_status json_take_numbers(const char *path, const char *name, const json_t *object, const char *field,
                                float *out, size_t count)
{
    const json_t *array = json_object_get(object, field);
    if (json_array_size(array) != count) {
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: %s.%s is no array of %zu numbers", path, name, field,
                           count);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(array, i);
        out[i] = (float)json_number_value(value);
        if (!json_is_number(value) || !isfinite(out[i])) {
            return cincel_fail(CINCEL_FORMAT_ERROR, "%s: %s.%s[%zu] is no finite number", path, name, field,
                               i);
        }
    }
    return CINCEL_OK;
}
