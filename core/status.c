#include "core/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 512 };

static _Thread_local char message[MESSAGE_BYTES];

const char *cincel_status_string(cincel_status status)
{
    switch (status) {
    case CINCEL_OK: return "success";
    case CINCEL_INVALID_ARGUMENT: return "invalid argument";
    case CINCEL_UNSUPPORTED: return "not supported by this build or machine";
    case CINCEL_OUT_OF_MEMORY: return "out of memory";
    case CINCEL_IO_ERROR: return "input/output error";
    case CINCEL_FORMAT_ERROR: return "malformed content";
    case CINCEL_CANCELLED: return "cancelled";
    case CINCEL_INTERNAL_ERROR: return "internal error";
    }
    return "unknown status";
}

const char *cincel_error_message(void) { return message; }

#define STRING_OF(x) #x
#define VERSION_STRING(major, minor, patch) STRING_OF(major) "." STRING_OF(minor) "." STRING_OF(patch)

const char *cincel_version(void)
{
    return VERSION_STRING(CINCEL_VERSION_MAJOR, CINCEL_VERSION_MINOR, CINCEL_VERSION_PATCH);
}

/* Formats into a buffer of its own first: an argument may be the previous message. File names and other
   text from outside may hold control characters: the message stays one line. */
static void store(const char *format, va_list args, const char *suffix)
{
    char text[MESSAGE_BYTES];
    const int written = vsnprintf(text, sizeof text, format, args);
    size_t used = written < 0 ? 0 : (size_t)written;
    if (used >= sizeof text) used = sizeof text - 1;
    if (suffix) snprintf(text + used, sizeof text - used, ": %s", suffix);
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = ' ';
    }
    memcpy(message, text, sizeof message);
}

cincel_status cincel_fail(cincel_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    store(format, args, NULL);
    va_end(args);
    return status;
}

cincel_status cincel_fail_errno(cincel_status status, const char *format, ...)
{
    char reason[128];
    const int number = errno;
    va_list args;
    va_start(args, format);
    /* GNU's strerror_r: thread-safe, returns its argument or a constant */
    store(format, args, strerror_r(number, reason, sizeof reason));
    va_end(args);
    errno = number;
    return status;
}
