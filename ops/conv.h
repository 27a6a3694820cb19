/* The convolution algorithms, for ops/algo.c to list. */
#ifndef CINCEL_OPS_CONV_H
#define CINCEL_OPS_CONV_H

#include "ops/algo.h"

extern const struct cincel_algo cincel_algo_conv_direct_forward;
extern const struct cincel_algo cincel_algo_conv_direct_backward_data;
extern const struct cincel_algo cincel_algo_conv_direct_backward_weights;

extern const struct cincel_algo cincel_algo_conv_im2col_forward;
extern const struct cincel_algo cincel_algo_conv_im2col_backward_data;
extern const struct cincel_algo cincel_algo_conv_im2col_backward_weights;

extern const struct cincel_algo cincel_algo_conv_depthwise_forward;
extern const struct cincel_algo cincel_algo_conv_depthwise_backward_data;
extern const struct cincel_algo cincel_algo_conv_depthwise_backward_weights;

extern const struct cincel_algo cincel_algo_conv_winograd2_forward;
extern const struct cincel_algo cincel_algo_conv_winograd2_backward_data;
extern const struct cincel_algo cincel_algo_conv_winograd4_forward;
extern const struct cincel_algo cincel_algo_conv_winograd4_backward_data;
extern const struct cincel_algo cincel_algo_conv_winograd2_backward_weights;
extern const struct cincel_algo cincel_algo_conv_winograd4_backward_weights;

extern const struct cincel_algo cincel_algo_conv_fewchan_forward;

extern const struct cincel_algo cincel_algo_conv_grouped_forward;
extern const struct cincel_algo cincel_algo_conv_grouped_backward_data;
extern const struct cincel_algo cincel_algo_conv_grouped_backward_weights;

extern const struct cincel_algo cincel_algo_linear_gemv_forward;
extern const struct cincel_algo cincel_algo_linear_gemv_backward_data;
extern const struct cincel_algo cincel_algo_linear_gemv_backward_weights;

#endif
