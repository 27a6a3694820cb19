#include "tune/cost.h"

/* A kernel call with its argument block and the pointers of a tile, measured at 20-40 ns. */
static const double call_seconds = 30e-9;
/* Opening a region and meeting at its barriers: 0.5 µs idle, 1.6 as measured between calls of a few µs,
   more when a worker has to wake up. */
static const double region_seconds = 2e-6;
/* A barrier between two phases: 0.2 µs when all arrive at once, which they do not. */
static const double barrier_seconds = 0.5e-6;
/* Packing and transposing out of and into L2, one core: 12-25 GB/s on Zen 3. */
static const double copy_rate = 16e9;
/* The shorter of compute and memory time hides behind the longer, but not fully. */
static const double overlap_loss = 0.25;
/* Cores share the memory bus: one more core brings this share of a core's bandwidth. */
static const double bandwidth_scaling = 0.8;

/* Of one core, bytes a second: the last cache's for what fits into half of it (the other half is the
   neighbouring layers'), else the memory's. */
static double bandwidth_of(const struct cincel_target *t, const struct cincel_problem *p)
{
    const double cache = (double)cincel_topology_cache(&t->machine->topo);
    const bool cached = t->cache_gbytes > t->gbytes && cincel_problem_bytes(p) <= 0.5 * cache;
    return 1e9 * (cached ? t->cache_gbytes : t->gbytes);
}

double cincel_predict_seconds(const struct cincel_target *t, const struct cincel_problem *p,
                              const struct cincel_algo *algo, const struct cincel_choice *c)
{
    struct cincel_cost cost = {.efficiency = 0.9, .balance = 1.0};
    algo->cost(t, p, c, &cost);

    /* `gflops` is the best ISA's; the others have it in proportion to their registers */
    const struct cincel_isa *isa = cincel_isa_find(t, c->isa);
    const double lanes = isa ? (double)isa->vector_floats / t->isas[0]->vector_floats : 1.0;
    const double share = cost.balance / c->threads; /* of the work, on the busiest thread */
    const double compute = share * (cost.flops / (t->gflops * 1e9 * lanes * cost.efficiency) +
                                    cost.calls * call_seconds + cost.copied / copy_rate);
    const double busy = c->threads / cost.balance; /* threads that have work, in effect */
    const double bandwidth = bandwidth_of(t, p) * (1.0 + bandwidth_scaling * (busy - 1.0));
    const double memory = cost.bytes / bandwidth;
    const double longer = compute > memory ? compute : memory;
    const double shorter = compute > memory ? memory : compute;
    const double barriers = cost.phases > 1.0 ? cost.phases - 1.0 : 0.0;
    const double together = c->threads > 1 ? region_seconds + barriers * barrier_seconds : 0.0;
    return longer + overlap_loss * shorter + together;
}
