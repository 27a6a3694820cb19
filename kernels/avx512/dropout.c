/* Dropout: kernels/body/dropout.inc on this ISA's registers. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

#include "kernels/body/dropout.inc"

const struct cincel_dropout_row cincel_dropout_avx512 = {
    .name = "dropout_" CINCEL_ISA_STRING,
    .run = dropout_run,
};
