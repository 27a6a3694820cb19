#include "core/machine.h"

#include <stdio.h>
#include <string.h>

void cincel_machine_detect(struct cincel_machine *out)
{
    memset(out, 0, sizeof *out);
    cincel_cpu_detect(&out->cpu);
    cincel_topology_detect(&out->topo);
    out->threads = cincel_topology_default_threads(&out->topo);
}

/* "512k", "1m", "1280k" */
static void print_size(size_t bytes, char *out, size_t size)
{
    const size_t mega = (size_t)1 << 20;
    if (bytes >= mega && bytes % mega == 0) {
        snprintf(out, size, "%zum", bytes / mega);
    } else {
        snprintf(out, size, "%zuk", bytes >> 10);
    }
}

void cincel_machine_key(const struct cincel_machine *m, const char *isa, char *out, size_t size)
{
    char l1[24], l2[24], core[32];
    print_size(m->topo.l1d_bytes, l1, sizeof l1);
    print_size(m->topo.l2_bytes, l2, sizeof l2);
    if (m->cpu.midr) {
        snprintf(core, sizeof core, "%03x", m->cpu.midr >> 4 & 0xfff);
    } else {
        snprintf(core, sizeof core, "%u-%u", m->cpu.family, m->cpu.model);
    }
    snprintf(out, size, "%s-%s-%s-l1_%s-l2_%s", m->cpu.vendor, core, isa, l1, l2);
}
