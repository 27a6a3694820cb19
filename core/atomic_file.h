/*
 * Files that are either the old one or the whole new one: written under a temporary name in the same
 * folder, synced, renamed over the target, and the folder synced. A failure at any point, a full disk
 * included, removes the temporary file and leaves an existing target as it was.
 *
 *   struct cincel_atomic_file *file;
 *   cincel_status status = cincel_atomic_file_create(path, &file);
 *   if (status != CINCEL_OK) return status;
 *   cincel_atomic_file_printf(file, "epoch,loss\n");
 *   return cincel_atomic_file_commit(file); // reports what any write before it ran into
 */
#ifndef CINCEL_CORE_ATOMIC_FILE_H
#define CINCEL_CORE_ATOMIC_FILE_H

#include "cincel/cincel.h"

struct cincel_atomic_file;

/* Opens the temporary file. A target that exists and is no regular file (a device, a folder) is refused. */
CINCEL_API cincel_status cincel_atomic_file_create(const char *path, struct cincel_atomic_file **out);

/* Buffered. The first failure is remembered and every later call, the commit too, returns it again, so
   that callers may check the commit alone. */
CINCEL_API cincel_status cincel_atomic_file_write(struct cincel_atomic_file *file, const void *data,
                                                  size_t bytes);
CINCEL_API cincel_status cincel_atomic_file_printf(struct cincel_atomic_file *file, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts the file in place, or takes it away and says why. Releases `file` in either case. */
CINCEL_API cincel_status cincel_atomic_file_commit(struct cincel_atomic_file *file);

/* Takes the temporary file away. NULL is allowed. */
CINCEL_API void cincel_atomic_file_abandon(struct cincel_atomic_file *file);

/* Takes away the temporary files that killed writers of `path` left behind. For those who know that nobody is
   writing it now: holders of a lock over it. */
CINCEL_API void cincel_atomic_file_sweep(const char *path);

/* The three steps at once: `path` holds `bytes` bytes of `data`, or what it held before. */
CINCEL_API cincel_status cincel_atomic_file_replace(const char *path, const void *data, size_t bytes);

#endif
