/* Between the two files of the backward pass: through time (rnn_backward.c), then the products over all steps
   (rnn_gradients.c). */
#ifndef CINCEL_OPS_RNN_BACKWARD_H
#define CINCEL_OPS_RNN_BACKWARD_H

#include "ops/rnn_steps.h"

/* Rows that are packed at once: read from end to end, they come in sequence (Zen 3, 13 MB of weights: 2 % of
   the pass less than column by column). A block of rows (rnn_gradients.c) is a multiple of it. */
enum { CINCEL_RNN_PACKED = 128 };

/* What the products over all steps keep in the workspace. */
struct cincel_rnn_gradient_buffers {
    float *w_ih;      /* packed for dx: [panels of input][gates · hidden][nr] */
    float *x, *h, *m; /* rows of the right sides of dw_ih and dw_hh, packed: [block of rows][panel][row][nr];
                         m: reset · h, of GRUs that reset before the product */
    char *scratch;    /* [threads] */
    size_t scratch_bytes;
};

struct cincel_rnn_backward_job {
    const struct cincel_prepared *p;
    const struct cincel_rnn_tensors *r;
    struct cincel_rnn_order order;
    struct cincel_rnn_kept kept;
    float *d_ih, *d_hh; /* [R][cincel_rnn_gradient_ld]: gradients of the sums; the same but for GRUs that
                           reset after */
    struct cincel_rnn_gradient_buffers g;
};

/* Rows of d_ih lie off the powers of two: those of a tile, and of a block, would share a few sets of L1 and
 * L2. */
static inline size_t cincel_rnn_gradient_ld(const struct cincel_prepared *p)
{
    return cincel_round_up(p->gates * p->hidden, 16) + 16;
}

void cincel_rnn_gradients_carve(const struct cincel_prepared *p, struct cincel_carver *c,
                                struct cincel_rnn_gradient_buffers *out);

/* Packing, which needs no gradient: items 0 … count−1, and what one does. */
size_t cincel_rnn_gradients_packings(const struct cincel_rnn_backward_job *job);
void cincel_rnn_gradients_pack(const struct cincel_rnn_backward_job *job, size_t item);

/* dx, dw and db from d_ih and d_hh: claimed by all workers. */
void cincel_rnn_gradients_run(const struct cincel_rnn_backward_job *job, struct cincel_worker *worker);

#endif
