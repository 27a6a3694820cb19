/*
 * The contract of core/parallel.h, and the promise behind it: after the first region no thread is ever
 * created again. This program replaces pthread_create by one that counts.
 */
#include <dlfcn.h>
#include <float.h>
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/fpmode.h"
#include "core/parallel.h"

/* ThreadSanitizer has a pthread_create of its own, which cannot be replaced. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER
#endif
#endif

#ifndef THREAD_SANITIZER

static atomic_int threads_created;

typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

/* visible, so that libgomp finds this one */
__attribute__((visibility("default"))) int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                                                          void *(*start)(void *), void *arg)
{
    static create_fn *real;
    if (!real) {
        void *symbol = dlsym(RTLD_NEXT, "pthread_create");
        memcpy(&real, &symbol, sizeof real);
    }
    atomic_fetch_add(&threads_created, 1);
    return real(thread, attr, start, arg);
}

#endif

enum { MAX_PHASES = 9, MAX_CUTS = 1000, MAX_THREADS = 70 };

struct job {
    size_t phases, cuts;
    atomic_int done[MAX_PHASES][MAX_CUTS];
    atomic_size_t in_phase[MAX_PHASES]; /* cuts finished */
    atomic_int faults;
    int threads_seen;
    atomic_int ids[MAX_THREADS];
};

static struct job *job_create(size_t phases, size_t cuts)
{
    struct job *job = calloc(1, sizeof *job);
    assert_non_null(job);
    job->phases = phases;
    job->cuts = cuts;
    return job;
}

/* Every cut of the phase before must be finished when a phase begins. */
static void claim_body(void *data, struct cincel_worker *worker, size_t phase)
{
    struct job *job = data;
    if (phase > 0 && atomic_load(&job->in_phase[phase - 1]) != job->cuts) atomic_fetch_add(&job->faults, 1);
    if (worker->id < 0 || worker->id >= worker->threads) atomic_fetch_add(&job->faults, 1);
    if (worker->id == 0) job->threads_seen = worker->threads;
    atomic_fetch_add(&job->ids[worker->id], 1);
    size_t cut;
    while (cincel_claim(worker, job->cuts, &cut)) {
        atomic_fetch_add(&job->done[phase][cut], 1);
        atomic_fetch_add(&job->in_phase[phase], 1);
    }
}

static void run_and_check(struct cincel_team *team, int threads, size_t phases, size_t cuts,
                          int expect_threads)
{
    struct job *job = job_create(phases, cuts);
    cincel_team_run(team, threads, phases, claim_body, job);
    assert_int_equal(atomic_load(&job->faults), 0);
    for (size_t p = 0; p < phases; p++) {
        for (size_t c = 0; c < cuts; c++) assert_int_equal(atomic_load(&job->done[p][c]), 1);
    }
    assert_int_equal(job->threads_seen, phases ? expect_threads : 0);
    for (int id = 0; id < MAX_THREADS; id++) {
        assert_int_equal(atomic_load(&job->ids[id]), id < expect_threads ? (int)phases : 0);
    }
    free(job);
}

static void test_every_cut_once_per_phase(void **state)
{
    (void)state;
    for (int size = 1; size <= 4; size++) {
        struct cincel_team *team = cincel_team_create(size);
        assert_int_equal(cincel_team_size(team), size);
        for (int threads = 1; threads <= 5; threads++) {
            const int expect = threads < size ? threads : size;
            assert_int_equal(cincel_team_threads(team, threads), expect);
            for (size_t phases = 0; phases <= MAX_PHASES; phases++)
                run_and_check(team, threads, phases, 37, expect);
        }
        cincel_team_destroy(team);
    }
}

static void test_oversubscribed(void **state)
{
    (void)state;
    struct cincel_team *team = cincel_team_create(16);
    for (int i = 0; i < 20; i++) run_and_check(team, 16, MAX_PHASES, MAX_CUTS, 16);
    run_and_check(team, 3, MAX_PHASES, MAX_CUTS, 3);
    cincel_team_destroy(team);
}

/* More workers than there are shares of the cuts, and fewer cuts than workers. */
static void test_many_workers(void **state)
{
    (void)state;
    struct cincel_team *team = cincel_team_create(MAX_THREADS);
    for (size_t cuts = 0; cuts < 200; cuts += 33) run_and_check(team, MAX_THREADS, 3, cuts, MAX_THREADS);
    cincel_team_destroy(team);
}

