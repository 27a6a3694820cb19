/* The machine's topology: hwloc and sysfs against each other, and sysfs and control groups on prepared
   folders that look like other machines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/machine.h"
#include "core/topology_parts.h"

/* ---------------------------------------------------------------------- folders of one's own -- */

static char root[64];

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, P_tmpdir "/cincel-topology-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

/* Writes `text` to root/path, making the folders on the way. */
static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(full, 0777);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "%s\n", text) > 0);
    assert_int_equal(fclose(file), 0);
}

__attribute__((format(printf, 3, 4))) static void put_cpu(int cpu, const char *text, const char *format, ...)
{
    char path[256];
    const int used = snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/", cpu);
    va_list args;
    va_start(args, format);
    vsnprintf(path + used, sizeof path - (size_t)used, format, args);
    va_end(args);
    put(path, text);
}

static void put_cache(int cpu, int index, const char *level, const char *type, const char *size,
                      const char *sharers)
{
    put_cpu(cpu, level, "cache/index%d/level", index);
    put_cpu(cpu, type, "cache/index%d/type", index);
    put_cpu(cpu, size, "cache/index%d/size", index);
    put_cpu(cpu, sharers, "cache/index%d/shared_cpu_list", index);
    put_cpu(cpu, "64", "cache/index%d/coherency_line_size", index);
}

static const struct cincel_cpu_mask everything = {NULL, 0};

/* ---------------------------------------------------------------------------- this machine -- */

static void test_hwloc_and_sysfs_agree_here(void **state)
{
    (void)state;
    struct cincel_topology h = {0}, s = {0};
    struct cincel_cpu_mask allowed = cincel_cpu_mask_allowed();
    const bool both = cincel_topology_hwloc(&allowed, &h) && cincel_topology_sysfs("", &allowed, &s);
    cincel_cpu_mask_free(&allowed);
    if (!both) skip(); /* built without hwloc */
    assert_int_equal(h.physical_cores, s.physical_cores);
    assert_int_equal(h.core_kinds, s.core_kinds);
    assert_memory_equal(h.kind_cores, s.kind_cores, sizeof h.kind_cores);
    assert_int_equal(h.numa_nodes, s.numa_nodes);
    assert_int_equal(h.l1d_bytes, s.l1d_bytes);
    assert_int_equal(h.l2_bytes, s.l2_bytes);
    assert_int_equal(h.l3_bytes, s.l3_bytes);
    assert_int_equal(h.l2_shared_by, s.l2_shared_by);
    assert_int_equal(h.l3_shared_by, s.l3_shared_by);
    assert_int_equal(h.line_bytes, s.line_bytes);
}

static void test_this_machine_makes_sense(void **state)
{
    (void)state;
    struct cincel_machine m;
    cincel_machine_detect(&m);
    assert_true(m.topo.logical_cpus >= 1 && m.topo.allowed_cpus >= 1);
    assert_true(m.topo.physical_cores >= 1 && m.topo.physical_cores <= m.topo.allowed_cpus);
    assert_true(m.topo.core_kinds >= 1 && m.topo.core_kinds <= CINCEL_MAX_CORE_KINDS);
    int cores = 0;
    for (int k = 0; k < m.topo.core_kinds; k++) cores += m.topo.kind_cores[k];
    assert_int_equal(cores, m.topo.physical_cores);
    assert_true(m.topo.l1d_bytes >= 4096 && m.topo.line_bytes >= 16 && m.topo.memory_bytes > 0);
    assert_true(m.threads >= 1 && m.threads <= m.topo.kind_cores[0]);
    assert_true(strcmp(m.topo.source, "hwloc") == 0 || strcmp(m.topo.source, "sysfs") == 0);
}

static void test_affinity_is_honoured(void **state)
{
    (void)state;
    struct cincel_cpu_mask before = cincel_cpu_mask_allowed();
    assert_non_null(before.bits);
    cpu_set_t one;
    CPU_ZERO(&one);
    int cpu = 0;
    while (!cincel_cpu_mask_has(&before, cpu)) cpu++;
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    struct cincel_topology t;
    cincel_topology_detect(&t);
    assert_int_equal(sched_setaffinity(0, before.bytes, before.bits), 0);
    cincel_cpu_mask_free(&before);
    assert_int_equal(t.allowed_cpus, 1);
    assert_int_equal(t.physical_cores, 1);
    assert_int_equal(cincel_topology_default_threads(&t), 1);
}

