/* Matrices side by side on a team: what stands behind cincel_concat and cincel_split. Nothing here allocates.
 */
#ifndef CINCEL_OPS_CONCAT_H
#define CINCEL_OPS_CONCAT_H

#include "ops/crew.h"

/* `count` matrices of `rows` rows and cols[i] ≥ 1 columns; `whole` has all their columns in this order. */
void cincel_concat_columns(const struct cincel_crew *crew, const float *const *parts, const size_t *cols,
                           size_t count, size_t rows, float *whole);
void cincel_split_columns(const struct cincel_crew *crew, const float *whole, const size_t *cols,
                          size_t count, size_t rows, float *const *parts);

#endif
