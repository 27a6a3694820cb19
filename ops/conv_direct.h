/*
 * Private to the two files of direct convolution, forward and backward-data: conv_direct.c (what the
 * table shows: knobs, checks, costs, building) and conv_direct_run.c (the work itself).
 *
 * The scheme is an implicit GEMM. Rows are the pixels of an output phase, numbered across image rows
 * and images: of some images first one row, then the next, where many rows lie at a border: most of their
 * tiles then lie there whole and do without a row of taps. Columns are output channels; k runs over taps and
 * source channels. Weights are packed into panels of nr columns at every call (training changes them at every
 * step); source pixels are never copied but reached by pointers, padding by a pointer to zeros. Where a pixel
 * holds too few channels for that (edge = 1), the rows a cut needs are copied with their padding into a
 * strip, in which the taps of a kernel row lie side by side and make one long k.
 */
#ifndef CINCEL_OPS_CONV_DIRECT_H
#define CINCEL_OPS_CONV_DIRECT_H

#include "core/memory.h"
#include "ops/algo.h"
#include "ops/conv_geometry.h"
#include "ops/epilogue.h"

enum { DIRECT_MR_MAX = 32 };

enum cincel_direct_knob { DIRECT_EDGE, DIRECT_NBLOCK, DIRECT_KBLOCK, DIRECT_PACK, DIRECT_KNOBS };

/* One output phase. Sizes in pixels count all images. */
struct direct_phase {
    struct cincel_conv_axis rows, cols;
    size_t taps, pixels;
    int together;           /* images of which one row each follow each other, then the next row of each */
    size_t panel_floats;    /* of one panel: taps·k·nr, rounded up to a cache line */
    size_t panels_at;       /* floats before its panels in the packed weights */
    size_t cut_pixels;      /* a multiple of mr */
    size_t pixel_cuts;      /* cuts along the pixels … */
    size_t band_cuts;       /* … of which this many meet all columns before the next are begun … */
    size_t first_cut, cuts; /* … times groups and column blocks, numbered from first_cut */
};

/* What follows from problem and choice by arithmetic alone. */
struct direct_shape {
    struct cincel_conv_geometry g;
    const struct cincel_isa *isa;
    const struct cincel_gemm_row *row;
    bool forward, padded, fused;
    bool gradient; /* dy passes through the activation's gradient first */
    bool accumulate;
    struct cincel_epilogue epilogue;
    int threads;
    size_t window_bytes;         /* that the source rows under a row of output may have */
    int part, parts;             /* source channels of one k block, their number */
    size_t panels;               /* of one group */
    size_t block_panels, blocks; /* panels of one pass over the pixels, passes */
    size_t phases, taps_max;     /* taps_max: of any phase */
    size_t pack_rows, pack_span; /* k rows and panels of one packing cut */
    size_t all_pack_cuts;        /* of all weights packed ahead */
    size_t pack_cuts, dy_cuts;   /* of the preparing phase; 0: none */
    size_t cuts;                 /* of the computing phase */
    int strip_top, strip_left;   /* padded: zeros before the image … */
    int strip_h, strip_w;        /* … and the padded image */
    size_t strip_rows;           /* of the largest cut's strip */
    size_t panel_max;            /* floats of the largest panel of any phase */
    double flops;                /* of the taps there are, borders included … */
    double executed, calls;      /* … with the unused parts of tiles; kernel calls */
    double largest, busiest;     /* flops of the largest cut; bound of the busiest thread's */
    size_t packed_floats;        /* of the packed weights of all phases */
    size_t weight_floats;        /* of them in the workspace: all, or 0 when fused */
    size_t dy_floats;            /* dy behind the activation's gradient; 0: not needed */
    size_t private_floats;       /* of one worker: fused panels or strip … */
    size_t private_bytes;        /* … and all of it */
};

struct cincel_prepared {
    struct direct_shape s;
    const struct cincel_gemm_row
        *by_m[DIRECT_MR_MAX + 1]; /* the row that serves a tile of m pixels, m ≤ mr */
    struct direct_phase *phase;
    ptrdiff_t *offset; /* [phase][taps_max]: floats from a pixel's place in the source to each tap */
    float *zero;       /* what padding points to, and what stands where no window reaches */
    /* not NULL: how the latter are stored, because the caches are too small for what the call writes */
    void (*past)(const float *src, float *dst, size_t count);
};

/* Floats of the packed weights before panel (group, panel) of a phase, and inside a panel before row k
   of a tap. Panels are [k block][tap][k in block][nr]. */
size_t cincel_direct_panel_at(const struct direct_shape *s, const struct direct_phase *phase, size_t group,
                              size_t panel);

/* Rows of the padded source that pixels begin … end−1 of a phase need: returns the first, *count. */
size_t cincel_direct_strip_rows(const struct direct_shape *s, const struct direct_phase *phase, size_t begin,
                                size_t end, size_t *count);

size_t cincel_direct_packed_bytes(const struct cincel_prepared *prepared);
void cincel_direct_pack_weights(const struct cincel_prepared *prepared, const float *w, void *packed,
                                struct cincel_team *team);

void cincel_direct_run(const struct cincel_prepared *prepared, const struct cincel_tensors *tensors,
                       struct cincel_team *team);

#endif