/* --------------------------------------------------------------------------- other machines -- */

/* Two clusters of two and four cores, as on phones and many boards. */
static void test_big_little(void **state)
{
    (void)state;
    put("sys/devices/system/cpu/online", "0-5");
    for (int cpu = 0; cpu < 6; cpu++) {
        char self[12];
        snprintf(self, sizeof self, "%d", cpu);
        put_cpu(cpu, self, "topology/thread_siblings_list");
        put_cpu(cpu, cpu < 4 ? "446" : "1024", "cpu_capacity");
        put_cache(cpu, 0, "1", "Data", cpu < 4 ? "32K" : "64K", self);
        put_cache(cpu, 1, "1", "Instruction", "48K", self);
        put_cache(cpu, 2, "2", "Unified", cpu < 4 ? "512K" : "1M", cpu < 4 ? "0-3" : "4-5");
    }
    struct cincel_topology t = {0};
    assert_true(cincel_topology_sysfs(root, &everything, &t));
    assert_int_equal(t.physical_cores, 6);
    assert_int_equal(t.core_kinds, 2);
    assert_int_equal(t.kind_cores[0], 2);
    assert_int_equal(t.kind_cores[1], 4);
    assert_int_equal(t.l1d_bytes, 64 << 10);
    assert_int_equal(t.l2_bytes, 1 << 20);
    assert_int_equal(t.l2_shared_by, 2);
    assert_int_equal(t.l3_bytes, 0);
    assert_int_equal(cincel_topology_default_threads(&t), 2);

    cpu_set_t small_only;
    CPU_ZERO(&small_only);
    CPU_SET(1, &small_only);
    CPU_SET(2, &small_only);
    const struct cincel_cpu_mask mask = {&small_only, sizeof small_only};
    t = (struct cincel_topology){0};
    assert_true(cincel_topology_sysfs(root, &mask, &t));
    assert_int_equal(t.physical_cores, 2);
    assert_int_equal(t.core_kinds, 1);
    assert_int_equal(t.l1d_bytes, 32 << 10);
}

/* Intel hybrid: CPUs 0-3 are two cores with two threads each, 4-7 single-threaded economical cores
   that share a second-level cache; CPU 6 is offline; favoured cores differ slightly in clock. */
static void test_hybrid_with_threads(void **state)
{
    (void)state;
    put("sys/devices/system/cpu/online", "0-5,7");
    put("sys/devices/cpu_atom/cpus", "4-7");
    put("sys/devices/system/node/online", "0-1");
    for (int cpu = 0; cpu < 8; cpu++) {
        char list[24];
        if (cpu < 4) {
            snprintf(list, sizeof list, "%d-%d", cpu / 2 * 2, cpu / 2 * 2 + 1);
        } else {
            snprintf(list, sizeof list, "%d", cpu);
        }
        put_cpu(cpu, list, "topology/core_cpus_list");
        put_cpu(cpu, cpu < 2 ? "5200000" : "5100000", "cpufreq/cpuinfo_max_freq");
        put_cache(cpu, 0, "1", "Data", "48K", list);
        put_cache(cpu, 1, "2", "Unified", "1280K", cpu < 4 ? list : "4-7");
        put_cache(cpu, 2, "3", "Unified", "24M", "0-7");
    }
    struct cincel_topology t = {0};
    assert_true(cincel_topology_sysfs(root, &everything, &t));
    assert_int_equal(t.physical_cores, 5);
    assert_int_equal(t.core_kinds, 2);
    assert_int_equal(t.kind_cores[0], 2);
    assert_int_equal(t.kind_cores[1], 3);
    assert_int_equal(t.numa_nodes, 2);
    assert_int_equal(t.l2_bytes, 1280 << 10);
    assert_int_equal(t.l2_shared_by, 1);
    assert_int_equal(t.l3_bytes, 24 << 20);
    assert_int_equal(t.l3_shared_by, 5);
    t.cpu_quota = 1.2;
    assert_int_equal(cincel_topology_default_threads(&t), 2);
    t.cpu_quota = 0.5;
    assert_int_equal(cincel_topology_default_threads(&t), 1);
    t.cpu_quota = 64;
    assert_int_equal(cincel_topology_default_threads(&t), 2);
}