struct shares {
    size_t cuts;
    size_t first[2]; /* by worker: what it claimed first */
    atomic_int arrived;
};

static void first_claims(void *data, struct cincel_worker *worker, size_t phase)
{
    struct shares *s = data;
    (void)phase;
    size_t cut;
    if (!cincel_claim(worker, s->cuts, &s->first[worker->id])) s->first[worker->id] = s->cuts;
    atomic_fetch_add(&s->arrived, 1);
    while (atomic_load(&s->arrived) < worker->threads) sched_yield(); /* so that nobody takes it all */
    while (cincel_claim(worker, s->cuts, &cut)) {
    }
}

static void test_every_worker_begins_with_its_share(void **state)
{
    (void)state;
    struct cincel_team *team = cincel_team_create(2);
    struct shares s = {.cuts = 9};
    cincel_team_run(team, 2, 1, first_claims, &s);
    assert_int_equal(s.first[0], 0);
    assert_int_equal(s.first[1], 5);
    cincel_team_destroy(team);
}

static void test_no_thread_after_the_first_region(void **state)
{
    (void)state;
#ifdef THREAD_SANITIZER
    skip();
#else
    struct cincel_team *team = cincel_team_create(4);
    const int before = atomic_load(&threads_created);
    run_and_check(team, 1, 2, 10, 1);
    assert_int_equal(atomic_load(&threads_created), before); /* one thread opens no region */
    run_and_check(team, 4, 2, 10, 4);
    const int after = atomic_load(&threads_created);
    static const int wanted[] = {1, 2, 4, 2, 1, 3, 4, 9};
    for (size_t i = 0; i < 400; i++) {
        const int threads = wanted[i % (sizeof wanted / sizeof *wanted)];
        run_and_check(team, threads, 1 + i % 4, 10, threads < 4 ? threads : 4);
    }
    assert_int_equal(atomic_load(&threads_created), after);
    assert_true(after > 0); /* the counter does count */
    cincel_team_destroy(team);
#endif
}

struct shared {
    struct cincel_team *team;
    int threads;
};

static void *drive(void *data)
{
    const struct shared *s = data;
    for (int i = 0; i < 50; i++) run_and_check(s->team, s->threads, 3, 50, s->threads);
    return NULL;
}

