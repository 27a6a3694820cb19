/*
 * The second contract: algorithms, as the planner, the tuner, the tests and `explain` see them.
 *
 * An *algorithm row* (struct cincel_algo) serves one operator and pass. A *choice* is plain data: it
 * names the algorithm, the ISA, the kernel row and the values of the algorithm's knobs, and prints and
 * parses as the tail of a profile line. Everything above this file knows problems, choices and the
 * table; nothing above it knows an algorithm by name, and no algorithm chooses for itself.
 *
 * A choice has two halves. *Numeric* knobs (and the algorithm) decide the bits of the result;
 * *schedule* knobs, the register tile, the ISA (those with FMA) and the threads never do.
 */
#ifndef CINCEL_OPS_ALGO_H
#define CINCEL_OPS_ALGO_H

#include <stdbool.h>
#include <stddef.h>

#include "core/machine.h"
#include "core/parallel.h"
#include "core/problem.h"
#include "kernels/kernel.h"

enum { CINCEL_MAX_KNOBS = 8, CINCEL_WHY = 160, CINCEL_CHOICE_TEXT = 256 };

/* What drivers and cost models may ask of the machine. */
struct cincel_target {
    const struct cincel_machine *machine;
    const struct cincel_isa *const *isas; /* usable here, best first, NULL-terminated */
    double gflops;                        /* FMA peak of one core, measured or a fair guess */
    double gbytes;                        /* memory bandwidth of one core, GB/s, likewise */
    double cache_gbytes;                  /* the same of the last cache; 0: not known */
    bool reproducible;                    /* numeric knobs follow from the problem alone */
};

struct cincel_choice {
    char algo[24]; /* "direct" */
    char isa[12];  /* "avx2" */
    char row[32];  /* "gemm_6x16_avx2"; "" where the algorithm uses no tiled row */
    int threads;
    int knob[CINCEL_MAX_KNOBS]; /* in the order of the algorithm's knobs; the rest 0 */
};

struct cincel_knob {
    const char *name;
    bool numeric;      /* decides bits */
    const int *values; /* allowed values, ascending */
    int count;
};

/* Facts about the work of a choice, no seconds: the cost model turns them into time. */
struct cincel_cost {
    double flops;      /* really executed, tails and padding included */
    double efficiency; /* share of the FMA peak the tile reaches when data is in L1/L2, 0 … 1 */
    double bytes;      /* through memory, packing included */
    double copied;     /* bytes written by packing, padding and the like, on the way to the FMAs */
    double balance;    /* busiest thread's share · threads, ≥ 1 */
    double calls;      /* kernel calls: fixed overhead each */
    double cuts;       /* pieces of work that workers claim */
    double phases;     /* of the parallel region, a barrier between them; 0 counts as 1 */
};

/* Those of recurrent layers, as include/cincel/rnn.h states them; forward passes, then backward ones. */
struct cincel_rnn_tensors {
    const float *x, *h0, *c0, *w_ih, *w_hh, *b_ih, *b_hh;
    const int *lengths;
    float *y, *h_n, *c_n;
    void *reserve;
    const void *reserve_in;
    const float *dy, *dh_n, *dc_n;
    float *dx, *dh0, *dc0, *dw_ih, *dw_hh, *db_ih, *db_hh;
};

/* The caller's buffers; an algorithm reads those its operator and pass define. */
struct cincel_tensors {
    const float *x, *w, *bias, *dy, *y_in; /* y_in: forward output, for the activation's gradient */
    const void *packed; /* not NULL: what pack_weights() made of w, which is then not read */
    float *y, *dx, *dw, *db;
    void *argmax_out; /* elements of cincel_problem_argmax_bytes() */
    const void *argmax_in;
    const struct cincel_rnn_tensors *rnn; /* of CINCEL_OP_RNN: all but packed and workspace */
    void *workspace;                      /* 64-byte aligned, workspace() bytes */
};

/* What build() derives once from problem and choice; each algorithm defines its own. */
struct cincel_prepared;

struct cincel_algo {
    const char *name;
    enum cincel_op op;
    cincel_pass pass;
    const struct cincel_knob *knobs;
    int knob_count;

    /* Names of the kernel rows of `isa` that this algorithm can be built on: the i-th, or NULL past
       the end. "" for an algorithm that needs no tiled row. */
    const char *(*row)(const struct cincel_isa *isa, int i);

    /* May this choice serve this problem? If not, `why` says so in a phrase. Row, ISA and knob values
       have been checked against the table before. */
    bool (*check)(const struct cincel_target *t, const struct cincel_problem *p,
                  const struct cincel_choice *c, char why[CINCEL_WHY]);

    /* Fills the knobs of `c`, whose algo, isa, row and threads are set, with sensible values. */
    void (*defaults)(const struct cincel_target *t, const struct cincel_problem *p, struct cincel_choice *c);

    void (*cost)(const struct cincel_target *t, const struct cincel_problem *p, const struct cincel_choice *c,
                 struct cincel_cost *out);

    size_t (*workspace)(const struct cincel_target *t, const struct cincel_problem *p,
                        const struct cincel_choice *c); /* bytes */

