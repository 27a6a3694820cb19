/* How the weights follow from their gradients (cincel_optimizer). */
#ifndef CINCEL_TRAIN_OPTIMIZER_H
#define CINCEL_TRAIN_OPTIMIZER_H

#include "cincel/train.h"

enum { OPTIMIZER_MOMENTS = 2 }; /* most blocks kept beside the parameters */

/* Takes the caller's optimizer, which is not NULL, and checks it; `what` begins the message. */
cincel_status cincel_optimizer_take(const char *what, const cincel_optimizer *from, cincel_optimizer *out);

/* Is there such a kind? The error says so, with `what` before it. */
cincel_status cincel_optimizer_check_kind(const char *what, cincel_optimizer_kind kind);

/* Blocks as large as the parameters that a kind keeps; zeros before the first step. */
int cincel_optimizer_moments(cincel_optimizer_kind kind);

/*
 * Clips the gradients g and applies them to w, `count` floats each, in step number `step` from 1. A norm to
 * clip by that is not finite is CINCEL_INVALID_ARGUMENT, and w as it was.
 */
cincel_status cincel_optimizer_step(cincel_context *ctx, const cincel_optimizer *o, uint64_t step, float *w,
                                    float *g, float *const moment[OPTIMIZER_MOMENTS], size_t count);

#endif
