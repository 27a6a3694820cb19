/* What a model is trained towards: the loss of its outputs against labels or targets (cincel_objective). */
#ifndef CINCEL_TRAIN_OBJECTIVE_H
#define CINCEL_TRAIN_OBJECTIVE_H

#include <stdbool.h>

#include "cincel/train.h"

/* What the outputs of a batch should have been: one of the two, by the objective. */
struct truth {
    const int32_t *labels; /* [n] */
    const float *targets;  /* [n][outputs] */
};

/* Takes the caller's objective (NULL: cross-entropy) and checks it; `what` begins the message. */
cincel_status cincel_objective_take(const char *what, const cincel_objective *from, cincel_objective *out);

static inline bool cincel_objective_has_labels(const cincel_objective *o)
{
    return o->kind == CINCEL_OBJECTIVE_CROSS_ENTROPY;
}

/* Loss, hits and the gradient dx [n][outputs] of a batch; each of the three may be NULL. */
cincel_status cincel_objective_loss(cincel_context *ctx, const cincel_objective *o, const float *x,
                                    const struct truth *truth, size_t n, size_t outputs, double *loss,
                                    size_t *hits, float *dx);

/* How many hits a sample can have: 1 label, or each of its outputs; 0 where there is no such thing. */
size_t cincel_objective_chances(const cincel_objective *o, size_t outputs);

/* The model's raw outputs as what is predicted: softmax, sigmoid, or as they are. `out` may be x. */
cincel_status cincel_objective_predict(cincel_context *ctx, const cincel_objective *o, const float *x,
                                       size_t n, size_t outputs, float *out);

#endif
