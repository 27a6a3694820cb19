/* Layout conversion of AVX-512. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/transpose.h"

#include "kernels/body/layout.inc"

const struct cincel_layout_row cincel_layout_avx512 = {"layout_avx512", layout_transpose,
                                                       layout_transpose_past};
