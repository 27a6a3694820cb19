/* Profiles: text, merging, look-up, and files that are shared, cut off, damaged, foreign or on a full disk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/cases.h"
#include "tests/support/scratch.h"
#include "tune/profile_file.h"

static const char machine[] = "amd-25-1-avx2-l1_32k-l2_512k";

static struct cincel_profile_facts facts_for(const char *key)
{
    struct cincel_profile_facts facts = {.value = {""}};
    snprintf(facts.value[0], sizeof facts.value[0], "%s", key);
    snprintf(facts.value[2], sizeof facts.value[2], "2");
    return facts;
}

/* The i-th of many different problems. */
static struct cincel_problem problem(int i)
{
    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    struct cincel_problem p;
    d.n = 1 + i;
    d.ic = d.oc = 16;
    d.ih = d.iw = 14;
    d.kh = d.kw = 3;
    d.pad_top = d.pad_bottom = d.pad_left = d.pad_right = 1;
    assert_int_equal(cincel_problem_conv(&d, (cincel_pass)(i % 3), "conv", &p), CINCEL_OK);
    return p;
}

static struct cincel_profile_entry entry(int i, double seconds, double untuned)
{
    struct cincel_profile_entry e = {.seconds = seconds, .spread = 1.25, .default_seconds = untuned};
    const struct cincel_problem p = problem(i);
    cincel_profile_identify(&e, &p, 2);
    snprintf(e.choice, sizeof e.choice, "direct avx2 gemm_6x16_avx2 t2 edge=0 nblock=64");
    return e;
}

static void assert_same(const struct cincel_profile_entry *a, const struct cincel_profile_entry *b)
{
    assert_string_equal(a->key, b->key);
    assert_string_equal(a->choice, b->choice);
    assert_int_equal(a->threads, b->threads);
    assert_int_equal(a->structure, b->structure);
    assert_memory_equal(a->size, b->size, sizeof a->size);
    assert_true(fabs(a->seconds - b->seconds) < 1e-9 && fabs(a->spread - b->spread) < 1e-3);
    assert_true(fabs(a->default_seconds - b->default_seconds) < 1e-9);
}

/* ------------------------------------------------------------------------------------- text -- */

static void test_keys(void **state)
{
    (void)state;
    static const char *const good[] = {
        "conv/fwd n8 g1 ic64 ih56 iw56 oc64 k3x3 s1x1 p1,1,1,1 d1x1 act0 acc0",
        "conv/bwd_weights n8 g1 ic64 ih56 iw56 oc64 k3x3 s1x1 p1,1,1,1 d1x1 act2:3c23d70a acc1",
        "maxpool/fwd n8 c64 ih56 iw56 k2x2 s2x2 p0,0,0,0 acc0",
        "avgpool_valid/bwd_data n8 c64 ih13 iw13 k4x5 s1x1 p0,0,0,0 acc1 o5x4",
    };
    static const char *const bad[] = {
        "",
        "conv",
        "conv/fwd",
        "conv/up n8",
        "linear/fwd n8",
        "conv/fwd n8 g1 ic64 ih56 iw56 oc64 k3x3 s1x1 p1,1,1,1 d1x1 act0 acc0 ",
        "conv/fwd n08 g1 ic64 ih56 iw56 oc64 k3x3 s1x1 p1,1,1,1 d1x1 act0 acc0",
        "conv/fwd n-8 g1 ic64 ih56 iw56 oc64 k3x3 s1x1 p1,1,1,1 d1x1 act0 acc0",
        "conv/fwd n99999999999 g1 ic64 ih56 iw56 oc64 k3x3 s1x1 p1,1,1,1 d1x1 act0 acc0",
        "conv/fwd n2147483647 g1 ic64 ih2147483647 iw56 oc64 k3x3 s1x1 p1,1,1,1 d1x1 act0 acc0",
        "conv/fwd n8 g1 ic64 ih56 iw56 oc64 k3x3 s1x1 p1,1,1,1 d1x1 act99 acc0",
        "conv/fwd n8 g1 ic64 ih56 iw56 oc64 k3x3 s1x1 p1,1,1,1 d1x1 act2:7fc00000 acc0",
        "conv/fwd n8 g1 ic64 ih56 iw56 oc64 k3x3 s1x1 p1,1,1,1 d1x1 act0 acc1",
        "maxpool/bwd_weights n8 c64 ih56 iw56 k2x2 s2x2 p0,0,0,0 acc0",
        "avgpool/fwd n8 c64 ih8 iw8 k2x2 s2x2 p0,0,0,0 acc0 o4x4",
    };
    struct cincel_problem p;
    char again[CINCEL_PROBLEM_KEY];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!cincel_problem_parse(good[i], &p)) fail_msg("%s", good[i]);
        assert_true(cincel_problem_key(&p, again, sizeof again));
        assert_string_equal(again, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (cincel_problem_parse(bad[i], &p)) fail_msg("%s", bad[i]);
}

