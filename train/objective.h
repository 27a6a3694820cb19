/* What a model is trained towards: the loss of its outputs against labels or targets (cincel_objective). */
#ifndef CINCEL_TRAIN_OBJECTIVE_H
#define CINCEL_TRAIN_OBJECTIVE_H

#include <stdbool.h>

#include "cincel/train.h"

/*
 * What the outputs of a batch should have been: one of the two, by the objective. Rows are samples, or the
 * positions of all samples where a model's output has several; a row is `width` outputs.
 */
struct truth {
    const int32_t *labels; /* [rows] */
    const float *targets;  /* [rows][width] */
};

/* Takes the caller's objective (NULL: cross-entropy) for a model of `width` outputs a row and checks it;
   `what` begins the message. */
cincel_status cincel_objective_take(const char *what, const cincel_objective *from, size_t width,
                                    cincel_objective *out);

static inline bool cincel_objective_has_labels(const cincel_objective *o)
{
    return o->kind == CINCEL_OBJECTIVE_CROSS_ENTROPY;
}

/* Loss, hits and the gradient dx [rows][width] of a batch; each of the three may be NULL. */
cincel_status cincel_objective_loss(cincel_context *ctx, const cincel_objective *o, const float *x,
                                    const struct truth *truth, size_t rows, size_t width, double *loss,
                                    size_t *hits, float *dx);

/* How many of the rows can be hits: all but those whose label is one to ignore. In *weight, what they weigh
   in the mean that the loss is: as many, but where classes have weights. */
size_t cincel_objective_counted(const cincel_objective *o, const struct truth *truth, size_t rows,
                                double *weight);

/* How many hits a row can have: 1 label, or each of its outputs; 0 where there is no such thing. */
size_t cincel_objective_chances(const cincel_objective *o, size_t width);

/* The model's raw outputs as what is predicted: softmax, sigmoid, or as they are. `out` may be x. */
cincel_status cincel_objective_predict(cincel_context *ctx, const cincel_objective *o, const float *x,
                                       size_t n, size_t outputs, float *out);

#endif
