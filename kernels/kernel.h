/*
 * The first contract: what a kernel is, and how an ISA offers its kernels.
 *
 * A *row* is code plus facts about the code. An ISA folder exports nothing but data: one
 * `const struct cincel_isa cincel_isa_<name>` and the row arrays it points to. Every function below
 * kernels/ is static (an inline function compiled under two flag sets is merged by the linker and
 * becomes a SIGILL on the older machine; a test checks with nm).
 *
 * Row names go into profiles and checkpoints: a changed meaning needs a new name.
 * Kernels read and write nothing outside the ranges stated here: tails are masked or partial.
 * Kernels decide nothing: which row serves a problem is the drivers' and the tuner's business.
 *
 * Numbers (DESIGN: determinism). An output element is one chain of FMAs in the stated order, starting
 * from 0 or from what C holds; so cutting a chain in two calls changes no bit, and neither does the
 * shape of the tile. `generic` multiplies and adds (two roundings) and is outside that promise.
 */
#ifndef CINCEL_KERNELS_KERNEL_H
#define CINCEL_KERNELS_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "cincel/cincel.h"
#include "core/cpu.h"
#include "kernels/kernel_cell.h"
#include "kernels/kernel_conv.h"

/* ---------------------------------------------------------------------------------- gemm tile -- */

/*
 * C[i][j] (+)= Σ_tap Σ_k a[tap·mr + i][k] · b[(tap·k_count + k)·nr + j]      i < m, j < n
 *
 * taps outer, k inner, one FMA chain an element; then, on the last pass, + bias and activation.
 * A rows are pointers (an indirection buffer), so that a tile may cross image rows, and padding is a
 * pointer to zeros. B is a packed panel: nr columns, the unused ones zero, 64-byte aligned. Each ISA has
 * mr = 1 for each nr it offers, so that any m is served; nr is a multiple of vector_floats.
 * taps = 0 or k = 0 is allowed: an empty sum.
 */
struct cincel_gemm_args {
    const float *const *a; /* [taps][mr]; rows m … mr−1 of each tap must be readable pointers too */
    const float *b;        /* [taps][k][nr] */
    float *const *c;       /* [m], rows of n floats */
    size_t taps, k;
    int m;             /* 1 … mr valid rows */
    int n;             /* 1 … nr valid columns */
    int load_c;        /* 1: the chain starts from C; 0: from 0 */
    int act;           /* CINCEL_ACT_NONE or CINCEL_ACT_RELU, applied after the bias */
    const float *bias; /* [n], or NULL. bias and act belong to the pass that ends the chain */
    /* Called into L2 meanwhile, for a later tile: floats ahead_from … ahead_until−1 behind each of
       `ahead_count` addresses, `ahead_each` of these a tap: all at once they would stand in the way of the
       tile's own loads. Any address does no harm. */
    const float *const *ahead;
    size_t ahead_count, ahead_each, ahead_from, ahead_until;
};

/*
 * The same tile down a strip of rows that lie evenly in memory, in one call:
 *   C[i][j] (+)= Σ_k a[i·lda + k] · b[k·nr + j]      i < m (any number), j < n
 * with bias and activation as above. For short k, where a call a tile would cost as much as its FMAs.
 */
struct cincel_strip_args {
    const float *a;
    size_t lda;
    const float *b; /* [k][nr], 64-byte aligned, unused columns zero */
    /* Not NULL: b is no panel yet but k rows of n floats, ldb apart. The first tile makes a panel of them
       here ([k][nr], 64-byte aligned) on its way, where the loads and stores hide behind its FMAs. */
    float *panel;
    size_t ldb;
    float *c;
    size_t ldc;
    size_t m, k;
    int n; /* 1 … nr */
    int load_c, act;
    const float *bias; /* [n], or NULL */
    /* What comes next, called into L2 meanwhile: step k of tile i, but for the one that makes the panel, asks
       for the line of ahead[i·ahead_tile + k·ahead_step]. NULL: nothing is; any address does no harm. */
    const float *ahead;
    size_t ahead_tile, ahead_step;
};

struct cincel_gemm_row {
    const char *name; /* "gemm_6x16_avx2" */
    int mr, nr;
    void (*run)(const struct cincel_gemm_args *args);
    void (*strip)(const struct cincel_strip_args *args); /* NULL for rows that serve tails only */
};

