/*
 * Depthwise convolution: every group is one channel, and channels are the vector dimension.
 *
 * Forward and backward-data gather (conv_geometry.h): a cut is a band of output rows of one image and a block
 * of channels. A band is walked in strips of columns, rows inside, all channels of a few pixels innermost, so
 * that memory is met nearly as it lies. What does not stay in the last cache is fetched a row ahead: with
 * strides of 512 bytes hardware does not foresee it (bare loops over 8x128x56x56 under 3x3 on Zen 3: 1.8 ms,
 * with it 1.0 ms). In that cache it would be fetched twice for nothing (8x256x28x28, stride 2: 0.21 ms, with
 * it 0.29 ms). Backward-weights: a cut is a slice of the rows of all images and a block of channels; a
 * kernel call takes all taps of rows that meet the same ones, so that x and dy are met once. Slices are added
 * in their order.
 *
 * Of several channels of y for each of x (a channel multiplier), x is spread as it is read: each worker
 * writes the rows of a band with every channel repeated, and from there on channels are y's. Backward-data
 * sums over y's channels as if x had as many, for a band of rows, and then adds up those that belong
 * together.
 *
 * Weights are turned to [taps][channels] first, a few KB. Their rows are an odd number of lines apart, so
 * that the taps of a channel do not meet in one set of L1.
 */
#ifndef CINCEL_OPS_CONV_DEPTHWISE_H
#define CINCEL_OPS_CONV_DEPTHWISE_H

#include "core/memory.h"
#include "ops/algo.h"
#include "ops/conv_geometry.h"
#include "ops/epilogue.h"

/* Channels of a cut of packing and of adding slices up. */
enum { CINCEL_DEPTHWISE_BLOCK = 64 };

const char *cincel_depthwise_row_name(const struct cincel_isa *isa, int i);

/* Each group is one channel of x, and there are several; sizes that no product overflows. */
bool cincel_depthwise_serves(const struct cincel_problem *p, char why[CINCEL_WHY]);

/* The rows of a source of `height` that outputs begin … end−1 of the axis meet: returns the first, *count. */
size_t cincel_depthwise_rows_met(const struct cincel_conv_axis *rows, size_t begin, size_t end, size_t height,
                                 size_t *count);

/* dst[i·multiplier + j] = src[i]      i < count, j < multiplier */
void cincel_depthwise_spread(const struct cincel_isa *isa, const float *src, size_t count, size_t multiplier,
                             float *dst);

/* Columns of a strip, as tiles of 4 and of 7 pixels divide them. */
enum { CINCEL_DEPTHWISE_STRIPS = 4 };
extern const int cincel_depthwise_strips[CINCEL_DEPTHWISE_STRIPS];

/* The widest useful strip of a row of `width` columns whose `column_bytes` are met again at the next row:
   they stay in L2. */
int cincel_depthwise_strip(const struct cincel_target *t, int width, double column_bytes);

/* Share of the FMA peak that tiles reach out of L2, under taps_h x taps_w and `step` columns from pixel to
   pixel; `passes`: 1 where the taps' lines are read, 2 where they are written, too. */
double cincel_depthwise_efficiency(const struct cincel_isa *isa, double taps_h, double taps_w, double step,
                                   double passes);

/* Floats from tap to tap of [taps][channels]. */
static inline size_t cincel_depthwise_pitch(size_t channels)
{
    const size_t line = CINCEL_ALIGN / sizeof(float), lines = cincel_div_up(channels, line);
    return (lines + (lines % 2 == 0)) * line;
}

/* Does a knob's value (of an ascending list) cover `size` where the one below it does not? */
static inline bool cincel_depthwise_useful(const int *values, int value, int size)
{
    int below = 0;
    for (int i = 0; values[i] < value; i++) below = values[i];
    return below < size;
}

#endif
