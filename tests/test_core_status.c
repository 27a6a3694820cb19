/* Messages, versions of structs, memory. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/abi.h"
#include "core/memory.h"
#include "core/status.h"

static void *look_from_elsewhere(void *unused)
{
    (void)unused;
    const int was_empty = cincel_error_message()[0] == '\0';
    cincel_fail(CINCEL_INTERNAL_ERROR, "of another thread");
    return was_empty ? "empty" : NULL;
}

static void test_message_belongs_to_the_thread(void **state)
{
    (void)state;
    assert_int_equal(cincel_fail(CINCEL_UNSUPPORTED, "conv: %s is %d", "ic", 3), CINCEL_UNSUPPORTED);
    assert_string_equal(cincel_error_message(), "conv: ic is 3");
    pthread_t thread;
    void *result;
    assert_int_equal(pthread_create(&thread, NULL, look_from_elsewhere, NULL), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_non_null(result);
    assert_string_equal(cincel_error_message(), "conv: ic is 3");
}

static void test_message_is_one_line_however_long(void **state)
{
    (void)state;
    char name[2000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    name[3] = '\n';
    name[4] = '\x1b';
    cincel_fail(CINCEL_IO_ERROR, "cannot open \"%s\"", name);
    const char *message = cincel_error_message();
    assert_true(strlen(message) > 100 && strlen(message) < sizeof name);
    assert_null(strpbrk(message, "\n\x1b"));
    /* an argument may be the message itself */
    cincel_fail(CINCEL_IO_ERROR, "short");
    cincel_fail(CINCEL_IO_ERROR, "model: %s", cincel_error_message());
    assert_string_equal(cincel_error_message(), "model: short");
}

static void test_errno_is_appended(void **state)
{
    (void)state;
    errno = ENOENT;
    assert_int_equal(cincel_fail_errno(CINCEL_IO_ERROR, "file \"%s\"", "a"), CINCEL_IO_ERROR);
    assert_int_equal(errno, ENOENT);
    assert_string_equal(cincel_error_message(), "file \"a\": No such file or directory");
}

static void test_every_status_has_a_phrase(void **state)
{
    (void)state;
    for (int s = CINCEL_OK; s <= CINCEL_INTERNAL_ERROR; s++) {
        const char *phrase = cincel_status_string((cincel_status)s);
        assert_non_null(phrase);
        assert_string_not_equal(phrase, cincel_status_string((cincel_status)1000));
        for (int t = CINCEL_OK; t < s; t++) {
            assert_string_not_equal(phrase, cincel_status_string((cincel_status)t));
        }
    }
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", CINCEL_VERSION_MAJOR, CINCEL_VERSION_MINOR,
             CINCEL_VERSION_PATCH);
    assert_string_equal(cincel_version(), version);
}

/* A struct of three versions: {size, a}, {size, a, b}, {size, a, b, c}. The library knows two fields. */
struct versioned {
    size_t size;
    int64_t a, b, c;
};
enum { FIRST = offsetof(struct versioned, b), KNOWN = offsetof(struct versioned, c) };

static void test_struct_in(void **state)
{
    (void)state;
    struct versioned to = {KNOWN, -1, -2, -3};
    const struct versioned old = {FIRST, 1, 2, 3};
    assert_int_equal(cincel_struct_in("thing", &old, FIRST, KNOWN, &to), CINCEL_OK);
    assert_true(to.size == KNOWN && to.a == 1 && to.b == -2 && to.c == -3); /* b keeps its default */
    const struct versioned same = {KNOWN, 4, 5, 6};
    assert_int_equal(cincel_struct_in("thing", &same, FIRST, KNOWN, &to), CINCEL_OK);
    assert_true(to.size == KNOWN && to.a == 4 && to.b == 5 && to.c == -3);
    const struct versioned newer = {sizeof newer, 7, 8, 0}, asks = {sizeof asks, 7, 8, 9};
    assert_int_equal(cincel_struct_in("thing", &newer, FIRST, KNOWN, &to), CINCEL_OK);
    assert_true(to.size == KNOWN && to.a == 7 && to.b == 8 && to.c == -3);
    assert_int_equal(cincel_struct_in("thing", &asks, FIRST, KNOWN, &to), CINCEL_UNSUPPORTED);
    const struct versioned empty = {0, 0, 0, 0}, absurd = {SIZE_MAX, 0, 0, 0};
    assert_int_equal(cincel_struct_in("thing", &empty, FIRST, KNOWN, &to), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_struct_in("thing", &absurd, FIRST, KNOWN, &to), CINCEL_INVALID_ARGUMENT);
}

static void test_struct_out(void **state)
{
    (void)state;
    const struct versioned from = {KNOWN, 1, 2, 3};
    struct versioned old = {FIRST, -1, -2, -3}, newer = {sizeof newer, -1, -2, -3}, unset = {0, 0, 0, 0};
    assert_int_equal(cincel_struct_out("thing", &from, FIRST, KNOWN, &old), CINCEL_OK);
    assert_true(old.size == FIRST && old.a == 1 && old.b == -2);
    assert_int_equal(cincel_struct_out("thing", &from, FIRST, KNOWN, &newer), CINCEL_OK);
    assert_true(newer.size == sizeof newer && newer.a == 1 && newer.b == 2 && newer.c == -3);
    assert_int_equal(cincel_struct_out("thing", &from, FIRST, KNOWN, &unset), CINCEL_INVALID_ARGUMENT);
}

static void test_memory(void **state)
{
    (void)state;
    assert_null(cincel_aligned_alloc(0));
    assert_null(cincel_aligned_alloc(SIZE_MAX));
    assert_null(cincel_aligned_alloc((size_t)PTRDIFF_MAX));
    for (size_t bytes = 1; bytes < 300; bytes += 13) {
        char *p = cincel_aligned_alloc(bytes);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % CINCEL_ALIGN, 0);
        memset(p, 1, bytes);
        cincel_aligned_free(p);
    }
    cincel_aligned_free(NULL);
    size_t product = 0;
    assert_true(cincel_mul((size_t)1 << 20, (size_t)1 << 20, &product) && product == (size_t)1 << 40);
    assert_false(cincel_mul(SIZE_MAX / 2, 3, &product));
}

static void test_carving(void **state)
{
    (void)state;
    struct cincel_carver ask = {NULL, 0};
    assert_null(cincel_carve(&ask, 10));
    assert_null(cincel_carve(&ask, 0));
    assert_null(cincel_carve(&ask, 64));
    assert_int_equal(ask.used, 128);
    char *block = cincel_aligned_alloc(ask.used);
    struct cincel_carver cut = {block, 0};
    assert_ptr_equal(cincel_carve(&cut, 10), block);
    assert_ptr_equal(cincel_carve(&cut, 0), block + 64);
    assert_ptr_equal(cincel_carve(&cut, 64), block + 64);
    assert_int_equal(cut.used, ask.used);
    cincel_aligned_free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_belongs_to_the_thread),
        cmocka_unit_test(test_message_is_one_line_however_long),
        cmocka_unit_test(test_errno_is_appended),
        cmocka_unit_test(test_every_status_has_a_phrase),
        cmocka_unit_test(test_struct_in),
        cmocka_unit_test(test_struct_out),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_carving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
