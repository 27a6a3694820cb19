#include "cli/doctor_checks.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/fpmode.h"
#include "plan/plan.h"
#include "tune/contention.h"
#include "tune/peaks.h"
#include "tune/profile_file.h"

const char *doctor_state_name(enum doctor_state state)
{
    static const char *const names[] = {"ok", "hint", "problem"};
    return names[state];
}

/* ----------------------------------------------------------------------------------- small help -- */

static void found(struct doctor_finding *f, enum doctor_state state, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void found(struct doctor_finding *f, enum doctor_state state, const char *format, ...)
{
    va_list arguments;
    f->state = state;
    va_start(arguments, format);
    vsnprintf(f->text, sizeof f->text, format, arguments);
    va_end(arguments);
}

static void advise(struct doctor_finding *f, const char *advice)
{
    snprintf(f->advice, sizeof f->advice, "%s", advice);
}

/* The first line of a file below the root, without its newline; false: there is none. */
static bool read_line(const struct doctor_subject *s, const char *path, char *out, size_t size)
{
    char whole[512];
    if (snprintf(whole, sizeof whole, "%s%s", s->root, path) >= (int)sizeof whole) return false;
    FILE *file = fopen(whole, "re");
    if (!file) return false;
    const bool got = fgets(out, (int)size, file) != NULL;
    fclose(file);
    if (got) out[strcspn(out, "\n")] = '\0';
    return got;
}

/* The number after `word` at the beginning of a line; false: no such line. */
static bool read_word(const struct doctor_subject *s, const char *path, const char *word, double *out)
{
    char whole[512], line[256];
    bool got = false;
    if (snprintf(whole, sizeof whole, "%s%s", s->root, path) >= (int)sizeof whole) return false;
    FILE *file = fopen(whole, "re");
    while (file && !got && fgets(line, sizeof line, file))
        got = strncmp(line, word, strlen(word)) == 0 && sscanf(line + strlen(word), " %lf", out) == 1;
    if (file) fclose(file);
    return got;
}

static const char *plural(int count) { return count == 1 ? "" : "s"; }

/* --------------------------------------------------------------------------------- which cores -- */

static void check_quota(const struct doctor_subject *s, struct doctor_finding *f)
{
    const cincel_machine_info *m = &s->machine;
    if (m->cpu_quota <= 0.0) {
        found(f, DOCTOR_OK, "no control group limits the CPU time");
    } else if (m->cpu_quota >= m->physical_cores) {
        found(f, DOCTOR_OK, "the control group grants %.2f CPUs, enough for all %d cores", m->cpu_quota,
              m->physical_cores);
    } else if (fabs(m->cpu_quota - round(m->cpu_quota)) > 0.01) {
        found(f, DOCTOR_PROBLEM, "the control group grants %.2f CPUs: %d threads are stopped now and then",
              m->cpu_quota, m->threads);
        advise(f,
               "grant a whole number of CPUs (docker --cpus, cpu.max), or pin to that many (--cpuset-cpus)");
    } else {
        found(f, DOCTOR_HINT, "the control group grants %.0f of %d cores", m->cpu_quota, m->physical_cores);
        advise(f, "grant more CPUs (docker --cpus, cpu.max), if there are more to spare");
    }
}

static void check_affinity(const struct doctor_subject *s, struct doctor_finding *f)
{
    const cincel_machine_info *m = &s->machine;
    if (m->allowed_cpus >= m->logical_cpus) {
        found(f, DOCTOR_OK, "all %d logical CPUs are allowed", m->logical_cpus);
        return;
    }
    found(f, DOCTOR_HINT, "%d of %d logical CPUs are allowed, on %d core%s", m->allowed_cpus, m->logical_cpus,
          m->physical_cores, plural(m->physical_cores));
    advise(f, "taskset, cpuset-cpus, numactl or the batch system restricts it: ask there for more");
}

static void check_threads(const struct doctor_subject *s, struct doctor_finding *f)
{
    const cincel_machine_info *m = &s->machine;
    const char *dynamic = getenv("OMP_DYNAMIC");
    const double cpus = m->cpu_quota > 0.0 ? fmin(m->cpu_quota, m->allowed_cpus) : m->allowed_cpus;
    if (m->threads > ceil(cpus)) {
        found(f, DOCTOR_PROBLEM, "%d threads share %.4g CPUs: they wait for each other at every barrier",
              m->threads, cpus);
        advise(f, "lower or unset CINCEL_THREADS (--threads)");
    } else if (dynamic && (strcmp(dynamic, "true") == 0 || strcmp(dynamic, "1") == 0)) {
        found(f, DOCTOR_HINT, "OMP_DYNAMIC lets OpenMP give fewer threads than plans were made for");
        advise(f, "unset OMP_DYNAMIC");
    } else if (m->threads > m->physical_cores) {
        found(f, DOCTOR_HINT, "%d threads on %d cores: two on a core share its FMA units", m->threads,
              m->physical_cores);
        advise(f, "one thread a core is the default: unset CINCEL_THREADS (--threads)");
    } else {
        found(f, DOCTOR_OK, "%d thread%s on %d core%s", m->threads, plural(m->threads), m->physical_cores,
              plural(m->physical_cores));
    }
}

static void check_smt(const struct doctor_subject *s, struct doctor_finding *f)
{
    const cincel_machine_info *m = &s->machine;
    if (m->allowed_cpus <= m->physical_cores) {
        found(f, DOCTOR_OK, "no two allowed CPUs share a core");
        return;
    }
    found(f, DOCTOR_OK, "%d CPUs on %d cores (SMT): one thread a core is used, the others stay free",
          m->allowed_cpus, m->physical_cores);
}

static void check_isa(const struct doctor_subject *s, struct doctor_finding *f)
{
    const cincel_machine_info *m = &s->machine;
    const size_t length = strlen(m->isa);
    if (strcmp(m->isa, "generic") == 0) {
        found(f, DOCTOR_PROBLEM, "no vector kernels are used: the CPU offers %s",
              m->features[0] ? m->features : "none of what they need");
        advise(f, "unset CINCEL_ISA; in a virtual machine, let it see the host's CPU (-cpu host)");
    } else if (strncmp(m->isas, m->isa, length) != 0) {
        found(f, DOCTOR_PROBLEM, "%s is used, the best there is: %s", m->isa, m->isas);
        advise(f, "unset CINCEL_ISA");
    } else {
        found(f, DOCTOR_OK, "%s, the best of: %s", m->isa, m->isas);
    }
}

static void check_numa(const struct doctor_subject *s, struct doctor_finding *f)
{
    const int nodes = s->machine.numa_nodes;
    if (nodes <= 1) {
        found(f, DOCTOR_OK, "one memory node");
        return;
    }
    found(f, DOCTOR_HINT, "%d memory nodes: cores are far from some of the memory", nodes);
    advise(f, "one process a node: numactl --cpunodebind=0 --membind=0 cincel …, and compare");
}

/* --------------------------------------------------------------------------------- their speed -- */

static void check_governor(const struct doctor_subject *s, struct doctor_finding *f)
{
    char governor[64], driver[64] = "", boost[16];
    static const char folder[] = "/sys/devices/system/cpu/cpu0/cpufreq/";
    char path[128];
    snprintf(path, sizeof path, "%sscaling_governor", folder);
    if (!read_line(s, path, governor, sizeof governor)) {
        found(f, DOCTOR_OK, "the clock is not managed from here (a virtual machine, or fixed)");
        return;
    }
    snprintf(path, sizeof path, "%sscaling_driver", folder);
    read_line(s, path, driver, sizeof driver);
    const bool own = strstr(driver, "pstate") != NULL; /* powersave of these raises the clock under load */
    if (strcmp(governor, "powersave") == 0 && !own) {
        found(f, DOCTOR_PROBLEM, "governor powersave (%s): the clock stays at its lowest", driver);
        advise(f, "cpupower frequency-set -g performance (or schedutil)");
    } else if (read_line(s, "/sys/devices/system/cpu/cpufreq/boost", boost, sizeof boost) &&
               boost[0] == '0') {
        found(f, DOCTOR_HINT, "boost clocks are switched off");
        advise(f, "echo 1 > /sys/devices/system/cpu/cpufreq/boost, if heat and noise allow");
    } else {
        found(f, DOCTOR_OK, "governor %s%s%s", governor, driver[0] ? ", driver " : "", driver);
    }
}

static void check_throttling(const struct doctor_subject *s, struct doctor_finding *f)
{
    double events = 0.0, stopped = 0.0;
    char path[128], text[32];
    for (int cpu = 0; cpu < s->machine.logical_cpus; cpu++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/thermal_throttle/core_throttle_count",
                 cpu);
        if (read_line(s, path, text, sizeof text)) events += strtod(text, NULL);
    }
    read_word(s, "/sys/fs/cgroup/cpu.stat", "nr_throttled", &stopped);
    if (events > 0.0) {
        found(f, DOCTOR_HINT, "cores were slowed down by heat %.0f times since boot", events);
        advise(f, "see to the cooling; tune and measure when it is cool");
    } else if (stopped > 0.0) {
        found(f, DOCTOR_PROBLEM, "the control group was stopped %.0f times for having used its CPU time",
              stopped);
        advise(f, "fewer threads (CINCEL_THREADS), or more CPUs for the group (cpu.max)");
    } else {
        found(f, DOCTOR_OK, "none seen");
    }
}

