/* Whole files or none: what a crash, a full disk or a folder without permission leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/atomic_file.h"
#include "tests/support/scratch.h"

static void expect_content(struct scratch *s, const char *name, const char *text)
{
    size_t size;
    uint8_t *bytes = scratch_read(s, name, &size);
    assert_non_null(bytes);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(bytes, text, size);
    free(bytes);
}

static void test_replaces(void **state)
{
    struct scratch *s = *state;
    const char *path = scratch_path(s, "a");
    assert_int_equal(cincel_atomic_file_replace(path, "first", 5), CINCEL_OK);
    expect_content(s, "a", "first");
    assert_int_equal(cincel_atomic_file_replace(path, "2", 1), CINCEL_OK);
    expect_content(s, "a", "2");
    assert_int_equal(cincel_atomic_file_replace(path, NULL, 0), CINCEL_OK);
    expect_content(s, "a", "");
    assert_int_equal(scratch_count(s), 1);
}

static void test_follows_umask(void **state)
{
    struct scratch *s = *state;
    const mode_t mask = umask(027);
    assert_int_equal(cincel_atomic_file_replace(scratch_path(s, "a"), "x", 1), CINCEL_OK);
    umask(mask);
    struct stat facts;
    assert_int_equal(stat(s->path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0640);
}

static void test_old_until_commit(void **state)
{
    struct scratch *s = *state;
    const char *path = scratch_write(s, "a", "old", 3);
    struct cincel_atomic_file *file;
    assert_int_equal(cincel_atomic_file_create(path, &file), CINCEL_OK);
    assert_int_equal(cincel_atomic_file_printf(file, "%s %d", "new", 7), CINCEL_OK);
    expect_content(s, "a", "old");
    assert_int_equal(cincel_atomic_file_commit(file), CINCEL_OK);
    expect_content(s, "a", "new 7");

    assert_int_equal(cincel_atomic_file_create(scratch_path(s, "a"), &file), CINCEL_OK);
    cincel_atomic_file_write(file, "gone", 4);
    cincel_atomic_file_abandon(file);
    expect_content(s, "a", "new 7");
    assert_int_equal(scratch_count(s), 1);
}

static void test_two_writers(void **state)
{
    struct scratch *s = *state;
    const char *path = scratch_path(s, "a");
    struct cincel_atomic_file *one, *two;
    assert_int_equal(cincel_atomic_file_create(path, &one), CINCEL_OK);
    assert_int_equal(cincel_atomic_file_create(path, &two), CINCEL_OK);
    cincel_atomic_file_write(one, "one", 3);
    cincel_atomic_file_write(two, "two", 3);
    assert_int_equal(cincel_atomic_file_commit(two), CINCEL_OK);
    expect_content(s, "a", "two");
    assert_int_equal(cincel_atomic_file_commit(one), CINCEL_OK);
    expect_content(s, "a", "one");
    assert_int_equal(scratch_count(s), 1);
}

/* Sizes around the buffer's, in parts of any size. */
static void test_sizes(void **state)
{
    struct scratch *s = *state;
    enum { MOST = 200000 };
    uint8_t *bytes = malloc(MOST);
    for (size_t i = 0; i < MOST; i++) bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    static const size_t sizes[] = {1, 65535, 65536, 65537, 131072, MOST},
                        parts[] = {7, 65535, 65536, 65537, MOST};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t j = 0; j < sizeof parts / sizeof *parts; j++) {
            struct cincel_atomic_file *file;
            assert_int_equal(cincel_atomic_file_create(scratch_path(s, "a"), &file), CINCEL_OK);
            for (size_t at = 0; at < sizes[i]; at += parts[j]) {
                const size_t part = parts[j] < sizes[i] - at ? parts[j] : sizes[i] - at;
                assert_int_equal(cincel_atomic_file_write(file, bytes + at, part), CINCEL_OK);
            }
            assert_int_equal(cincel_atomic_file_commit(file), CINCEL_OK);
            size_t size;
            uint8_t *back = scratch_read(s, "a", &size);
            assert_int_equal(size, sizes[i]);
            assert_memory_equal(back, bytes, size);
            free(back);
        }
    }
    free(bytes);
}

