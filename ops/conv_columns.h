/*
 * Columns of a convolution (im2col): the inputs of an output pixel side by side, [kh][kw][c] as a row of
 * OHWI weights has them. They are made from (and added back to) a *strip*: the rows of the padded input
 * that a run of output pixels needs, so that no pixel is a special case.
 *
 * Output pixels are numbered through rows and images; strip rows through images, strip_h each.
 */
#ifndef CINCEL_OPS_CONV_COLUMNS_H
#define CINCEL_OPS_CONV_COLUMNS_H

#include "core/problem.h"
#include "kernels/kernel.h"

/* Floats that must be there behind strips and columns: copies move four floats at a time, the surplus of
   one run is overwritten by the next. */
enum { CINCEL_COLUMNS_SLACK = 4 };

struct cincel_columns {
    size_t images, groups, ih, iw, ic, oh, ow, kh, kw;
    size_t stride_h, stride_w, dilation_h, dilation_w;
    size_t pad_top, pad_left;
    size_t channels;         /* of one group */
    size_t k;                /* floats of a column: kh·kw·channels */
    size_t strip_h, strip_w; /* rows and pixels of an image's strip */
    size_t runs, run;        /* of a kernel row in one group: contiguous runs, floats of each */
    bool pointwise;          /* a column is the input pixel itself: nothing to copy */
};

void cincel_columns_derive(const struct cincel_problem *p, struct cincel_columns *out);

/* Where nothing is padded, and no copy reads beyond its run, x may stand for its strip, whose sizes become
   x's; false: it may not, and nothing changes. */
bool cincel_columns_in_place(struct cincel_columns *s);

/* Does every input belong to one window at most? */
static inline bool cincel_columns_apart(const struct cincel_columns *s)
{
    return (s->kh == 1 || (s->dilation_h == 1 && s->kh <= s->stride_h)) &&
           (s->kw == 1 || (s->dilation_w == 1 && s->kw <= s->stride_w));
}

/* Most strip rows any `pixels` consecutive output pixels read. */
size_t cincel_columns_rows_max(const struct cincel_columns *s, size_t pixels);

/* Copies what output pixels begin … end−1 (begin < end) read of their strip rows to [row][strip_w][ic], zeros
   for padding; of rows that one output row reads in part, that part alone. Returns the first strip row. */
size_t cincel_columns_strip(const struct cincel_columns *s, const float *x, size_t begin, size_t end,
                            float *strip);

/* The columns of pixels begin … end−1 in `group`, [pixel][k], from a strip beginning with row `first`, which
   cincel_columns_strip() made for these pixels or more. */
void cincel_columns_fill(const struct cincel_columns *s, const float *strip, size_t first, size_t group,
                         size_t begin, size_t end, float *columns);

/* The way back (col2im): adds columns, `pitch` floats apart, to strip rows first … first+count−1; what
   belongs to other rows is left out. Pixels ascending: the order of each element's sum. */
void cincel_columns_add(const struct cincel_columns *s, const struct cincel_vector_row *vector,
                        const float *columns, size_t pitch, size_t group, size_t begin, size_t end,
                        size_t first, size_t count, float *strip);

/* The same where windows are apart and the strip is in place: every element of x from the window of pixel
   `begin` to that of pixel `end` is stored once, group 0 clearing what no window holds. */
void cincel_columns_put(const struct cincel_columns *s, const float *columns, size_t pitch, size_t group,
                        size_t begin, size_t end, float *x);

#endif
