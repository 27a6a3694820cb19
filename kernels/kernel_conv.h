/* Rows that serve convolution alone: a part of the first contract, kernels/kernel.h. */
#ifndef CINCEL_KERNELS_KERNEL_CONV_H
#define CINCEL_KERNELS_KERNEL_CONV_H

#include <stddef.h>

/* --------------------------------------------------------------- convolution with few channels -- */

/*
 * C[i][j] = Σ_k at(i)[offset[k]] · w(k, j)      i < m (any number), j < n, then + bias and activation
 * w(k, j) = b[⌊j/nr⌋·panel + k·nr + j mod nr]
 *
 * at(0) = a, and at(i + 1) = at(i) + step, + turn where that ends a row: pixel i lies in column (col + i) mod
 * width, and a row ends behind column width − 1. k ascending, one FMA chain an element. For short k, where
 * gathering columns or pointers would cost as much as the FMAs.
 */
struct cincel_fewchan_args {
    const float *a;
    const ptrdiff_t *offset; /* [k], floats */
    size_t step;             /* floats from pixel to pixel */
    size_t col, width;       /* col < width */
    ptrdiff_t turn;
    const float *b; /* 64-byte aligned, unused columns zero */
    size_t panel;   /* floats from panel to panel of nr columns */
    float *c;
    size_t ldc, m, k;
    int n; /* at least 1: all panels meet a few pixels, then the next, so that they had better fit L1 */
    int act;
    const float *bias; /* [n], or NULL */
    int stream;        /* 1: C goes past the caches, where nr divides n, its addresses and the ISA allow */
    size_t ahead;      /* floats behind C's places, whose lines are asked for; any address does no harm */
};

struct cincel_fewchan_row {
    const char *name; /* "fewchan_6x16_avx2" */
    int mr, nr;
    void (*run)(const struct cincel_fewchan_args *args);
};

/* --------------------------------------------------------------- convolution with few outputs -- */

/*
 * y[p·ldy + o] = bias[o] + Σ_r Σ_k x[p·step + x_at[r] + k] · w[o·ldw + w_at[r] + k]
 * p < pixels, o < outputs of the row, r < runs, k < run, then the activation. The sum runs in 16 chains
 * (k mod 16, of all runs in turn), which are then added in halves, as in cincel_gemv_row.dots: the same bits
 * on every ISA with FMA, whatever the tile. No runs: an empty sum.
 */
struct cincel_narrow_args {
    const float *x, *w;
    const ptrdiff_t *x_at, *w_at; /* [runs], floats */
    size_t step, ldw, ldy;        /* floats: from pixel to pixel of x, from output to output, of y's pixels */
    size_t runs, run, pixels;
    float *y;
    const float *bias; /* [outputs], or NULL */
    int act;           /* CINCEL_ACT_NONE or CINCEL_ACT_RELU */
};

/* An ISA has rows of 1, 2, … outputs, one of each, ascending. */
struct cincel_narrow_row {
    const char *name; /* "narrow_6x1_avx2" */
    int pixels, outputs;
    void (*run)(const struct cincel_narrow_args *args);
};

/* ------------------------------------------------------------------------- grouped convolution -- */

enum { CINCEL_GROUPED_PX = 16 }; /* floats from pixel to pixel of a strip of grouped convolution */

/* 1 to 3 taps a pixel apart, of some neighbouring channels; `lone`: one more anywhere behind two of them. */
struct cincel_slide_run {
    ptrdiff_t offset;      /* floats, of the first tap from a pixel's own place */
    ptrdiff_t lone_offset; /* the same of the lone one */
    size_t taps, channels;
    int lone; /* 1 with taps = 2 alone */
};

/*
 * Rows of output pixels of one group, whose source lies in a strip of pixels PX = CINCEL_GROUPED_PX apart:
 *   C[r][p][j] = bias[j] + Σ_runs Σ_i Σ_t a[r·a_row + (p + t)·PX + offset + i] · w(k, j)
 *   w(k, j) = b[⌊j/nr⌋·panel + k·nr + j mod nr]
 * r < rows, p < pixels, j < n, i < the run's channels, t < its taps, behind which stands the lone one (of
 * pixel p and lone_offset), then the activation; k counts all of them, in this order. One FMA chain an
 * element in that order, which starts from the bias.
 *
 * Rows in `quads` take nr / 4 groups of 4 channels at once: column j reads float 4·⌊j/4⌋ + i behind offset,
 * i < 4, and no tap is lone. n ≤ nr, and nr floats behind each offset are readable, whatever n.
 */
