/* How many random cases a test tries: its own default, or $CINCEL_TEST_CASES. */
#ifndef CINCEL_TESTS_SUPPORT_CASES_H
#define CINCEL_TESTS_SUPPORT_CASES_H

long test_cases(long by_default);

#endif
