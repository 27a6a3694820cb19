/*
 * Grouped convolution: every group is a small convolution of its own (kernels/body/slide*.inc,
 * grouped_weights*.inc).
 *
 * A cut is a band of rows of an image. Its source rows are copied, padded, into a *strip* of lines of 16
 * channels, [line][row][column][16]: within the tensor neighbouring pixels of a group lie hundreds of bytes
 * apart, on few sets of L1 and one line each; here a group's whole band is a few KB. The copy is 1 to 5 % of
 * the work at 4 to 32 channels a group. A line holds several whole groups, or a group has several lines with
 * as many channels in each. Where pixels step over columns, these lie by their remainder, so that the pixels
 * a tap meets are neighbours in the strip.
 *
 * Forward and backward-data gather (conv_geometry.h); backward-data of stride s in s² dense phases.
 * Backward-weights sums bands in numbered slices, which are added in their order.
 */
#ifndef CINCEL_OPS_CONV_GROUPED_H
#define CINCEL_OPS_CONV_GROUPED_H

#include "core/memory.h"
#include "ops/algo.h"
#include "ops/conv_slide.h"
#include "ops/epilogue.h"

/* Taps times channels of a group: beyond it panels of weights no longer share L1 with the band, and direct is
   as good. */
enum { CINCEL_GROUPED_K = CINCEL_SLIDE_MOST };

struct cincel_grouped_strip {
    size_t channels;      /* of a pixel of the tensor */
    size_t group;         /* channels of a group */
    size_t per_line;      /* groups of a line; 1 where a group has several lines */
    size_t pieces, piece; /* lines of a group, channels of each */
    size_t width, height; /* of the image */
    size_t left, columns; /* zero columns before the image; all */
    size_t split, phase;  /* column q is place (q % split)·phase + q / split */
    size_t row_floats, line_floats;
};

/* A strip of up to `rows` rows and `columns` columns. */
void cincel_grouped_strip_plan(struct cincel_grouped_strip *s, size_t rows, size_t columns);

/* Floats of a strip of `groups` groups, a register more included. */
size_t cincel_grouped_strip_floats(const struct cincel_grouped_strip *s, size_t groups);

/* Rows first … first+rows−1 of the image, zeros where it has none, of `groups` groups from `image`'s first
   channel on. */
void cincel_grouped_strip_fill(const struct cincel_grouped_strip *s, const struct cincel_pack_row *pack,
                               const float *image, ptrdiff_t first, size_t rows, size_t groups, float *to);

/* Floats from a row's first to column q, counted from the strip's first. */
static inline ptrdiff_t cincel_grouped_strip_column(const struct cincel_grouped_strip *s, size_t q)
{
    return (ptrdiff_t)((q % s->split * s->phase + q / s->split) * CINCEL_GROUPED_PX);
}

/* Where the first channel of group g is, in row and column 0. */
static inline size_t cincel_grouped_strip_group(const struct cincel_grouped_strip *s, size_t g)
{
    return g * s->pieces / s->per_line * s->line_floats + g % s->per_line * s->group;
}

const struct cincel_grouped_row *cincel_grouped_row_find(const struct cincel_isa *isa, const char *name);

/* There are no knobs. */
void cincel_grouped_defaults(const struct cincel_target *t, const struct cincel_problem *problem,
                             struct cincel_choice *c);

/* What both halves refuse: `phrase` says more. */
bool cincel_grouped_refuse(char why[CINCEL_WHY], const char *phrase);
/* Groups, few enough taps, sizes that no product overflows, and groups of 4 for rows in quads. */
bool cincel_grouped_serves(const struct cincel_target *t, const struct cincel_problem *problem,
                           const struct cincel_choice *c, char why[CINCEL_WHY]);

#endif
