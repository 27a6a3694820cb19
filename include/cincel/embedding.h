/* cincel: embeddings: rows of a table by number. Conventions: cincel.h. */
#ifndef CINCEL_EMBEDDING_H
#define CINCEL_EMBEDDING_H

#include <stdint.h>

#include "cincel/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * y[i] = w[ids[i]], i < count: w [vocabulary][width], y [count][width], as torch.nn.Embedding does it, on the
 * context's threads. Sizes of 0, NULL pointers and an id that is not in 0 … vocabulary − 1 are
 * CINCEL_INVALID_ARGUMENT, and nothing is written then.
 */
CINCEL_API cincel_status cincel_embedding_forward(cincel_context *ctx, const int32_t *ids, const float *w,
                                                  size_t count, size_t vocabulary, size_t width, float *y);

/* dw[v] = Σ dy[i] over the i with ids[i] = v, in the order of i: the same bits for any number of threads.
   Rows no id names become 0. */
CINCEL_API cincel_status cincel_embedding_backward(cincel_context *ctx, const int32_t *ids, const float *dy,
                                                   size_t count, size_t vocabulary, size_t width, float *dw);

#ifdef __cplusplus
}
#endif
#endif
