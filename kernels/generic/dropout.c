/* Dropout: kernels/body/dropout.inc on this ISA's registers. */
#include "kernels/generic/rows.h"
#include "kernels/generic/vec.h"

#include "kernels/body/dropout.inc"

const struct cincel_dropout_row cincel_dropout_generic = {
    .name = "dropout_" CINCEL_ISA_STRING,
    .run = dropout_run,
};
