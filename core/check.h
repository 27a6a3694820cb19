/*
 * Checks that several kinds of problem have in common. Each names the operator, the field and its value in
 * the message it leaves; CINCEL_OK where there is nothing to say.
 */
#ifndef CINCEL_CORE_CHECK_H
#define CINCEL_CORE_CHECK_H

#include <stddef.h>

#include "cincel/cincel.h"

struct cincel_field {
    const char *name;
    int value;
};

cincel_status cincel_check_descriptor(const char *op, const void *d);
/* > 0, all of them */
cincel_status cincel_check_positive(const char *op, const struct cincel_field *fields, size_t count);
/* 0 or 1, all of them */
cincel_status cincel_check_switches(const char *op, const struct cincel_field *fields, size_t count);
/* groups > 0 divides both */
cincel_status cincel_check_groups(const char *op, int groups, int ic, int oc);
/* A tensor of floats: an index into it, in bytes and as a difference of pointers, must exist. */
cincel_status cincel_check_tensor(const char *op, const char *tensor, const int dims[4]);

#endif
