/* Profiles through the public API: layers, what plans make of them, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan/plan.h"
#include "tests/support/scratch.h"
#include "tune/profile_file.h"

static struct scratch scratch;
static char log_text[1 << 16];

static void log_line(void *user, const char *line)
{
    (void)user;
    const size_t used = strlen(log_text);
    snprintf(log_text + used, sizeof log_text - used, "%s\n", line);
}

static cincel_context *context_of(cincel_profiles profiles, int reproducible)
{
    cincel_config config = CINCEL_CONFIG_INIT;
    cincel_context *ctx;
    config.threads = 2;
    config.isa = getenv("CINCEL_ISA"); /* contexts without profiles do not look at it themselves */
    config.profiles = profiles;
    config.reproducible = reproducible;
    config.log = log_line;
    log_text[0] = '\0';
    assert_int_equal(cincel_context_create(&config, &ctx), CINCEL_OK);
    return ctx;
}

static cincel_conv_desc shape(int n)
{
    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    d.n = n;
    d.ic = 8;
    d.oc = 16;
    d.ih = d.iw = 6;
    d.kh = d.kw = 3;
    return d;
}

static cincel_plan *plan_of(cincel_context *ctx, int n, cincel_effort effort, int threads)
{
    const cincel_conv_desc d = shape(n);
    cincel_options o = CINCEL_OPTIONS_INIT;
    cincel_plan *plan;
    o.effort = effort;
    o.threads = threads;
    o.budget_seconds = 0.02;
    assert_int_equal(cincel_conv_plan(ctx, &d, CINCEL_FORWARD, &o, &plan), CINCEL_OK);
    return plan;
}

static cincel_plan_timing timing_of(const cincel_plan *plan)
{
    cincel_plan_timing timing = CINCEL_PLAN_TIMING_INIT;
    assert_int_equal(cincel_plan_describe_timing(plan, &timing), CINCEL_OK);
    return timing;
}

static void expect_source(cincel_context *ctx, int n, int threads, cincel_plan_source source)
{
    static const char *const names[] = {"| model", "| profile: exact", "| profile: neighbour", "| measured"};
    cincel_plan *plan = plan_of(ctx, n, CINCEL_PROFILE, threads);
    if (timing_of(plan).source != source) fail_msg("%s", cincel_plan_describe(plan));
    assert_non_null(strstr(cincel_plan_describe(plan), names[source]));
    cincel_plan_destroy(plan);
}

/* A file with one entry for shape(n) at `threads`, of this machine where `key` is NULL. */
static const char *write_entry(const char *name, const char *key, int n, int threads, const char *choice)
{
    static char path[512];
    const cincel_conv_desc d = shape(n);
    struct cincel_problem p;
    struct cincel_profile_facts facts;
    struct cincel_profile_entry e = {.seconds = 1e-5, .spread = 1.1, .default_seconds = 2e-5};
    cincel_context *ctx = context_of(CINCEL_PROFILES_NONE, 0);
    assert_int_equal(cincel_problem_conv(&d, CINCEL_FORWARD, "conv", &p), CINCEL_OK);
    cincel_profile_facts_here(&ctx->machine, ctx->isas[0]->name, &facts);
    if (key) snprintf(facts.value[0], sizeof facts.value[0], "%s", key);
    cincel_profile_identify(&e, &p, threads);
    snprintf(e.choice, sizeof e.choice, "%s", choice);
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, name));
    assert_int_equal(cincel_profile_append_entry(path, &facts, &e), CINCEL_OK);
    cincel_context_destroy(ctx);
    return path;
}

/* A valid choice that the cost model does not make. */
struct other {
    const char *than;
    char text[CINCEL_CHOICE_TEXT];
    const struct cincel_problem *problem;
};

static bool take_other(void *user, const struct cincel_algo *algo, const struct cincel_choice *c)
{
    struct other *o = user;
    (void)algo;
    cincel_choice_print(o->problem, c, o->text);
    return strcmp(o->text, o->than) == 0;
}

