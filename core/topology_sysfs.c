#include "core/topology_parts.h"

#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A list such as "0-3,8-11" may be long on large machines; a cut one loses CPUs, nothing else. */
enum { TEXT_BYTES = 4096 };

/* ------------------------------------------------------------------------------ small files -- */

/* First line of the file, without the newline; false, and "", where there is none. */
__attribute__((format(printf, 3, 4))) static bool read_line(const char *root, char text[TEXT_BYTES],
                                                            const char *format, ...)
{
    char path[PATH_MAX];
    const int prefix = snprintf(path, sizeof path, "%s/sys/devices/", root);
    text[0] = '\0';
    if (prefix < 0 || (size_t)prefix >= sizeof path) return false;
    va_list args;
    va_start(args, format);
    vsnprintf(path + prefix, sizeof path - (size_t)prefix, format, args);
    va_end(args);
    FILE *file = fopen(path, "re");
    if (!file) return false;
    const bool found = fgets(text, TEXT_BYTES, file) != NULL;
    fclose(file);
    text[strcspn(text, "\n")] = '\0';
    return found;
}

/* Takes "a" or "a-b" off the front of a list; false at its end. */
static bool next_range(const char **list, int *first, int *last)
{
    char *end;
    const long a = strtol(*list, &end, 10);
    if (end == *list || a < 0 || a > INT_MAX) return false;
    long b = a;
    if (*end == '-') b = strtol(end + 1, &end, 10);
    if (b < a || b > INT_MAX) return false;
    *first = (int)a;
    *last = (int)b;
    *list = *end == ',' ? end + 1 : end;
    return true;
}

static int first_of_list(const char *list)
{
    int first, last;
    return next_range(&list, &first, &last) ? first : -1;
}

/* "512K", "32M" */
static size_t parse_size(const char *text)
{
    char *end;
    const unsigned long long n = strtoull(text, &end, 10);
    const int shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    return n <= SIZE_MAX >> shift ? (size_t)n << shift : 0;
}

/* ------------------------------------------------------------------------------------- cores -- */

struct cpu {
    bool online;
    int core;    /* lowest CPU number of the same physical core */
    double rank; /* of the core's speed, in the unit of the source that had it; 0: unknown */
};

struct cpus {
    struct cpu *cpu;
    int count; /* highest number + 1 */
};

/* The core is named by its lowest CPU: kernels since 5.x, before, and where the topology folder is
   hidden, by the sharers of the level 1 cache. */
static int core_of(const char *root, int cpu)
{
    char text[TEXT_BYTES];
    int core = -1;
    if (read_line(root, text, "system/cpu/cpu%d/topology/core_cpus_list", cpu) ||
        read_line(root, text, "system/cpu/cpu%d/topology/thread_siblings_list", cpu) ||
        read_line(root, text, "system/cpu/cpu%d/cache/index0/shared_cpu_list", cpu)) {
        core = first_of_list(text);
    }
    return core < 0 || core > cpu ? cpu : core;
}

static bool list_online(const char *root, struct cpus *out)
{
    char text[TEXT_BYTES];
    int first, last;
    *out = (struct cpus){NULL, 0};
    if (!read_line(root, text, "system/cpu/online")) return false;
    for (const char *list = text; next_range(&list, &first, &last);) {
        if (last < 1 << 20 && last >= out->count) out->count = last + 1;
    }
    if (out->count == 0) return false;
    out->cpu = calloc((size_t)out->count, sizeof *out->cpu);
    if (!out->cpu) return false;
    for (const char *list = text; next_range(&list, &first, &last);) {
        for (int cpu = first; cpu <= last && cpu < out->count; cpu++) {
            out->cpu[cpu].online = true;
            out->cpu[cpu].core = core_of(root, cpu);
        }
    }
    return true;
}

/* One number a CPU; false, with all ranks 0, unless every online CPU has it. */
static bool rank_by_file(const char *root, const char *file, struct cpus *cpus)
{
    char text[TEXT_BYTES];
    bool complete = true;
    for (int i = 0; i < cpus->count && complete; i++) {
        if (!cpus->cpu[i].online) continue;
        complete = read_line(root, text, "system/cpu/cpu%d/%s", i, file);
        cpus->cpu[i].rank = strtod(text, NULL);
    }
    for (int i = 0; i < cpus->count && !complete; i++) cpus->cpu[i].rank = 0.0;
    return complete;
}

