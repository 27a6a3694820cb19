#include <math.h>
#include <stdlib.h>

#include "tests/fuzz/memory_file.h"
#include "train/csv.h"

/* What is read is a full table of finite numbers, and its columns are found again under their names. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *path = memory_file(bytes, size);
    for (int header = CINCEL_CSV_HEADER_AUTO; header <= CINCEL_CSV_HEADER_NO; header++) {
        struct cincel_csv csv;
        if (cincel_csv_read(path, (cincel_csv_header)header, &csv) != CINCEL_OK) continue;
        if (!csv.rows || !csv.columns) abort();
        for (size_t i = 0; i < csv.rows * csv.columns; i++) {
            if (!isfinite(csv.value[i])) abort();
        }
        for (size_t c = 0; csv.name && c < csv.columns; c++) {
            size_t found;
            if (cincel_csv_column(path, &csv, csv.name[c], &found) != CINCEL_OK || found > c) abort();
        }
        cincel_csv_free(&csv);
    }
    return 0;
}
