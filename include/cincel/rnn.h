/*
 * cincel: recurrent layers: simple RNN, LSTM and GRU, forward and back through time. Conventions: cincel.h.
 *
 * A plan serves one layer in one direction over whole sequences. Stacks and bidirectional layers are several
 * plans: the second direction has `reverse` set, and both write into one y through `y_ld`.
 */
#ifndef CINCEL_RNN_H
#define CINCEL_RNN_H

#include "cincel/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * With a_g = W_ih[g] x_t + b_ih[g] + W_hh[g] h_{t-1} + b_hh[g] for each gate g, s the logistic function:
 *
 *   RNN_TANH, RNN_RELU   h_t = tanh(a), max(a, 0)                                       (Elman, 1990)
 *   LSTM    i, f, o = s(a_i), s(a_f), s(a_o);  g = tanh(a_g)      (Hochreiter & Schmidhuber, 1997; with
 *           c_t = f c_{t-1} + i g;  h_t = o tanh(c_t)              forget gates: Gers et al., 2000)
 *   GRU     r, z = s(a_r), s(a_z);  h_t = (1 - z) n + z h_{t-1}                     (Cho et al., 2014)
 *           n = tanh(W_ih[n] x_t + b_ih[n] + r (W_hh[n] h_{t-1} + b_hh[n]))   reset after the product
 *           n = tanh(W_ih[n] x_t + b_ih[n] + W_hh[n] (r h_{t-1}) + b_hh[n])   reset before it
 *
 * Weights are PyTorch's: w_ih [gates·hidden][input], w_hh [gates·hidden][hidden], b_ih and b_hh
 * [gates·hidden], with the gates in the order i, f, g, o and r, z, n.
 */
typedef enum cincel_rnn_cell {
    CINCEL_RNN_TANH = 0,
    CINCEL_RNN_RELU,
    CINCEL_LSTM,
    CINCEL_GRU
} cincel_rnn_cell;

/* One layer, one direction. Tensors, float32: x [steps][batch][input], y [steps][batch][hidden], states
   [batch][hidden]; with batch_first x is [batch][steps][input], and y likewise. */
typedef struct cincel_rnn_desc {
    size_t size;
    cincel_rnn_cell cell;
    int steps, batch, input, hidden;
    int batch_first;  /* 1: sequences, not steps, are outermost in x, y, dx and dy */
    int reverse;      /* 1: from each sequence's own last step to its first */
    int training;     /* forward: 1 fills the reserve that the backward pass reads */
    int accumulate;   /* backward: 1 adds to dw_ih, dw_hh, db_ih and db_hh; dx and dh0 are always written */
    int reset_before; /* of GRU: 0 as PyTorch, cuDNN and Keras by default; 1: the original form */
    int update_new;   /* of GRU: 0: h' = (1 - z) n + z h (PyTorch, Keras); 1: h' = (1 - z) h + z n (the paper)
                       */
    int y_ld;         /* floats from one row of y (and dy) to the next; 0: hidden */
} cincel_rnn_desc;
#define CINCEL_RNN_DESC_INIT                                                  \
    {                                                                         \
        sizeof(cincel_rnn_desc), CINCEL_LSTM, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 \
    }

/* Gates of a cell: 1, 4 (LSTM) or 3 (GRU); 0 for an unknown one. */
CINCEL_API int cincel_rnn_gates(cincel_rnn_cell cell);

/* A plan for FORWARD or BACKWARD (all gradients in one call); `options` may be NULL. *out is the caller's to
   destroy. */
CINCEL_API cincel_status cincel_rnn_plan(cincel_context *ctx, const cincel_rnn_desc *d, cincel_pass pass,
                                         const cincel_options *options, cincel_plan **out);

/* Bytes of the buffer, 64-byte aligned, that carries what the forward pass in training keeps for the backward
   pass; its content is private, and the same for all plans of one descriptor, whatever their algorithms and
   threads. 0 for a forward plan without `training`. */
CINCEL_API size_t cincel_rnn_reserve_size(const cincel_plan *plan);

/*
 * What a forward call reads and writes. y, h_n and c_n of sequence b after its length: y rows are 0, the
 * final states those of its last own step. h_n and c_n may be h0 and c0.
 */
typedef struct cincel_rnn_forward_args {
    size_t size;
    const float *x;
    const float *h0, *c0;     /* NULL: zeros. c0: of LSTM */
    const float *w_ih, *w_hh; /* not read where `packed` is given */
    const float *b_ih, *b_hh; /* NULL: zeros, each */
    const void *packed;       /* NULL, or what cincel_rnn_pack made of the weights */
    const int *lengths;       /* [batch], 1 … steps each, in any order; NULL: all have all steps */
    float *y;
    float *h_n, *c_n; /* NULL: not wanted */
    void *reserve;    /* of plans with `training` */
} cincel_rnn_forward_args;
#define CINCEL_RNN_FORWARD_ARGS_INIT                                                                       \
    {                                                                                                      \
        sizeof(cincel_rnn_forward_args), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
            NULL, NULL                                                                                     \
    }

/* CINCEL_INVALID_ARGUMENT names a missing pointer or a bad length; nothing is then written. `ws`: the plan's
   workspace. */
CINCEL_API cincel_status cincel_rnn_forward(const cincel_plan *plan, const cincel_rnn_forward_args *args,
                                            void *ws);

/* Weights packed once for many forward calls of a plan: bytes of the 64-byte aligned buffer, and its filling.
   A plan accepts what was packed for a plan of the same problem and choice. */
CINCEL_API size_t cincel_rnn_packed_size(const cincel_plan *plan);
CINCEL_API cincel_status cincel_rnn_pack(const cincel_plan *plan, const float *w_ih, const float *w_hh,
                                         void *packed);

/*
 * Back through time (Werbos, 1990). x, w_ih, w_hh and lengths as in the forward call, reserve as it left it
 * (which holds the initial states too); the incoming gradients dy, dh_n and dc_n may each be NULL: zeros.
 * Rows of dy behind a sequence's length are ignored, those of dx set to 0. Results may each be NULL: not
 * wanted. dh0 and dc0 may be dh_n and dc_n. The reserve is only read.
 */
typedef struct cincel_rnn_backward_args {
    size_t size;
    const float *x;           /* may be NULL without dw_ih */
    const float *w_ih, *w_hh; /* w_ih may be NULL without dx */
    const int *lengths;
    const void *reserve;
    const float *dy, *dh_n, *dc_n;
    float *dx, *dh0, *dc0;
    float *dw_ih, *dw_hh, *db_ih, *db_hh;
} cincel_rnn_backward_args;
#define CINCEL_RNN_BACKWARD_ARGS_INIT                                                                       \
    {                                                                                                       \
        sizeof(cincel_rnn_backward_args), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
            NULL, NULL, NULL, NULL                                                                          \
    }

/* Errors as of the forward call. `ws`: the workspace of this plan, which need not be the forward plan's. */
CINCEL_API cincel_status cincel_rnn_backward(const cincel_plan *plan, const cincel_rnn_backward_args *args,
                                             void *ws);

#ifdef __cplusplus
}
#endif
#endif
