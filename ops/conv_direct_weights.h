/*
 * What the two files of direct backward-weights share: conv_direct_weights.c derives it from problem
 * and choice, conv_direct_weights_run.c works from it. Private to them.
 *
 * The weight gradient is cut in four ways. *Slices* of the pixels (numeric: they are summed in order),
 * *groups*, blocks of *panels* (nr output channels each) and blocks of *tiles* (mr input channels or
 * fewer each). One of each is a *cut*, the unit a worker claims. A cut walks its pixels in *blocks*
 * that fit the L2 cache, and for each block its panels, tiles and taps, one kernel call a time.
 */
#ifndef CINCEL_OPS_CONV_DIRECT_WEIGHTS_H
#define CINCEL_OPS_CONV_DIRECT_WEIGHTS_H

#include "ops/algo.h"

/* Order of the algorithm's knobs. */
enum {
    CINCEL_WEIGHTS_EDGE,   /* 1: (kw, c) flattened into one run of channels, x padded left and right */
    CINCEL_WEIGHTS_SLICES, /* chains an output element is cut into */
    CINCEL_WEIGHTS_PACK,   /* copies of a block laid out for L1: 0 none, 1 of dy, 2 of dy and x */
    CINCEL_WEIGHTS_PBLOCK, /* pixels of a block */
    CINCEL_WEIGHTS_BLOCK,  /* channels of a cut, on either side */
    CINCEL_WEIGHTS_KNOBS
};

enum { CINCEL_WEIGHTS_SPANS = 8 };

/* Output rows (or columns) begin … end−1 whose tap lies inside the image. */
struct cincel_weights_range {
    size_t begin, end;
};

/* The channels of one tap, covered by tiles of several heights: `spans` runs of equal ones. */
struct cincel_weights_tiles {
    struct {
        const struct cincel_outer_row *row;
        size_t count, first, channel; /* tiles; number of the first; where it begins */
    } span[CINCEL_WEIGHTS_SPANS];
    int spans;
    size_t count;
};

/* The convolution as the tile sees it; with `edge`, kw = 1 and a tap has kw·ic channels. */
struct cincel_weights_shape {
    size_t n, groups;
    size_t ih, iw, x_px; /* of the x that kernels read; floats between its pixels */
    size_t oh, ow, oc;
    size_t kh, kw, stride_h, stride_w, dilation_h, dilation_w;
    ptrdiff_t pad_top, pad_left;
    size_t channels; /* of one tap in one group */
    size_t columns;  /* output channels of one group */
};

struct cincel_prepared {
    struct cincel_weights_shape s;
    cincel_conv_desc d;
    const struct cincel_isa *isa;
    struct cincel_weights_tiles tiles;
    size_t nr, mr;  /* of the largest tile */
    size_t x_pitch; /* floats between the pixels of a packed tile of x */
    size_t panels;  /* of one group */
    size_t slices, panel_blocks, tile_blocks, cuts;
    size_t block_images, block_rows, block_cols; /* largest block; images > 1 only with whole images */
    size_t block_pixels, region_pixels;          /* its output pixels; the x pixels it may touch */
    int pack, threads;
    bool copy_x;     /* edge, and there is padding to put in */
    bool calls_next; /* the pixels of dy of a block are called into L2 while the one before is computed */
    /* row ranges of each kh, then column ranges of each kw */
    struct cincel_weights_range ranges[];
};

static inline size_t cincel_weights_taps(const struct cincel_prepared *p) { return p->s.kh * p->s.kw; }

/* Share `i` of `of` nearly equal shares of `count`: where it begins (and share i−1 ends). */
static inline size_t cincel_weights_part(size_t count, size_t i, size_t of) { return count * i / of; }

void cincel_weights_run(const struct cincel_prepared *prepared, const struct cincel_tensors *tensors,
                        struct cincel_team *team);

/* Bytes of workspace run() lays its parts out in. */
size_t cincel_weights_workspace(const struct cincel_prepared *p);

#endif
