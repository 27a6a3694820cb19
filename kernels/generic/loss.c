/* Element-wise losses: kernels/body/loss.inc on this ISA's registers. */
#include "kernels/generic/rows.h"
#include "kernels/generic/vec.h"

#include "kernels/body/loss.inc"

const struct cincel_loss_row cincel_loss_generic = {
    .name = "loss_" CINCEL_ISA_STRING,
    .run = loss_run,
};