static void test_lines(void **state)
{
    (void)state;
    char line[CINCEL_PROFILE_LINE];
    struct cincel_profile_entry back;
    const double seconds[] = {1e-9, 12345e-9, 0.5, 3600.0};
    for (int i = 0; i < 4; i++) {
        const struct cincel_profile_entry e = entry(i, seconds[i], 2.0 * seconds[i]);
        const size_t length = cincel_profile_print_entry(&e, line);
        assert_int_equal(line[length - 1], '\n');
        line[length - 1] = '\0';
        assert_true(cincel_profile_parse_entry(line, &back));
        assert_same(&e, &back);
        for (size_t bit = 0; bit < 8 * (length - 1); bit++) { /* any flipped bit is noticed */
            line[bit / 8] ^= (char)(1 << bit % 8);
            assert_false(cincel_profile_parse_entry(line, &back));
            line[bit / 8] ^= (char)(1 << bit % 8);
        }
        for (size_t cut = 0; cut < length - 1; cut++) { /* and any missing end */
            const char kept = line[cut];
            line[cut] = '\0';
            assert_false(cincel_profile_parse_entry(line, &back));
            line[cut] = kept;
        }
    }
}

/* ------------------------------------------------------------------------------ in memory -- */

static void test_rules(void **state)
{
    (void)state;
    struct cincel_profile *profile = cincel_profile_create();
    struct cincel_profile_entry e = entry(0, 2.0, 4.0), found;
    enum cincel_profile_fate fate;
    assert_true(cincel_profile_put(profile, &e, CINCEL_PROFILE_FASTER, &fate));
    assert_int_equal(fate, CINCEL_PROFILE_ADDED);
    e.seconds = 1.0, e.default_seconds = 1.5; /* faster, on a quieter day, but a smaller gain */
    assert_true(cincel_profile_put(profile, &e, CINCEL_PROFILE_FASTER, &fate));
    assert_int_equal(fate, CINCEL_PROFILE_KEPT);
    e.seconds = 3.0, e.default_seconds = 9.0; /* slower, but a larger gain */
    assert_true(cincel_profile_put(profile, &e, CINCEL_PROFILE_FASTER, &fate));
    assert_int_equal(fate, CINCEL_PROFILE_REPLACED);
    e.default_seconds = 3.0;
    assert_true(cincel_profile_put(profile, &e, CINCEL_PROFILE_NEWER, &fate));
    assert_int_equal(fate, CINCEL_PROFILE_REPLACED);
    assert_true(cincel_profile_find(profile, e.key, 2, &found));
    assert_true(found.default_seconds == 3.0);
    assert_false(cincel_profile_find(profile, e.key, 1, &found));
    assert_int_equal(cincel_profile_size(profile), 1);
    cincel_profile_destroy(profile);
    cincel_profile_destroy(NULL);
}

