/* Element-wise losses: kernels/body/loss.inc on this ISA's registers. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

#include "kernels/body/loss.inc"

const struct cincel_loss_row cincel_loss_neon = {
    .name = "loss_" CINCEL_ISA_STRING,
    .run = loss_run,
};
