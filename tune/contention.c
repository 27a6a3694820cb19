#include "tune/contention.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* What is worth saying: below these the minimum over the rounds does not care. */
static const double tell_interrupted = 0.1, tell_stolen = 0.02, tell_clock = 0.05;

bool cincel_contention_parse(const char *line, double *steal, double *all)
{
    /* user nice system idle iowait irq softirq steal; guests are in user already */
    double v[8];
    if (sscanf(line, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6],
               &v[7]) != 8)
        return false;
    *steal = v[7];
    *all = 0.0;
    for (int i = 0; i < 8; i++) *all += v[i];
    return true;
}

static bool read_ticks(double *steal, double *all)
{
    char line[256];
    FILE *file = fopen("/proc/stat", "re");
    if (!file) return false;
    const bool found = fgets(line, sizeof line, file) && cincel_contention_parse(line, steal, all);
    fclose(file);
    return found;
}

long cincel_contention_switches(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_nivcsw : 0;
}

/* Flops a second of this core: the best of a few runs of 50 µs or so. */
static double fma_rate(const struct cincel_probe_row *probe)
{
    enum { RUNS = 8, ROUNDS = 20000 };
    double best = 0.0;
    for (int i = 0; i < RUNS; i++) {
        struct timespec begin, end;
        float sink = 1.0f;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        const double flops = probe->fma(ROUNDS, &sink);
        clock_gettime(CLOCK_MONOTONIC, &end);
        const double took =
            (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
        best = fmax(best, flops / took);
    }
    return best;
}

void cincel_contention_begin(struct cincel_contention *c, const struct cincel_isa *isa)
{
    *c = (struct cincel_contention){.probe = isa->probe, .clock = 1.0};
    c->rate = fma_rate(c->probe);
    read_ticks(&c->steal, &c->ticks);
}

void cincel_contention_end(struct cincel_contention *c)
{
    double steal = 0.0, ticks = 0.0;
    c->clock = fma_rate(c->probe) / c->rate;
    if (read_ticks(&steal, &ticks) && ticks > c->ticks) c->stolen = (steal - c->steal) / (ticks - c->ticks);
}

static void add(char *out, size_t size, const char *format, double percent)
{
    const size_t used = strlen(out);
    if (used > 0 && used + 2 < size) memcpy(out + used, ", ", 3);
    const size_t at = strlen(out);
    snprintf(out + at, size - at, format, percent);
}

void cincel_contention_text(const struct cincel_contention *c, char *out, size_t size)
{
    const double interrupted = c->samples ? (double)c->interrupted / (double)c->samples : 0.0;
    out[0] = '\0';
    if (interrupted > tell_interrupted)
        add(out, size, "%.0f %% of the samples interrupted", 100.0 * interrupted);
    if (c->stolen > tell_stolen) add(out, size, "%.0f %% of the time stolen", 100.0 * c->stolen);
    if (c->clock < 1.0 - tell_clock) add(out, size, "clock %.0f %% slower", 100.0 * (1.0 - c->clock));
    if (c->clock > 1.0 + tell_clock) add(out, size, "clock %.0f %% faster", 100.0 * (c->clock - 1.0));
}
