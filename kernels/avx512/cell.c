/* Recurrent cells: kernels/body/cell.inc on this ISA's registers. */
#include "kernels/avx512/rows.h"
#include "kernels/avx512/vec.h"

#define CELL_ROW cincel_cell_avx512
#include "kernels/body/cell.inc"