static void other_choice(int n, int threads, char out[CINCEL_CHOICE_TEXT])
{
    char why[CINCEL_WHY];
    cincel_context *ctx = context_of(CINCEL_PROFILES_NONE, 0);
    cincel_plan *plan = plan_of(ctx, n, CINCEL_ESTIMATE, threads);
    struct other o = {cincel_plan_choice(plan), "", &plan->problem};
    cincel_choice_enumerate(&ctx->target, &plan->problem, CINCEL_ALL_KNOBS, threads, 1.0, take_other, &o,
                            why);
    assert_string_not_equal(o.text, o.than);
    memcpy(out, o.text, sizeof o.text);
    cincel_plan_destroy(plan);
    cincel_context_destroy(ctx);
}

/* ------------------------------------------------------------------------------------ tests -- */

static void measuring_is_remembered_and_saved(void **state)
{
    (void)state;
    cincel_context *ctx = context_of(CINCEL_PROFILES_NONE, 0);
    expect_source(ctx, 4, 0, CINCEL_SOURCE_MODEL);
    cincel_plan *plan = plan_of(ctx, 4, CINCEL_MEASURE, 0);
    const cincel_plan_timing t = timing_of(plan);
    assert_int_equal(t.source, CINCEL_SOURCE_MEASURED);
    assert_true(t.seconds > 0.0 && t.default_seconds >= t.seconds && t.default_seconds < 1.0 &&
                t.spread >= 1);
    expect_source(ctx, 4, 0, CINCEL_SOURCE_EXACT);
    expect_source(ctx, 4, 1, CINCEL_SOURCE_NEIGHBOUR);
    expect_source(ctx, 8, 0, CINCEL_SOURCE_NEIGHBOUR);
    expect_source(ctx, 4096, 0, CINCEL_SOURCE_MODEL); /* too far away */
    assert_int_equal(cincel_profile_entries(ctx), 1);

    char path[512];
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, "saved"));
    assert_int_equal(cincel_profile_save(ctx, path), CINCEL_OK);
    assert_int_equal(cincel_profile_append(plan, path), CINCEL_OK);
    cincel_context *next = context_of(CINCEL_PROFILES_NONE, 0);
    cincel_profile_stats stats = CINCEL_PROFILE_STATS_INIT;
    assert_int_equal(cincel_profile_load(next, path, 0, &stats), CINCEL_OK);
    assert_int_equal(stats.entries, 1);
    assert_int_equal(stats.added, 1);
    assert_int_equal(stats.damaged, 0);
    expect_source(next, 4, 0, CINCEL_SOURCE_EXACT);
    cincel_plan *again = plan_of(next, 4, CINCEL_PROFILE, 0);
    assert_string_equal(cincel_plan_choice(plan), cincel_plan_choice(again));
    assert_int_equal(cincel_profile_append(again, path), CINCEL_INVALID_ARGUMENT);
    cincel_plan_destroy(again);
    cincel_plan_destroy(plan);
    cincel_context_destroy(next);
    cincel_context_destroy(ctx);
}

/* Two visits count together: a first one that was far luckier for either side decides. */
static void a_second_visit_confirms_or_corrects(void **state)
{
    (void)state;
    char other[CINCEL_CHOICE_TEXT];
    other_choice(4, 2, other);
    for (int lucky = 0; lucky < 2; lucky++) {
        cincel_context *ctx = context_of(CINCEL_PROFILES_NONE, 0);
        cincel_plan *untuned = plan_of(ctx, 4, CINCEL_ESTIMATE, 2);
        struct cincel_profile_entry e = {.seconds = lucky ? 1e-12 : 1.0,
                                         .default_seconds = lucky ? 1.0 : 1e-12,
                                         .spread = 1.0,
                                         .measured = true};
        cincel_profile_identify(&e, &untuned->problem, 2);
        memcpy(e.choice, other, sizeof e.choice);
        assert_true(cincel_profile_put(ctx->profile, &e, CINCEL_PROFILE_NEWER, NULL));
        cincel_plan *plan = plan_of(ctx, 4, CINCEL_CONFIRM, 2);
        const cincel_plan_timing t = timing_of(plan);
        assert_int_equal(t.source, CINCEL_SOURCE_MEASURED);
        assert_string_equal(cincel_plan_choice(plan), lucky ? other : cincel_plan_choice(untuned));
        assert_true(t.seconds == 1e-12);
        assert_true(lucky ? t.default_seconds > 1e-9 && t.default_seconds < 1.0 : t.default_seconds == 1e-12);
        cincel_plan_destroy(plan);
        plan = plan_of(ctx, 4, CINCEL_PROFILE, 2);
        assert_int_equal(timing_of(plan).source, CINCEL_SOURCE_EXACT);
        assert_string_equal(cincel_plan_choice(plan), lucky ? other : cincel_plan_choice(untuned));
        cincel_plan_destroy(plan);
        plan = plan_of(ctx, 8, CINCEL_CONFIRM, 2); /* nothing to confirm: measured */
        assert_true(timing_of(plan).seconds > 1e-9);
        assert_int_equal(cincel_profile_entries(ctx), 2);
        cincel_plan_destroy(plan);
        cincel_plan_destroy(untuned);
        cincel_context_destroy(ctx);
    }
}

