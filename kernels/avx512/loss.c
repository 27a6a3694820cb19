/* Element-wise losses: kernels/body/loss.inc on this ISA's registers. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

#include "kernels/body/loss.inc"

const struct cincel_loss_row cincel_loss_avx512 = {
    .name = "loss_" CINCEL_ISA_STRING,
    .run = loss_run,
};