/* ----------------------------------------------------------- outer-product tile (backward weights) */

/*
 * W[i][j] (+)= Σ_image Σ_row Σ_px x[image·x_image + row·x_row + px·x_px + i]
 *                               · dy[image·dy_image + row·dy_row + px·dy_px + j]   i < mr, j < n
 *
 * images outer, rows, pixels inner, one FMA chain an element. W is a packed panel: row i at w + i·nr,
 * nr columns, 64-byte aligned; columns n … nr−1 of W are written with zero sums and may be anything.
 * dy is read in exactly n columns, x in exactly mr channels. A driver covers c channels with rows of
 * several mr and one nr (each ISA has mr = 1 for each nr it offers).
 * Packed dy (dy_px = nr: cincel_pack_row.copy) keeps the tile at 93–97 % of peak on Zen 3; with dy and x both
 * strided by a power of two ≥ 128 channels it falls to 75–90 %, for lack of L1 sets.
 */
struct cincel_outer_args {
    const float *x, *dy;
    float *w;
    size_t images, rows, pixels;
    ptrdiff_t x_image, x_row, x_px; /* in floats */
    ptrdiff_t dy_image, dy_row, dy_px;
    int n;      /* 1 … nr */
    int load_w; /* 1: the chain starts from W; 0: from 0 */
};

struct cincel_outer_row {
    const char *name; /* "outer_6x16_avx2" */
    int mr, nr;
    void (*run)(const struct cincel_outer_args *args);
};

/* ----------------------------------------------------------------------- a matrix and one vector -- */

/* y[j] (+)= Σ_r s[r·s_step] · w[r·ld + j]     j < count; r ascending, one FMA chain an element */
struct cincel_combine_args {
    const float *w, *s;
    size_t ld, s_step, rows, count;
    float *y;
    int load_y; /* 1: the chain starts from y; 0: from 0. rows = 0 leaves y alone */
};

struct cincel_gemv_row {
    const char *name; /* "gemv_avx2" */
    /* y[r] = Σ_k w[r·ld + k] · x[k]     r < rows, k < count. The sum runs in 16 chains (k mod 16), which are
       then added in halves: the same bits on every ISA with FMA. */
    void (*dots)(const float *w, size_t ld, size_t rows, const float *x, size_t count, float *y);
    void (*combine)(const struct cincel_combine_args *args);
};

/* ------------------------------------------------------------------------------------- packing -- */

/*
 * Cuts the columns of a matrix into panels that begin `step` columns apart, in one pass over its rows:
 *   dst[p·dst_panel + r·nr + j] = p·step + j < columns ? src[r·ld + p·step + j] : 0
 * for p < panels, r < rows, j < nr. Panels may overlap (step < nr). nr is a multiple of vector_floats.
 */
struct cincel_split_args {
    const float *src;
    size_t ld, rows, columns;
    size_t panels, step, nr;
    float *dst;
    size_t dst_panel;
};

/*
 * Cache lines of pixels from where neighbouring channels lie together to where neighbouring pixels do, or
 * back:
 *   dst[place(first + p) + b·dst_block + j] = src[p·src_px + b·src_block + j]
 *   place(q) = (q mod split)·dst_phase + ⌊q / split⌋·dst_px
 * p < pixels, b < blocks, j < 16; p outer, so that what is together is read and written together.
 */
struct cincel_blocks_args {
    const float *src;
    float *dst;
    size_t src_px, src_block, dst_px, dst_block, dst_phase; /* floats */
    size_t first, split, pixels, blocks;                    /* split ≥ 1 */
    size_t ahead; /* so far behind src, lines are asked for meanwhile; 0: none, any address does no harm */
};

/* Movements between row-major matrices and panels of nr columns. */
struct cincel_pack_row {
    const char *name;
    /* dst[k][j] = j < n ? src[j·ld + k] : 0      k < k_count, j < nr: rows of src become columns */
    void (*transpose)(const float *src, size_t ld, size_t k_count, int n, int nr, float *dst);
    /* dst[k][j] = j < n ? src[k·ld + j] : 0 */
    void (*copy)(const float *src, size_t ld, size_t k_count, int n, int nr, float *dst);
    /* dst[j·ld + k] (+)= src[k·nr + j]           j < n: the way back, for weight gradients */
    void (*untranspose)(const float *src, int nr, size_t k_count, int n, float *dst, size_t ld,
                        int accumulate);
    void (*split)(const struct cincel_split_args *args);
    void (*blocks)(const struct cincel_blocks_args *args);
};