    /* Admitted while error · √(chain length) ≤ budget (max |error| / RMS, docs/numerics.md). */
    double error;
    /* Length of the chains of this choice where they are not cincel_chain_length's; NULL: they are. */
    double (*chain)(const struct cincel_problem *p, const struct cincel_choice *c);
    /* Has this choice constants that are no integers, so that results are rounded where sums of integers
       would be exact? Tests then allow the declared error. NULL: it has not. */
    bool (*rounds)(const struct cincel_problem *p, const struct cincel_choice *c);

    /*
     * Where contexts are reproducible, one algorithm serves a problem on every machine: the first of the
     * table that says so here, whose choices pass cincel_choice_check() within the error budget. NULL:
     * wherever it serves. Depends on the problem alone.
     */
    bool (*standard)(const struct cincel_problem *p);

    /* Allocates what run() needs; the only place an algorithm may allocate. */
    cincel_status (*build)(const struct cincel_target *t, const struct cincel_problem *p,
                           const struct cincel_choice *c, struct cincel_prepared **out);
    void (*discard)(struct cincel_prepared *prepared);

    void (*run)(const struct cincel_prepared *prepared, const struct cincel_tensors *tensors,
                struct cincel_team *team);

    /* Weights packed once for many forward calls, which then skip that work (tensors.packed): bytes of
       the 64-byte aligned buffer, and its filling. Both NULL: the algorithm reads plain weights always. */
    size_t (*packed_bytes)(const struct cincel_prepared *prepared);
    void (*pack_weights)(const struct cincel_prepared *prepared, const float *w, void *packed,
                         struct cincel_team *team);
    /* The same of recurrent layers, which have two matrices. */
    void (*pack_rnn)(const struct cincel_prepared *prepared, const float *w_ih, const float *w_hh,
                     void *packed, struct cincel_team *team);
};

/* Every algorithm, NULL-terminated (ops/algo.c). */
extern const struct cincel_algo *const cincel_algos[];

/* ------------------------------------------------------------------- the table's small services -- */

/* Length of the FMA chain behind one output element. */
double cincel_chain_length(const struct cincel_problem *p);

/* cincel_algo.standard of algorithms that reproducible contexts leave to others. */
bool cincel_algo_never_standard(const struct cincel_problem *p);

/* Of the L2 a core has, and of the last cache; a common size where the machine does not say. */
size_t cincel_l2_bytes(const struct cincel_target *t);
size_t cincel_l3_bytes(const struct cincel_target *t);

/* Do a call's tensors exceed half of the last cache, the other half being the neighbouring layers'? */
bool cincel_exceeds_cache(const struct cincel_target *t, const struct cincel_problem *p);

/* NULL where the table has none of that name for the problem's operator and pass. */
const struct cincel_algo *cincel_algo_find(const struct cincel_problem *p, const char *name);
const struct cincel_isa *cincel_isa_find(const struct cincel_target *t, const char *name);
/* NULL where the ISA has no such row. */
const struct cincel_gemm_row *cincel_gemm_row_find(const struct cincel_isa *isa, const char *name);
const struct cincel_outer_row *cincel_outer_row_find(const struct cincel_isa *isa, const char *name);

/* Full check of a choice: names, knob values, threads, the algorithm's own check, the error budget. */
bool cincel_choice_check(const struct cincel_target *t, const struct cincel_problem *p,
                         const struct cincel_choice *c, double error_budget, char why[CINCEL_WHY]);

/* "direct avx2 gemm_6x16_avx2 t2 edge=0 nblock=64": one line, parsed back by _parse. */
void cincel_choice_print(const struct cincel_problem *p, const struct cincel_choice *c,
                         char out[CINCEL_CHOICE_TEXT]);
bool cincel_choice_parse(const struct cincel_problem *p, const char *text, struct cincel_choice *out,
                         char why[CINCEL_WHY]);

/* Do two choices of a problem agree in their numeric half, and so in every bit of the result? */
bool cincel_choice_same_bits(const struct cincel_algo *a, const struct cincel_choice *x,
                             const struct cincel_algo *b, const struct cincel_choice *y);

/* How many values of each knob an enumeration shows. */
enum cincel_breadth {
    CINCEL_DEFAULT_KNOBS, /* each row once, with the algorithm's defaults */
    CINCEL_ALL_KNOBS      /* every combination; in reproducible mode numeric knobs keep their default */
};

/*
 * Calls `visit` with every valid choice of every algorithm, ISA, row and knob value at `threads`
 * threads, until it returns false; in reproducible mode those of the standard algorithm alone. generic is
 * visited only where no other ISA is usable. `why` keeps
 * the last refusal, for a message where nothing was visited.
 */
typedef bool cincel_visit(void *user, const struct cincel_algo *algo, const struct cincel_choice *c);
void cincel_choice_enumerate(const struct cincel_target *t, const struct cincel_problem *p,
                             enum cincel_breadth breadth, int threads, double error_budget,
                             cincel_visit *visit, void *user, char why[CINCEL_WHY]);

#endif
