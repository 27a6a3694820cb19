/*
 * CSV as RFC 4180 has it, of numbers: records end in CRLF or LF (the last may lack it), fields are separated
 * by commas and may stand in double quotes, where a comma, a line's end and a doubled quote are part of them.
 * Beyond it: blanks around a field that is not quoted do not count, empty lines are passed over, a byte-order
 * mark before the first field is too. A number is decimal, with a point whatever the locale, and finite.
 */
#ifndef CINCEL_TRAIN_CSV_H
#define CINCEL_TRAIN_CSV_H

#include <stddef.h>

#include "cincel/train.h"

struct cincel_csv {
    size_t rows, columns;
    float *value; /* [rows][columns] */
    char **name;  /* [columns]; NULL: the file has no header */
};

/*
 * Reads a plain or .gz file. What does not fit is a format error that names file, line and, where it is
 * about one field, column: a record of another length than the first, a field that is no number, an open
 * quote, no record at all. Release with cincel_csv_free.
 */
cincel_status cincel_csv_read(const char *path, cincel_csv_header header, struct cincel_csv *out);
void cincel_csv_free(struct cincel_csv *csv);

/* The column of this name, or of this number, from 1; a name goes first. What there is not is an error that
   names the file and the columns there are. */
cincel_status cincel_csv_column(const char *path, const struct cincel_csv *csv, const char *wanted,
                                size_t *out);

#endif
