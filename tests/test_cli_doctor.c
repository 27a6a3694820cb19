/* The doctor's findings on prepared machines: files below a root of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/doctor_checks.h"

static char root[64];

static void write_file(const char *path, const char *text)
{
    char command[512], whole[256];
    snprintf(whole, sizeof whole, "%s%s", root, path);
    snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s')\"", whole);
    assert_int_equal(system(command), 0);
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* A machine of four cores with nothing wrong. */
static struct doctor_subject healthy(void)
{
    struct doctor_subject s = {.root = root, .machine = CINCEL_MACHINE_INFO_INIT, .seconds = 0.001};
    const cincel_config config = {.size = sizeof config, .profiles = CINCEL_PROFILES_NONE, .threads = 1};
    assert_int_equal(cincel_context_create(&config, &s.ctx), CINCEL_OK);
    assert_int_equal(cincel_machine_describe(s.ctx, &s.machine), CINCEL_OK);
    s.machine.logical_cpus = s.machine.allowed_cpus = s.machine.physical_cores = s.machine.threads = 4;
    s.machine.cpu_quota = 0.0;
    s.machine.numa_nodes = 1;
    strcpy(s.machine.isa, "avx2");
    strcpy(s.machine.isas, "avx2 generic");
    return s;
}

/* The finding of this name: its state, and a word of its text; problems and hints come with advice. */
static void expect(const struct doctor_subject *s, const char *name, enum doctor_state state,
                   const char *word)
{
    struct doctor_finding f;
    for (int i = 0; doctor_check(s, i, &f); i++) {
        if (strcmp(f.name, name) != 0) continue;
        if (f.state != state || !strstr(f.text, word))
            fail_msg("%s: %s, \"%s\"; expected %s, \"%s\"", name, doctor_state_name(f.state), f.text,
                     doctor_state_name(state), word);
        assert_int_equal(f.advice[0] != '\0', state != DOCTOR_OK);
        return;
    }
    fail_msg("no finding %s", name);
}

static void nothing_is_wrong(void **state)
{
    (void)state;
    struct doctor_subject s = healthy();
    struct doctor_finding f;
    /* not the denormals, which this CPU keeps or flushes as it can */
    static const char *const names[] = {"isa",      "quota",      "affinity", "threads", "smt",       "numa",
                                        "governor", "throttling", "steal",    "load",    "huge pages"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) expect(&s, names[i], DOCTOR_OK, "");
    int count = 0;
    while (doctor_check(&s, count, &f)) count++;
    assert_true(count > (int)(sizeof names / sizeof *names));
    assert_false(doctor_check(&s, -1, &f));
    cincel_context_destroy(s.ctx);
}

static void limits_are_found(void **state)
{
    (void)state;
    struct doctor_subject s = healthy();
    s.machine.cpu_quota = 2.5;
    expect(&s, "quota", DOCTOR_PROBLEM, "2.50 CPUs");
    expect(&s, "threads", DOCTOR_PROBLEM, "4 threads share 2.5 CPUs");
    s.machine.cpu_quota = 2.0;
    expect(&s, "quota", DOCTOR_HINT, "2 of 4 cores");
    s.machine.cpu_quota = 4.0;
    expect(&s, "quota", DOCTOR_OK, "enough");
    s.machine.allowed_cpus = 2;
    expect(&s, "affinity", DOCTOR_HINT, "2 of 4");
    expect(&s, "threads", DOCTOR_PROBLEM, "share 2 CPUs");
    s.machine.allowed_cpus = s.machine.logical_cpus = 8;
    expect(&s, "smt", DOCTOR_OK, "8 CPUs on 4 cores");
    s.machine.cpu_quota = 0.0;
    s.machine.threads = 8;
    expect(&s, "threads", DOCTOR_HINT, "8 threads on 4 cores");
    s.machine.threads = 4;
    setenv("OMP_DYNAMIC", "true", 1);
    expect(&s, "threads", DOCTOR_HINT, "OMP_DYNAMIC");
    unsetenv("OMP_DYNAMIC");
    s.machine.numa_nodes = 2;
    expect(&s, "numa", DOCTOR_HINT, "2 memory nodes");
    strcpy(s.machine.isas, "avx512 avx2 generic");
    expect(&s, "isa", DOCTOR_PROBLEM, "avx512");
    strcpy(s.machine.isa, "generic");
    expect(&s, "isa", DOCTOR_PROBLEM, "no vector kernels");
    cincel_context_destroy(s.ctx);
}

