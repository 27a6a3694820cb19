/*
 * Private to the files of Winograd convolution: conv_winograd.c (forward and backward-data: what the table
 * shows), conv_winograd_run.c (their work), conv_winograd_weights.c and conv_winograd_weights_run.c (the
 * weight gradient), conv_winograd_tiles.c (the tiles of an image, the weights of a panel: for all of them).
 *
 * F(m x m, r x r): the output is cut into tiles of m x m pixels; a tile of a = m + r − 1 source pixels
 * squared, transformed, is a row of a² *planes*, and in each plane the convolution is a matrix product over
 * channels, M[plane][tile][column] = Σ_k V[plane][tile][k] · U[plane][k][column], whose chain over k is the
 * only long one: bits depend on m and the problem, on nothing else.
 */
#ifndef CINCEL_OPS_CONV_WINOGRAD_H
#define CINCEL_OPS_CONV_WINOGRAD_H

#include "ops/algo.h"
#include "ops/epilogue.h"

/* ---------------------------------------------------------------------------------------- tiles -- */

/* Output tiles of all images and the source pixels under them; numbered by columns, rows, images. */
struct cincel_winograd_tiles {
    size_t images, src_h, src_w, out_h, out_w;
    size_t pad_top, pad_left; /* source pixel (0, 0) of tile 0 lies that far outside */
    size_t m, r, a, planes;   /* tile, kernel, m + r − 1, a² */
    size_t tiles_h, tiles_w, count;
};

/*
 * max |error| / RMS over √(chain length), the chain of channels forward and of dy's backward, of tiles for
 * weights.
 */
#define WINOGRAD2_ERROR 1.0e-6
#define WINOGRAD4_ERROR 4.0e-6

/* m of a choice: it is in the algorithm's name, "winograd4". */
int cincel_winograd_tile(const struct cincel_choice *c);

/* Rows of k (of V^T's channels) whose weights are transformed at a time: a claim, 6 KB of 16 columns a tap.
 */
enum { WINOGRAD_PACK_ROWS = 32, WINOGRAD_PACK_FLOATS = 9 * 64 * WINOGRAD_PACK_ROWS };

/* cincel_algo.standard of F(4x4): where it wins clearly on any machine seen so far. */
bool cincel_winograd_standard(const struct cincel_problem *problem);

/* The scheme m of `isa` for the problem's kernel; NULL where there is none. */
const struct cincel_winograd_row *cincel_winograd_find(const struct cincel_isa *isa,
                                                       const struct cincel_problem *problem, int m);

/* May Winograd serve the problem at all? If not, *why is a phrase. */
bool cincel_winograd_serves(const struct cincel_problem *problem, const char **why);

/* What m and the problem give; backward-data reads dy under the rotated kernel. */
void cincel_winograd_tiles_derive(const struct cincel_problem *problem, int m,
                                  struct cincel_winograd_tiles *out);

/* Fills in src and the ranges of `args` for tile `tile` of `src`, [image][src_h][src_w][channels]. */
void cincel_winograd_source(const struct cincel_winograd_tiles *s, const float *src, size_t channels,
                            size_t tile, struct cincel_winograd_gather_args *args);

/* Where tile `tile` of an output tensor begins, in pixels; how many of its rows and columns exist. */
size_t cincel_winograd_place(const struct cincel_winograd_tiles *s, size_t tile, int *rows, int *cols);

/* An odd number of cache lines, ≥ floats: planes a power of two apart would share L1 sets. */
size_t cincel_winograd_pitch(size_t floats);

/* ---------------------------------------------------------------------- forward and backward-data -- */

enum cincel_winograd_knob { WINOGRAD_TILES, WINOGRAD_COLUMNS, WINOGRAD_ORDER, WINOGRAD_KNOBS };

/* Transformed weights, [plane][panel][k][nr]: floats from plane to plane and from panel to panel. Of all
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
    struct cincel_epilogue epilogue;
    enum cincel_winograd_order order;
    bool forward;
    bool gradient; /* dy passes through the activation's gradient first */
    bool accumulate;
    int threads;
    size_t k, n; /* source and output channels */
    size_t part; /* of k in one product */
    size_t panels;
    struct cincel_winograd_u all_u, own_u;
    size_t block_panels, column_blocks; /* panels of a column block */
    size_t block_tiles, tile_blocks;    /* of a claim */
    size_t v_plane, m_plane;            /* floats from plane to plane */
    size_t v_row, m_row;                /* floats from tile to tile */
    size_t v_block;                     /* floats of V of a block of tiles */
    size_t cuts;                        /* of the products */
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
