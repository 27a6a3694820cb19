/*
 * What the two passes of recurrent layers share.
 *
 * Rows. Sequences are ranked by length, longest first, so that those still running at a step are the first
 * `active` ranks; without lengths rank and number agree. The running rows of all steps, one step behind the
 * other, are numbered 0 … R−1: row `first[s] + rank`. The reserve and the gradients of the gates lie in these
 * rows, so nothing is computed or kept for padding, and each product over all steps is one over consecutive
 * rows.
 *
 * Work. A cut is a block of ranks and one of hidden slices (as wide as the register tile). Split by batch, a
 * cut is some ranks and all slices, and runs through all steps on its own; split by hidden, a worker has its
 * slices of all ranks, keeps the weights of these in its caches, and meets the others once a step.
 */
#ifndef CINCEL_OPS_RNN_STEPS_H
#define CINCEL_OPS_RNN_STEPS_H

#include "core/memory.h"
#include "ops/algo.h"

enum { CINCEL_RNN_TILES = 8, CINCEL_RNN_TALLEST = 32 };

/* Knobs, by number. */
enum { CINCEL_RNN_SPLIT, CINCEL_RNN_FETCH, CINCEL_RNN_CHUNK };
enum { CINCEL_RNN_BY_BATCH, CINCEL_RNN_BY_HIDDEN };

/* The kernel rows of one nr, tallest first. */
struct cincel_rnn_tiles {
    const struct cincel_gemm_row *row[CINCEL_RNN_TILES];
    int count;
    int fit[CINCEL_RNN_TALLEST + 1]; /* by a number of rows: the tallest that is not taller */
    size_t nr;
    bool fetch; /* the next panel is asked for while one is used */
};

struct cincel_prepared {
    const struct cincel_isa *isa;
    cincel_rnn_desc d;
    struct cincel_rnn_tiles tiles;  /* of the steps */
    struct cincel_rnn_tiles tall;   /* of products over all steps */
    struct cincel_rnn_tiles chunks; /* of the input's products, a chunk of steps at once; forward */
    size_t steps, batch, input, hidden, gates;
    size_t nr, slices;
    size_t group; /* slices whose cells are computed together; forward */
    size_t chunk; /* steps whose input products are made at once; forward */
    bool joined;  /* one product makes those of input and state; forward */
    bool by_hidden;
    int threads;
    size_t cuts; /* of the batch; 1 where the split is by hidden */
};

/* Everything the choice says; the row is known to the ISA. */
void cincel_rnn_derive(const struct cincel_target *t, const struct cincel_problem *problem,
                       const struct cincel_choice *c, struct cincel_prepared *out);

/* Pieces of struct cincel_algo that both passes have alike. */
const char *cincel_rnn_row(const struct cincel_isa *isa, int i);
bool cincel_rnn_check_split(const struct cincel_target *t, const struct cincel_problem *p,
                            const struct cincel_choice *c, char why[CINCEL_WHY]);
int cincel_rnn_default_split(const struct cincel_target *t, const struct cincel_problem *p,
                             const struct cincel_choice *c);
/* Share of the FMA peak at `rows` rows a product. */
double cincel_rnn_efficiency(const struct cincel_prepared *p, double rows);
/* Do so many bytes of weights, read at every step, come from beyond L2, so that they are worth calling early?
 */
bool cincel_rnn_far(const struct cincel_target *t, double weights);
double cincel_rnn_chain(const struct cincel_problem *p, const struct cincel_choice *c);
cincel_status cincel_rnn_build(const struct cincel_target *t, const struct cincel_problem *problem,
                               const struct cincel_choice *c, struct cincel_prepared **out);
void cincel_rnn_discard(struct cincel_prepared *p);

/* ----------------------------------------------------------------------------------------- rows -- */

struct cincel_rnn_order {
    int *sequence;  /* [batch], of a rank */
    int *length;    /* [batch], of a rank */
    size_t *active; /* [steps + 1], ranks running; the last is 0 */
    size_t *first;  /* [steps + 1], row of rank 0; the last is the number of rows */
    size_t *cut;    /* [cuts + 1], ranks */
};

void cincel_rnn_order_carve(const struct cincel_prepared *p, struct cincel_carver *c,
                            struct cincel_rnn_order *out);
/* `lengths` NULL: all have all steps. */
void cincel_rnn_order_fill(const struct cincel_prepared *p, const int *lengths,
                           const struct cincel_rnn_order *o);

/* Position in time of a rank's step. */
static inline size_t cincel_rnn_time(const struct cincel_prepared *p, const struct cincel_rnn_order *o,
                                     size_t step, size_t rank)
{
    return p->d.reverse ? (size_t)o->length[rank] - 1 - step : step;
}

/* Number of the row of x, y, dx and dy that a rank's step reads or writes. */
static inline size_t cincel_rnn_place(const struct cincel_prepared *p, const struct cincel_rnn_order *o,
                                      size_t step, size_t rank)
{
    const size_t time = cincel_rnn_time(p, o, step, rank), sequence = (size_t)o->sequence[rank];
    return p->d.batch_first ? sequence * p->steps + time : time * p->batch + sequence;
}

/* Sets the rows of padding, `width` floats each, to 0: ranks begin … end−1. */
void cincel_rnn_clear_padding(const struct cincel_prepared *p, const struct cincel_rnn_order *o, size_t begin,
                              size_t end, float *rows, size_t ld, size_t width);

/* Copies [batch][hidden] in the order of sequences (NULL: zeros) to ranks begin … end−1, or back. */
void cincel_rnn_state_in(const struct cincel_prepared *p, const struct cincel_rnn_order *o, size_t begin,
                         size_t end, const float *state, float *ranks, size_t ld);
void cincel_rnn_state_out(const struct cincel_prepared *p, const struct cincel_rnn_order *o, size_t begin,
                          size_t end, const float *ranks, size_t ld, float *state);

/* Where the parts of a reserve begin. */
struct cincel_rnn_kept {
    float *gates;  /* [R][gates · hidden] */
    float *h_prev; /* [R][hidden] */
    float *c_prev; /* of LSTM */
    float *extra;  /* of GRU */
};
struct cincel_rnn_kept cincel_rnn_kept_of(const struct cincel_prepared *p, void *reserve);
bool cincel_rnn_has_extra(const struct cincel_prepared *p);

/* ------------------------------------------------------------------------------------- products -- */

/* Floats of a packed panel of k rows; panels begin on cache lines. */
static inline size_t cincel_rnn_panel(const struct cincel_rnn_tiles *t, size_t k)
{
    return cincel_round_up(k * t->nr, CINCEL_ALIGN / sizeof(float));
}

/*
 * c[i] (+)= a[i] · panel, i < rows, n columns. Rows lie evenly, or anywhere, and are then listed.
 */
struct cincel_rnn_product {
    const float *a; /* row 0 */
    size_t a_step;
    const float *const *a_rows; /* NULL: a + i · a_step */
    size_t k, rows;
    const float *panel;
    float *c;
    size_t c_step;
    float *const *c_rows; /* NULL: c + i · c_step */
    int n;
    int load;          /* 1: the chains start from c */
    const float *next; /* the panel used next; NULL: it lies behind this one */
};
void cincel_rnn_multiply(const struct cincel_rnn_tiles *t, const struct cincel_rnn_product *x);

/* Floats from row to row, where all are as far apart; else 0. */
size_t cincel_rnn_step_of(const float *const *rows, size_t count);

#endif