static void test_nearest(void **state)
{
    (void)state;
    struct cincel_profile *profile = cincel_profile_create();
    struct cincel_profile_entry near[3];
    for (int i = 0; i < 100; i++) {
        const struct cincel_profile_entry e = entry(i, 1.0, 2.0);
        assert_true(cincel_profile_put(profile, &e, CINCEL_PROFILE_NEWER, NULL));
    }
    struct cincel_profile_entry like = entry(30, 1.0, 1.0); /* n31 forward, as i = 27, 30, 33 are */
    assert_int_equal(cincel_profile_nearest(profile, &like, 3.0f, near, 3), 3);
    struct cincel_profile_entry expected = entry(33, 1.0, 1.0);
    assert_string_equal(near[0].key, expected.key);
    expected = entry(27, 1.0, 1.0);
    assert_string_equal(near[1].key, expected.key);
    expected = entry(33, 1.0, 1.0);
    cincel_profile_refuse(profile, expected.key, 2);
    assert_int_equal(cincel_profile_nearest(profile, &like, 3.0f, near, 3), 3);
    assert_string_not_equal(near[0].key, expected.key);
    assert_int_equal(cincel_profile_nearest(profile, &like, 0.01f, near, 3), 0);
    like.structure++;
    assert_int_equal(cincel_profile_nearest(profile, &like, 3.0f, near, 3), 0);
    cincel_profile_destroy(profile);
}

/* ------------------------------------------------------------------------------------ files -- */

static cincel_status append(const char *path, int i)
{
    const struct cincel_profile_facts facts = facts_for(machine);
    const struct cincel_profile_entry e = entry(i, 1e-3, 2e-3);
    return cincel_profile_append_entry(path, &facts, &e);
}

static cincel_status rewrite(const char *path, int i, bool foreign, const char *key)
{
    const struct cincel_profile_facts facts = facts_for(key);
    const struct cincel_profile_entry e = entry(i, 1e-3, 2e-3);
    struct cincel_profile *one = cincel_profile_create();
    assert_true(cincel_profile_put(one, &e, CINCEL_PROFILE_NEWER, NULL));
    const cincel_status st = cincel_profile_rewrite(path, &facts, one, CINCEL_PROFILE_FASTER, foreign, NULL);
    cincel_profile_destroy(one);
    return st;
}

/* All of the entries 0 … count−1 are there; damaged lines as many as said, −1: any number. */
static void expect(const char *path, int count, int damaged)
{
    struct cincel_profile_content content;
    struct cincel_profile_entry e;
    assert_int_equal(cincel_profile_read(path, &content), CINCEL_OK);
    for (int i = 0; i < count; i++) {
        const struct cincel_profile_entry wanted = entry(i, 1e-3, 2e-3);
        if (!cincel_profile_find(content.profile, wanted.key, 2, &e)) fail_msg("entry %d is lost", i);
        assert_same(&e, &wanted);
    }
    if (damaged >= 0) {
        assert_int_equal(cincel_profile_size(content.profile), count);
        assert_int_equal(content.damaged, damaged);
    }
    cincel_profile_destroy(content.profile);
}

static void test_files(void **state)
{
    struct scratch *s = *state;
    char path[512];
    snprintf(path, sizeof path, "%s", scratch_path(s, "a.profile"));
    expect(path, 0, 0); /* not there */
    for (int i = 0; i < 20; i++)
        assert_int_equal(i % 2 ? append(path, i) : rewrite(path, i, false, machine), CINCEL_OK);
    expect(path, 20, 0);
    assert_int_equal(append(path, 3), CINCEL_OK); /* once more: one entry */
    expect(path, 20, 0);
    assert_int_equal(scratch_count(s), 2); /* the file and its lock */
}

static void test_cut_off(void **state)
{
    struct scratch *s = *state;
    char path[512];
    size_t size;
    for (int i = 0; i < 3; i++) assert_int_equal(append(scratch_path(s, "a"), i), CINCEL_OK);
    uint8_t *whole = scratch_read(s, "a", &size);
    const size_t head = (size_t)((uint8_t *)strchr((char *)whole, '\n') - whole) + 1;
    for (size_t cut = 0; cut < size; cut += cut < head ? 1 : 7) {
        snprintf(path, sizeof path, "%s", scratch_write(s, "b", whole, cut));
        struct cincel_profile_content content;
        const cincel_status st = cincel_profile_read(path, &content);
        const cincel_status appended = append(path, 5);
        if (cut > 0 && cut + 1 < head) { /* "cincel-pro" is no profile, and nothing is added to it */
            assert_int_equal(st, CINCEL_FORMAT_ERROR);
            assert_int_equal(appended, CINCEL_FORMAT_ERROR);
            continue;
        }
        assert_int_equal(st, CINCEL_OK);
        assert_true(content.damaged <= 1);
        const size_t before = cincel_profile_size(content.profile);
        cincel_profile_destroy(content.profile);
        if (appended != CINCEL_OK) { /* cut within the line that names the machine */
            assert_int_equal(appended, CINCEL_UNSUPPORTED);
            continue;
        }
        assert_int_equal(cincel_profile_read(path, &content), CINCEL_OK);
        assert_int_equal(cincel_profile_size(content.profile), before + 1);
        cincel_profile_destroy(content.profile);
    }
    free(whole);
}

