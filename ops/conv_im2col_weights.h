/*
 * Private to the two files of backward-weights by im2col: conv_im2col_weights.c (what the table shows) and
 * conv_im2col_weights_run.c (the work).
 *
 * dW[oc][K] = dyᵀ[oc][pixels] · columns[pixels][K], K = kh·kw·c: the product lies in dW as it is, the tile
 * runs down rows of it. dy is transposed in blocks of pixels, columns are cut into panels of the tile's width
 * by the first tile that meets them. Pixels are cut in numbered slices, summed in order.
 *
 * Where the kernel is 1x1 (fully connected layers too) columns are x itself. A cut is a slice with all
 * columns where these are few, and transposes its blocks itself, while the next ones are called into L2; else
 * cuts are blocks of columns as well, and transposing is a phase before them. Turned, x is transposed instead
 * of dy, for layers that widen, and the product is turned back in the end.
 */
#ifndef CINCEL_OPS_CONV_IM2COL_WEIGHTS_H
#define CINCEL_OPS_CONV_IM2COL_WEIGHTS_H

#include "ops/algo.h"
#include "ops/conv_columns.h"
#include "ops/epilogue.h"

/* Pixels whose db is summed at a time, whatever the blocks: slices and blocks are multiples of it. */
enum { CINCEL_IM2COL_UNIT = 64 };

struct cincel_prepared {
    struct cincel_columns cols;
    struct cincel_epilogue epilogue;
    const struct cincel_isa *isa;
    const struct cincel_gemm_row *row;
    bool gradient, accumulate;
    bool turned;   /* x is transposed, and so is the product */
    bool in_place; /* columns are made of x itself, without a strip */
    bool alone;    /* a cut has all columns: it transposes what it needs by itself */
    int threads;
    size_t oc, pixels, units;
    size_t rows, columns;                      /* of the product, one group */
    size_t a_channels, b_channels;             /* of a pixel, all groups */
    size_t pitch, panel_pitch;                 /* of the product: from row to row, from panel to panel */
    size_t panels, block_panels, blocks;       /* of one group; of one cut; cuts of a group's columns */
    size_t slices, block_pixels, slice_blocks; /* pixel blocks of the longest slice */
    size_t row_block, cuts;
    size_t group_floats, dw_floats; /* of the product: of one group, of all */
};

size_t cincel_im2col_weights_workspace(const struct cincel_prepared *p);
void cincel_im2col_weights_run(const struct cincel_prepared *p, const struct cincel_tensors *t,
                               struct cincel_team *team);

#endif
