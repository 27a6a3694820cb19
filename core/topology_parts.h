/* What core/topology.c is put together from. `root` stands before every path: "" on a real machine,
   a folder of prepared files in the tests. */
#ifndef CINCEL_CORE_TOPOLOGY_PARTS_H
#define CINCEL_CORE_TOPOLOGY_PARTS_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/topology.h"

/* The CPUs this process may run on: a mask of as many bits as the kernel asked for. */
struct cincel_cpu_mask {
    cpu_set_t *bits;
    size_t bytes;
};
/* The affinity mask of the calling thread; bits NULL where it cannot be had. */
struct cincel_cpu_mask cincel_cpu_mask_allowed(void);
void cincel_cpu_mask_free(struct cincel_cpu_mask *mask);
bool cincel_cpu_mask_has(const struct cincel_cpu_mask *mask, int cpu);

/* Cores, kinds, NUMA nodes and caches from /sys/devices/system. False where even the list of CPUs is
   missing: *out is untouched then. */
bool cincel_topology_sysfs(const char *root, const struct cincel_cpu_mask *allowed,
                           struct cincel_topology *out);

/* The same through hwloc; false where hwloc fails or was not built in. */
bool cincel_topology_hwloc(const struct cincel_cpu_mask *allowed, struct cincel_topology *out);

/* CPUs granted by the control groups of this process, the tightest on the path; 0: no limit. */
double cincel_cgroup_quota(const char *root);

#endif
