/*
 * Depthwise convolution: every group is one channel, and channels are the vector dimension.
 *
 * Forward and backward-data gather (conv_geometry.h): a cut is a band of output rows of one image and a block
 * of channels. A band is walked in strips of columns, rows inside, all channels of a pixel innermost. Memory
 * is met in the order in which it lies, and the rows that follow are fetched a row ahead: with strides of 512
 * bytes hardware does not foresee them (8x128x56x56 under 3x3: 4.2 ms before, 1.3 ms so, on Zen 3).
 * Backward-weights: a cut is a slice of the bands of all images and a block of channels; a kernel call takes
 * all taps of a strip of one row, so that x and dy are met once. Slices are added in their order.
 *
 * Weights are turned to [taps][channels] first: a few KB.
 */
#ifndef CINCEL_OPS_CONV_DEPTHWISE_H
#define CINCEL_OPS_CONV_DEPTHWISE_H

#include "core/memory.h"
#include "ops/algo.h"
#include "ops/epilogue.h"

/* Channels of a cut of packing and of adding slices up. */
enum { CINCEL_DEPTHWISE_BLOCK = 64 };
/* Elements of a cut of the activation's gradient: 64 KB. */
enum { CINCEL_DEPTHWISE_DZ = 16384 };

const char *cincel_depthwise_row_name(const struct cincel_isa *isa, int i);

/* Each group is one channel in and out, and there are several; sizes that no product overflows. */
bool cincel_depthwise_serves(const struct cincel_problem *p, char why[CINCEL_WHY]);

/* Does a knob's value (of an ascending list) cover `size` where the one below it does not? */
static inline bool cincel_depthwise_useful(const int *values, int value, int size)
{
    int below = 0;
    for (int i = 0; values[i] < value; i++) below = values[i];
    return below < size;
}

/* dz = dy · act'(y), cut `cut` of the tensor's div_up(count, CINCEL_DEPTHWISE_DZ). */
static inline void cincel_depthwise_dz(const struct cincel_epilogue *e, const struct cincel_tensors *t,
                                       float *dz, size_t count, size_t cut)
{
    const size_t begin = cut * CINCEL_DEPTHWISE_DZ, left = count - begin;
    cincel_epilogue_gradient(e, t->y_in + begin, t->dy + begin, dz + begin,
                             cincel_min(left, CINCEL_DEPTHWISE_DZ));
}

#endif