static uint32_t draw(uint32_t *seed) { return (*seed = *seed * 1664525u + 1013904223u) >> 8; }

static void test_mutations(void **state)
{
    struct scratch *s = *state;
    size_t size;
    uint32_t seed = 20240607;
    for (int i = 0; i < 5; i++) assert_int_equal(append(scratch_path(s, "a"), i), CINCEL_OK);
    uint8_t *whole = scratch_read(s, "a", &size);
    uint8_t *copy = malloc(2 * size);
    assert_non_null(copy);
    for (long i = 0, cases = test_cases(3000); i < cases; i++) {
        memcpy(copy, whole, size);
        size_t length = size;
        for (uint32_t k = draw(&seed) % 8; k < 8; k++) {
            const size_t at = draw(&seed) % length, run = draw(&seed) % 40;
            if (draw(&seed) % 4 == 0 && at + run < length) {
                memmove(copy + at, copy + at + run, length - at - run);
                length -= run;
            } else {
                copy[at] ^= (uint8_t)(1u << draw(&seed) % 8);
            }
        }
        struct cincel_profile_content content;
        struct cincel_profile_entry e;
        const struct cincel_profile_entry written = entry(0, 1e-3, 2e-3);
        if (cincel_profile_read(scratch_write(s, "b", copy, length), &content) != CINCEL_OK) continue;
        for (size_t k = 0; cincel_profile_at(content.profile, k, &e); k++) {
            assert_true(fabs(e.seconds - written.seconds) < 1e-9); /* what is left is as it was written */
            assert_string_equal(e.choice, written.choice);
        }
        cincel_profile_destroy(content.profile);
    }
    free(copy);
    free(whole);
}

static void test_hostile(void **state)
{
    struct scratch *s = *state;
    static const char text[] = "cincel-profile 1\n"
                               "machine \x1b]0;owned\x07\n"
                               "conv/fwd | t1\nexec rm -rf /\n | | | | | |\n\xff\xfe\xfd\n";
    struct cincel_profile_content content;
    assert_int_equal(cincel_profile_read(scratch_write(s, "a", text, sizeof text), &content), CINCEL_OK);
    assert_int_equal(cincel_profile_size(content.profile), 0);
    assert_int_equal(content.damaged, 6); /* the last is the string's own zero */
    assert_string_equal(cincel_profile_machine(&content.facts), "");
    cincel_profile_destroy(content.profile);
    assert_int_equal(cincel_profile_read(scratch_write(s, "a", "#!/bin/sh\n", 10), &content),
                     CINCEL_FORMAT_ERROR);
    assert_int_equal(append(scratch_path(s, "a"), 0), CINCEL_FORMAT_ERROR);
    assert_int_equal(cincel_profile_read("/dev/zero", &content), CINCEL_IO_ERROR);
    assert_int_equal(cincel_profile_read(s->folder, &content), CINCEL_IO_ERROR);
    assert_int_equal(append("", 0), CINCEL_IO_ERROR);
    assert_int_equal(append("/proc/none/of/this", 0), CINCEL_IO_ERROR);
}