/* ------------------------------------------------------------------------------------- layouts -- */

struct cincel_layout_row {
    const char *name; /* "layout_avx2" */
    /*
     * dst[c·dst_ld + r] = src[r·src_ld + c]      r < rows, c < cols; both ≥ 1
     * What lies between two rows of src may be read too; between two rows of dst nothing is written.
     * The caller cuts what exceeds a cache. What lies `ahead` floats behind what is read, `dst_ahead` behind
     * what is written, is fetched meanwhile (0: nothing is; any other address does no harm).
     */
    void (*transpose)(const float *src, size_t src_ld, size_t rows, size_t cols, float *dst, size_t dst_ld,
                      size_t ahead, size_t dst_ahead);
    /* The same, dst past the caches in whole lines: dst, dst_ld and rows are multiples of 16 floats, and cols
       ≥ 16. A fence (struct cincel_vector_row) before others read it. NULL: the ISA has no such stores. */
    void (*transpose_past)(const float *src, size_t src_ld, size_t rows, size_t cols, float *dst,
                           size_t dst_ld, size_t ahead);
};

/* ------------------------------------------------------------------------------------- pooling -- */

/*
 * One call takes a list of cells for lines of pixels that see them alike. A window with more cells than the
 * driver puts in one list takes several calls, from the second on with `resume`. Of line 0:
 *
 *   max_forward   y[p][c] = max_t x[p·x_step + offset[t] + c],  argmax[p][c] = index[t] of the winner
 *                 The first of equal values wins; a NaN wins over numbers (the first NaN among NaNs).
 *   avg_forward   y[p][c] = scale · Σ_t x[p·x_step + offset[t] + c], t ascending
 *
 * and of line l the same with x + l·x_line and (y, argmax) + l·y_line.
 *
 * resume: y and argmax hold the results of earlier cells, which come first in order; of the average the
 * sum of these cells is added to them, and then scaled.
 */
struct cincel_pool_forward_args {
    const float *x;
    const ptrdiff_t *offset; /* [taps], floats */
    const int32_t *index;    /* [taps], cell numbers; of max */
    size_t taps;             /* ≥ 1 */
    size_t lines, pixels, channels;
    ptrdiff_t x_step;         /* floats between the windows of neighbouring pixels */
    ptrdiff_t x_line, y_line; /* elements */
    float *y;                 /* [pixels][channels] a line */
    void *argmax;             /* of max: bytes or int32_t as y lies; NULL: not wanted */
    int wide;                 /* 1: argmax is int32_t */
    float scale;              /* of avg */
    int resume;
    int stream; /* 1: y goes past the caches, where its addresses and the ISA allow */
};

/*
 * Gathers the gradient of lines of input pixels that lie alike in the windows that contain them; of line 0:
 *   max_backward  dx[p·dx_step + c] (+)= Σ_t (argmax[at] == index_first + index[t] + p·index_step) · dy[at]
 *   avg_backward  dx[p·dx_step + c] (+)= Σ_t scale[t] · dy[at]           at = p·dy_step + offset[t] + c
 * and of line l the same with dx + l·dx_line, (dy, argmax) + l·dy_line and index[t] + l·index_line.
 * Every dx is written once: no clearing pass, no races, fixed order of the sum (t ascending, a product and
 * an addition). windows = 0 is allowed (pixels no window covers get 0).
 * Each of these pixels stands for `alike` neighbours, `channels` apart, that see the same windows, neighbour
 * r as its own index + r.
 */
struct cincel_pool_backward_args {
    const float *dy;
    const void *argmax;      /* of max: bytes or int32_t */
    const ptrdiff_t *offset; /* [windows], elements, the same for dy and argmax */
    const int32_t *index;    /* [windows], of max: the cell of that window at which the first pixel lies */
    const float *scale;      /* [windows], of avg */
    size_t windows;
    size_t lines, pixels, channels;
    ptrdiff_t dy_step, dx_step, dy_line, dx_line;
    size_t alike; /* ≥ 1 */
    int32_t index_first, index_step, index_line;
    int wide; /* 1: argmax is int32_t */
    float *dx;
    int accumulate;
    int stream; /* as for forward, of dx */
};

