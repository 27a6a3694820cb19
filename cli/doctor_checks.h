/*
 * What may keep a machine from being as fast as it could: checks, a row each, and what to do about each
 * finding. They read /proc, /sys and the environment, and change nothing.
 */
#ifndef CINCEL_CLI_DOCTOR_CHECKS_H
#define CINCEL_CLI_DOCTOR_CHECKS_H

#include <stdbool.h>

#include "cincel/cincel.h"

enum doctor_state {
    DOCTOR_OK,     /* nothing to do */
    DOCTOR_HINT,   /* might be faster */
    DOCTOR_PROBLEM /* is slower than it should be */
};

struct doctor_subject {
    const char *root; /* stands before /proc and /sys: "" on a real machine */
    cincel_context *ctx;
    cincel_machine_info machine;
    double seconds; /* how long to watch what only time shows */
};

struct doctor_finding {
    const char *name; /* "quota" */
    enum doctor_state state;
    char text[256];   /* what was found */
    char advice[256]; /* what to do; "" where there is nothing */
};

/* Finding `i`, 0 …; false past the last. */
bool doctor_check(const struct doctor_subject *subject, int i, struct doctor_finding *out);

/* "ok", "hint", "problem" */
const char *doctor_state_name(enum doctor_state state);

#endif