static void test_foreign(void **state)
{
    struct scratch *s = *state;
    const char *path = scratch_path(s, "a");
    assert_int_equal(rewrite(path, 0, false, "intel-6-143-avx512-l1_48k-l2_2m"), CINCEL_OK);
    assert_int_equal(append(path, 1), CINCEL_UNSUPPORTED);
    assert_non_null(strstr(cincel_error_message(), "intel-6-143"));
    assert_int_equal(rewrite(path, 1, false, machine), CINCEL_UNSUPPORTED);
    assert_int_equal(rewrite(path, 1, true, machine), CINCEL_OK);
    expect(path, 2, 0);
}

/* ------------------------------------------------------------------- processes that end badly -- */

static void test_full_disk(void **state)
{
    struct scratch *s = *state;
    char path[512];
    snprintf(path, sizeof path, "%s", scratch_path(s, "a"));
    for (int i = 0; i < 4; i++) assert_int_equal(append(path, i), CINCEL_OK);
    size_t size;
    free(scratch_read(s, "a", &size));
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit limit = {size + 50, size + 50};
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(2);
        if (append(path, 4) != CINCEL_IO_ERROR) _exit(3);
        if (rewrite(path, 4, false, machine) != CINCEL_IO_ERROR) _exit(4);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    expect(path, 4, 0); /* no half entry, and no leftovers */
    assert_int_equal(scratch_count(s), 2);
    assert_int_equal(append(path, 4), CINCEL_OK);
    expect(path, 5, 0);
}

/* Four processes append and rewrite at once. */
static void test_writers(void **state)
{
    struct scratch *s = *state;
    enum { WRITERS = 4, EACH = 25 };
    char path[512];
    pid_t child[WRITERS];
    snprintf(path, sizeof path, "%s", scratch_path(s, "a"));
    for (int w = 0; w < WRITERS; w++) {
        child[w] = fork();
        assert_true(child[w] >= 0);
        if (child[w]) continue;
        for (int i = 0; i < EACH; i++) {
            const int number = w * EACH + i;
            if ((i % 3 ? append(path, number) : rewrite(path, number, false, machine)) != CINCEL_OK) _exit(1);
        }
        _exit(0);
    }
    for (int w = 0; w < WRITERS; w++) {
        int status;
        assert_int_equal(waitpid(child[w], &status, 0), child[w]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    expect(path, WRITERS * EACH, 0);
}

/* A writer is killed at a random moment; what it had reported as finished is there, and the file goes on. */
static void test_kill(void **state)
{
    struct scratch *s = *state;
    char path[512];
    uint32_t seed = 4711;
    int finished = 0;
    snprintf(path, sizeof path, "%s", scratch_path(s, "a"));
    /* where the machine is slow and rounds are few, more of them, until one writer got as far as an entry */
    for (long round = 0, rounds = test_cases(150); round < rounds || (finished == 0 && round < 1000);
         round++) {
        int report[2];
        assert_int_equal(pipe(report), 0);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            for (int i = finished;; i++) {
                if ((i % 2 ? append(path, i) : rewrite(path, i, false, machine)) != CINCEL_OK) _exit(1);
                if (write(report[1], "", 1) != 1) _exit(1);
            }
        }
        close(report[1]);
        const struct timespec moment = {0, 200000 + (long)(draw(&seed) % 6000) * 1000};
        nanosleep(&moment, NULL);
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        char byte;
        while (read(report[0], &byte, 1) == 1) finished++;
        close(report[0]);
        expect(path, finished, -1);
    }
    assert_true(finished > 0);
    assert_int_equal(append(path, finished), CINCEL_OK);
    expect(path, finished + 1, -1);
}

/* ----------------------------------------------------------------------------------- driver -- */

static int set_up(void **state)
{
    struct scratch *s = malloc(sizeof *s);
    if (!s) return -1;
    scratch_open(s);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    scratch_close(*state);
    free(*state);
    return 0;
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),    cmocka_unit_test(test_lines), cmocka_unit_test(test_rules),
        cmocka_unit_test(test_nearest), WITH_FOLDER(test_files),      WITH_FOLDER(test_cut_off),
        WITH_FOLDER(test_mutations),    WITH_FOLDER(test_hostile),    WITH_FOLDER(test_foreign),
        WITH_FOLDER(test_full_disk),    WITH_FOLDER(test_writers),    WITH_FOLDER(test_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