struct cincel_pool_row {
    const char *name; /* "pool_avx2" */
    int streams;      /* 1: the ISA has stores past the caches */
    void (*max_forward)(const struct cincel_pool_forward_args *args);
    void (*avg_forward)(const struct cincel_pool_forward_args *args);
    void (*max_backward)(const struct cincel_pool_backward_args *args);
    void (*avg_backward)(const struct cincel_pool_backward_args *args);
};

/* --------------------------------------------------------------- element-wise, math, reductions -- */

/*
 * A step of Adam with all that follows from its number worked out (cincel_adam_step has the formulas):
 *   g = dw + l2 · w;   m = beta1 · m + rest1 · g;   v = beta2 · v + rest2 · g²;
 *   w = keep · w − rate · m / (root · √v + eps)
 */
struct cincel_adam_args {
    float *w;
    const float *dw;
    float *m, *v;
    size_t count;
    float beta1, rest1, beta2, rest2; /* rest: 1 − beta */
    float l2, keep;                   /* decay as part of the gradient, or of the weight */
    float rate, root, eps;            /* lr / (1 − beta1^t), 1 / √(1 − beta2^t) */
};

/* Over `count` floats; y may be x (exactly). */
struct cincel_vector_row {
    const char *name;                                    /* "vector_avx2" */
    void (*exp)(const float *x, float *y, size_t count); /* each ≤ 2.5 ULP, figures in body/vmath.inc */
    void (*log)(const float *x, float *y, size_t count);
    void (*tanh)(const float *x, float *y, size_t count);
    void (*sigmoid)(const float *x, float *y, size_t count);
    void (*expm1)(const float *x, float *y, size_t count);
    void (*phi)(const float *x, float *y, size_t count); /* the normal distribution function */
    /* Any cincel_activation; alpha is read where it has one. `at` is z for GELU, GELU_TANH and SILU, y for
       the others, and any pointer for NONE; dx may be `at` or dy. */
    void (*act_forward)(int act, float alpha, const float *x, float *y, size_t count);
    void (*act_backward)(int act, float alpha, const float *at, const float *dy, float *dx, size_t count);
    /* sum[j] += Σ_r x[r·ld + j], r ascending: bias gradients */
    void (*column_sum)(const float *x, size_t ld, size_t rows, size_t cols, float *sum);
    /* y[i] (+)= x[i] */
    void (*add)(const float *x, float *y, size_t count);
    /* out = a · x + b · y; out may be x or y */
    void (*add_scaled)(float a, const float *x, float b, const float *y, float *out, size_t count);
    /* dst[r·dst_ld + j] = src[r·src_ld + j]   r < rows, j < cols */
    void (*copy_rows)(const float *src, size_t src_ld, float *dst, size_t dst_ld, size_t rows, size_t cols);
    /* dst = src, stored past the caches where dst's alignment and the ISA allow; fence() before others read
       it. NULL, all three: the ISA has no such stores. */
    void (*stream)(const float *src, float *dst, size_t count);
    /* act_forward with y, on a multiple of a register, stored so by the kernel itself; x is asked for early
     */
    void (*act_stream)(int act, float alpha, const float *x, float *y, size_t count);
    void (*act_backward_stream)(int act, float alpha, const float *at, const float *dy, float *dx,
                                size_t count);
    void (*fence)(void);
    /* see cincel_sgd_step; v NULL: no momentum */
    void (*sgd)(float *w, const float *dw, float *v, size_t count, float lr, float momentum,
                float weight_decay);
    void (*adam)(const struct cincel_adam_args *args);
};

/*
 * How rows travel. Kernels ask for what lies `ahead` floats of their inputs while they compute (0: nothing;
 * any address may be asked for), and with `stream` the result goes past the caches, where its address, the
 * count and the ISA allow, by way of `block`, count floats on a cache line that stay in L1.
 */
struct cincel_softmax_flow {
    size_t ahead;
    float *block;
    int stream;
};

/* y = scale · softmax(x) + shift, less `own` at element `at`: gradients of cross-entropy. |own| ≤ scale. */
struct cincel_softmax_target {
    float scale, shift, own;
    size_t at;
};

