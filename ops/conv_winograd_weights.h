/*
 * Private to the two files of Winograd's weight gradient: conv_winograd_weights.c (what the table shows) and
 * conv_winograd_weights_run.c (the work).
 *
 * Tiles go through in rounds. Of each round, x and dy are transformed to planes V and Y, then each plane of
 *   W[plane][channel][column] += Σ_tiles V[plane][tile][channel] · Y[plane][tile][column]
 * is claimed in blocks of columns; at last W goes back to dw. An element of W is one chain over the tiles of
 * a slice, whatever the rounds and claims; slices follow from the number of tiles alone, for accuracy's sake,
 * and are added up in order. Planes that share a weight (stride 2) add to one plane of W, WINOGRAD_TURN tiles
 * of each in turn, and rounds are multiples of that.
 *
 * W is as large as the transformed weights: 38 MB for 512 x 512 channels, which travel to memory and back.
 * Where tiles are few, they go through in one round, and a claim is a block of channels and columns of all
 * planes, which stays in L2 until it has become dw; V
 * and Y lie in such blocks, too, a plane of a block in one piece.
 *
 * Neither way does for both: a block wants V and Y of all its tiles, 29 MB of 1,568 tiles of 64 channels to
 * 64, where rounds keep them in the caches and W, 0.6 MB, is what stays.
 */
#ifndef CINCEL_OPS_CONV_WINOGRAD_WEIGHTS_H
#define CINCEL_OPS_CONV_WINOGRAD_WEIGHTS_H

#include "ops/conv_winograd_tiles.h"
#include "ops/epilogue.h"

enum cincel_winograd_weights_knob {
    WINOGRAD_W_TILES,
    WINOGRAD_W_COLUMNS,
    WINOGRAD_W_ORDER,
    WINOGRAD_W_KNOBS
};

/* What a worker claims. */
enum cincel_winograd_weights_order {
    WINOGRAD_W_BY_PLANES, /* a block of columns of a plane of W, all channels, the tiles of a round */
    WINOGRAD_W_BY_BLOCKS  /* a block of columns and channels of all planes, all tiles: W of its own */
};

/* WINOGRAD_TURN is a part of the bits: the smallest round there is. */
enum { WINOGRAD_TURN = 48 };

/* The prepared plan: all of it follows from problem and choice by arithmetic. */
struct cincel_prepared {
    struct cincel_winograd_tiles s;
    const struct cincel_isa *isa;
    const struct cincel_winograd_row *wino;
    struct cincel_epilogue epilogue;
    struct cincel_winograd_cover cover; /* of the channels */
    bool gradient, accumulate;
    bool by_blocks;
    int threads;
    size_t ic, oc, nr, panels;
    size_t slice_tiles, slices;
    size_t round_tiles, rounds; /* rounds of one slice */
    size_t block_panels, column_blocks;
    size_t v_blocks, y_blocks;        /* by planes: 1 */
    size_t v_width, y_width;          /* channels and columns of a block, but for the last */
    size_t v_row, y_row;              /* floats from tile to tile */
    size_t own_tiles;                 /* by blocks: at a time, whose V and Y stay in L1 */
    size_t v_plane, y_plane, w_plane; /* from plane to plane; of W, or of a worker's own */
    size_t w_panel;                   /* from panel to panel */
    size_t w_floats;                  /* shared; 0 by blocks */
    size_t dz_floats, dz_cuts, sum_cuts;
    size_t pack_rows;      /* channels that go back to dw at once */
    size_t private_w;      /* floats of a worker's own W; 0 by planes */
    size_t private_floats; /* of each worker, with it */
};

size_t cincel_winograd_weights_workspace(const struct cincel_prepared *p);
void cincel_winograd_weights_run(const struct cincel_prepared *p, const struct cincel_tensors *t,
                                 struct cincel_team *team);

#endif
