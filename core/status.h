/*
 * Errors go up as a cincel_status; the sentence that goes with it is written here, once, where the
 * fault is found: `return cincel_fail(CINCEL_INVALID_ARGUMENT, "conv: ic is %d, must be > 0", d->ic);`
 * Both are exported, though in no public header: libcincel-train's errors end up in the same
 * thread-local line that cincel_error_message() reads.
 */
#ifndef CINCEL_CORE_STATUS_H
#define CINCEL_CORE_STATUS_H

#include "cincel/cincel.h"

/* Stores the message for this thread (truncated to a line) and returns `status`. */
CINCEL_API cincel_status cincel_fail(cincel_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

/* cincel_fail for errno: appends `: strerror(errno)`. */
CINCEL_API cincel_status cincel_fail_errno(cincel_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

#endif
