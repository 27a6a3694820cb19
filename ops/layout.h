/*
 * Conversion of whole tensors between layouts: batches of matrices, transposed. NCHW to NHWC is n matrices of
 * c rows and h·w columns, OIHW to OHWI oc matrices of ic/groups rows and kh·kw columns; the ways back swap
 * rows and columns. Movements only: bits are kept, NaNs with them.
 */
#ifndef CINCEL_OPS_LAYOUT_H
#define CINCEL_OPS_LAYOUT_H

#include "ops/crew.h"

struct cincel_transposition {
    size_t batch, rows, cols; /* of the source; all ≥ 1 */
};

/* dst[b][c][r] = src[b][r][c]. Nothing is allocated; the buffers do not overlap. */
void cincel_layout_transpose(const struct cincel_crew *crew, const struct cincel_transposition *t,
                             const float *src, float *dst);

#endif