static void clocks_and_load_are_found(void **state)
{
    (void)state;
    struct doctor_subject s = healthy();
    write_file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
    write_file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", "acpi-cpufreq\n");
    expect(&s, "governor", DOCTOR_PROBLEM, "lowest");
    write_file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", "intel_pstate\n");
    expect(&s, "governor", DOCTOR_OK, "intel_pstate");
    write_file("/sys/devices/system/cpu/cpufreq/boost", "0\n");
    expect(&s, "governor", DOCTOR_HINT, "boost");
    write_file("/sys/devices/system/cpu/cpufreq/boost", "1\n");
    expect(&s, "governor", DOCTOR_OK, "powersave");

    write_file("/sys/fs/cgroup/cpu.stat", "usage_usec 5\nnr_periods 90\nnr_throttled 0\n");
    expect(&s, "throttling", DOCTOR_OK, "none");
    write_file("/sys/fs/cgroup/cpu.stat", "usage_usec 5\nnr_periods 90\nnr_throttled 12\n");
    expect(&s, "throttling", DOCTOR_PROBLEM, "12 times");
    write_file("/sys/devices/system/cpu/cpu3/thermal_throttle/core_throttle_count", "7\n");
    expect(&s, "throttling", DOCTOR_HINT, "heat 7 times");

    write_file("/proc/stat", "cpu  100 0 100 800 0 0 0 5\ncpu0 1 1 1 1 1 1 1 1\n");
    expect(&s, "steal", DOCTOR_OK, "0.5 % since boot");
    write_file("/proc/stat", "cpu  100 0 100 600 0 0 0 200 0 0\n");
    expect(&s, "steal", DOCTOR_PROBLEM, "20.0 % since boot");
    write_file("/proc/stat", "nonsense\n");
    expect(&s, "steal", DOCTOR_OK, "cannot be seen");
    write_file("/proc/loadavg", "0.30 0.2 0.1 1/100 4711\n");
    expect(&s, "load", DOCTOR_OK, "0.3 busy");
    write_file("/proc/loadavg", "3.70 0.2 0.1 1/100 4711\n");
    expect(&s, "load", DOCTOR_HINT, "3.7 programs");
    write_file("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
    expect(&s, "huge pages", DOCTOR_HINT, "off");
    write_file("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    expect(&s, "huge pages", DOCTOR_OK, ": madvise");
    cincel_context_destroy(s.ctx);
}

static void profiles_are_found(void **state)
{
    (void)state;
    struct doctor_subject s = healthy();
    char path[128], text[512];
    setenv("XDG_CONFIG_HOME", root, 1);
    unsetenv("CINCEL_PROFILE");
    expect(&s, "profile", DOCTOR_HINT, "there is none");
    snprintf(path, sizeof path, "%s/some.profile", root);
    setenv("CINCEL_PROFILE", path, 1);
    write_file("/some.profile", "hello\n");
    expect(&s, "profile", DOCTOR_PROBLEM, "is no profile");
    write_file("/some.profile", "cincel-profile 1\nmachine vax-11-780\n");
    expect(&s, "profile", DOCTOR_PROBLEM, "vax-11-780");
    snprintf(text, sizeof text, "cincel-profile 1\nmachine %s\n", s.machine.key);
    write_file("/some.profile", text);
    expect(&s, "profile", DOCTOR_OK, "0 entries");
    snprintf(text, sizeof text, "cincel-profile 1\nmachine %s\ntorn lin", s.machine.key);
    write_file("/some.profile", text);
    expect(&s, "profile", DOCTOR_HINT, "1 damaged");
    unsetenv("CINCEL_PROFILE");
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("HOME");
    expect(&s, "profile", DOCTOR_HINT, "HOME");
    cincel_context_destroy(s.ctx);
}

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, P_tmpdir "/cincel-doctor-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

#define ON_A_MACHINE(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_MACHINE(nothing_is_wrong),
        ON_A_MACHINE(limits_are_found),
        ON_A_MACHINE(clocks_and_load_are_found),
        ON_A_MACHINE(profiles_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
