/* The context: machine, team and configuration, read once. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/abi.h"
#include "core/status.h"
#include "plan/plan.h"
#include "tune/peaks.h"

static const double default_error_budget = 2e-4;
static const int max_threads = 1024; /* a larger number is a mistake, not a machine */

/* An environment variable that is set and not empty, else NULL. */
static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

static cincel_status read_config(const cincel_config *given, cincel_config *out)
{
    *out = (cincel_config)CINCEL_CONFIG_INIT;
    if (!given) return CINCEL_OK;
    const cincel_status st = cincel_struct_in("config", given, sizeof *out, sizeof *out, out);
    if (st != CINCEL_OK) return st;
    if (out->threads < 0 || out->threads > max_threads)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "config: threads is %d, must be 0 … %d", out->threads,
                           max_threads);
    if (!(out->error_budget >= 0.0))
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "config: error_budget is %g, must be ≥ 0",
                           out->error_budget);
    if (out->profiles != CINCEL_PROFILES_DEFAULT && out->profiles != CINCEL_PROFILES_NONE)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "config: profiles is %d, no such value",
                           (int)out->profiles);
    return CINCEL_OK;
}

/* Team size: the configuration's, else $CINCEL_THREADS, else what the topology suggests. */
static cincel_status choose_threads(cincel_context *ctx, const cincel_config *config)
{
    ctx->machine.threads = config->threads;
    if (config->threads > 0) return CINCEL_OK;
    ctx->machine.threads = cincel_topology_default_threads(&ctx->machine.topo);
    const char *text = ctx->use_files ? environment("CINCEL_THREADS") : NULL;
    if (!text) return CINCEL_OK;
    char *end;
    errno = 0;
    const long value = strtol(text, &end, 10);
    if (*end || errno || value < 1 || value > max_threads)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "CINCEL_THREADS is \"%s\", must be a number 1 … %d", text,
                           max_threads);
    ctx->machine.threads = (int)value;
    return CINCEL_OK;
}

void cincel_append_name(char *list, size_t size, const char *name)
{
    const size_t used = strlen(list);
    snprintf(list + used, size - used, "%s%s", used ? " " : "", name);
}

/* Usable ISAs from the named one down; `cap` NULL: from the best. */
static cincel_status choose_isas(cincel_context *ctx, const char *source, const char *cap)
{
    char usable[64] = "";
    bool below = cap == NULL;
    int count = 0;
    for (const struct cincel_isa *const *isa = cincel_isas; *isa; isa++) {
        if ((*isa)->needs & ~ctx->machine.cpu.features) continue;
        cincel_append_name(usable, sizeof usable, (*isa)->name);
        below = below || strcmp((*isa)->name, cap) == 0;
        if (below && count < CINCEL_MAX_ISAS - 1) ctx->isas[count++] = *isa;
    }
    ctx->isas[count] = NULL;
    if (count == 0)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s is \"%s\", this machine and build have: %s", source,
                           cap, usable);
    return CINCEL_OK;
}

static cincel_status open_log(cincel_context *ctx, const cincel_config *config)
{
    ctx->log = config->log;
    ctx->log_user = config->log_user;
    const char *path = ctx->use_files && !ctx->log ? environment("CINCEL_LOG") : NULL;
    if (!path) return CINCEL_OK;
    ctx->log_fd = strcmp(path, "stderr") == 0 ? dup(STDERR_FILENO)
                                              : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (ctx->log_fd < 0) return cincel_fail_errno(CINCEL_IO_ERROR, "CINCEL_LOG: cannot open \"%s\"", path);
    return CINCEL_OK;
}

/* One core's bandwidth over a working set of half the last cache. */
static double cached_triad(const cincel_context *ctx, const cincel_machine_peaks *p)
{
    const size_t bytes = cincel_topology_cache(&ctx->machine.topo) / 2;
    double found = 0.0;
    for (int i = 0; i < p->points && p->working_set[i] <= bytes; i++) found = p->triad_1[i];
    return found;
}

/*
 * The peaks the cost model reckons with: those measured earlier, else a fair guess. Any team's file has the
 * figures of one core; the smallest team's are taken, so that contexts of all sizes reckon alike and find the
 * same numeric half.
 */
