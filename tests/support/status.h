/* Statuses as tests expect them. */
#ifndef CINCEL_TESTS_SUPPORT_STATUS_H
#define CINCEL_TESTS_SUPPORT_STATUS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cincel/base.h"

static inline void must(cincel_status status)
{
    if (status != CINCEL_OK) fail_msg("%s", cincel_error_message());
}

/* `part` stands somewhere in the message. */
static inline void says(cincel_status got, cincel_status wanted, const char *part)
{
    if (got != wanted || !strstr(cincel_error_message(), part))
        fail_msg("status %d (wanted %d), message \"%s\" (wanted \"%s\")", got, wanted, cincel_error_message(),
                 part);
}

#endif
