/* All that is known of the machine, gathered once a context. */
#ifndef CINCEL_CORE_MACHINE_H
#define CINCEL_CORE_MACHINE_H

#include "core/cpu.h"
#include "core/topology.h"

struct cincel_machine {
    struct cincel_cpu cpu;
    struct cincel_topology topo;
    int threads; /* team size of the context */
};

void cincel_machine_detect(struct cincel_machine *out);

/* Names the silicon: "amd-25-1-avx2-l1_32k-l2_512k"; on ARM "arm-d0b-neon-l1_64k-l2_512k". */
void cincel_machine_key(const struct cincel_machine *m, const char *isa, char *out, size_t size);

#endif