static void a_limit_of_one_plan_is_not_remembered(void **state)
{
    (void)state;
    cincel_context *ctx = context_of(CINCEL_PROFILES_NONE, 0);
    const cincel_conv_desc d = shape(4);
    cincel_options o = CINCEL_OPTIONS_INIT;
    cincel_plan *plan;
    o.effort = CINCEL_MEASURE;
    o.budget_seconds = 0.01;
    o.max_workspace_bytes = 1;
    const cincel_status st = cincel_conv_plan(ctx, &d, CINCEL_FORWARD, &o, &plan);
    if (st == CINCEL_OK) cincel_plan_destroy(plan);
    assert_int_equal(cincel_profile_entries(ctx), 0);
    cincel_context_destroy(ctx);
}

static void layers_have_precedence(void **state)
{
    (void)state;
    char path[512], folder[512], other[CINCEL_CHOICE_TEXT];
    cincel_machine_info info = CINCEL_MACHINE_INFO_INIT;
    other_choice(4, 2, other);

    snprintf(folder, sizeof folder, "%s", scratch.folder);
    setenv("XDG_CONFIG_DIRS", "relative:/nowhere/at/all", 1);
    setenv("XDG_CONFIG_HOME", folder, 1);
    cincel_context *ctx = context_of(CINCEL_PROFILES_DEFAULT, 0);
    assert_int_equal(cincel_machine_describe(ctx, &info), CINCEL_OK);
    assert_int_equal(cincel_profile_path(ctx, CINCEL_PROFILE_USER, path, sizeof path), CINCEL_OK);
    assert_non_null(strstr(path, info.key));
    assert_int_equal(cincel_profile_path(ctx, CINCEL_PROFILE_USER, path, 10), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_profile_path(ctx, CINCEL_PROFILE_ENVIRONMENT, path, sizeof path),
                     CINCEL_UNSUPPORTED);
    assert_int_equal(cincel_profile_path(ctx, CINCEL_PROFILE_SYSTEM, path, sizeof path), CINCEL_OK);
    assert_memory_equal(path, "/nowhere/at/all/cincel/", 23);
    cincel_plan *plan = plan_of(ctx, 4, CINCEL_MEASURE, 0);
    assert_int_equal(cincel_profile_save(ctx, NULL), CINCEL_OK);
    cincel_plan_destroy(plan);
    cincel_context_destroy(ctx);

    ctx = context_of(CINCEL_PROFILES_DEFAULT, 0); /* the user's */
    expect_source(ctx, 4, 0, CINCEL_SOURCE_EXACT);
    cincel_context_destroy(ctx);
    setenv("CINCEL_PROFILE", write_entry("named", NULL, 4, 2, other), 1); /* above it */
    ctx = context_of(CINCEL_PROFILES_DEFAULT, 0);
    plan = plan_of(ctx, 4, CINCEL_PROFILE, 0);
    assert_string_equal(cincel_plan_choice(plan), other);
    cincel_plan_destroy(plan);
    cincel_context_destroy(ctx);
    ctx = context_of(CINCEL_PROFILES_NONE, 0); /* not read */
    expect_source(ctx, 4, 0, CINCEL_SOURCE_MODEL);
    cincel_context_destroy(ctx);
    ctx = context_of(CINCEL_PROFILES_DEFAULT, 1);
    expect_source(ctx, 4, 0, CINCEL_SOURCE_MODEL);
    assert_int_equal(cincel_profile_load(ctx, getenv("CINCEL_PROFILE"), 0, NULL), CINCEL_INVALID_ARGUMENT);
    cincel_context_destroy(ctx);

    setenv("CINCEL_PROFILE", write_entry("foreign", "vax-11-780", 4, 2, other), 1);
    ctx = context_of(CINCEL_PROFILES_DEFAULT, 0);
    assert_non_null(strstr(log_text, "vax-11-780"));
    plan = plan_of(ctx, 4, CINCEL_PROFILE, 0); /* the user's again */
    assert_int_equal(timing_of(plan).source, CINCEL_SOURCE_EXACT);
    cincel_plan_destroy(plan);
    assert_int_equal(cincel_profile_load(ctx, getenv("CINCEL_PROFILE"), 0, NULL), CINCEL_UNSUPPORTED);
    assert_int_equal(cincel_profile_load(ctx, getenv("CINCEL_PROFILE"), CINCEL_PROFILE_FORCE, NULL),
                     CINCEL_OK);
    plan = plan_of(ctx, 4, CINCEL_PROFILE, 0);
    assert_string_equal(cincel_plan_choice(plan), other);
    cincel_plan_destroy(plan);
    cincel_context_destroy(ctx);
    unsetenv("CINCEL_PROFILE");
    char command[600]; /* scratch_close removes files only */
    snprintf(command, sizeof command, "rm -r '%s/cincel'", folder);
    assert_int_equal(system(command), 0);
    setenv("XDG_CONFIG_HOME", "/nowhere", 1);
}

