/* Rows of recurrent cells: a part of the first contract, kernels/kernel.h. */
#ifndef CINCEL_KERNELS_KERNEL_CELL_H
#define CINCEL_KERNELS_KERNEL_CELL_H

#include <stddef.h>

/*
 * What follows the products of a step: rows of sequences, n columns, a slice of the hidden units.
 * a_b(r, j) = gates[r·gates_ld + b·block + j] + bias[b·block + j] are the sums of block b, padded to whole
 * registers; s is the logistic function. The formulas are those of include/cincel/rnn.h. Forward:
 * - lstm: blocks i, f, g, o;
 * - gru: blocks r, z, W_ih x of the candidate, W_hh h of the candidate, which goes to `extra` too;
 * - gru_reset: blocks r, z: extra = r · h_prev; s(a_1) is left in block 1;
 * - gru_finish: the rest of it: block z as gru_reset left it, and the candidate's whole sum;
 * - tanh, relu: one block.
 *
 * h goes to h[r] and y[r], c to c[r], each from column `at` on; the gates' values to `kept`.
 */
struct cincel_cell_args {
    float *gates;
    const float *bias; /* [blocks][block] */
    size_t gates_ld, block;
    size_t rows, at;
    int n;
    const float *h_prev, *c_prev; /* columns of the slice, as kept and extra below */
    size_t prev_ld;
    float *const *h, *const *y, *const *c;
    float *kept; /* NULL: not wanted, and neither is `extra` of gru */
    size_t kept_ld, kept_gate;
    float *extra;
    size_t extra_ld;
    int update_new; /* of gru: see cincel_rnn_desc */
};

/*
 * Backward: from dh (of h, as the steps behind gave it, padded to whole registers), dy[r] from column `at` on
 * and dc to the gradients of the sums, d_ih, and where the cell has two of them d_hh. dc becomes that of
 * c_prev; dh of a gru becomes what reaches h_prev directly. A GRU that resets first takes two calls:
 * - gru_finish_gradient: the gradients of z and the candidate; then the driver makes dm, that of r · h_prev;
 * - gru_reset_gradient: the gradient of r; dh += r · dm.
 */
struct cincel_cell_gradient_args {
    size_t rows, at;
    int n;
    const float *kept, *extra;
    size_t kept_ld, kept_gate, extra_ld;
    const float *h_prev, *c_prev;
    size_t prev_ld;
    const float *const *dy; /* NULL: zeros */
    float *dh;
    const float *dm; /* like dh */
    size_t dh_ld;
    float *dc;
    size_t dc_ld;
    float *d_ih, *d_hh;
    size_t d_ld, d_gate;
    int update_new;
};

struct cincel_cell_row {
    const char *name; /* "cell_avx2" */
    void (*lstm)(const struct cincel_cell_args *args);
    void (*gru)(const struct cincel_cell_args *args);
    void (*gru_reset)(const struct cincel_cell_args *args);
    void (*gru_finish)(const struct cincel_cell_args *args);
    void (*tanh)(const struct cincel_cell_args *args);
    void (*relu)(const struct cincel_cell_args *args);
    void (*lstm_gradient)(const struct cincel_cell_gradient_args *args);
    void (*gru_gradient)(const struct cincel_cell_gradient_args *args);
    void (*gru_finish_gradient)(const struct cincel_cell_gradient_args *args);
    void (*gru_reset_gradient)(const struct cincel_cell_gradient_args *args);
    void (*tanh_gradient)(const struct cincel_cell_gradient_args *args);
    void (*relu_gradient)(const struct cincel_cell_gradient_args *args);
};

#endif