/* One row at a time, count ≥ 1; sums run in a fixed order whatever the vector width. flow may be NULL. */
struct cincel_softmax_row {
    const char *name; /* "softmax_avx2" */
    /* y = softmax(x), or what target says; returns log Σ exp(x) (with the maximum put back); y may be x or
     * NULL */
    double (*run)(const float *x, float *y, size_t count, const struct cincel_softmax_target *target,
                  const struct cincel_softmax_flow *flow);
    /* y = x − log Σ exp(x); y may be x */
    void (*log_run)(const float *x, float *y, size_t count, const struct cincel_softmax_flow *flow);
    /* From the output y; dx may be y or dy. softmax: dx = y · (dy − Σ y · dy); log-softmax: dx = dy − e^y · Σ
     * dy */
    void (*backward)(const float *y, const float *dy, float *dx, size_t count,
                     const struct cincel_softmax_flow *flow);
    void (*log_backward)(const float *y, const float *dy, float *dx, size_t count,
                         const struct cincel_softmax_flow *flow);
    /* Is x[at] the first of the largest? Every comparison with a NaN says no. */
    int (*is_first_max)(const float *x, size_t count, size_t at);
    /* Σ x · w, products in float, the sum in double; w NULL: Σ x */
    double (*dot)(const float *x, const float *w, size_t count);
};

/* Element-wise losses of cincel_loss_kind; the sum in double, in a fixed order whatever the vector width. */
struct cincel_loss_row {
    const char *name; /* "loss_avx2" */
    /* Σ loss(x, target); dx = scale · its derivative (dx NULL: none; dx may be x or target). stream: dx goes
       past the caches, where its address and the ISA allow. */
    double (*run)(int kind, float delta, float scale, const float *x, const float *target, float *dx,
                  size_t count, int stream);
};

/*
 * See cincel_dropout. An element is dropped where its 16 bits, read as a signed number, are below `threshold`
 * − 2^15, else multiplied by `scale`. Of 32 elements the first 16 have the low halves of 16 words of
 * core/philox.h (seed; purpose and epoch: the high and low half of stream), the others the high halves:
 * element e has a half of word e / 32 · 16 + e mod 16. So both come out of a register of words in the order
 * they are wanted.
 */
struct cincel_dropout_args {
    uint64_t seed, stream;
    uint32_t threshold; /* ≤ 2^16 − 1 */
    float scale;
    int past; /* 1: y goes past the caches, where its address and the ISA allow */
};

struct cincel_dropout_row {
    const char *name; /* "dropout_avx2" */
    /* x[i] is element first + i; first a multiple of 64; y may be x */
    void (*run)(const struct cincel_dropout_args *args, uint64_t first, const float *x, float *y,
                size_t count);
};

/* ------------------------------------------------------------------------------- normalisation -- */

/*
 * Columns of a matrix, for normalisation over rows (batch norm). With d = x[r][j] − shift[j]:
 *   moments         sum0[j] += Σ_r d,  sum1[j] += Σ_r d²
 *   scale           out[r][j] = d · a[j] + b[j]
 *   gradient_sums   sum0[j] += Σ_r dy[r][j],  sum1[j] += Σ_r dy[r][j] · d,  sum2[j] += Σ_r d
 *   gradient        out[r][j] = dy[r][j] · a[j] + (d · b[j] + c[j])
 * Sums are taken over blocks of rows (16 in moments, 8 in gradient_sums), r ascending, and added block by
 * block. out may be x or dy. The shift stands near the column's mean, so that nothing large cancels: x −
 * shift is exact or nearly so where x lies close to it.
 */
struct cincel_norm_columns_args {
    const float *x, *dy;
    float *out;
    size_t ld, rows, cols; /* x, dy and out alike */
    const float *shift;
    const float *a, *b, *c;
    float *sum0, *sum1, *sum2;
    int stream; /* 1: out goes past the caches, where its addresses and the ISA allow */
};

/*
 * One row of `count` ≥ 1 elements, for normalisation over columns (layer norm). d = x[j] − shift, and g[j] =
 * dy[j] · gamma[j]. gamma NULL: 1; beta NULL: 0.
 *   row_scale           out[j] = (d · a + b) · gamma[j] + beta[j]
 *   row_gradient_sums   sums = { Σ g, Σ g · d, Σ d }
 *   row_gradient        out[j] = g[j] · a + (d · b + c),  dgamma[j] += dy[j] · (d · p + q),  dbeta[j] +=
 * dy[j] out may be x or dy. Sums run in 32 logical lanes whatever the width of the registers, and are taken
 * over into double every 1024 elements.
 */
