/*
 * Batch norm and layer norm on a team: what stands behind the public calls of the same names
 * (include/cincel/norm.h has the formulas). Arguments are checked by the caller; nothing here allocates.
 *
 * Both cut their rows into slices, by the problem alone; sums go down a slice in chunks of at most
 * CINCEL_NORM_CHUNK rows in single precision, chunks and slices are merged in order and in double.
 */
#ifndef CINCEL_OPS_NORM_H
#define CINCEL_OPS_NORM_H

#include "ops/crew.h"

enum { CINCEL_NORM_CHUNK = 512 };

/* Tensors of a call as the public functions name them; those a call does not have are NULL. */
struct cincel_norm_tensors {
    const float *x, *dy, *gamma, *beta;
    const float *mean_in, *inv_std_in, *var_in; /* of this batch; of inference: running mean and variance */
    float *running_mean, *running_var;
    float *y, *dx, *mean, *inv_std, *dgamma, *dbeta;
    int stream; /* 1: y or dx goes past the caches; for tensors that would not be found there again */
    void *workspace;
};

size_t cincel_batch_norm_bytes(const cincel_batch_norm_desc *d);
void cincel_batch_norm_run_train(const struct cincel_crew *crew, const cincel_batch_norm_desc *d,
                                 const struct cincel_norm_tensors *t);
void cincel_batch_norm_run_backward(const struct cincel_crew *crew, const cincel_batch_norm_desc *d,
                                    const struct cincel_norm_tensors *t);
void cincel_batch_norm_run_infer(const struct cincel_crew *crew, const cincel_batch_norm_desc *d,
                                 const struct cincel_norm_tensors *t);

/* See cincel_batch_norm_fold; `t` has gamma, beta, mean_in and var_in. */
void cincel_batch_norm_fold_weights(const cincel_batch_norm_desc *d, const struct cincel_norm_tensors *t,
                                    size_t inner, const float *w, const float *bias, float *w_out,
                                    float *bias_out);

void cincel_layer_norm_run_forward(const struct cincel_crew *crew, const cincel_layer_norm_desc *d,
                                   const struct cincel_norm_tensors *t);
size_t cincel_layer_norm_bytes(const cincel_layer_norm_desc *d);
void cincel_layer_norm_run_backward(const struct cincel_crew *crew, const cincel_layer_norm_desc *d,
                                    const struct cincel_norm_tensors *t);

#endif
