/*
 * Private to the two files of convolution with few outputs: conv_narrow.c (what the table shows) and
 * conv_narrow_run.c (the work).
 *
 * A tile whose lanes run over the source's channels, and on over neighbouring taps, makes one or a few
 * channels of some pixels (struct cincel_narrow_args): segmentation and detection heads, the last layer of a
 * discriminator, regression; backward-data of first layers, so forward of the last transposed one. x is read
 * in place. Where padding cuts windows, pixels with equally cut windows form lines, at the left and right
 * edge from row to row: nothing is copied, no product is with zero.
 *
 * Backward-data is the forward pass from dy to dx on weights that are packed the other way round, stride s in
 * s² phases: the pixels of dx that meet the same taps.
 */
#ifndef CINCEL_OPS_CONV_NARROW_H
#define CINCEL_OPS_CONV_NARROW_H

#include "ops/algo.h"
#include "ops/epilogue.h"

enum {
    NARROW_OUTPUTS_MAX = 16, /* beyond it any tile of vectors of outputs is full enough */
    NARROW_TAPS_MAX = 64,    /* of one axis */
    NARROW_RUNS_MAX = 1024,  /* taps of a kernel */
    NARROW_PHASES_MAX = 4,   /* of one axis */
    NARROW_SPANS_MAX = 2 * NARROW_TAPS_MAX + 1
};

/* Destination pixels begin … end−1 of an axis meet taps tap … tap_end−1 inside the source. */
struct narrow_span {
    int begin, end, tap, tap_end;
};

/* One phase along one axis: pixel i of `count` is number first + i·pitch of the destination, and its tap j
   meets number i·stride + j·dilation − pad of the source. */
struct narrow_axis {
    size_t count, first, pitch, stride, dilation, taps;
    ptrdiff_t pad;
    size_t w_first, w_pitch; /* backward-data: tap j is number w_first − j·w_pitch of the kernel's */
    struct narrow_span span[NARROW_SPANS_MAX];
    int spans;
};

struct cincel_prepared {
    const struct cincel_isa *isa;
    struct cincel_epilogue epilogue;
    bool forward, gradient;
    bool merged; /* taps of a kernel's row lie side by side: one run */
    int threads;
    size_t images, source_h, source_w, source_c;
    size_t target_h, target_w, target_c;
    size_t kh, kw;
    size_t phases_h, phases_w;
    struct narrow_axis h[NARROW_PHASES_MAX], w[NARROW_PHASES_MAX];
    size_t rows_max;                          /* of the longest phase of h */
    size_t cut_rows, cut_images, bands, cuts; /* rows of a cut, of each of its images; cuts of an image */
    size_t block_pixels;                      /* that meet all groups of outputs in turn */
    size_t dz_floats, dz_cuts;                /* 0: no gradient */
    size_t packed_floats;                     /* of all phases; 0: forward */
    size_t packed_at[NARROW_PHASES_MAX * NARROW_PHASES_MAX];
};

/* Pixels with equally cut windows, as lines: `count` lines of `length`, of one cut. */
struct narrow_lines {
    size_t length, count;
    int along; /* 0: columns, 1: rows, 2: images */
};

/* The way to walk rows × cols × images that leaves the fewest pixels of tiles empty. */
struct narrow_lines cincel_narrow_lines(const struct cincel_prepared *p, size_t rows, size_t cols,
                                        size_t images);

/* Outputs are met in groups as even as can be, of at most what the ISA's widest row holds. */
static inline size_t cincel_narrow_groups(const struct cincel_prepared *p)
{
    return cincel_div_up(p->target_c, (size_t)p->isa->narrow_count);
}

void cincel_narrow_run(const struct cincel_prepared *p, const struct cincel_tensors *t,
                       struct cincel_team *team);

#endif
