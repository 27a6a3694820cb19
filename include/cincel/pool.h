/* cincel: pooling. Conventions: cincel.h. */
#ifndef CINCEL_POOL_H
#define CINCEL_POOL_H

#include "cincel/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cincel_pool_kind { CINCEL_POOL_MAX = 0 } cincel_pool_kind;

/*
 * Maximum over a kh x kw window; padding never wins. Tensors x [n][ih][iw][c], y [n][oh][ow][c], with
 * oh, ow as for convolution (dilation 1). Ties go to the first cell in (kh, kw) order, and a NaN wins
 * over every number, as in PyTorch.
 */
typedef struct cincel_pool_desc {
    size_t size;
    cincel_pool_kind kind;
    int n, c, ih, iw;
    int kh, kw, stride_h, stride_w;
    int pad_top, pad_bottom, pad_left, pad_right; /* each below the kernel's extent */
    int accumulate;                               /* backward: 1 adds to dx */
    cincel_layout layout;                         /* of x, y, dx and dy; argmax has an order of its own */
} cincel_pool_desc;
#define CINCEL_POOL_DESC_INIT                                                                         \
    {                                                                                                 \
        sizeof(cincel_pool_desc), CINCEL_POOL_MAX, 1, 0, 1, 1, 2, 2, 2, 2, 0, 0, 0, 0, 0, CINCEL_NHWC \
    }

CINCEL_API cincel_status cincel_pool_output_size(const cincel_pool_desc *d, int *oh, int *ow);

/* `pass` is FORWARD or BACKWARD_DATA. */
CINCEL_API cincel_status cincel_pool_plan(cincel_context *ctx, const cincel_pool_desc *d, cincel_pass pass,
                                          const cincel_options *options, cincel_plan **out);

/* Bytes of the buffer that carries where each maximum came from, forward to backward. */
CINCEL_API size_t cincel_pool_argmax_size(const cincel_plan *plan);

/* `argmax` may be NULL where no backward pass follows. */
CINCEL_API cincel_status cincel_pool_forward(const cincel_plan *plan, const float *x, float *y, void *argmax,
                                             void *ws);
CINCEL_API cincel_status cincel_pool_backward(const cincel_plan *plan, const float *dy, const void *argmax,
                                              float *dx, void *ws);

#ifdef __cplusplus
}
#endif
#endif