/* Steal and all ticks of the line "cpu …". */
static bool read_ticks(const struct doctor_subject *s, double *steal, double *all)
{
    char line[256];
    return read_line(s, "/proc/stat", line, sizeof line) && cincel_contention_parse(line, steal, all);
}

static void check_steal(const struct doctor_subject *s, struct doctor_finding *f)
{
    double before, all_before, steal, all;
    if (!read_ticks(s, &before, &all_before)) {
        found(f, DOCTOR_OK, "cannot be seen here");
        return;
    }
    const struct timespec wait = {(time_t)s->seconds, (long)(1e9 * fmod(s->seconds, 1.0))};
    nanosleep(&wait, NULL);
    read_ticks(s, &steal, &all);
    const double now = all > all_before ? 100.0 * (steal - before) / (all - all_before) : 0.0;
    const double ever = all > 0.0 ? 100.0 * steal / all : 0.0;
    if (now > 2.0 || ever > 2.0) {
        found(f, DOCTOR_PROBLEM, "the host takes CPU time for others: %.1f %% now, %.1f %% since boot", now,
              ever);
        advise(f, "ask for dedicated cores; measure when it is quiet, cincel tune says when it was not");
    } else {
        found(f, DOCTOR_OK, "%.1f %% now, %.1f %% since boot", now, ever);
    }
}

