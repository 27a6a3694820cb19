/* Dropout on a team: what stands behind cincel_dropout. Nothing here allocates. */
#ifndef CINCEL_OPS_DROPOUT_H
#define CINCEL_OPS_DROPOUT_H

#include "ops/crew.h"

/* 0 ≤ p < 1; y may be x */
void cincel_dropout_elements(const struct cincel_crew *crew, float p, uint64_t seed, uint64_t stream,
                             const float *x, float *y, size_t count);

#endif
