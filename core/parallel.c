#include "core/parallel.h"

#include <assert.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/fpmode.h"
#include "core/memory.h"

struct cincel_team {
    int size;
    pid_t process; /* that created the team: a forked child has none of its threads */
};

/* Beyond so many workers some have a share in common. */
enum { SHARES = 64 };

/*
 * Of a worker's share of the cuts, how many are claimed. On its own cache line: its worker hammers it. Two
 * counters serve any number of phases: phase p counts in p mod 2 and clears the other one, which everybody
 * left at the barrier before p, and nobody enters before the barrier after p.
 */
struct share {
    _Alignas(CINCEL_ALIGN) atomic_size_t claimed[2];
};

struct cincel_job {
    struct share shares[SHARES];
    cincel_body *body;
    void *data;
    size_t phases;
};

/*
 * The process in which this thread last opened a region; 0: none. libgomp keeps its pool of threads
 * in the thread that opened the region; a forked child inherits the pool's record but not its threads
 * and would wait for them for ever, in a team made after the fork too.
 */
static _Thread_local pid_t region_process;

struct cincel_team *cincel_team_create(int size)
{
    assert(size >= 1);
    struct cincel_team *team = malloc(sizeof *team);
    if (team) *team = (struct cincel_team){size, getpid()};
    return team;
}

void cincel_team_destroy(struct cincel_team *team) { free(team); }

int cincel_team_size(const struct cincel_team *team) { return team->size; }

static bool may_open_region(const struct cincel_team *team)
{
    /* the level, not omp_in_parallel(): inside a region of one thread too, libgomp would start fresh
       threads for every nested region */
    if (omp_get_level() > 0) return false;
    const pid_t here = getpid();
    return team->process == here && (region_process == 0 || region_process == here);
}

int cincel_team_threads(const struct cincel_team *team, int threads)
{
    if (threads > team->size) threads = team->size;
    return threads > 1 && may_open_region(team) ? threads : 1;
}

static int shares_of(int threads) { return threads < SHARES ? threads : SHARES; }

static void enter_phase(struct cincel_worker *worker, size_t phase)
{
    worker->phase = phase;
    worker->emptied = 0;
    if (worker->id < SHARES)
        atomic_store_explicit(&worker->job->shares[worker->id].claimed[(phase + 1) % 2], 0,
                              memory_order_relaxed);
}

/* No barrier here: inside somebody else's region it would bind to that region's team. */
static void work_alone(struct cincel_job *job)
{
    struct cincel_worker worker = {.id = 0, .threads = 1, .job = job};
    const uint64_t mode = cincel_fpmode_enter();
    for (size_t phase = 0; phase < job->phases; phase++) {
        enter_phase(&worker, phase);
        job->body(job->data, &worker, phase);
    }
    cincel_fpmode_leave(mode);
}

/* What one thread of the region does; id ≥ threads: nothing but keep the barriers company. */
static void work_in_team(struct cincel_job *job, int id, int threads)
{
    struct cincel_worker worker = {.id = id, .threads = threads, .job = job};
    const uint64_t mode = cincel_fpmode_enter();
    for (size_t phase = 0; phase < job->phases; phase++) {
        if (id < threads) {
            enter_phase(&worker, phase);
            job->body(job->data, &worker, phase);
        }
        if (phase + 1 < job->phases) { /* the end of the region is the last barrier */
#pragma omp barrier
        }
    }
    cincel_fpmode_leave(mode);
}

void cincel_team_run(struct cincel_team *team, int threads, size_t phases, cincel_body *body, void *data)
{
    const int wanted = cincel_team_threads(team, threads);
    struct cincel_job job;
    job.body = body;
    job.data = data;
    job.phases = phases;
    for (int i = 0; i < shares_of(wanted); i++)
        for (int slot = 0; slot < 2; slot++) atomic_init(&job.shares[i].claimed[slot], 0);
    if (wanted == 1) {
        work_alone(&job);
        return;
    }
    region_process = team->process;
#pragma omp parallel num_threads(team->size) default(none) shared(job, wanted)
    {
        /* OMP_DYNAMIC or OMP_THREAD_LIMIT may grant fewer than asked */
        const int got = omp_get_num_threads();
        work_in_team(&job, omp_get_thread_num(), got < wanted ? got : wanted);
    }
}

/* Where share i of n begins. */
static size_t share_begin(size_t count, size_t n, size_t i)
{
    return count / n * i + cincel_min(count % n, i);
}

bool cincel_claim(struct cincel_worker *worker, size_t count, size_t *number)
{
    const size_t n = (size_t)shares_of(worker->threads), own = (size_t)worker->id % n;
    for (; worker->emptied < n; worker->emptied++) {
        const size_t i = (own + worker->emptied) % n;
        atomic_size_t *claimed = &worker->job->shares[i].claimed[worker->phase % 2];
        *number = share_begin(count, n, i) + atomic_fetch_add_explicit(claimed, 1, memory_order_relaxed);
        if (*number < share_begin(count, n, i + 1)) return true;
    }
    return false;
}

size_t cincel_share(const struct cincel_worker *worker, size_t count, size_t grain, size_t *end)
{
    assert(grain > 0);
    const size_t grains = cincel_div_up(count, grain);
    const size_t each = grains / (size_t)worker->threads;
    const size_t extra = grains % (size_t)worker->threads; /* the first `extra` workers take one more */
    const size_t id = (size_t)worker->id;
    const size_t begin = each * id + cincel_min(id, extra);
    const size_t stop = begin + each + (id < extra);
    *end = cincel_min(stop * grain, count);
    return cincel_min(begin * grain, count);
}
