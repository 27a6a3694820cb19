/*
 * Private to the two files of Winograd's weight gradient in slices: conv_winograd_slices.c (what the table
 * shows) and conv_winograd_slices_run.c (the work).
 *
 * For few channels a group, the gradient W[plane][channel][column] = Σ_tiles V · Y of some groups stays in a
 * core's L2 beside V and Y of the tiles it is made of. So a claim is a slice of the tiles and a block of
 * groups, from x and dy to the slice's dw, in steps of tiles; nothing transformed is shared and workers meet
 * once, before the slices of dw are added up in order. An element of W is one chain over the tiles of a
 * slice, whatever the steps; slices follow from the problem alone.
 */
#ifndef CINCEL_OPS_CONV_WINOGRAD_SLICES_H
#define CINCEL_OPS_CONV_WINOGRAD_SLICES_H

#include "ops/conv_winograd_tiles.h"
#include "ops/epilogue.h"

enum cincel_winograd_slices_knob { WINOGRAD_S_TILES, WINOGRAD_S_COLUMNS, WINOGRAD_S_KNOBS };

/* The prepared plan: all of it follows from problem and choice by arithmetic. */
struct cincel_prepared {
    struct cincel_winograd_tiles s;
    const struct cincel_isa *isa;
    const struct cincel_winograd_row *wino;
    struct cincel_epilogue epilogue;
    struct cincel_winograd_cover cover; /* of a group's channels */
    bool gradient, accumulate;
    int threads;
    size_t ic, oc, groups;
    size_t k, n, nr, panels; /* of a group */
    size_t block_groups, blocks;
    size_t slices, step_tiles;
    size_t v_row, y_row;              /* floats from tile to tile */
    size_t v_plane, y_plane, w_plane; /* from plane to plane */
    size_t w_panel;                   /* from panel to panel, and from group to group behind its last panel */
    size_t pack_rows;                 /* channels that go back to dw at once */
    size_t dw_floats, sum_cuts;       /* sum_cuts: 0 where there is one slice */
    size_t dz_floats, dz_cuts;
    size_t private_v, private_y, private_w, private_own, private_bytes; /* floats of each worker, and all */
};

/* Elements of dw that are added up at a time. */
enum { WINOGRAD_S_SUM = 4096 };

/* A slice's share of `count`. */
static inline size_t cincel_winograd_slice(const struct cincel_prepared *p, size_t count, size_t slice)
{
    return count / p->slices * slice + cincel_min(count % p->slices, slice);
}

size_t cincel_winograd_slices_workspace(const struct cincel_prepared *p);
void cincel_winograd_slices_run(const struct cincel_prepared *p, const struct cincel_tensors *t,
                                struct cincel_team *team);

#endif
