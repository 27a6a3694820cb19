/* Arrays of numbers in JSON, as summary.json has them. */
#ifndef CINCEL_CLI_JSON_NUMBERS_H
#define CINCEL_CLI_JSON_NUMBERS_H

#include <jansson.h>
#include <stddef.h>

#include "cincel/cincel.h"

json_t *json_numbers(const float *value, size_t count);

/* `field` of the object that is called `name`: `count` finite numbers; `path` for messages. */
cincel_status json_take_numbers(const char *path, const char *name, const json_t *object, const char *field,
                                float *out, size_t count);

#endif