struct cincel_norm_row_args {
    const float *x, *dy;
    float *out;
    size_t count;
    const float *gamma, *beta;
    float *dgamma, *dbeta;
    float shift, a, b, c, p, q;
    size_t ahead; /* x[ahead …] and dy[ahead …] come next and are asked for early; 0: nothing */
    int stream;
};

/*
 * Layer norm of `rows` ≥ 1 rows of 1 … CINCEL_NORM_SHORT elements, without gaps; include/cincel/norm.h has
 * the formulas. gamma and beta NULL: 1 and 0. Forward: out = y, and the statistics of each row in mean and
 * inv_std (NULL: not wanted). Backward, from those: out = dx; dgamma[j] and dbeta[j] += what the rows
 * contribute, in their order. out may be x or dy.
 */
enum { CINCEL_NORM_SHORT = 256 };
struct cincel_norm_short_args {
    const float *x, *dy;
    float *out;
    size_t rows, cols;
    const float *gamma, *beta;
    float eps;
    float *mean, *inv_std;
    const float *mean_in, *inv_std_in;
    float *dgamma, *dbeta;
    int stream; /* 1: out goes past the caches, where its addresses and the ISA allow */
};

struct cincel_norm_row {
    const char *name; /* "norm_avx2" */
    void (*moments)(const struct cincel_norm_columns_args *args);
    void (*scale)(const struct cincel_norm_columns_args *args);
    void (*gradient_sums)(const struct cincel_norm_columns_args *args);
    void (*gradient)(const struct cincel_norm_columns_args *args);
    /* *mean = Σ x / count, *m2 = Σ (x − mean)², of blocks merged by Chan, Golub & LeVeque, 1983 */
    void (*row_moments)(const float *x, size_t count, double *mean, double *m2);
    void (*row_scale)(const struct cincel_norm_row_args *args);
    void (*row_gradient_sums)(const struct cincel_norm_row_args *args, double sums[3]);
    void (*row_gradient)(const struct cincel_norm_row_args *args);
    void (*short_forward)(const struct cincel_norm_short_args *args);
    void (*short_backward)(const struct cincel_norm_short_args *args);
    void (*fence)(void); /* ends what `stream` began: before other threads may look */
};

/* ----------------------------------------------------------------------------------- measuring -- */

struct cincel_probe_row {
    const char *name; /* "probe_avx2" */
    /* Runs `rounds` rounds of independent FMA chains in registers; returns the flops done. *sink is any
       small number before and depends on all chains after. */
    double (*fma)(size_t rounds, float *sink);
    /* Sum of all floats: a read stream. */
    float (*read)(const float *x, size_t count);
    /* a[i] = b[i] + s·c[i], ordinary stores */
    void (*triad)(float *a, const float *b, const float *c, float s, size_t count);
};

/* ---------------------------------------------------------------------------------------- ISAs -- */

struct cincel_isa {
    const char *name;
    uint32_t needs;    /* cincel_cpu_feature bits, equal to the folder's compile flags */
    int vector_floats; /* lanes of one register */
    int has_fma;       /* 0: outside the promise of equal bits (generic) */
    const struct cincel_gemm_row *gemm;
    int gemm_count;
    const struct cincel_outer_row *outer;
    int outer_count;
    const struct cincel_winograd_row *winograd;
    int winograd_count;
    const struct cincel_fewchan_row *fewchan;
    int fewchan_count;
    const struct cincel_narrow_row *narrow;
    int narrow_count;
    const struct cincel_grouped_row *grouped;
    int grouped_count;
    const struct cincel_depthwise_row *depthwise;
    const struct cincel_gemv_row *gemv;
    const struct cincel_pack_row *pack;
    const struct cincel_layout_row *layout;
    const struct cincel_pool_row *pool;
    const struct cincel_vector_row *vector;
    const struct cincel_softmax_row *softmax;
    const struct cincel_loss_row *loss;
    const struct cincel_dropout_row *dropout;
    const struct cincel_norm_row *norm;
    const struct cincel_cell_row *cell;
    const struct cincel_probe_row *probe;
};

/* All ISAs of this build, best first, NULL-terminated; the last is generic (kernels/isas.c). */
extern const struct cincel_isa *const cincel_isas[];

#endif
