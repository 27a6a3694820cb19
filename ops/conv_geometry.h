/*
 * The geometry that forward and backward-data convolution share. Both gather: an *output* (y or dx)
 * is summed over *taps* of a *source* (x or dy). Forward is one gather. Backward-data of stride s
 * falls apart into s_h·s_w dense *phases*: the output positions that lie alike with respect to the
 * stride read the source at unit step through their own subset of the kernel (maybe none of it).
 * Rows and columns separate, so a phase is a pair of axis phases.
 */
#ifndef CINCEL_OPS_CONV_GEOMETRY_H
#define CINCEL_OPS_CONV_GEOMETRY_H

#include "core/problem.h"

/*
 * One axis of one phase. Output position out_start + i·out_step (i < count) reads source positions
 * i·src_step + offset + t·offset_step, where they exist, through kernel cell kernel + t·kernel_step
 * (t < taps). Source offsets ascend with t.
 */
struct cincel_conv_axis {
    int out_start, out_step, count;
    int src_step;
    int taps, offset, offset_step;
    int kernel, kernel_step;
    int inner_begin, inner_end; /* the positions i all of whose taps exist: begin ≤ i < end */
};

struct cincel_conv_geometry {
    int images, groups;
    int src_h, src_w, out_h, out_w;
    size_t src_channels, out_channels; /* of all groups: the distance of neighbouring pixels */
    int k, n;                          /* source and output channels of one group */
    int kh, kw;                        /* the whole kernel */
    int phases_h, phases_w;
};

/* Forward or backward-data problems only. */
void cincel_conv_geometry(const struct cincel_problem *p, struct cincel_conv_geometry *out);

/* `phase` < phases_h or phases_w. */
void cincel_conv_rows(const struct cincel_problem *p, int phase, struct cincel_conv_axis *out);
void cincel_conv_cols(const struct cincel_problem *p, int phase, struct cincel_conv_axis *out);

#endif