static void test_nothing_but_a_list_of_cpus(void **state)
{
    (void)state;
    struct cincel_topology t = {.numa_nodes = 7};
    assert_false(cincel_topology_sysfs(root, &everything, &t));
    assert_int_equal(t.numa_nodes, 7);
    put("sys/devices/system/cpu/online", "garbage");
    assert_false(cincel_topology_sysfs(root, &everything, &t));
    put("sys/devices/system/cpu/online", "0,2-3");
    assert_true(cincel_topology_sysfs(root, &everything, &t));
    assert_int_equal(t.physical_cores, 3);
    assert_int_equal(t.core_kinds, 1);
    assert_int_equal(t.kind_cores[0], 3);
    assert_int_equal(t.numa_nodes, 1);
    assert_int_equal(t.l1d_bytes, 0);
}

/* ---------------------------------------------------------------------------- control groups -- */

static void assert_quota(double expected)
{
    const double quota = cincel_cgroup_quota(root);
    if (quota < expected - 1e-9 || quota > expected + 1e-9)
        fail_msg("quota %g, expected %g", quota, expected);
}

static void test_quota_of_version_2(void **state)
{
    (void)state;
    assert_quota(0); /* no /proc at all */
    put("proc/self/mountinfo",
        "22 1 0:20 / /proc rw - proc proc rw\n"
        "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate");
    put("proc/self/cgroup", "0::/user.slice/job.scope");
    assert_quota(0);
    put("sys/fs/cgroup/user.slice/job.scope/cpu.max", "max 100000");
    assert_quota(0);
    put("sys/fs/cgroup/user.slice/cpu.max", "250000 100000"); /* the parent limits too */
    assert_quota(2.5);
    put("sys/fs/cgroup/user.slice/job.scope/cpu.max", "300000 100000");
    assert_quota(2.5);
    put("sys/fs/cgroup/user.slice/job.scope/cpu.max", "150000 100000");
    assert_quota(1.5);
    put("sys/fs/cgroup/user.slice/job.scope/cpu.max", "nonsense");
    assert_quota(2.5);
    put("proc/self/cgroup", "0::/../../elsewhere"); /* outside the namespace: only the mount itself */
    put("sys/fs/cgroup/cpu.max", "400000 100000");
    assert_quota(4);
}

/* A container without a namespace of its own: the mount shows a subtree of the host's hierarchy. */
static void test_quota_of_version_1(void **state)
{
    (void)state;
    put("proc/self/mountinfo",
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
        "33 31 0:30 /docker/abc /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n"
        "32 31 0:29 /docker/abc /sys/fs/cgroup/cpu\\040time rw - cgroup cgroup rw,cpuset,cpu\n");
    put("proc/self/cgroup", "12:cpuset,cpu:/docker/abc/inner\n2:cpuacct:/docker/abc\n0::/");
    put("sys/fs/cgroup/cpuacct/cpu.cfs_quota_us", "1000"); /* not a controller of CPU time */
    put("sys/fs/cgroup/cpuacct/cpu.cfs_period_us", "100000");
    assert_quota(0);
    put("sys/fs/cgroup/cpu time/cpu.cfs_quota_us", "-1");
    put("sys/fs/cgroup/cpu time/cpu.cfs_period_us", "100000");
    assert_quota(0);
    put("sys/fs/cgroup/cpu time/inner/cpu.cfs_quota_us", "350000");
    put("sys/fs/cgroup/cpu time/inner/cpu.cfs_period_us", "50000");
    assert_quota(7);
    put("sys/fs/cgroup/cpu time/cpu.cfs_quota_us", "600000");
    assert_quota(6);
    put("proc/self/cgroup", "12:cpuset,cpu:/docker/abcdef"); /* not below /docker/abc */
    assert_quota(6);
}