static void check_load(const struct doctor_subject *s, struct doctor_finding *f)
{
    char line[128];
    double load = 0.0;
    if (!read_line(s, "/proc/loadavg", line, sizeof line) || sscanf(line, "%lf", &load) != 1) {
        found(f, DOCTOR_OK, "cannot be seen here");
    } else if (load > 0.5 * s->machine.logical_cpus) {
        found(f, DOCTOR_HINT, "%.1f programs were busy on %d CPUs in the last minute", load,
              s->machine.logical_cpus);
        advise(f, "tune and train when nothing else runs: a barrier waits for the slowest core");
    } else {
        found(f, DOCTOR_OK, "%.1f busy programs in the last minute, %d CPUs", load, s->machine.logical_cpus);
    }
}

/* The product of two small numbers, which is a denormal unless they are flushed. */
static float tiny_product(void)
{
    volatile float small = 1e-30f;
    return small * 1e-10f;
}

static void check_denormals(const struct doctor_subject *s, struct doctor_finding *f)
{
    (void)s;
    const bool outside = tiny_product() != 0.0f;
    const uint64_t saved = cincel_fpmode_enter();
    const bool inside = tiny_product() != 0.0f;
    cincel_fpmode_leave(saved);
    if (inside) {
        found(f, DOCTOR_HINT, "denormal numbers cannot be flushed here: they are slow on most CPUs");
        advise(f, "clip gradients and avoid vanishing states in recurrent networks");
    } else {
        found(f, DOCTOR_OK, "flushed to zero inside plans%s", outside ? ", kept outside" : " and outside");
    }
}

/* -------------------------------------------------------------------------------------- memory -- */

