/*
 * Private to the two files of Winograd convolution, forward and backward-data: conv_winograd.c (what the
 * table shows) and conv_winograd_run.c (the work). Tiles, planes: conv_winograd_tiles.h.
 *
 *   M[plane][tile][column] = Σ_k V[plane][tile][k] · U[plane's][k][column]
 * for transformed sources V and weights U; its chain over k is the only long one: bits depend on m and the
 * problem, on nothing else. Of groups, each has products of its own, and a claim is whole groups from sources
 * to outputs: V, U and M of few channels stay in L2, and no source is transformed twice.
 */
#ifndef CINCEL_OPS_CONV_WINOGRAD_H
#define CINCEL_OPS_CONV_WINOGRAD_H

#include "ops/conv_winograd_tiles.h"
#include "ops/epilogue.h"

enum cincel_winograd_knob { WINOGRAD_TILES, WINOGRAD_COLUMNS, WINOGRAD_ORDER, WINOGRAD_KNOBS };

/* Transformed weights, [plane of U][panel][k][nr]: floats from plane to plane and from panel to panel. Of all
   weights, or of the part of k that a block of columns works on. */
struct cincel_winograd_u {
    size_t plane, panel;
};

/* What a worker claims. */
enum cincel_winograd_order {
    WINOGRAD_BY_TILES,  /* a block of tiles, all columns: sources are transformed where they are used */
    WINOGRAD_SHARED,    /* a block of tiles and of columns; all sources are transformed before */
    WINOGRAD_BY_COLUMNS /* a block of columns, all tiles: weights are transformed where they are used */
};

/* What follows from problem and choice by arithmetic alone: the prepared plan, too. */
struct cincel_prepared {
    struct cincel_winograd_tiles s;
    const struct cincel_isa *isa;
    const struct cincel_gemm_row *row;
    const struct cincel_winograd_row *wino;
    void (*input)(const struct cincel_winograd_gather_args *args); /* of wino, and of the pass */
    void (*output)(const struct cincel_winograd_output_args *args);
    struct cincel_epilogue epilogue;
    enum cincel_winograd_order order;
    bool forward;
    bool gradient; /* dy passes through the activation's gradient first */
    bool accumulate;
    int threads;
    size_t groups;
    size_t k, n;             /* source and output channels of a group */
    size_t sources, outputs; /* the same of all groups */
    size_t part;             /* of k in one product */
    size_t group_panels, panels;
    struct cincel_winograd_u all_u, own_u;
    size_t block_panels, column_blocks; /* panels of a column block: of whole groups */
    size_t block_tiles, tile_blocks;    /* of a claim */
    size_t v_plane, m_plane;            /* floats from plane to plane */
    size_t v_row, m_row;                /* floats from tile to tile */
    size_t v_part;                      /* floats from a part of k to the next one of the same plane */
    size_t v_block;                     /* floats of V of a block of tiles */
    size_t cuts;                        /* of the products */
    size_t pack_rows;                   /* of k, whose weights are transformed at once */
    size_t pack_cuts, dz_cuts, dz_floats;
    size_t u_floats, v_floats; /* in the shared workspace; 0: not needed */
    size_t private_u, private_v, private_m, private_w, private_bytes; /* floats, of each worker */
};

size_t cincel_winograd_packed_bytes(const struct cincel_prepared *p);
void cincel_winograd_pack_weights(const struct cincel_prepared *p, const float *w, void *packed,
                                  struct cincel_team *team);

void cincel_winograd_run(const struct cincel_prepared *p, const struct cincel_tensors *t,
                         struct cincel_team *team);

#endif