static void invalid_entries_are_passed_over(void **state)
{
    (void)state;
    static const char *const choices[] = {
        "nonsense",           "direct avx2 gemm_99x99_avx2 t2 edge=0",
        "direct sse9 row t2", "format c: t2 now",
        "im2col - - t0",      "direct avx2 gemm_6x16_avx2 t-1 edge=0 nblock=64 kblock=0 pack=0"};
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        char name[16];
        snprintf(name, sizeof name, "bad%zu", i);
        const char *path = write_entry(name, NULL, 4, 2, choices[i]);
        cincel_context *ctx = context_of(CINCEL_PROFILES_NONE, 0);
        assert_int_equal(cincel_profile_load(ctx, path, 0, NULL), CINCEL_OK);
        expect_source(ctx, 4, 0, CINCEL_SOURCE_MODEL);
        assert_non_null(strstr(log_text, "entry passed over"));
        expect_source(ctx, 8, 0, CINCEL_SOURCE_MODEL); /* nobody's neighbour either */
        cincel_context_destroy(ctx);
    }
}

/* Tuned for more threads than there are, or fewer. */
static void threads_are_fitted(void **state)
{
    (void)state;
    char choice[CINCEL_CHOICE_TEXT], wide[CINCEL_CHOICE_TEXT];
    other_choice(4, 2, choice);
    char *threads = strstr(choice, " t2");
    assert_non_null(threads);
    snprintf(wide, sizeof wide, "%.*s t64%s", (int)(threads - choice), choice, threads + 3);
    const char *path = write_entry("wide", NULL, 4, 64, wide);
    cincel_context *ctx = context_of(CINCEL_PROFILES_NONE, 0);
    assert_int_equal(cincel_profile_load(ctx, path, 0, NULL), CINCEL_OK);
    cincel_plan *plan = plan_of(ctx, 4, CINCEL_PROFILE, 0);
    if (timing_of(plan).source == CINCEL_SOURCE_NEIGHBOUR) fail_msg("64 threads are five doublings away");
    cincel_plan_destroy(plan);
    cincel_context_destroy(ctx);

    snprintf(wide, sizeof wide, "%.*s t8%s", (int)(threads - choice), choice, threads + 3);
    path = write_entry("eight", NULL, 4, 8, wide);
    ctx = context_of(CINCEL_PROFILES_NONE, 0);
    assert_int_equal(cincel_profile_load(ctx, path, 0, NULL), CINCEL_OK);
    plan = plan_of(ctx, 4, CINCEL_PROFILE, 0);
    assert_int_equal(timing_of(plan).source, CINCEL_SOURCE_NEIGHBOUR);
    assert_string_equal(cincel_plan_choice(plan), choice);
    cincel_plan_destroy(plan);
    cincel_context_destroy(ctx);
}

