/* cincel info: the machine as cincel sees it, and its measured limits. */
#include <jansson.h>
#include <stdio.h>

#include "cincel/cincel.h"
#include "cli/commands.h"
#include "cli/options.h"

/* ------------------------------------------------------------------------------------- text -- */

/* "32 KB", "1.25 MB", "16 GB" */
static const char *size_text(size_t bytes, char out[32])
{
    static const char *const units[] = {"bytes", "KB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1024;
        unit++;
    }
    snprintf(out, 32, "%.4g %s", value, units[unit]);
    return out;
}

static void print_cache(const char *label, size_t bytes, int shared_by)
{
    char size[32];
    if (bytes == 0) return;
    printf("%-12s  %s", label, size_text(bytes, size));
    if (shared_by > 1) printf(", shared by %d cores", shared_by);
    putchar('\n');
}

static void print_cores(const cincel_machine_info *m)
{
    printf("Cores         %d", m->physical_cores);
    for (int k = 0; m->core_kinds > 1 && k < m->core_kinds; k++) {
        printf("%s%d", k ? " + " : " (by kind, fastest first: ", m->kind_cores[k]);
    }
    printf("%s on %d of %d logical CPUs, %d NUMA node%s\n", m->core_kinds > 1 ? ")" : "", m->allowed_cpus,
           m->logical_cpus, m->numa_nodes, m->numa_nodes == 1 ? "" : "s");
}

static void print_machine(const cincel_machine_info *m)
{
    char size[32];
    printf("CPU           %s\n", m->cpu[0] ? m->cpu : "unknown");
    printf("Features      %s\n", m->features[0] ? m->features : "none that matter here");
    printf("ISA in use    %s (usable: %s)\n", m->isa, m->isas);
    printf("Machine key   %s\n", m->key);
    print_cores(m);
    if (m->cpu_quota > 0) {
        printf("CPU quota     %.2f CPUs\n", m->cpu_quota);
    } else {
        puts("CPU quota     none");
    }
    printf("Threads       %d\n", m->threads);
    print_cache("L1 data", m->l1d_bytes, 1);
    print_cache("L2", m->l2_bytes, m->l2_shared_by);
    print_cache("L3", m->l3_bytes, m->l3_shared_by);
    printf("Cache line    %zu bytes\n", m->line_bytes);
    printf("Memory        %s\n", size_text(m->memory_bytes, size));
    printf("Topology      from %s\n", m->topology_source);
}

static void print_peaks(const cincel_machine_info *m, const cincel_machine_peaks *p)
{
    char size[32];
    printf("\nFMA peak      %.1f GFLOP/s on one core, %.1f on %d thread%s (f32, %s%s)\n", p->gflops_1,
           p->gflops_team, m->threads, m->threads == 1 ? "" : "s", m->isa,
           p->from_cache ? "; measured earlier, --refresh measures again" : "");
    puts("\nBandwidth, GB/s      one core            all threads\n"
         "Working set       read    triad       read    triad");
    for (int i = 0; i < p->points; i++) {
        printf("%11s   %8.1f %8.1f   %8.1f %8.1f\n", size_text(p->working_set[i], size), p->read_1[i],
               p->triad_1[i], p->read_team[i], p->triad_team[i]);
    }
}

/* ------------------------------------------------------------------------------------- JSON -- */

static json_t *machine_json(const cincel_machine_info *m)
{
    json_t *kinds = json_array();
    for (int k = 0; k < m->core_kinds; k++) json_array_append_new(kinds, json_integer(m->kind_cores[k]));
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:o, s:i, s:o, s:i}", //
                     "version", cincel_version(), "cpu", m->cpu, "key", m->key, "isa", m->isa, "isas",
                     m->isas, "features", m->features, "logical_cpus", m->logical_cpus, "allowed_cpus",
                     m->allowed_cpus, "physical_cores", m->physical_cores, "kind_cores", kinds, "numa_nodes",
                     m->numa_nodes, "cpu_quota", m->cpu_quota > 0 ? json_real(m->cpu_quota) : json_null(),
                     "threads", m->threads);
}

static json_t *caches_json(const cincel_machine_info *m)
{
    return json_pack("{s:I, s:I, s:I, s:i, s:i, s:I}", //
                     "l1d_bytes", (json_int_t)m->l1d_bytes, "l2_bytes", (json_int_t)m->l2_bytes, "l3_bytes",
                     (json_int_t)m->l3_bytes, "l2_shared_by", m->l2_shared_by, "l3_shared_by",
                     m->l3_shared_by, "line_bytes", (json_int_t)m->line_bytes);
}

static json_t *peaks_json(const cincel_machine_peaks *p)
{
    json_t *points = json_array();
    for (int i = 0; i < p->points; i++) {
        json_array_append_new(points, json_pack("{s:I, s:f, s:f, s:f, s:f}", //
                                                "working_set_bytes", (json_int_t)p->working_set[i], "read_1",
                                                p->read_1[i], "triad_1", p->triad_1[i], "read_team",
                                                p->read_team[i], "triad_team", p->triad_team[i]));
    }
    return json_pack("{s:f, s:f, s:b, s:o}", "gflops_1", p->gflops_1, "gflops_team", p->gflops_team,
                     "from_cache", p->from_cache, "bandwidth_gbytes", points);
}

static int print_json(const cincel_machine_info *m, const cincel_machine_peaks *p)
{
    json_t *all = machine_json(m);
    int failed = !all;
    if (all) {
        failed |= json_object_set_new(all, "memory_bytes", json_integer((json_int_t)m->memory_bytes));
        failed |= json_object_set_new(all, "topology_source", json_string(m->topology_source));
        failed |= json_object_set_new(all, "caches", caches_json(m));
        failed |= json_object_set_new(all, "peaks", peaks_json(p));
    }
    if (failed) {
        fputs("cincel: info: no memory for the JSON text\n", stderr);
    } else {
        json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)); /* main checks stdout */
        putchar('\n');
    }
    json_decref(all);
    return failed ? CLI_FAILURE : CLI_SUCCESS;
}

/* ---------------------------------------------------------------------------------- command -- */

int cli_info(int argc, char **argv)
{
    bool json = false, refresh = false;
    const struct cli_option options[] = {
        {.name = "json", .kind = CLI_FLAG, .value = &json, .help = "print one JSON object"},
        {.name = "refresh", .kind = CLI_FLAG, .value = &refresh, .help = "measure again, about two seconds"},
    };
    const struct cli_syntax syntax = {
        .command = "info",
        .operands = "",
        .about =
            "Shows the machine as cincel sees it (CPU, instruction sets, cores, caches, limits) and what it\n"
            "can reach: FMA peak and memory bandwidth, measured at the first call and then remembered.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int operands, code;
    if (!cli_parse(&syntax, argc, argv, &operands, &code)) return code;

    cincel_context *ctx = NULL;
    cincel_machine_info machine = CINCEL_MACHINE_INFO_INIT;
    cincel_machine_peaks peaks = CINCEL_MACHINE_PEAKS_INIT;
    cincel_status status = cincel_context_create(NULL, &ctx);
    if (!status) status = cincel_machine_describe(ctx, &machine);
    if (!status) status = cincel_machine_measure(ctx, refresh, &peaks);
    cincel_context_destroy(ctx);
    if (status) return cli_report(status);
    if (json) return print_json(&machine, &peaks);
    print_machine(&machine);
    print_peaks(&machine, &peaks);
    return CLI_SUCCESS;
}