static void set_target(cincel_context *ctx, bool reproducible)
{
    cincel_machine_peaks peaks = CINCEL_MACHINE_PEAKS_INIT;
    /* two FMA pipes at 3 GHz; one core's share of the memory channels */
    double gflops = 2.0 * 2.0 * 3.0 * ctx->isas[0]->vector_floats, gbytes = 15.0;
    double cache_gbytes = 0.0;
    const int teams = ctx->use_files && !reproducible ? ctx->machine.topo.logical_cpus : 0;
    for (int threads = 1; threads <= teams; threads++) {
        if (!cincel_peaks_cached(&ctx->machine, ctx->isas[0], threads, &peaks)) continue;
        gflops = peaks.gflops_1;
        gbytes = peaks.triad_1[peaks.points - 1];
        cache_gbytes = cached_triad(ctx, &peaks);
        break;
    }
    ctx->target =
        (struct cincel_target){&ctx->machine, ctx->isas, gflops, gbytes, cache_gbytes, reproducible};
}

cincel_status cincel_context_create(const cincel_config *given, cincel_context **out)
{
    if (!out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "context: out is NULL");
    cincel_config config;
    cincel_status st = read_config(given, &config);
    if (st != CINCEL_OK) return st;
    cincel_context *ctx = calloc(1, sizeof *ctx);
    if (!ctx) return cincel_fail(CINCEL_OUT_OF_MEMORY, "context: no memory");
    ctx->log_fd = -1;
    ctx->use_files = config.profiles == CINCEL_PROFILES_DEFAULT;
    ctx->error_budget = config.error_budget > 0.0 ? config.error_budget : default_error_budget;
    cincel_machine_detect(&ctx->machine);

    const char *from_environment = ctx->use_files ? environment("CINCEL_ISA") : NULL;
    st = choose_threads(ctx, &config);
    if (st == CINCEL_OK)
        st = config.isa ? choose_isas(ctx, "config: isa", config.isa)
                        : choose_isas(ctx, "CINCEL_ISA", from_environment);
    if (st == CINCEL_OK) st = open_log(ctx, &config);
    if (st != CINCEL_OK) goto fail;
    set_target(ctx, config.reproducible != 0);
    ctx->team = cincel_team_create(ctx->machine.threads);
    if (!ctx->team) {
        st = cincel_fail(CINCEL_OUT_OF_MEMORY, "context: no memory for a team of %d", ctx->machine.threads);
        goto fail;
    }
    cincel_context_log(ctx, "context: isa %s, %d threads, %.0f GFLOP/s, %.0f GB/s", ctx->isas[0]->name,
                       ctx->machine.threads, ctx->target.gflops, ctx->target.gbytes);
    if (!config.reproducible) ctx->profile = cincel_profile_create();
    if (!config.reproducible && !ctx->profile) {
        st = cincel_fail(CINCEL_OUT_OF_MEMORY, "context: no memory for the profile");
        goto fail;
    }
    if (ctx->profile && ctx->use_files) cincel_context_read_profiles(ctx);
    *out = ctx;
    return CINCEL_OK;
fail:
    cincel_context_destroy(ctx);
    return st;
}

void cincel_context_destroy(cincel_context *ctx)
{
    if (!ctx) return;
    cincel_profile_destroy(ctx->profile);
    if (ctx->team) cincel_team_destroy(ctx->team);
    if (ctx->log_fd >= 0) close(ctx->log_fd);
    free(ctx);
}

int cincel_context_threads(const cincel_context *ctx) { return ctx ? ctx->machine.threads : 1; }

void cincel_context_log(const cincel_context *ctx, const char *format, ...)
{
    if (!ctx->log && ctx->log_fd < 0) return;
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    if (ctx->log) {
        ctx->log(ctx->log_user, line);
        return;
    }
    /* one write a line: lines of several contexts and processes don't mix */
    const size_t length = strlen(line);
    line[length] = '\n';
    if (write(ctx->log_fd, line, length + 1) < 0) return; /* a lost log line is no error */
}
