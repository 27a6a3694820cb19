#include "core/topology_parts.h"

#if !defined(CINCEL_HAVE_HWLOC)

bool cincel_topology_hwloc(const struct cincel_cpu_mask *allowed, struct cincel_topology *out)
{
    (void)allowed;
    (void)out;
    return false;
}

#else

#include <hwloc.h>

static bool core_allowed(hwloc_obj_t core, const struct cincel_cpu_mask *allowed)
{
    for (int cpu = hwloc_bitmap_first(core->cpuset); cpu >= 0; cpu = hwloc_bitmap_next(core->cpuset, cpu)) {
        if (cincel_cpu_mask_has(allowed, cpu)) return true;
    }
    return false;
}

/* 0 for the fastest: hwloc numbers kinds from the most economical up. All cores are of one kind where
   hwloc cannot rank them. */
static int kind_of(hwloc_topology_t topology, hwloc_obj_t core, int kinds)
{
    const int kind = kinds > 1 ? hwloc_cpukinds_get_by_cpuset(topology, core->cpuset, 0) : 0;
    return kind < 0 ? 0 : kinds - 1 - kind;
}

static int count_kinds(hwloc_topology_t topology)
{
    const int kinds = hwloc_cpukinds_get_nr(topology, 0);
    int efficiency = -1;
    if (kinds < 2 || hwloc_cpukinds_get_info(topology, 0, NULL, &efficiency, NULL, NULL, 0) < 0) return 1;
    return efficiency < 0 ? 1 : kinds;
}

/* Counts allowed cores by kind and returns the first of the fastest kind. Kinds without an allowed core
   do not count. */
static hwloc_obj_t count_cores(hwloc_topology_t topology, hwloc_obj_type_t core_type,
                               const struct cincel_cpu_mask *allowed, struct cincel_topology *out)
{
    enum { HWLOC_KINDS = 16 };
    int cores[HWLOC_KINDS] = {0}, best = HWLOC_KINDS;
    hwloc_obj_t core = NULL, first = NULL;
    const int kinds = count_kinds(topology);
    while ((core = hwloc_get_next_obj_by_type(topology, core_type, core))) {
        if (!core_allowed(core, allowed)) continue;
        int kind = kind_of(topology, core, kinds);
        if (kind >= HWLOC_KINDS) kind = HWLOC_KINDS - 1;
        cores[kind]++;
        out->physical_cores++;
        if (kind < best) {
            best = kind;
            first = core;
        }
    }
    for (int kind = 0; kind < HWLOC_KINDS; kind++) {
        if (cores[kind] == 0) continue;
        if (out->core_kinds < CINCEL_MAX_CORE_KINDS) out->core_kinds++;
        out->kind_cores[out->core_kinds - 1] += cores[kind];
    }
    return first;
}

static void read_caches(hwloc_topology_t topology, hwloc_obj_t core, hwloc_obj_type_t core_type,
                        struct cincel_topology *out)
{
    hwloc_obj_t cache = hwloc_get_cache_covering_cpuset(topology, core->cpuset);
    for (; cache; cache = cache->parent) {
        if (!hwloc_obj_type_is_dcache(cache->type)) continue;
        const size_t bytes = (size_t)cache->attr->cache.size;
        const int cores = hwloc_get_nbobjs_inside_cpuset_by_type(topology, cache->cpuset, core_type);
        switch (cache->attr->cache.depth) {
        case 1:
            out->l1d_bytes = bytes;
            out->line_bytes = cache->attr->cache.linesize;
            break;
        case 2:
            out->l2_bytes = bytes;
            out->l2_shared_by = cores;
            break;
        case 3:
            out->l3_bytes = bytes;
            out->l3_shared_by = cores;
            break;
        default: break;
        }
    }
}

bool cincel_topology_hwloc(const struct cincel_cpu_mask *allowed, struct cincel_topology *out)
{
    hwloc_topology_t topology;
    if (hwloc_topology_init(&topology) < 0) return false;
    unsigned long flags = HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED; /* `allowed` says what is ours */
#if HWLOC_API_VERSION >= 0x00020500
    flags |= HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING; /* no hopping of the caller's thread over the cores */
#endif
    bool found = false;
    if (hwloc_topology_set_flags(topology, flags) == 0 && hwloc_topology_load(topology) == 0) {
        const hwloc_obj_type_t core_type =
            hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE) > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
        const hwloc_obj_t core = count_cores(topology, core_type, allowed, out);
        found = core != NULL;
        if (found) {
            out->numa_nodes = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);
            read_caches(topology, core, core_type, out);
        }
    }
    hwloc_topology_destroy(topology);
    return found;
}

#endif
