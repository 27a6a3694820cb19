/* What stands behind include/cincel/embedding.h. Arguments are checked by the caller; nothing here allocates.
 */
#ifndef CINCEL_OPS_EMBEDDING_H
#define CINCEL_OPS_EMBEDDING_H

#include <stdint.h>

#include "ops/crew.h"

void cincel_embedding_gather(const struct cincel_crew *crew, const int32_t *ids, const float *w, size_t count,
                             size_t width, float *y);
void cincel_embedding_scatter(const struct cincel_crew *crew, const int32_t *ids, const float *dy,
                              size_t count, size_t vocabulary, size_t width, float *dw);

#endif