static void merging_counts(void **state)
{
    (void)state;
    char to[512], from[512], choice[CINCEL_CHOICE_TEXT];
    cincel_profile_stats stats = CINCEL_PROFILE_STATS_INIT;
    other_choice(4, 2, choice);
    snprintf(from, sizeof from, "%s", write_entry("from", NULL, 4, 2, choice));
    write_entry("from", NULL, 5, 2, choice);
    snprintf(to, sizeof to, "%s", write_entry("to", NULL, 4, 2, choice));
    assert_int_equal(cincel_profile_merge(to, from, 0, &stats), CINCEL_OK);
    assert_int_equal(stats.entries, 2);
    assert_int_equal(stats.added, 1);
    assert_int_equal(stats.kept, 1);
    assert_int_equal(cincel_profile_merge(to, scratch_path(&scratch, "none"), 0, NULL), CINCEL_IO_ERROR);
    assert_int_equal(cincel_profile_merge(scratch_path(&scratch, "new"), from, 0, NULL), CINCEL_OK);
    snprintf(from, sizeof from, "%s", write_entry("vax", "vax-11-780", 6, 2, choice));
    assert_int_equal(cincel_profile_merge(to, from, 0, NULL), CINCEL_UNSUPPORTED);
    assert_int_equal(cincel_profile_merge(to, from, CINCEL_PROFILE_FORCE, &stats), CINCEL_OK);
    assert_int_equal(stats.added, 1);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    cincel_context *ctx = context_of(CINCEL_PROFILES_NONE, 0);
    cincel_plan *plan = plan_of(ctx, 4, CINCEL_ESTIMATE, 0);
    cincel_plan_timing timing = CINCEL_PLAN_TIMING_INIT;
    cincel_profile_stats stats = {0};
    char out[PATH_MAX];
    assert_int_equal(cincel_profile_load(NULL, "x", 0, NULL), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_profile_load(ctx, NULL, 0, NULL), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_profile_load(ctx, "x", 6, NULL), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_profile_load(ctx, "x", 0, &stats), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_profile_load(ctx, "/nowhere/x", 0, NULL), CINCEL_IO_ERROR);
    assert_int_equal(cincel_profile_save(NULL, "x"), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_profile_append(NULL, "x"), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_profile_append(plan, "x"), CINCEL_INVALID_ARGUMENT);
    assert_non_null(strstr(cincel_error_message(), "model"));
    assert_int_equal(cincel_profile_merge(NULL, "x", 0, NULL), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_profile_merge("x", NULL, 0, NULL), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_profile_path(NULL, CINCEL_PROFILE_USER, out, 9), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_profile_path(ctx, CINCEL_PROFILE_USER, NULL, 9), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_profile_path(ctx, (cincel_profile_layer)7, out, 9), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_plan_describe_timing(NULL, &timing), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_plan_describe_timing(plan, NULL), CINCEL_INVALID_ARGUMENT);
    assert_int_equal(cincel_profile_entries(NULL), 0);
    cincel_plan_destroy(plan);
    cincel_context_destroy(ctx);
}

