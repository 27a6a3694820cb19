#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/memory_file.h"
#include "tune/profile_file.h"

/* What is read is printed as a line that reads back as the same line. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct cincel_profile_content content;
    struct cincel_profile_entry e, back;
    if (cincel_profile_read(memory_file(bytes, size), &content) != CINCEL_OK) return 0;
    for (size_t i = 0; cincel_profile_at(content.profile, i, &e); i++) {
        char line[CINCEL_PROFILE_LINE], again[CINCEL_PROFILE_LINE];
        line[cincel_profile_print_entry(&e, line) - 1] = '\0';
        if (!cincel_profile_parse_entry(line, &back)) abort();
        again[cincel_profile_print_entry(&back, again) - 1] = '\0';
        if (strcmp(line, again) != 0) abort();
    }
    char header[CINCEL_PROFILE_HEADER];
    cincel_profile_print_header(&content.facts, header);
    cincel_profile_destroy(content.profile);
    return 0;
}
