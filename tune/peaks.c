#include "tune/peaks.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#include "core/memory.h"
#include "core/status.h"
#include "tune/peaks_cache.h"

/* A sample is long against timers and wake-ups, short against a time slice. Every figure is visited again
   and again until the time is over, and its best sample counts: what the hardware does when left alone. */
static const double sample_seconds = 0.5e-3;
static const double visit_seconds = 6e-3;
static const double curve_seconds = 1.2;
enum { MIN_SAMPLES = 2 }; /* of a visit */

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
    size_t floats;  /* of the working set */
    size_t repeats; /* 0: not known yet how many make a sample */
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

struct figure {
    cincel_body *body;
    struct probe probe;
    double work;  /* flops or bytes of a repeat, all threads together */
    double *best; /* GFLOP/s or GB/s so far */
};

static double time_once(struct cincel_team *team, int threads, struct figure *f)
{
    const double begin = now();
    cincel_team_run(team, threads, 1, f->body, &f->probe);
    return now() - begin;
}

/* Finds how many repeats fill a sample. */
static void calibrate(struct cincel_team *team, int threads, struct figure *f)
{
    f->probe.repeats = 1;
    time_once(team, threads, f); /* wakes the threads */
    double took = time_once(team, threads, f);
    while (took < sample_seconds / 2 && f->probe.repeats < SIZE_MAX / 1024) {
        /* at most a hundredfold at once: the first run may be shorter than the clock's tick */
        f->probe.repeats *= (size_t)(took > sample_seconds / 100 ? sample_seconds / took + 1 : 100);
        took = time_once(team, threads, f);
    }
}

static void visit(struct cincel_team *team, int threads, struct figure *f)
{
    if (f->probe.repeats == 0) calibrate(team, threads, f);
    time_once(team, threads, f); /* brings the working set to where it stays */
    const double begin = now();
    for (int s = 0; s < MIN_SAMPLES || now() - begin < visit_seconds; s++) {
        const double took = time_once(team, threads, f);
        const double rate = f->work * (double)f->probe.repeats / took * 1e-9;
        if (rate > *f->best) *f->best = rate;
    }
}

/* --------------------------------------------------------------------------------- the figures -- */

/* All figures of one number of threads. */
struct curve {
    struct cincel_team *team;
    int threads, points;
    const size_t *working_set;
    double *gflops, *read, *triad;
};

enum { MAX_FIGURES = 1 + 2 * CINCEL_MAX_BANDWIDTH_POINTS };

static int list_figures(const struct curve *c, const struct probe *all, struct figure out[MAX_FIGURES])
{
    float sink = 1.0f;
    const double flops = all->row->fma(FMA_ROUNDS, &sink) * c->threads;
    int count = 0;
    out[count++] = (struct figure){fma_body, *all, flops, c->gflops};
    for (int i = 0; i < c->points; i++) {
        struct probe p = *all;
        p.floats = c->working_set[i] / sizeof(float);
        const double read_bytes = (double)c->working_set[i];
        const double triad_bytes = 3.0 * sizeof(float) * (double)triad_floats(&p);
        out[count++] = (struct figure){read_body, p, read_bytes, &c->read[i]};
        out[count++] = (struct figure){triad_body, p, triad_bytes, &c->triad[i]};
    }
    return count;
}

/* Measures the curve; on a machine so slow (or emulated) that the time ends within the first round, the
   largest sets are left out: c->points says how many were done. */
static void measure_curve(struct curve *c, const struct probe *all)
{
    struct figure figures[MAX_FIGURES];
    int count = list_figures(c, all, figures);
    const double begin = now();
    bool late = false;
    for (int round = 0; !late; round++) {
        for (int i = 0; i < count && !(late && round > 0); i++) {
            visit(c->team, c->threads, &figures[i]);
            late = now() - begin > curve_seconds;
            if (late && round == 0 && i > 0 && i % 2 == 0) count = i + 1; /* a point's triad: a good end */
        }
    }
    c->points = count / 2;
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

/* Memory of its own for each curve, touched first, and so placed, by those who will use it. */
static cincel_status measure_in_new_memory(const struct cincel_probe_row *row, struct curve *c)
{
    const size_t bytes = c->working_set[c->points - 1] + 2 * triad_gap * sizeof(float);
    struct probe all = {row, cincel_aligned_alloc(bytes), bytes / sizeof(float), 0};
    if (!all.memory) {
        return cincel_fail(CINCEL_OUT_OF_MEMORY, "peaks: no memory for a working set of %zu bytes", bytes);
    }
    cincel_team_run(c->team, c->threads, 1, touch_body, &all);
    measure_curve(c, &all);
    cincel_aligned_free(all.memory);
    return CINCEL_OK;
}

static cincel_status measure(const struct cincel_machine *machine, const struct cincel_probe_row *row,
                             struct cincel_team *team, cincel_machine_peaks *out)
{
    const int threads = cincel_team_size(team);
    struct curve one = {team, 1, 0, out->working_set, &out->gflops_1, out->read_1, out->triad_1};
    one.points = list_sets(machine, threads, out->working_set);
    cincel_status status = measure_in_new_memory(row, &one);
    if (status) return status;
    struct curve all = {team,           threads,        one.points, out->working_set, &out->gflops_team,
                        out->read_team, out->triad_team};
    if (threads > 1) {
        status = measure_in_new_memory(row, &all);
    } else {
        out->gflops_team = out->gflops_1;
        memcpy(out->read_team, out->read_1, sizeof out->read_1);
        memcpy(out->triad_team, out->triad_1, sizeof out->triad_1);
    }
    out->points = all.points;
    return status;
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
    const cincel_status status = measure(machine, isa->probe, team, &peaks);
    if (status) return status;
    char folder[PATH_MAX];
    if (use_cache && cincel_peaks_cache_folder(folder, sizeof folder)) {
        const struct cincel_peaks_identity who = identify(machine, isa, threads);
        cincel_peaks_save(folder, &who, &peaks);
    }
    *out = peaks;
    return CINCEL_OK;
}
