/* Cores, caches and limits: through hwloc where it was found at configure time, else from sysfs. */
#ifndef CINCEL_CORE_TOPOLOGY_H
#define CINCEL_CORE_TOPOLOGY_H

#include <stddef.h>

#include "cincel/cincel.h"

struct cincel_topology {
    int logical_cpus;   /* online */
    int allowed_cpus;   /* by the affinity mask of this process */
    int physical_cores; /* distinct among the allowed */
    int core_kinds;
    int kind_cores[CINCEL_MAX_CORE_KINDS]; /* allowed physical cores a kind, fastest first */
    int numa_nodes;
    double cpu_quota; /* cgroup v2 cpu.max or v1 cfs quota, tightest along the path; 0: none */
    size_t l1d_bytes, l2_bytes, l3_bytes; /* of one instance; 0: none or unknown */
    int l2_shared_by, l3_shared_by;       /* cores per instance */
    size_t line_bytes;
    size_t memory_bytes;
    char source[16]; /* "hwloc" or "sysfs" */
};

/* Bytes of the last cache; 0: unknown. */
static inline size_t cincel_topology_cache(const struct cincel_topology *t)
{
    return t->l3_bytes ? t->l3_bytes : t->l2_bytes;
}

/* Never fails: what cannot be found out gets a safe default (1 core, 32 KB L1, 64-byte lines). */
void cincel_topology_detect(struct cincel_topology *out);

/* The default team: physical cores of the fastest kind allowed, capped by the quota rounded up. */
int cincel_topology_default_threads(const struct cincel_topology *t);

#endif
