#include "tests/support/cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

long test_cases(long by_default)
{
    const char *text = getenv("CINCEL_TEST_CASES");
    if (!text || !*text) return by_default;
    char *end;
    const long number = strtol(text, &end, 10);
    const int percent = strcmp(end, "%") == 0;
    if ((*end && !percent) || end == text || number < 1 || (percent && number > 10000)) {
        fprintf(stderr, "CINCEL_TEST_CASES is \"%s\", must be a number >= 1, or 1%% ... 10000%%\n", text);
        exit(2);
    }
    if (!percent) return number;
    const long cases = by_default / 100 * number + by_default % 100 * number / 100;
    return cases > 1 ? cases : 1;
}
