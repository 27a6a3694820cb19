/*
 * Reading a data file from front to back without believing what it says about itself: memory is taken
 * only for bytes that are there. Plain or gzip, told apart by the first bytes, not the name.
 */
#ifndef CINCEL_TRAIN_READER_H
#define CINCEL_TRAIN_READER_H

#include <stddef.h>

#include "cincel/cincel.h"

struct cincel_reader;

/* Only regular files. */
cincel_status cincel_reader_open(const char *path, struct cincel_reader **out);
/* For formats whose own first bytes may be anything, gzip's included. */
cincel_status cincel_reader_open_plain(const char *path, struct cincel_reader **out);
void cincel_reader_close(struct cincel_reader *reader); /* NULL is allowed */

/* Exactly `bytes` bytes; a file that ends before is a format error that names `what` was being read. */
cincel_status cincel_reader_read(struct cincel_reader *reader, void *out, size_t bytes, const char *what);

/* The same into memory of its own, for the caller to free: refused before anything is allocated when
   the file cannot hold that much, and grown as data come where only decompressing can tell. */
cincel_status cincel_reader_block(struct cincel_reader *reader, size_t bytes, void **out, const char *what);

/* Up to `bytes` bytes, for formats that do not say how long they are; *got is less only at the end. */
cincel_status cincel_reader_some(struct cincel_reader *reader, void *out, size_t bytes, size_t *got);

/* Bytes that follow are a format error; checks the checksum of a gzip file. */
cincel_status cincel_reader_end(struct cincel_reader *reader);

/* Bytes left in a plain file; the most that a gzip file can still decompress to. */
size_t cincel_reader_left(const struct cincel_reader *reader);

#endif
