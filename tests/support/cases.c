#include "tests/support/cases.h"

#include <stdio.h>
#include <stdlib.h>

long test_cases(long by_default)
{
    const char *text = getenv("CINCEL_TEST_CASES");
    if (!text || !*text) return by_default;
    char *end;
    const long cases = strtol(text, &end, 10);
    if (*end || cases < 1) {
        fprintf(stderr, "CINCEL_TEST_CASES is \"%s\", must be a number >= 1\n", text);
        exit(2);
    }
    return cases;
}
