/* How many random cases a test tries: its own default, $CINCEL_TEST_CASES, or where that is a percentage
   ("20%") that share of the default, at least 1. Defaults differ by orders of magnitude. */
#ifndef CINCEL_TESTS_SUPPORT_CASES_H
#define CINCEL_TESTS_SUPPORT_CASES_H

long test_cases(long by_default);

#endif