/* ------------------------------------------------------------------------------ names and key -- */

static void test_feature_names(void **state)
{
    (void)state;
    char text[160], tiny[6];
    cincel_cpu_feature_names(0, text, sizeof text);
    assert_string_equal(text, "");
    cincel_cpu_feature_names(CINCEL_CPU_FMA | CINCEL_CPU_AVX2 | CINCEL_CPU_AVX512VL, text, sizeof text);
    assert_string_equal(text, "avx2 fma avx512vl");
    cincel_cpu_feature_names(CINCEL_CPU_NEON, text, sizeof text);
    assert_string_equal(text, "neon");
    cincel_cpu_feature_names(CINCEL_CPU_FMA | CINCEL_CPU_AVX2, tiny, sizeof tiny);
    assert_string_equal(tiny, "avx2 ");
    cincel_cpu_feature_names(CINCEL_CPU_FMA, tiny, 0); /* writes nothing */
}

static void test_cpu_agrees_with_the_compiler(void **state)
{
    (void)state;
    struct cincel_cpu cpu;
    cincel_cpu_detect(&cpu);
    assert_true(strlen(cpu.vendor) > 0 &&
                strspn(cpu.vendor, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(cpu.vendor));
#if defined(__x86_64__)
    assert_int_equal((cpu.features & CINCEL_CPU_AVX2) != 0, __builtin_cpu_supports("avx2") != 0);
    assert_int_equal((cpu.features & CINCEL_CPU_FMA) != 0, __builtin_cpu_supports("fma") != 0);
    assert_int_equal((cpu.features & CINCEL_CPU_AVX512F) != 0, __builtin_cpu_supports("avx512f") != 0);
    assert_int_equal((cpu.features & CINCEL_CPU_AVX512BW) != 0, __builtin_cpu_supports("avx512bw") != 0);
    assert_int_equal((cpu.features & CINCEL_CPU_AVX512DQ) != 0, __builtin_cpu_supports("avx512dq") != 0);
    assert_int_equal((cpu.features & CINCEL_CPU_AVX512VL) != 0, __builtin_cpu_supports("avx512vl") != 0);
#elif defined(__aarch64__)
    assert_true(cpu.features & CINCEL_CPU_NEON);
#endif
}

static void test_machine_key(void **state)
{
    (void)state;
    char key[96];
    struct cincel_machine m = {.cpu = {.vendor = "amd", .family = 25, .model = 1},
                               .topo = {.l1d_bytes = 32 << 10, .l2_bytes = 512 << 10}};
    cincel_machine_key(&m, "avx2", key, sizeof key);
    assert_string_equal(key, "amd-25-1-avx2-l1_32k-l2_512k");
    m = (struct cincel_machine){.cpu = {.vendor = "arm", .midr = 0x410fd0b0},
                                .topo = {.l1d_bytes = 64 << 10, .l2_bytes = 1 << 20}};
    cincel_machine_key(&m, "neon", key, sizeof key);
    assert_string_equal(key, "arm-d0b-neon-l1_64k-l2_1m");
    m.topo.l2_bytes = 1280 << 10;
    cincel_machine_key(&m, "neon", key, sizeof key);
    assert_string_equal(key, "arm-d0b-neon-l1_64k-l2_1280k");
}

#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hwloc_and_sysfs_agree_here),
        cmocka_unit_test(test_this_machine_makes_sense),
        cmocka_unit_test(test_affinity_is_honoured),
        WITH_ROOT(test_big_little),
        WITH_ROOT(test_hybrid_with_threads),
        WITH_ROOT(test_nothing_but_a_list_of_cpus),
        WITH_ROOT(test_quota_of_version_2),
        WITH_ROOT(test_quota_of_version_1),
        cmocka_unit_test(test_feature_names),
        cmocka_unit_test(test_cpu_agrees_with_the_compiler),
        cmocka_unit_test(test_machine_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
