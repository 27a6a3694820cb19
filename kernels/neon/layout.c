/* Layout conversion of NEON. */
#include "kernels/neon/rows.h"
#include "kernels/neon/transpose.h"

#include "kernels/body/layout.inc"

const struct cincel_layout_row cincel_layout_neon = {"layout_neon", layout_transpose, NULL};
