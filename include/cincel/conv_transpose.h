/* cincel: transposed convolution. Conventions: cincel.h. */
#ifndef CINCEL_CONV_TRANSPOSE_H
#define CINCEL_CONV_TRANSPOSE_H

#include "cincel/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The transpose of a convolution's linear map ("deconvolution": Zeiler et al., 2010; Dumoulin & Visin, A
 * guide to convolution arithmetic for deep learning, 2016, ch. 4), as PyTorch's ConvTranspose2d: each x pixel
 * spreads its kernel over y,
 *
 *   y[n][i·stride_h − pad_top + a·dilation_h][j·stride_w − pad_left + b·dilation_w][g·oc/groups + o]
 *       += Σ_c w[c][a][b][o] · x[n][i][j][c]        c over the ic/groups channels of group g
 *
 * then bias and activation.
 *   oh = (ih − 1)·stride_h − pad_top − pad_bottom + dilation_h·(kh − 1) + out_pad_h + 1; ow alike.
 * Tensors: x [n][ih][iw][ic], w [ic][kh][kw][oc/groups] or (CINCEL_OIHW) PyTorch's [ic][oc/groups][kh][kw],
 * b [oc], y [n][oh][ow][oc].
 * out_pad_h lies below max(stride_h, dilation_h), and what of it padding does not take back below stride_h.
 *
 * It is planned as the convolution from y to x, with passes exchanged: that is what cincel_plan_describe
 * shows.
 */
typedef struct cincel_conv_transpose_desc {
    size_t size;
    int n, groups;
    int ic, ih, iw;
    int oc, kh, kw;
    int stride_h, stride_w;
    int pad_top, pad_bottom, pad_left, pad_right; /* each below the dilated kernel's extent */
    int out_pad_h, out_pad_w;                     /* rows and columns added to y's far ends */
    int dilation_h, dilation_w;
    cincel_activation activation;
    int accumulate;                       /* backward passes: 1 adds to dx / dw / db, 0 overwrites them */
    float alpha;                          /* of LEAKY_RELU and ELU; ignored elsewhere */
    cincel_layout layout;                 /* of x, y, dx and dy */
    cincel_weights_layout weights_layout; /* of w and dw */
} cincel_conv_transpose_desc;
#define CINCEL_CONV_TRANSPOSE_DESC_INIT                                                           \
    {                                                                                             \
        sizeof(cincel_conv_transpose_desc), 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, \
            CINCEL_ACT_NONE, 0, 0.01f, CINCEL_NHWC, CINCEL_OHWI                                   \
    }

/* Checks the descriptor and gives the output size. Either pointer may be NULL. */
CINCEL_API cincel_status cincel_conv_transpose_output_size(const cincel_conv_transpose_desc *d, int *oh,
                                                           int *ow);

/* `options` may be NULL. Arguments of the calls as for convolution (conv.h). */
CINCEL_API cincel_status cincel_conv_transpose_plan(cincel_context *ctx, const cincel_conv_transpose_desc *d,
                                                    cincel_pass pass, const cincel_options *options,
                                                    cincel_plan **out);
CINCEL_API cincel_status cincel_conv_transpose_forward(const cincel_plan *plan, const float *x,
                                                       const float *w, const float *bias, float *y, void *ws);
CINCEL_API cincel_status cincel_conv_transpose_backward_data(const cincel_plan *plan, const float *dy,
                                                             const float *w, const float *y, float *dx,
                                                             void *ws);
CINCEL_API cincel_status cincel_conv_transpose_backward_weights(const cincel_plan *plan, const float *x,
                                                                const float *dy, const float *y, float *dw,
                                                                float *db, void *ws);

#ifdef __cplusplus
}
#endif
#endif
