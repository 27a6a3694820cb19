/* Recurrent cells: kernels/body/cell.inc on this ISA's registers. */
#include "kernels/generic/rows.h"
#include "kernels/generic/vec.h"

#define CELL_ROW cincel_cell_generic
#include "kernels/body/cell.inc"
