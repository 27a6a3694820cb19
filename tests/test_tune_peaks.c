/* Measured peaks make sense, are kept, and a damaged or foreign file of them is ignored. */
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tune/peaks.h"
#include "tune/peaks_cache.h"

static char folder[64], inner[128];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, P_tmpdir "/cincel-peaks-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(inner, sizeof inner, "%s/not/yet/cincel", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static cincel_machine_peaks example(void)
{
    cincel_machine_peaks p = CINCEL_MACHINE_PEAKS_INIT;
    p.gflops_1 = 103.7;
    p.gflops_team = 207.125;
    p.points = 3;
    for (int i = 0; i < p.points; i++) {
        p.working_set[i] = (size_t)16384 << i;
        p.read_1[i] = 200 - i;
        p.triad_1[i] = 100 - i;
        p.read_team[i] = 400 - i;
        p.triad_team[i] = 200.25 - i;
    }
    return p;
}

static const struct cincel_peaks_identity someone = {"amd-25-1-avx2-l1_32k-l2_512k", 32 << 20, 2};

static void file_name(char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/peaks-%s-t%d.txt", inner, someone.key, someone.threads);
}

static size_t read_file(char *text, size_t size)
{
    char path[PATH_MAX];
    file_name(path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    const size_t length = fread(text, 1, size, file);
    fclose(file);
    assert_true(length > 0 && length < size);
    return length;
}

static void write_file(const char *text, size_t length)
{
    char path[PATH_MAX];
    file_name(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void test_what_is_saved_is_loaded(void **state)
{
    (void)state;
    const cincel_machine_peaks p = example();
    cincel_machine_peaks q = CINCEL_MACHINE_PEAKS_INIT;
    assert_false(cincel_peaks_load(inner, &someone, &q));
    assert_true(cincel_peaks_save(inner, &someone, &p));
    assert_true(cincel_peaks_save(inner, &someone, &p)); /* over itself */
    assert_true(cincel_peaks_load(inner, &someone, &q));
    assert_int_equal(q.from_cache, 1);
    q.from_cache = 0;
    assert_memory_equal(&p, &q, sizeof p);

    struct cincel_peaks_identity other = someone;
    other.l3_bytes /= 2;
    assert_false(cincel_peaks_load(inner, &other, &q));
    other = someone;
    other.threads = 3;
    assert_false(cincel_peaks_load(inner, &other, &q));
    assert_false(cincel_peaks_save("/dev/null/cincel", &someone, &p));
}

static void test_damaged_files_are_ignored(void **state)
{
    (void)state;
    const cincel_machine_peaks p = example();
    cincel_machine_peaks q = CINCEL_MACHINE_PEAKS_INIT;
    char text[1024], damaged[1024];
    assert_true(cincel_peaks_save(inner, &someone, &p));
    const size_t length = read_file(text, sizeof text);
    for (size_t cut = 0; cut < length; cut++) { /* truncated anywhere */
        write_file(text, cut);
        assert_false(cincel_peaks_load(inner, &someone, &q));
    }
    for (size_t at = 0; at < length; at++) { /* a byte no figure is made of, anywhere */
        memcpy(damaged, text, length);
        damaged[at] = '-';
        if (text[at] == '-') continue;
        write_file(damaged, length);
        assert_false(cincel_peaks_load(inner, &someone, &q));
    }
    memcpy(damaged, text, length);
    memcpy(damaged + length, "more\n", 5);
    write_file(damaged, length + 5);
    assert_false(cincel_peaks_load(inner, &someone, &q));
    assert_int_equal(q.points, 0); /* never written on failure */
    write_file(text, length);
    assert_true(cincel_peaks_load(inner, &someone, &q));
}

static void test_too_many_or_unordered_points(void **state)
{
    (void)state;
    static const char head[] = "cincel-peaks 1\nmachine amd-25-1-avx2-l1_32k-l2_512k l3 33554432 threads 2\n"
                               "mflops 1000 2000\n";
    char text[4096];
    cincel_machine_peaks q = CINCEL_MACHINE_PEAKS_INIT, p = example();
    assert_true(cincel_peaks_save(inner, &someone, &p)); /* makes the folder */
    for (int points = 0; points <= CINCEL_MAX_BANDWIDTH_POINTS + 2; points++) {
        size_t used = (size_t)snprintf(text, sizeof text, "%s", head);
        for (int i = 0; i < points; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "point %d 1 2 3 4\n", 10 + i);
        used += (size_t)snprintf(text + used, sizeof text - used, "end %d\n", points);
        write_file(text, used);
        const bool expected = points >= 1 && points <= CINCEL_MAX_BANDWIDTH_POINTS;
        assert_int_equal(cincel_peaks_load(inner, &someone, &q), expected);
    }
    const int used = snprintf(text, sizeof text, "%spoint 20 1 2 3 4\npoint 20 1 2 3 4\nend 2\n", head);
    write_file(text, (size_t)used);
    assert_false(cincel_peaks_load(inner, &someone, &q));
}

static void test_folder_follows_the_environment(void **state)
{
    (void)state;
    char path[256], tiny[8];
    assert_int_equal(setenv("HOME", "/someone", 1), 0);
    assert_int_equal(setenv("XDG_CACHE_HOME", "/var/cache/x", 1), 0);
    assert_true(cincel_peaks_cache_folder(path, sizeof path));
    assert_string_equal(path, "/var/cache/x/cincel");
    assert_false(cincel_peaks_cache_folder(tiny, sizeof tiny));
    assert_int_equal(setenv("XDG_CACHE_HOME", "relative", 1), 0);
    assert_true(cincel_peaks_cache_folder(path, sizeof path));
    assert_string_equal(path, "/someone/.cache/cincel");
    assert_int_equal(unsetenv("XDG_CACHE_HOME"), 0);
    assert_int_equal(unsetenv("HOME"), 0);
    assert_false(cincel_peaks_cache_folder(path, sizeof path));
}

static void test_measured_once_then_read(void **state)
{
    (void)state;
    struct cincel_machine machine;
    cincel_machine_detect(&machine);
    const struct cincel_isa *isa = NULL;
    for (int i = 0; !isa; i++) {
        if (!(cincel_isas[i]->needs & ~machine.cpu.features)) isa = cincel_isas[i];
    }
    assert_int_equal(setenv("XDG_CACHE_HOME", folder, 1), 0);
    struct cincel_team *team = cincel_team_create(2);
    cincel_machine_peaks p = CINCEL_MACHINE_PEAKS_INIT, q = CINCEL_MACHINE_PEAKS_INIT;
    assert_int_equal(cincel_peaks_measure(&machine, isa, team, false, true, &p), CINCEL_OK);
    assert_int_equal(p.from_cache, 0);
    assert_true(p.points >= 1 && p.points <= CINCEL_MAX_BANDWIDTH_POINTS);
    assert_true(p.gflops_1 > 0 && p.gflops_team > 0);
    for (int i = 0; i < p.points; i++) {
        assert_true(i == 0 || p.working_set[i] == 2 * p.working_set[i - 1]);
        assert_true(p.read_1[i] > 0 && p.triad_1[i] > 0 && p.read_team[i] > 0 && p.triad_team[i] > 0);
    }
    assert_int_equal(cincel_peaks_measure(&machine, isa, team, false, true, &q), CINCEL_OK);
    assert_int_equal(q.from_cache, 1);
    assert_int_equal(q.points, p.points);
    assert_true(fabs(q.gflops_1 - p.gflops_1) <= 1e-3);
    cincel_team_destroy(team);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_what_is_saved_is_loaded),
        WITH_FOLDER(test_damaged_files_are_ignored),
        WITH_FOLDER(test_too_many_or_unordered_points),
        WITH_FOLDER(test_measured_once_then_read),
        cmocka_unit_test(test_folder_follows_the_environment), /* last: it changes HOME */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
