/* Element-wise losses: kernels/body/loss.inc on this ISA's registers. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

#include "kernels/body/loss.inc"

const struct cincel_loss_row cincel_loss_avx2 = {
    .name = "loss_" CINCEL_ISA_STRING,
    .run = loss_run,
};