struct cincel_slide_args {
    const float *a;
    const struct cincel_slide_run *runs;
    const ptrdiff_t *offset; /* [k]: the same taps and channels one by one, for rows that do not slide */
    const float *b;          /* 64-byte aligned, unused columns zero */
    float *c;
    size_t run_count, k, panel, a_row, c_row, c_px; /* floats */
    size_t ahead; /* so far behind C's places, lines are asked for meanwhile; any address does no harm */
    size_t rows, pixels, n;
    const float *bias; /* [n], or NULL */
    int act;           /* CINCEL_ACT_NONE or CINCEL_ACT_RELU */
};

/*
 * Weight gradients of one row of taps, over some rows of pixels, in a panel of the row's nr:
 *   W[j·w_tap + i·nr + o] += Σ_r Σ_p x[r·x_row + p·PX + offset[j] + i] · dy[r·dy_row + p·PX + o]
 * j < taps, i < channels, o < nr; r outer, one FMA chain an element, which starts from W. dy is read in nr
 * columns. In quads: i < 4, and column o reads channel 4·⌊o/4⌋ + i, of nr.
 */
struct cincel_grouped_weights_args {
    const float *x, *dy;
    const ptrdiff_t *offset; /* [taps], floats */
    float *w;                /* 64-byte aligned */
    ptrdiff_t x_row, dy_row;
    size_t rows, pixels, taps, channels, w_tap;
};

struct cincel_grouped_row {
    const char *name; /* "grouped_slide_12x8_avx2" */
    int mr, nr, quads;
    void (*run)(const struct cincel_slide_args *args);               /* PX = CINCEL_GROUPED_PX */
    void (*weights)(const struct cincel_grouped_weights_args *args); /* NULL for rows that have none */
};

/* ----------------------------------------------------------------------- depthwise convolution -- */

/*
 * Source columns lie x_ld floats apart; pixel p and tap j meet in column col + p·px_step + j·tap_step, and
 * are left out where that is not in 0 … width−1. Steps of columns are ≥ 1. `x` is where column `col` is, or
 * would be. Meanwhile what comes next is fetched: of `ahead_rows` rows, `ahead_row` floats apart and the
 * first `ahead` floats behind x, the columns the pixels share with no others. Any address does no harm.
 */
struct cincel_depthwise_columns {
    const float *x;
    ptrdiff_t x_ld, col, width;
    int px_step, tap_step;
    int ahead_rows;
    ptrdiff_t ahead, ahead_row;
};

/*
 * A run of pixels of one row, each channel by itself:
 *   y[p·y_px + c] (+)= Σ_i Σ_j x[i·x_row + (p·px_step + j·tap_step)·x_ld + c] · w[i·w_row + j·w_col + c]
 * i < taps_h, j < taps_w, c < channels; one FMA chain an element, then + bias and activation. No taps: an
 * empty sum.
 */
struct cincel_depthwise_args {
    struct cincel_depthwise_columns from;
    const float *w;
    float *y;
    ptrdiff_t x_row, w_row, w_col, y_px;
    size_t taps_h, taps_w, pixels, channels;
    const float *bias; /* [channels], or NULL */
    int load_y;        /* 1: the chain starts from y; 0: from 0 */
    int act;           /* CINCEL_ACT_NONE or CINCEL_ACT_RELU */
    int stream; /* 1: whole cache lines of y go past the caches, where its addresses and the ISA allow */
};

/*
 * Weight gradients, over pixels of some rows:
 *   w[i·w_row + j·w_col + c] +=
 *       Σ_r Σ_p x[r·x_row + i·x_tap + (p·px_step + j·tap_step)·x_ld + c] · dy[r·dy_row + p·dy_px + c]
 * r < rows, p < pixels, i < taps_h, j < taps_w, c < channels; one FMA chain an element, which starts from w.
 */
