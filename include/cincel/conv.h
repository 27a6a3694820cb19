/* cincel: convolutions and fully connected layers. Conventions: cincel.h. */
#ifndef CINCEL_CONV_H
#define CINCEL_CONV_H

#include "cincel/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------- convolution -- */

/*
 * Cross-correlation, as every deep-learning library means by "convolution" (Goodfellow et al.,
 * Deep Learning, 2016, eq. 9.6), with groups and dilation:
 *
 *   y[n][oh][ow][oc] = act(b[oc] + Σ_kh Σ_kw Σ_c w[oc][kh][kw][c] · x[n][i][j][g·ic/groups + c])
 *       i = oh·stride_h − pad_top + kh·dilation_h,  j = ow·stride_w − pad_left + kw·dilation_w
 *
 * with g = oc / (oc_total/groups), c over ic/groups and x = 0 outside the image. The size of y is
 *
 *   oh = (ih + pad_top + pad_bottom − dilation_h·(kh−1) − 1) / stride_h + 1, rounded down; ow alike.
 *
 * Tensors: x [n][ih][iw][ic], w [oc][kh][kw][ic/groups], b [oc], y [n][oh][ow][oc].
 */
typedef struct cincel_conv_desc {
    size_t size;
    int n, groups;
    int ic, ih, iw;
    int oc, kh, kw;
    int stride_h, stride_w;
    int pad_top, pad_bottom, pad_left, pad_right; /* each below the dilated kernel's extent */
    int dilation_h, dilation_w;                   /* 1: dense */
    cincel_activation activation;
    int accumulate;                       /* backward passes: 1 adds to dx / dw / db, 0 overwrites them */
    float alpha;                          /* of LEAKY_RELU and ELU; ignored elsewhere */
    cincel_layout layout;                 /* of x, y, dx and dy */
    cincel_weights_layout weights_layout; /* of w and dw */
} cincel_conv_desc;
#define CINCEL_CONV_DESC_INIT                                                                                \
    {                                                                                                        \
        sizeof(cincel_conv_desc), 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, CINCEL_ACT_NONE, 0, 0.01f, \
            CINCEL_NHWC, CINCEL_OHWI                                                                         \
    }

/* Checks the descriptor and gives the output size. Either pointer may be NULL. */
CINCEL_API cincel_status cincel_conv_output_size(const cincel_conv_desc *d, int *oh, int *ow);

/*
 * A plan for one pass; `options` may be NULL. *out is the caller's to destroy. The error names the field that
 * is wrong; CINCEL_UNSUPPORTED: a backward pass with an activation whose derivative needs z (GELU, SILU), or
 * nothing fits max_workspace_bytes or the error budget.
 */
CINCEL_API cincel_status cincel_conv_plan(cincel_context *ctx, const cincel_conv_desc *d, cincel_pass pass,
                                          const cincel_options *options, cincel_plan **out);

/* y from x and w, tensors as above. `bias` [oc] may be NULL: none is added. */
CINCEL_API cincel_status cincel_conv_forward(const cincel_plan *plan, const float *x, const float *w,
                                             const float *bias, float *y, void *ws);

/*
 * dx from dy. `y` is the forward output, needed only where d.activation is not NONE (its gradient
 * follows from y and is applied to dy on the fly); NULL otherwise.
 */
CINCEL_API cincel_status cincel_conv_backward_data(const cincel_plan *plan, const float *dy, const float *w,
                                                   const float *y, float *dx, void *ws);

/* dw, and db unless it is NULL, from x and dy. `y` as for backward_data. */
CINCEL_API cincel_status cincel_conv_backward_weights(const cincel_plan *plan, const float *x,
                                                      const float *dy, const float *y, float *dw, float *db,
                                                      void *ws);

/*
 * Weights packed once for many forward calls (inference), in the order the plan's kernels read them. The
 * packed buffer (64-byte aligned, cincel_workspace_create; the caller's) belongs to the plan's choice: it
 * serves every plan of the same problem and choice, and a call given another is refused. Needs no w after.
 */

/* Bytes of the buffer; 0 for a plan that is not a forward pass of a convolution or fully connected layer. */
CINCEL_API size_t cincel_weights_packed_size(const cincel_plan *plan);

/* Packs `w`, in the layout of the descriptor. May allocate for its duration (weights in OIHW). */
CINCEL_API cincel_status cincel_weights_pack(const cincel_plan *plan, const float *w, void *packed);

/* cincel_conv_forward with the same bits. The workspace is the plan's as ever. */
CINCEL_API cincel_status cincel_conv_forward_packed(const cincel_plan *plan, const float *x,
                                                    const void *packed, const float *bias, float *y,
                                                    void *ws);

/* ---------------------------------------------------------------------------- fully connected -- */

/* y[n][out] = act(b[out] + Σ_in w[out][in] · x[n][in]): PyTorch's nn.Linear. Tensors: x [n][in], w [out][in],
   b [out], y [n][out]. */
typedef struct cincel_linear_desc {
    size_t size;
    int n, in, out;
    cincel_activation activation;
    int accumulate; /* backward passes: 1 adds to dx / dw / db, 0 overwrites them */
    float alpha;    /* of LEAKY_RELU and ELU */
} cincel_linear_desc;
#define CINCEL_LINEAR_DESC_INIT                                        \
    {                                                                  \
        sizeof(cincel_linear_desc), 1, 0, 0, CINCEL_ACT_NONE, 0, 0.01f \
    }

/* As the calls of convolution: a plan a pass, `options` and `bias` may be NULL, `y` only with an activation,
   db may be NULL. */
CINCEL_API cincel_status cincel_linear_plan(cincel_context *ctx, const cincel_linear_desc *d,
                                            cincel_pass pass, const cincel_options *options,
                                            cincel_plan **out);
CINCEL_API cincel_status cincel_linear_forward(const cincel_plan *plan, const float *x, const float *w,
                                               const float *bias, float *y, void *ws);
/* Weights of cincel_weights_pack. */
CINCEL_API cincel_status cincel_linear_forward_packed(const cincel_plan *plan, const float *x,
                                                      const void *packed, const float *bias, float *y,
                                                      void *ws);
CINCEL_API cincel_status cincel_linear_backward_data(const cincel_plan *plan, const float *dy, const float *w,
                                                     const float *y, float *dx, void *ws);
CINCEL_API cincel_status cincel_linear_backward_weights(const cincel_plan *plan, const float *x,
                                                        const float *dy, const float *y, float *dw, float *db,
                                                        void *ws);

#ifdef __cplusplus
}
#endif
#endif
