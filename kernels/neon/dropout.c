/* Dropout: kernels/body/dropout.inc on this ISA's registers. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

#include "kernels/body/dropout.inc"

const struct cincel_dropout_row cincel_dropout_neon = {
    .name = "dropout_" CINCEL_ISA_STRING,
    .run = dropout_run,
};