/* What gained a neighbour much is copied; one that gained next to nothing vouches for the untuned choice. */
static void neighbours_that_gained_little_vouch(void **state)
{
    (void)state;
    char choice[CINCEL_CHOICE_TEXT];
    other_choice(4, 2, choice);
    for (int i = 0; i < 2; i++) {
        cincel_context *ctx = context_of(CINCEL_PROFILES_NONE, 0);
        const cincel_conv_desc d = shape(4);
        struct cincel_profile *one = cincel_profile_create();
        struct cincel_profile_entry e = {.seconds = 1e-5, .spread = 1.1};
        struct cincel_profile_facts facts;
        struct cincel_problem p;
        const char *path = scratch_path(&scratch, "gain");
        e.default_seconds = i ? 1.02e-5 : 1.1e-5;
        assert_int_equal(cincel_problem_conv(&d, CINCEL_FORWARD, "conv", &p), CINCEL_OK);
        cincel_profile_identify(&e, &p, 2);
        memcpy(e.choice, choice, sizeof e.choice);
        assert_true(cincel_profile_put(one, &e, CINCEL_PROFILE_NEWER, NULL));
        cincel_profile_facts_here(&ctx->machine, ctx->isas[0]->name, &facts);
        unlink(path);
        assert_int_equal(cincel_profile_rewrite(path, &facts, one, CINCEL_PROFILE_NEWER, false, NULL),
                         CINCEL_OK);
        assert_int_equal(cincel_profile_load(ctx, path, 0, NULL), CINCEL_OK);
        cincel_plan *own = plan_of(ctx, 4, CINCEL_PROFILE, 2), *near = plan_of(ctx, 5, CINCEL_PROFILE, 2);
        cincel_plan *untuned = plan_of(ctx, 5, CINCEL_ESTIMATE, 2);
        assert_string_equal(cincel_plan_choice(own), choice);
        assert_int_equal(timing_of(near).source, CINCEL_SOURCE_NEIGHBOUR);
        assert_string_equal(cincel_plan_choice(near), i ? cincel_plan_choice(untuned) : choice);
        cincel_plan_destroy(untuned);
        cincel_plan_destroy(near);
        cincel_plan_destroy(own);
        cincel_profile_destroy(one);
        cincel_context_destroy(ctx);
    }
}

/* Among a thousand entries the right one is found, and a neighbour where there is none. */
static void a_large_profile_is_searched(void **state)
{
    (void)state;
    enum { ENTRIES = 1000 };
    char choice[CINCEL_CHOICE_TEXT], path[512];
    other_choice(4, 2, choice);
    cincel_context *ctx = context_of(CINCEL_PROFILES_NONE, 0);
    struct cincel_profile *many = cincel_profile_create();
    struct cincel_profile_facts facts;
    cincel_profile_facts_here(&ctx->machine, ctx->isas[0]->name, &facts);
    for (int i = 0; i < ENTRIES; i++) {
        struct cincel_profile_entry e = {.seconds = 1e-5, .spread = 1.1, .default_seconds = 2e-5};
        const cincel_conv_desc d = shape(i + 1);
        struct cincel_problem p;
        assert_int_equal(cincel_problem_conv(&d, CINCEL_FORWARD, "conv", &p), CINCEL_OK);
        cincel_profile_identify(&e, &p, 2);
        memcpy(e.choice, choice, sizeof e.choice);
        assert_true(cincel_profile_put(many, &e, CINCEL_PROFILE_NEWER, NULL));
    }
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, "many"));
    assert_int_equal(cincel_profile_rewrite(path, &facts, many, CINCEL_PROFILE_NEWER, false, NULL),
                     CINCEL_OK);
    cincel_profile_destroy(many);
    for (int i = 0; i < 3; i++) assert_int_equal(cincel_profile_load(ctx, path, 0, NULL), CINCEL_OK);
    assert_int_equal(cincel_profile_entries(ctx), ENTRIES);
    expect_source(ctx, 17, 2, CINCEL_SOURCE_EXACT);
    expect_source(ctx, 1001, 2, CINCEL_SOURCE_NEIGHBOUR);
    cincel_context_destroy(ctx);
}

static int set_up(void **state)
{
    (void)state;
    unsetenv("CINCEL_PROFILE");
    setenv("XDG_CONFIG_HOME", "/nowhere", 1);
    setenv("XDG_CONFIG_DIRS", "/nowhere", 1);
    scratch_open(&scratch);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_close(&scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measuring_is_remembered_and_saved),
        cmocka_unit_test(a_second_visit_confirms_or_corrects),
        cmocka_unit_test(a_limit_of_one_plan_is_not_remembered),
        cmocka_unit_test(layers_have_precedence),
        cmocka_unit_test(invalid_entries_are_passed_over),
        cmocka_unit_test(threads_are_fitted),
        cmocka_unit_test(merging_counts),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(neighbours_that_gained_little_vouch),
        cmocka_unit_test(a_large_profile_is_searched),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
