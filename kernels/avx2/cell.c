/* Recurrent cells: kernels/body/cell.inc on this ISA's registers. */
#include "kernels/avx2/rows.h"
#include "kernels/avx2/vec.h"

#define CELL_ROW cincel_cell_avx2
#include "kernels/body/cell.inc"