static void test_several_callers_and_teams_at_once(void **state)
{
    (void)state;
    struct shared s[4];
    pthread_t callers[4];
    struct cincel_team *two = cincel_team_create(2);
    struct cincel_team *three = cincel_team_create(3);
    for (int i = 0; i < 4; i++) {
        s[i] = (struct shared){i % 2 ? two : three, 2 + (i == 0)};
        assert_int_equal(pthread_create(&callers[i], NULL, drive, &s[i]), 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(callers[i], NULL);
    cincel_team_destroy(two);
    cincel_team_destroy(three);
}

struct nested {
    struct cincel_team *team;
    atomic_int runs, wrong;
};

static void inner(void *data, struct cincel_worker *worker, size_t phase)
{
    struct nested *n = data;
    (void)phase;
    if (worker->threads != 1 || worker->id != 0) atomic_fetch_add(&n->wrong, 1);
    size_t number;
    for (size_t i = 0; i < 3; i++)
        if (!cincel_claim(worker, 3, &number) || number != i) atomic_fetch_add(&n->wrong, 1);
    if (cincel_claim(worker, 3, &number)) atomic_fetch_add(&n->wrong, 1);
    atomic_fetch_add(&n->runs, 1);
}

static void outer(void *data, struct cincel_worker *worker, size_t phase)
{
    struct nested *n = data;
    (void)worker;
    (void)phase;
    if (cincel_team_threads(n->team, 2) != 1) atomic_fetch_add(&n->wrong, 1);
    cincel_team_run(n->team, 2, 2, inner, n);
}

static void test_nested_runs_on_the_caller(void **state)
{
    (void)state;
    struct nested n = {.team = cincel_team_create(2)};
    cincel_team_run(n.team, 2, 1, outer, &n);
    assert_int_equal(atomic_load(&n.wrong), 0);
    assert_int_equal(atomic_load(&n.runs), 4);
    cincel_team_destroy(n.team);
}

static int child_threads(struct cincel_team *team)
{
    const int threads = cincel_team_threads(team, 2);
    struct job *job = job_create(3, 10);
    cincel_team_run(team, 2, 3, claim_body, job);
    const size_t done = atomic_load(&job->in_phase[2]);
    free(job);
    return done == 10 ? threads : 100;
}

static void test_fork(void **state)
{
    (void)state;
    struct cincel_team *team = cincel_team_create(2);
    run_and_check(team, 2, 3, 10, 2);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(20); /* waiting for threads that the fork left behind would last for ever */
        struct cincel_team *own = cincel_team_create(2);
        _exit(child_threads(team) * 10 + child_threads(own));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 11); /* the parent's team and the child's: one thread each */
    run_and_check(team, 2, 3, 10, 2);
    cincel_team_destroy(team);
}

struct denormals {
    volatile float tiny;
    atomic_int kept[2]; /* by worker: products that were not flushed */
    atomic_int runs;
};

static void denormal_body(void *data, struct cincel_worker *worker, size_t phase)
{
    struct denormals *d = data;
    (void)phase;
    volatile float product = d->tiny * 0.25f; /* a denormal result */
    volatile float doubled = product * 1e30f; /* a denormal input, had it been kept */
    if (product != 0.0f || doubled != 0.0f) atomic_fetch_add(&d->kept[worker->id], 1);
    atomic_fetch_add(&d->runs, 1);
}

static void test_denormals_are_flushed_inside_only(void **state)
{
    (void)state;
    struct cincel_team *team = cincel_team_create(2);
    for (int threads = 1; threads <= 2; threads++) {
        struct denormals d = {.tiny = FLT_MIN};
        cincel_team_run(team, threads, 2, denormal_body, &d);
        assert_int_equal(atomic_load(&d.runs), 2 * threads);
        assert_int_equal(atomic_load(&d.kept[0]) + atomic_load(&d.kept[1]), 0);
        volatile float product = d.tiny * 0.25f;
        assert_true(product > 0.0f); /* restored on the caller */
    }
    /* … and on the other threads of the pool */
    atomic_int kept = 0;
    volatile float tiny = FLT_MIN;
#pragma omp parallel num_threads(2)
    {
        volatile float product = tiny * 0.25f;
        if (product > 0.0f) atomic_fetch_add(&kept, 1);
    }
    assert_int_equal(atomic_load(&kept), 2);
    cincel_team_destroy(team);
}

static void test_fpmode_restores_what_it_found(void **state)
{
    (void)state;
    const uint64_t outside = cincel_fpmode_enter();
    const uint64_t inside = cincel_fpmode_enter();
    assert_int_not_equal(outside, inside);
    cincel_fpmode_leave(inside); /* nested: still flushing */
    volatile float tiny = FLT_MIN;
    volatile float product = tiny * 0.5f;
    assert_true(product == 0.0f);
    cincel_fpmode_leave(outside);
    product = tiny * 0.5f;
    assert_true(product > 0.0f);
}

static void test_shares_partition_the_range(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 7; threads++) {
        for (size_t count = 0; count < 70; count += 3) {
            for (size_t grain = 1; grain <= 16; grain *= 4) {
                size_t next = 0;
                size_t least = SIZE_MAX, most = 0;
                for (int id = 0; id < threads; id++) {
                    const struct cincel_worker worker = {.id = id, .threads = threads};
                    size_t end;
                    const size_t begin = cincel_share(&worker, count, grain, &end);
                    assert_int_equal(begin, next);
                    assert_true(end >= begin && (begin % grain == 0 || begin == count));
                    const size_t grains = (end - begin + grain - 1) / grain;
                    if (grains < least) least = grains;
                    if (grains > most) most = grains;
                    next = end;
                }
                assert_int_equal(next, count);
                assert_true(most - least <= 1);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_thread_after_the_first_region),
        cmocka_unit_test(test_every_cut_once_per_phase),
        cmocka_unit_test(test_oversubscribed),
        cmocka_unit_test(test_many_workers),
        cmocka_unit_test(test_every_worker_begins_with_its_share),
        cmocka_unit_test(test_several_callers_and_teams_at_once),
        cmocka_unit_test(test_nested_runs_on_the_caller),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_denormals_are_flushed_inside_only),
        cmocka_unit_test(test_fpmode_restores_what_it_found),
        cmocka_unit_test(test_shares_partition_the_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
