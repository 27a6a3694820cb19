/* Layout conversion of AVX2. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/transpose.h"

#include "kernels/body/layout.inc"

const struct cincel_layout_row cincel_layout_avx2 = {"layout_avx2", layout_transpose, layout_transpose_past};