/* Intel's hybrids name their economical cores. */
static bool rank_by_atom_list(const char *root, struct cpus *cpus)
{
    char text[TEXT_BYTES];
    int first, last;
    if (!read_line(root, text, "cpu_atom/cpus")) return false;
    for (int i = 0; i < cpus->count; i++) cpus->cpu[i].rank = 2.0;
    for (const char *list = text; next_range(&list, &first, &last);) {
        for (int i = first; i <= last && i < cpus->count; i++) cpus->cpu[i].rank = 1.0;
    }
    return true;
}

/*
 * Sorts the allowed cores by speed into kinds. Favoured cores of one kind differ in their highest clock
 * by a few per cent: what lies within 10 % of the kind's best is one kind. Returns a CPU of the fastest.
 */
static int count_cores(const struct cpus *cpus, const struct cincel_cpu_mask *allowed,
                       struct cincel_topology *out)
{
    double *speed = calloc((size_t)cpus->count, sizeof *speed); /* of core i; -1: counted or not ours */
    int fastest = -1;
    if (!speed) return -1;
    for (int i = 0; i < cpus->count; i++) speed[i] = -1.0;
    for (int i = 0; i < cpus->count; i++) {
        const struct cpu *cpu = &cpus->cpu[i];
        if (!cpu->online || !cincel_cpu_mask_has(allowed, i)) continue;
        if (speed[cpu->core] < cpu->rank) speed[cpu->core] = cpu->rank;
    }
    for (;;) {
        int best = -1, cores = 0;
        for (int i = 0; i < cpus->count; i++) {
            if (speed[i] >= 0.0 && (best < 0 || speed[i] > speed[best])) best = i;
        }
        if (best < 0) break;
        if (fastest < 0) fastest = best;
        const double limit = 0.9 * speed[best];
        for (int i = 0; i < cpus->count; i++) {
            if (speed[i] < 0.0 || speed[i] < limit) continue;
            speed[i] = -1.0;
            cores++;
        }
        if (out->core_kinds < CINCEL_MAX_CORE_KINDS) out->core_kinds++;
        out->kind_cores[out->core_kinds - 1] += cores;
        out->physical_cores += cores;
    }
    free(speed);
    return fastest;
}

/* ------------------------------------------------------------------------------------ caches -- */

static int cores_in_list(const char *list, const struct cpus *cpus)
{
    int first, last, cores = 0;
    while (next_range(&list, &first, &last)) {
        for (int i = first; i <= last && i < cpus->count; i++) {
            /* the lowest CPU of a core stands for it */
            if (cpus->cpu[i].online && cpus->cpu[i].core == i) cores++;
        }
    }
    return cores;
}

static void read_caches(const char *root, int cpu, const struct cpus *cpus, struct cincel_topology *out)
{
    char text[TEXT_BYTES];
    for (int index = 0; read_line(root, text, "system/cpu/cpu%d/cache/index%d/type", cpu, index); index++) {
        if (strcmp(text, "Instruction") == 0) continue;
        read_line(root, text, "system/cpu/cpu%d/cache/index%d/level", cpu, index);
        const int level = atoi(text);
        read_line(root, text, "system/cpu/cpu%d/cache/index%d/size", cpu, index);
        const size_t bytes = parse_size(text);
        read_line(root, text, "system/cpu/cpu%d/cache/index%d/shared_cpu_list", cpu, index);
        const int cores = cores_in_list(text, cpus);
        if (level == 1) {
            out->l1d_bytes = bytes;
            read_line(root, text, "system/cpu/cpu%d/cache/index%d/coherency_line_size", cpu, index);
            out->line_bytes = parse_size(text);
        } else if (level == 2) {
            out->l2_bytes = bytes;
            out->l2_shared_by = cores;
        } else if (level == 3) {
            out->l3_bytes = bytes;
            out->l3_shared_by = cores;
        }
    }
}

static int count_nodes(const char *root)
{
    char text[TEXT_BYTES];
    int first, last, nodes = 0;
    read_line(root, text, "system/node/online");
    for (const char *list = text; next_range(&list, &first, &last);) nodes += last - first + 1;
    return nodes > 0 ? nodes : 1;
}

bool cincel_topology_sysfs(const char *root, const struct cincel_cpu_mask *allowed,
                           struct cincel_topology *out)
{
    struct cpus cpus;
    if (!list_online(root, &cpus)) return false;
    if (!rank_by_file(root, "cpu_capacity", &cpus) && !rank_by_atom_list(root, &cpus)) {
        rank_by_file(root, "cpufreq/cpuinfo_max_freq", &cpus);
    }
    const int fastest = count_cores(&cpus, allowed, out);
    if (fastest >= 0) read_caches(root, fastest, &cpus, out);
    out->numa_nodes = count_nodes(root);
    free(cpus.cpu);
    return true;
}
