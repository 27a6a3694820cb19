/* Layout conversion of the baseline. */
#include "kernels/generic/rows.h"
#include "kernels/generic/transpose.h"

#include "kernels/body/layout.inc"

const struct cincel_layout_row cincel_layout_generic = {"layout_generic", layout_transpose, NULL};
