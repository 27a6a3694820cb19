#include "core/topology.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "core/topology_parts.h"

/* ------------------------------------------------------------------------------- CPU masks -- */

struct cincel_cpu_mask cincel_cpu_mask_allowed(void)
{
    /* the kernel refuses masks smaller than its own with EINVAL: no limit of 1024 CPUs */
    for (int cpus = CPU_SETSIZE; cpus <= 1 << 20; cpus *= 2) {
        const size_t bytes = CPU_ALLOC_SIZE(cpus);
        cpu_set_t *bits = CPU_ALLOC(cpus);
        if (!bits) break;
        CPU_ZERO_S(bytes, bits);
        if (sched_getaffinity(0, bytes, bits) == 0) return (struct cincel_cpu_mask){bits, bytes};
        const int reason = errno;
        CPU_FREE(bits);
        if (reason != EINVAL) break;
    }
    return (struct cincel_cpu_mask){NULL, 0};
}

void cincel_cpu_mask_free(struct cincel_cpu_mask *mask)
{
    if (mask->bits) CPU_FREE(mask->bits);
    *mask = (struct cincel_cpu_mask){NULL, 0};
}

bool cincel_cpu_mask_has(const struct cincel_cpu_mask *mask, int cpu)
{
    if (!mask->bits) return true;
    return cpu >= 0 && (size_t)cpu < mask->bytes * 8 && CPU_ISSET_S((size_t)cpu, mask->bytes, mask->bits);
}

/* ------------------------------------------------------------------------------- detection -- */

static int at_least_one(long n) { return n < 1 ? 1 : (int)n; }

/* What neither hwloc nor sysfs needs to be asked for. */
static void detect_limits(const struct cincel_cpu_mask *allowed, struct cincel_topology *out)
{
    out->logical_cpus = at_least_one(sysconf(_SC_NPROCESSORS_ONLN));
    out->allowed_cpus = allowed->bits ? CPU_COUNT_S(allowed->bytes, allowed->bits) : out->logical_cpus;
    out->cpu_quota = cincel_cgroup_quota("");
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0) out->memory_bytes = (size_t)pages * (size_t)page;
}

/* A machine that hides something still has a core, and lines of some size. */
static void fill_gaps(struct cincel_topology *t)
{
    t->allowed_cpus = at_least_one(t->allowed_cpus);
    t->numa_nodes = at_least_one(t->numa_nodes);
    if (t->physical_cores < 1 || t->core_kinds < 1) {
        t->physical_cores = t->allowed_cpus;
        t->core_kinds = 1;
        t->kind_cores[0] = t->allowed_cpus;
    }
    if (t->l1d_bytes == 0) t->l1d_bytes = (size_t)32 << 10;
    if (t->line_bytes == 0) t->line_bytes = 64;
    t->l2_shared_by = at_least_one(t->l2_shared_by);
    t->l3_shared_by = at_least_one(t->l3_shared_by);
}

void cincel_topology_detect(struct cincel_topology *out)
{
    struct cincel_topology t = {0};
    struct cincel_cpu_mask allowed = cincel_cpu_mask_allowed();
    if (cincel_topology_hwloc(&allowed, &t)) {
        strcpy(t.source, "hwloc");
    } else {
        cincel_topology_sysfs("", &allowed, &t);
        strcpy(t.source, "sysfs");
    }
    detect_limits(&allowed, &t);
    fill_gaps(&t);
    cincel_cpu_mask_free(&allowed);
    *out = t;
}

int cincel_topology_default_threads(const struct cincel_topology *t)
{
    const int cores = at_least_one(t->kind_cores[0]);
    if (t->cpu_quota <= 0.0 || t->cpu_quota >= cores) return cores;
    return at_least_one((long)ceil(t->cpu_quota));
}
