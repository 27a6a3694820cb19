/* Bias and its gradient on whole tensors of rows (pixels) of channels, where no algorithm has fused them. */
#ifndef CINCEL_OPS_CHANNELS_H
#define CINCEL_OPS_CHANNELS_H

#include "ops/crew.h"

/* y[r][c] = act(y[r][c] + bias[c]); bias may be NULL. */
void cincel_channels_finish(const struct cincel_crew *crew, const float *bias, cincel_activation act,
                            float alpha, float *y, size_t rows, size_t channels);

/* Floats of scratch that cincel_channels_sum needs. */
size_t cincel_channels_scratch(size_t rows, size_t channels);

/* sum[c] (+)= Σ_r x[r][c], in slices fixed by the sizes, added in their order. */
void cincel_channels_sum(const struct cincel_crew *crew, const float *x, size_t rows, size_t channels,
                         float *scratch, float *sum, int accumulate);

#endif