struct cincel_depthwise_weights_args {
    struct cincel_depthwise_columns from;
    const float *dy;
    float *w;
    ptrdiff_t x_row, x_tap, dy_row, dy_px, w_row, w_col;
    ptrdiff_t dy_ahead; /* so far behind dy, its next pixels are fetched; 0: none */
    size_t rows, pixels, taps_h, taps_w, channels;
};

struct cincel_depthwise_row {
    const char *name; /* "depthwise_avx2" */
    void (*gather)(const struct cincel_depthwise_args *args);
    void (*weights)(const struct cincel_depthwise_weights_args *args);
};

/* ------------------------------------------------------------------------------------ Winograd -- */

/*
 * One scheme F(m x m, r x r) on a = m + r − 1 points (of which one is ∞ if a is even): an output tile of m x
 * m pixels is A^T [ Σ_channels (G g G^T) ⊙ (B^T d B) ] A          d: a x a source pixels, g: r x r weights
 * and the gradient of its weights G^T [ Σ_tiles (B^T d B) ⊙ (A dy A^T) ] G. Each transform works on vectors
 * of channels; transformed elements (i, j) are *planes* i·a + j that begin `plane` floats apart.
 * Rows that are not `square` are F(1 x m, 1 x r): one row of m, r and a elements, transformed from one side.
 *
 * Rows of stride 2 (r = 3, a = 2m + 1) take a convolution by its phases. Along an axis, taps 0 and 2 meet the
 * even samples of a window alone: F(m, 2), whose m + 1 products are the first planes. Tap 1 meets the odd
 * samples, each for itself: the last m planes, which share one weight. So U is (m + 2) x (m + 2), and plane
 * (i, j) has the weights min(i, m + 1) · (m + 2) + min(j, m + 1). Backward-data has the same products the
 * other way: a window of (m + 1) x (m + 1) pixels of dy makes 2m x 2m of dx, in which pixels of two taps and
 * of one alternate.
 */
struct cincel_winograd_gather_args {
    /* The elements that exist, rows row_begin … row_end−1 and columns alike; the others are 0. `src` is the
       first that exists (and anything where none does). */
    const float *src;
    size_t src_row, src_col; /* in floats */
    int row_begin, row_end, col_begin, col_end;
    float *dst; /* of plane 0 */
    size_t plane;
    size_t count; /* channels, read exactly; written up to a multiple of vector_floats, with zeros */
    /* Of back_input and back_output: 1 where pixel 0 has one tap, 0: it has two. Of input and output with
       stride 1: 1 where the last two pixels of the output tile do not exist (without the point ∞: the last
       one). Then the last finite point's plane of this axis is 0 (and not read), and that of the point ∞
       does not matter. */
    int row_phase, col_phase;
};

struct cincel_winograd_output_args {
    const float *src; /* of plane 0; read up to a multiple of vector_floats */
    size_t plane;
    float *dst; /* the first pixel of the tile */
    size_t dst_row, dst_col;
    int rows, cols;           /* of the tile that exist, 0 … m */
    size_t count;             /* channels written */
    const float *bias;        /* [count], or NULL */
    int load_dst;             /* 1: adds to what dst holds */
    int act;                  /* CINCEL_ACT_NONE or CINCEL_ACT_RELU, last */
    int row_phase, col_phase; /* as in struct cincel_winograd_gather_args */
};

struct cincel_winograd_row {
    const char *name; /* "winograd_4x4_3x3_avx2" */
    int m, r, stride;
    int square;                                                               /* 0: of one row */
    void (*input)(const struct cincel_winograd_gather_args *args);            /* a x a to a x a: B^T d B */
    void (*output)(const struct cincel_winograd_output_args *args);           /* a x a to m x m: A^T M A */
    void (*weights)(const struct cincel_winograd_gather_args *args);          /* r x r to U: G g G^T */
    void (*gradient)(const struct cincel_winograd_gather_args *args);         /* m x m to a x a: A dy A^T */
    void (*weights_gradient)(const struct cincel_winograd_gather_args *args); /* U to r x r: G^T M G */
    /* backward-data of stride 2, whose weights are the rotated ones; NULL where input and output serve */
    void (*back_input)(const struct cincel_winograd_gather_args *args);  /* m + 1 squared to a x a */
    void (*back_output)(const struct cincel_winograd_output_args *args); /* a x a to 2m x 2m */
};

#endif
