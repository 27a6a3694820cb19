/* The machine as the public API shows it. */
#include <stdio.h>
#include <string.h>

#include "core/abi.h"
#include "core/status.h"
#include "plan/plan.h"
#include "tune/peaks.h"

cincel_status cincel_machine_describe(const cincel_context *ctx, cincel_machine_info *out)
{
    if (!ctx || !out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "machine: %s is NULL", ctx ? "out" : "ctx");
    const struct cincel_topology *t = &ctx->machine.topo;
    cincel_machine_info info = CINCEL_MACHINE_INFO_INIT;
    snprintf(info.cpu, sizeof info.cpu, "%s", ctx->machine.cpu.name);
    cincel_machine_key(&ctx->machine, ctx->isas[0]->name, info.key, sizeof info.key);
    snprintf(info.isa, sizeof info.isa, "%s", ctx->isas[0]->name);
    for (int i = 0; ctx->isas[i]; i++) cincel_append_name(info.isas, sizeof info.isas, ctx->isas[i]->name);
    cincel_cpu_feature_names(ctx->machine.cpu.features, info.features, sizeof info.features);
    info.logical_cpus = t->logical_cpus;
    info.allowed_cpus = t->allowed_cpus;
    info.physical_cores = t->physical_cores;
    info.core_kinds = t->core_kinds;
    memcpy(info.kind_cores, t->kind_cores, sizeof info.kind_cores);
    info.numa_nodes = t->numa_nodes;
    info.cpu_quota = t->cpu_quota;
    info.threads = ctx->machine.threads;
    info.l1d_bytes = t->l1d_bytes;
    info.l2_bytes = t->l2_bytes;
    info.l3_bytes = t->l3_bytes;
    info.l2_shared_by = t->l2_shared_by;
    info.l3_shared_by = t->l3_shared_by;
    info.line_bytes = t->line_bytes;
    info.memory_bytes = t->memory_bytes;
    snprintf(info.topology_source, sizeof info.topology_source, "%s", t->source);
    return cincel_struct_out("machine", &info, sizeof info, sizeof info, out);
}

cincel_status cincel_machine_measure(cincel_context *ctx, int refresh, cincel_machine_peaks *out)
{
    if (!ctx || !out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "machine: %s is NULL", ctx ? "out" : "ctx");
    cincel_machine_peaks peaks = CINCEL_MACHINE_PEAKS_INIT;
    const cincel_status st =
        cincel_peaks_measure(&ctx->machine, ctx->isas[0], ctx->team, refresh != 0, ctx->use_files, &peaks);
    return st == CINCEL_OK ? cincel_struct_out("machine", &peaks, sizeof peaks, sizeof peaks, out) : st;
}