/* The limit on a file's size stands for a full disk: write() fails midway, as there. */
static void test_disk_full(void **state)
{
    struct scratch *s = *state;
    const char *path = scratch_write(s, "a", "old", 3);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit before, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = 100000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);

    struct cincel_atomic_file *file;
    assert_int_equal(cincel_atomic_file_create(path, &file), CINCEL_OK);
    char block[1000] = {0};
    cincel_status status = CINCEL_OK;
    for (int i = 0; i < 300; i++) status = cincel_atomic_file_write(file, block, sizeof block);
    assert_int_equal(status, CINCEL_IO_ERROR);
    assert_int_equal(cincel_atomic_file_commit(file), CINCEL_IO_ERROR);
    assert_non_null(strstr(cincel_error_message(), path));

    /* a failure that only the commit's flush runs into */
    tight.rlim_cur = 10;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    assert_int_equal(cincel_atomic_file_replace(path, block, sizeof block), CINCEL_IO_ERROR);

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    expect_content(s, "a", "old");
    assert_int_equal(scratch_count(s), 1);
}

static void test_read_only_folder(void **state)
{
    struct scratch *s = *state;
    const char *path = scratch_write(s, "a", "old", 3);
    assert_int_equal(chmod(s->folder, 0555), 0);
    const int root = geteuid() == 0; /* whom permissions do not stop */
    if (root) assert_int_equal(seteuid(65534), 0);
    struct cincel_atomic_file *file;
    const cincel_status status = cincel_atomic_file_create(path, &file);
    if (root) assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(s->folder, 0755), 0);
    assert_int_equal(status, CINCEL_IO_ERROR);
    assert_non_null(strstr(cincel_error_message(), "Permission denied"));
    expect_content(s, "a", "old");
}

static void test_impossible_targets(void **state)
{
    struct scratch *s = *state;
    struct cincel_atomic_file *file;
    assert_int_equal(cincel_atomic_file_create(s->folder, &file), CINCEL_IO_ERROR);
    assert_int_equal(cincel_atomic_file_create("/dev/null", &file), CINCEL_IO_ERROR);
    assert_non_null(strstr(cincel_error_message(), "/dev/null"));
    assert_int_equal(cincel_atomic_file_create(scratch_path(s, "missing/a"), &file), CINCEL_IO_ERROR);
    assert_non_null(strstr(cincel_error_message(), "No such file"));
    assert_int_equal(cincel_atomic_file_create("", &file), CINCEL_IO_ERROR);
    struct stat facts;
    assert_int_equal(stat("/dev/null", &facts), 0);
    assert_true(S_ISCHR(facts.st_mode));
}

/* What killed writers leave goes, and nothing else. */
static void test_sweep(void **state)
{
    struct scratch *s = *state;
    static const char *const gone[] = {"a.1-0.tmp", "a.4711-999.tmp"};
    static const char *const stay[] = {"a",         "b.1-0.tmp", "a.1-0.tmp2", "a.1.tmp",
                                       "a.x-0.tmp", "a1-0.tmp",  "a.lock",     "aa.1-0.tmp"};
    enum { GONE = sizeof gone / sizeof *gone, STAY = sizeof stay / sizeof *stay };
    for (size_t i = 0; i < GONE; i++) scratch_write(s, gone[i], "x", 1);
    for (size_t i = 0; i < STAY; i++) scratch_write(s, stay[i], "x", 1);
    cincel_atomic_file_sweep(scratch_path(s, "a"));
    assert_int_equal(scratch_count(s), STAY);
    for (size_t i = 0; i < STAY; i++) expect_content(s, stay[i], "x");
    cincel_atomic_file_sweep(scratch_path(s, "missing/a"));
}

static int setup(void **state)
{
    *state = malloc(sizeof(struct scratch));
    scratch_open(*state);
    return 0;
}

static int teardown(void **state)
{
    scratch_close(*state);
    free(*state);
    return 0;
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(test_replaces),
        IN_SCRATCH(test_follows_umask),
        IN_SCRATCH(test_old_until_commit),
        IN_SCRATCH(test_two_writers),
        IN_SCRATCH(test_sizes),
        IN_SCRATCH(test_disk_full),
        IN_SCRATCH(test_read_only_folder),
        IN_SCRATCH(test_impossible_targets),
        IN_SCRATCH(test_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
