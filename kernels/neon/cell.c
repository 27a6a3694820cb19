/* Recurrent cells: kernels/body/cell.inc on this ISA's registers. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

#include "kernels/body/cell.inc"

const struct cincel_cell_row cincel_cell_neon = {
    .name = "cell_" CINCEL_ISA_STRING,
    .lstm = cell_lstm,
    .gru = cell_gru,
    .gru_reset = cell_gru_reset,
    .gru_finish = cell_gru_finish,
    .tanh = cell_tanh,
    .relu = cell_relu,
    .lstm_gradient = cell_lstm_gradient,
    .gru_gradient = cell_gru_gradient,
    .gru_finish_gradient = cell_gru_finish_gradient,
    .gru_reset_gradient = cell_gru_reset_gradient,
    .tanh_gradient = cell_tanh_gradient,
    .relu_gradient = cell_relu_gradient,
};
