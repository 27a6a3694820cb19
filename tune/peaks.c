#include "tune/peaks.h"

#include <limits.h>
#include <time.h>

#include "core/memory.h"
#include "core/status.h"
#include "tune/peaks_cache.h"

/* A sample is long against timers and wake-ups, short against a time slice; the minimum of several is
   what the hardware does when left alone. */
static const double sample_seconds = 1e-3;
static const double seconds_per_figure = 25e-3;
/* One curve of bandwidths ends early on a machine so slow (or emulated) that it would exceed this. */
static const double seconds_per_curve = 2.0;
enum { MIN_SAMPLES = 3, MAX_SAMPLES = 15 };

static const size_t smallest_set = (size_t)16 << 10;
static const size_t largest_set = (size_t)512 << 20;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* -------------------------------------------------------------------------------- the probes -- */

/* A figure asked of the machine: each worker does its share of one repeat `repeats` times. */
struct probe {
    const struct cincel_probe_row *row;
    float *memory;
    size_t floats; /* of the working set */
    size_t repeats;
};

enum { FMA_ROUNDS = 100 };

static void fma_body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct probe *p = data;
    float sink = 1.0f;
    (void)worker;
    (void)phase;
    p->row->fma(p->repeats * FMA_ROUNDS, &sink);
}

/* Shares are whole cache lines. */
enum { LINE_FLOATS = 16 };

static void touch_body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct probe *p = data;
    size_t end;
    (void)phase;
    for (size_t i = cincel_share(worker, p->floats, LINE_FLOATS, &end); i < end; i++) p->memory[i] = 1.0f;
}

static void read_body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct probe *p = data;
    size_t end;
    (void)phase;
    const size_t begin = cincel_share(worker, p->floats, LINE_FLOATS, &end);
    for (size_t r = 0; r < p->repeats; r++) p->row->read(p->memory + begin, end - begin);
}

/* The three arrays must not start at the same place of a 4 KB page: a load just behind a store with equal
   low address bits waits for it. A third of a page, in lines, lies between them. */
static const size_t triad_gap = 21 * LINE_FLOATS;

static size_t triad_floats(const struct probe *p) { return p->floats / 3 / LINE_FLOATS * LINE_FLOATS; }

static void triad_body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct probe *p = data;
    const size_t count = triad_floats(p), stride = count + triad_gap;
    size_t end;
    (void)phase;
    const size_t begin = cincel_share(worker, count, LINE_FLOATS, &end);
    float *a = p->memory + begin;
    const float *b = a + stride, *c = b + stride;
    for (size_t r = 0; r < p->repeats; r++) p->row->triad(a, b, c, 0.5f, end - begin);
}

/* ---------------------------------------------------------------------------------- the clock -- */

static double time_once(struct cincel_team *team, int threads, cincel_body *body, struct probe *p)
{
    const double begin = now();
    cincel_team_run(team, threads, 1, body, p);
    return now() - begin;
}

/* Seconds of one repeat: the minimum over samples of about sample_seconds each. */
static double best_time(struct cincel_team *team, int threads, cincel_body *body, struct probe *p)
{
    p->repeats = 1;
    time_once(team, threads, body, p); /* wakes the threads, fills caches and page tables */
    const double begin = now();
    double took = time_once(team, threads, body, p);
    while (took < sample_seconds / 2 && p->repeats < SIZE_MAX / 1024) {
        /* at most a hundredfold at once: the first run may be shorter than the clock's tick */
        p->repeats *= (size_t)(took > sample_seconds / 100 ? sample_seconds / took + 1 : 100);
        took = time_once(team, threads, body, p);
    }
    double best = took;
    for (int s = 1; s < MAX_SAMPLES; s++) {
        if (s >= MIN_SAMPLES && now() - begin > seconds_per_figure) break;
        took = time_once(team, threads, body, p);
        if (took < best) best = took;
    }
    return best / (double)p->repeats;
}

/* --------------------------------------------------------------------------------- the figures -- */

static double gflops(const struct cincel_probe_row *row, struct cincel_team *team, int threads)
{
    struct probe p = {.row = row};
    float sink = 1.0f;
    const double flops = row->fma(FMA_ROUNDS, &sink) * threads;
    return flops / best_time(team, threads, fma_body, &p) * 1e-9;
}

/* Bandwidths of `threads` workers over the working sets; returns how many were done. The memory is
   touched first by those who will use it. */
