/* A folder of a test's own, under $TMPDIR or /tmp, and small files in it. Failures abort the test. */
#ifndef CINCEL_TESTS_SUPPORT_SCRATCH_H
#define CINCEL_TESTS_SUPPORT_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

struct scratch {
    char folder[256];
    char path[512]; /* of the file last named by scratch_path */
};

void scratch_open(struct scratch *s);
void scratch_close(struct scratch *s); /* removes the folder and what is in it (no folders) */

/* `folder/name`, valid until the next call. */
const char *scratch_path(struct scratch *s, const char *name);

/* Writes a file and returns its path. */
const char *scratch_write(struct scratch *s, const char *name, const void *bytes, size_t size);

/* The content of a file, for the caller to free; NULL if there is none. */
uint8_t *scratch_read(struct scratch *s, const char *name, size_t *size);

/* Files in the folder. */
size_t scratch_count(const struct scratch *s);

#endif
