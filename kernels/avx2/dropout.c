/* Dropout: kernels/body/dropout.inc on this ISA's registers. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

#include "kernels/body/dropout.inc"

const struct cincel_dropout_row cincel_dropout_avx2 = {
    .name = "dropout_" CINCEL_ISA_STRING,
    .run = dropout_run,
};
