/* A file that lives in memory, for parsers that take a path. */
#ifndef CINCEL_TESTS_FUZZ_MEMORY_FILE_H
#define CINCEL_TESTS_FUZZ_MEMORY_FILE_H

#include <stddef.h>
#include <stdint.h>

/* The path of a file with this content, until the next call. */
const char *memory_file(const uint8_t *bytes, size_t size);

#endif