static void check_huge_pages(const struct doctor_subject *s, struct doctor_finding *f)
{
    char line[128];
    if (!read_line(s, "/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof line)) {
        found(f, DOCTOR_OK, "the kernel has no transparent huge pages");
    } else if (strstr(line, "[never]")) {
        found(f, DOCTOR_HINT, "transparent huge pages are off: large tensors cost TLB misses");
        advise(f, "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (or always)");
    } else {
        const char *begin = strchr(line, '['), *end = begin ? strchr(begin, ']') : NULL;
        found(f, DOCTOR_OK, "transparent huge pages: %.*s", end ? (int)(end - begin - 1) : 0,
              end ? begin + 1 : "");
    }
}

/* ------------------------------------------------------------------------------------- profile -- */

/* The file with the highest precedence that exists, or that is named. */
static bool profile_file(const struct doctor_subject *s, char *path, size_t size)
{
    if (cincel_profile_path(s->ctx, CINCEL_PROFILE_ENVIRONMENT, path, size) == CINCEL_OK) return true;
    return cincel_profile_path(s->ctx, CINCEL_PROFILE_USER, path, size) == CINCEL_OK;
}

static void judge_profile(const struct doctor_subject *s, const char *path,
                          const struct cincel_profile_content *content, struct doctor_finding *f)
{
    const char *machine = cincel_profile_machine(&content->facts);
    if (!content->there && cincel_profile_entries(s->ctx) > 0) {
        found(f, DOCTOR_OK, "%zu entries, from the system's", cincel_profile_entries(s->ctx));
    } else if (!content->there) {
        found(f, DOCTOR_HINT, "there is none: a cost model chooses every kernel");
        advise(f, "cincel tune --model NAME, or cincel train --tune S");
    } else if (strcmp(machine, s->machine.key) != 0) {
        found(f, DOCTOR_PROBLEM, "%.120s is of another machine: %.60s", path, machine);
        advise(f,
               "unset CINCEL_PROFILE, or tune here; cincel profile merge --force takes it over all the same");
    } else if (content->damaged > 0) {
        found(f, DOCTOR_HINT, "%.160s: %zu entries, %zu damaged lines skipped", path,
              cincel_profile_size(content->profile), content->damaged);
        advise(f, "cincel profile check says more; cincel profile merge FILE NEW writes a clean one");
    } else {
        found(f, DOCTOR_OK, "%zu entries in %.180s", cincel_profile_size(content->profile), path);
    }
}

static void check_profile(const struct doctor_subject *s, struct doctor_finding *f)
{
    char path[8192];
    struct cincel_profile_content content;
    if (!profile_file(s, path, sizeof path)) {
        found(f, DOCTOR_HINT, "neither HOME nor XDG_CONFIG_HOME says where one could be");
        advise(f, "set one of them, or CINCEL_PROFILE");
    } else if (cincel_profile_read(path, &content) != CINCEL_OK) {
        found(f, DOCTOR_PROBLEM, "%s", cincel_error_message());
        advise(f, "move the file away and tune again");
    } else {
        judge_profile(s, path, &content, f);
        cincel_profile_destroy(content.profile);
    }
}

static void check_peaks(const struct doctor_subject *s, struct doctor_finding *f)
{
    cincel_machine_peaks peaks = CINCEL_MACHINE_PEAKS_INIT;
    if (cincel_peaks_cached(&s->ctx->machine, s->ctx->isas[0], s->machine.threads, &peaks)) {
        found(f, DOCTOR_OK, "%.0f GFLOP/s, %.0f GB/s from memory, on %d thread%s", peaks.gflops_team,
              peaks.read_team[peaks.points - 1], s->machine.threads, plural(s->machine.threads));
        return;
    }
    found(f, DOCTOR_HINT, "never measured: the cost model guesses");
    advise(f, "cincel info measures them, in two seconds");
}

static const struct {
    const char *name;
    void (*check)(const struct doctor_subject *s, struct doctor_finding *f);
} checks[] = {
    {"isa", check_isa},
    {"quota", check_quota},
    {"affinity", check_affinity},
    {"threads", check_threads},
    {"smt", check_smt},
    {"numa", check_numa},
    {"governor", check_governor},
    {"throttling", check_throttling},
    {"steal", check_steal},
    {"load", check_load},
    {"denormals", check_denormals},
    {"huge pages", check_huge_pages},
    {"peaks", check_peaks},
    {"profile", check_profile},
};
enum { CHECKS = sizeof checks / sizeof *checks };

bool doctor_check(const struct doctor_subject *subject, int i, struct doctor_finding *out)
{
    if (i < 0 || i >= CHECKS) return false;
    *out = (struct doctor_finding){.name = checks[i].name};
    checks[i].check(subject, out);
    return true;
}
