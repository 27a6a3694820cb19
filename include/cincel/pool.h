/* cincel: pooling. Conventions: cincel.h. */
#ifndef CINCEL_POOL_H
#define CINCEL_POOL_H

#include "cincel/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * MAX               padding never wins. Ties go to the first cell in (kh, kw) order and a NaN wins over
 *                   every number, as in PyTorch; among NaNs the first gets the gradient (PyTorch: the last).
 * AVG_INCLUDE_PAD   sum of the window / (kh kw): the padding counts as zeros.
 * AVG_EXCLUDE_PAD   sum of the window / number of its cells that lie in the image.
 *
 * The gradient of a maximum goes to the cell it came from, wholly; that of an average to all cells of its
 * window in equal parts. Sums are float32; large windows are summed in groups of cells, whose sums are added
 * in order: the error grows with the groups, not with the cells.
 */
typedef enum cincel_pool_kind {
    CINCEL_POOL_MAX = 0,
    CINCEL_POOL_AVG_INCLUDE_PAD,
    CINCEL_POOL_AVG_EXCLUDE_PAD
} cincel_pool_kind;

/*
 * Tensors x [n][ih][iw][c], y [n][oh][ow][c].
 *
 * Sliding windows (oh = ow = 0): windows of kh x kw cells, stride_h and stride_w apart, the first one
 * beginning pad_top above and pad_left of the image; the size of y is as for convolution (dilation 1).
 *
 * Adaptive windows (oh > 0 and ow > 0, both): y has exactly oh x ow pixels, and window i of an axis covers
 * floor(i ih / oh) … ceil((i + 1) ih / oh) − 1 (PyTorch's rule; windows may overlap). kh … pad_right are
 * then ignored, and both averages are the same. oh = ow = 1 is global pooling, as is kh = ih, kw = iw without
 * padding: the same plan serves both. Where oh does not divide ih, or ow iw, sizes above 2^20 are
 * unsupported.
 */
typedef struct cincel_pool_desc {
    size_t size;
    cincel_pool_kind kind;
    int n, c, ih, iw;
    int kh, kw, stride_h, stride_w;
    int pad_top, pad_bottom, pad_left, pad_right; /* each below the kernel's extent */
    int accumulate;                               /* backward: 1 adds to dx */
    cincel_layout layout;                         /* of x, y, dx and dy; argmax has an order of its own */
    int oh, ow;                                   /* both 0: sliding windows; both > 0: adaptive ones */
} cincel_pool_desc;
#define CINCEL_POOL_DESC_INIT                                                                               \
    {                                                                                                       \
        sizeof(cincel_pool_desc), CINCEL_POOL_MAX, 1, 0, 1, 1, 2, 2, 2, 2, 0, 0, 0, 0, 0, CINCEL_NHWC, 0, 0 \
    }

/* Checks the descriptor and gives the output size. Either pointer may be NULL. */
CINCEL_API cincel_status cincel_pool_output_size(const cincel_pool_desc *d, int *oh, int *ow);

/* A plan for one pass, FORWARD or BACKWARD_DATA; `options` may be NULL. *out is the caller's to destroy. */
CINCEL_API cincel_status cincel_pool_plan(cincel_context *ctx, const cincel_pool_desc *d, cincel_pass pass,
                                          const cincel_options *options, cincel_plan **out);

/* Bytes of the buffer that carries where each maximum came from, forward to backward: one byte an element
   of y, four where windows have more than 256 cells; its content is private. 0 for averages. */
CINCEL_API size_t cincel_pool_argmax_size(const cincel_plan *plan);

/* `argmax`: MAX only, aligned to 4 bytes; NULL where no backward pass follows. Averages ignore it. */
CINCEL_API cincel_status cincel_pool_forward(const cincel_plan *plan, const float *x, float *y, void *argmax,
                                             void *ws);
/* dx from dy; `argmax` as the forward pass left it, NULL for averages. Every dx is written. */
CINCEL_API cincel_status cincel_pool_backward(const cincel_plan *plan, const float *dy, const void *argmax,
                                              float *dx, void *ws);

#ifdef __cplusplus
}
#endif
#endif