static int bandwidths(struct probe *p, struct cincel_team *team, int threads, int points, const size_t *sets,
                      double *read, double *triad)
{
    const double begin = now();
    int done = 0;
    p->floats = sets[points - 1] / sizeof(float) + 2 * triad_gap;
    cincel_team_run(team, threads, 1, touch_body, p);
    while (done < points && (done == 0 || now() - begin < seconds_per_curve)) {
        p->floats = sets[done] / sizeof(float);
        read[done] = (double)sets[done] / best_time(team, threads, read_body, p) * 1e-9;
        const double bytes = 3.0 * sizeof(float) * (double)triad_floats(p);
        triad[done] = bytes / best_time(team, threads, triad_body, p) * 1e-9;
        done++;
    }
    return done;
}

/* All last-level caches that the team may fill. */
static size_t last_level_bytes(const struct cincel_topology *t, int threads)
{
    const size_t bytes = t->l3_bytes ? t->l3_bytes : t->l2_bytes ? t->l2_bytes : t->l1d_bytes;
    const int shared_by = t->l3_bytes ? t->l3_shared_by : t->l2_bytes ? t->l2_shared_by : 1;
    return bytes * cincel_div_up((size_t)threads, (size_t)shared_by);
}

static int list_sets(const struct cincel_machine *m, int threads, size_t sets[CINCEL_MAX_BANDWIDTH_POINTS])
{
    const size_t wanted = 4 * last_level_bytes(&m->topo, threads);
    size_t limit = largest_set;
    if (m->topo.memory_bytes > 0) limit = cincel_min(limit, m->topo.memory_bytes / 8);
    int points = 0;
    for (size_t set = smallest_set; points < CINCEL_MAX_BANDWIDTH_POINTS; set *= 2) {
        sets[points++] = set;
        if (set >= wanted || set * 2 > limit) break;
    }
    return points;
}

static cincel_status measure_bandwidths(const struct cincel_machine *machine,
                                        const struct cincel_probe_row *row, struct cincel_team *team,
                                        cincel_machine_peaks *out)
{
    const int threads = cincel_team_size(team);
    const int points = list_sets(machine, threads, out->working_set);
    const size_t bytes = out->working_set[points - 1] + 2 * triad_gap * sizeof(float);
    /* memory of its own for each curve, so that each is placed by its own threads */
    for (int pass = 0; pass < 2; pass++) {
        struct probe p = {.row = row, .memory = cincel_aligned_alloc(bytes)};
        if (!p.memory)
            return cincel_fail(CINCEL_OUT_OF_MEMORY, "peaks: no memory for a working set of %zu bytes",
                               bytes);
        if (pass == 0) {
            out->points = bandwidths(&p, team, 1, points, out->working_set, out->read_1, out->triad_1);
        } else {
            out->points =
                bandwidths(&p, team, threads, out->points, out->working_set, out->read_team, out->triad_team);
        }
        cincel_aligned_free(p.memory);
    }
    return CINCEL_OK;
}

static struct cincel_peaks_identity identify(const struct cincel_machine *machine,
                                             const struct cincel_isa *isa, int threads)
{
    struct cincel_peaks_identity who = {.l3_bytes = machine->topo.l3_bytes, .threads = threads};
    cincel_machine_key(machine, isa->name, who.key, sizeof who.key);
    return who;
}

bool cincel_peaks_cached(const struct cincel_machine *machine, const struct cincel_isa *isa, int threads,
                         cincel_machine_peaks *out)
{
    char folder[PATH_MAX];
    const struct cincel_peaks_identity who = identify(machine, isa, threads);
    return cincel_peaks_cache_folder(folder, sizeof folder) && cincel_peaks_load(folder, &who, out);
}

cincel_status cincel_peaks_measure(const struct cincel_machine *machine, const struct cincel_isa *isa,
                                   struct cincel_team *team, bool refresh, bool use_cache,
                                   cincel_machine_peaks *out)
{
    const int threads = cincel_team_size(team);
    if (use_cache && !refresh && cincel_peaks_cached(machine, isa, threads, out)) return CINCEL_OK;

    cincel_machine_peaks peaks = CINCEL_MACHINE_PEAKS_INIT;
    peaks.gflops_1 = gflops(isa->probe, team, 1);
    peaks.gflops_team = threads > 1 ? gflops(isa->probe, team, threads) : peaks.gflops_1;
    const cincel_status status = measure_bandwidths(machine, isa->probe, team, &peaks);
    if (status) return status;
    char folder[PATH_MAX];
    if (use_cache && cincel_peaks_cache_folder(folder, sizeof folder)) {
        const struct cincel_peaks_identity who = identify(machine, isa, threads);
        cincel_peaks_save(folder, &who, &peaks);
    }
    *out = peaks;
    return CINCEL_OK;
}
