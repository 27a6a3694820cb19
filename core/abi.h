/*
 * Public structs begin with their size, so that fields can be appended under one SOVERSION: an older
 * caller's struct is shorter than the library's, a newer caller's longer. A new field must begin at or
 * after the old sizeof: in the padding at its end old callers leave garbage.
 * Exported, though in no public header: libcincel-train takes its structs the same way.
 */
#ifndef CINCEL_CORE_ABI_H
#define CINCEL_CORE_ABI_H

#include <stddef.h>

#include "cincel/cincel.h"

/*
 * Copies the caller's struct `from` over `to`, whose `known` bytes hold the defaults (the _INIT macro).
 * `first` is the size the struct had when it was first released; less is an error, and so are
 * non-zero fields beyond `known`, which ask for something this library does not know.
 * `name` begins the messages: "conv". `from` must not be NULL.
 */
CINCEL_API cincel_status cincel_struct_in(const char *name, const void *from, size_t first, size_t known,
                                          void *to);

/* Is the size of a struct to be filled later, after long work, believable? */
CINCEL_API cincel_status cincel_struct_check(const char *name, const void *to, size_t first);

/* Copies what the caller's struct has room for from the library's `known` bytes; to->size is kept. */
CINCEL_API cincel_status cincel_struct_out(const char *name, const void *from, size_t first, size_t known,
                                           void *to);

#endif
