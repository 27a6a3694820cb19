/* cincel: conversions between layouts. Conventions: cincel.h. Plans convert by themselves where a descriptor
 * says NCHW or OIHW; these calls are for data at rest. */
#ifndef CINCEL_LAYOUT_H
#define CINCEL_LAYOUT_H

#include "cincel/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * out = in, laid out anew, on the context's threads. Bits are kept. `from` and `to` may be equal: a copy.
 * in and out must not overlap. c channels (ic: channels a group) of h x w pixels or kernel cells.
 */
CINCEL_API cincel_status cincel_layout_convert(cincel_context *ctx, cincel_layout from, cincel_layout to,
                                               int n, int c, int h, int w, const float *in, float *out);
CINCEL_API cincel_status cincel_weights_convert(cincel_context *ctx, cincel_weights_layout from,
                                                cincel_weights_layout to, int oc, int ic, int kh, int kw,
                                                const float *in, float *out);

#ifdef __cplusplus
}
#endif
#endif
