/*
 * Private to the two files of im2col, forward and backward-data: conv_im2col.c (what the table shows)
 * and conv_im2col_run.c (the work).
 *
 * Forward: blocks of columns (ops/conv_columns.h) times packed panels of weights, down strips of the gemm
 * tile. k = kh·kw·c in one run: that pays where a pixel has few channels. Backward-data: dy times the
 * weights gives columns of dx, which are added to a private strip of dx rows; a cut is a band of dx rows
 * and computes all columns that touch it, so nothing is shared and no sum depends on the threads. Without
 * padding no strip is needed forward, nor backward where windows are apart (patches, strided 1x1).
 * Where the kernel is 1x1 (fully connected layers too) columns are the tensors themselves, in place. Of few
 * pixels and many weights the operands change places: the pixels are packed, the weights read as they lie.
 */
#ifndef CINCEL_OPS_CONV_IM2COL_H
#define CINCEL_OPS_CONV_IM2COL_H

#include "ops/algo.h"
#include "ops/conv_columns.h"
#include "ops/epilogue.h"

enum cincel_im2col_knob { IM2COL_PIXELS, IM2COL_KBLOCK, IM2COL_NBLOCK, IM2COL_PACK, IM2COL_KNOBS };

/* Values of the knob `pack`. */
enum cincel_im2col_pack {
    IM2COL_PACK_AHEAD, /* all weights first */
    IM2COL_PACK_FUSED, /* a block of them by its worker, just before it is used or while it is */
    IM2COL_PACK_PIXELS /* forward: x instead of the weights */
};

/* What follows from problem and choice by arithmetic alone: the prepared plan, too. */
struct cincel_prepared {
    struct cincel_columns cols;
    const struct cincel_isa *isa;
    const struct cincel_gemm_row *row;
    bool forward, fused, swapped;
    bool gradient; /* dy passes through the activation's gradient first */
    bool accumulate;
    bool in_place; /* forward: columns are made of x itself; backward-data: they go to dx itself */
    struct cincel_epilogue epilogue;
    int threads;
    size_t oc, pixels;  /* output channels of all groups; output pixels of all images */
    size_t m_channels;  /* of all groups, of a row of A where that is a tensor */
    size_t k, n;        /* depth and columns of the product, one group */
    size_t part, parts; /* of k in one pass, their number */
    bool parts_inner;   /* pointwise: a block of pixels meets all parts before the next block comes */
    size_t panels, panel_floats;        /* of one group; of one panel */
    const struct cincel_gemm_row *last; /* the last panel's tile: wider where that leaves less empty */
    size_t width;                /* of the panels of one group, in columns; also a row of columns backward */
    size_t block_panels, blocks; /* panels of the largest cut, column blocks (pointwise only; else one) */
    size_t block_rows;           /* swapped: outputs of one cut; panels are then pixels', blocks outputs' */
    size_t block_pixels;         /* pixels whose columns are made at a time */
    size_t cut_pixels, pixel_cuts;
    size_t bands, band_rows; /* backward-data with columns: dx rows of a cut, cuts of an image */
    size_t cuts;
    size_t pack_cuts, pack_rows, dz_cuts;
    size_t group_floats;             /* of packed weights */
    size_t weight_floats, dz_floats; /* in the shared workspace; 0: not needed */
    size_t strip_floats, column_floats, panel_private;
    size_t private_bytes;
};

/* The tile of a panel of the group. */
static inline const struct cincel_gemm_row *cincel_im2col_row(const struct cincel_prepared *p, size_t panel)
{
    return panel + 1 == p->panels ? p->last : p->row;
}

/* Columns by which a panel is wider than the others: what lies before its k-th row, k times. */
static inline size_t cincel_im2col_surplus(const struct cincel_prepared *p, size_t panel)
{
    return (size_t)(cincel_im2col_row(p, panel)->nr - p->row->nr);
}

void cincel_im2col_run(const struct cincel_prepared *p, const struct cincel_tensors *t,
                       struct cincel_team *team);

/* The output rows whose columns touch rows begin … end−1 of dx of an image: the first, and *end_row. */
size_t cincel_im2col_band(const struct cincel_columns *s, size_t begin, size_t end, size_t *end_row);

#endif
