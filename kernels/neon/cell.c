/* Recurrent cells: kernels/body/cell.inc on this ISA's registers. */
#include "kernels/neon/rows.h"
#include "kernels/neon/vec.h"

#define CELL_ROW cincel_cell_neon
#include "kernels/body/cell.inc"
