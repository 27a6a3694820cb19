/*
 * Runs of taps, for the kernels that let them slide (struct cincel_slide_args): taps of one kernel row whose
 * source columns lie side by side in a strip, three at most.
 */
#ifndef CINCEL_OPS_CONV_SLIDE_H
#define CINCEL_OPS_CONV_SLIDE_H

#include <stddef.h>

enum { CINCEL_SLIDE_TAPS = 3 };

/*
 * The taps of a kernel row, `at[tap]` floats from a pixel's own column (no two alike), a pixel of the strip
 * being `px`: `order` gets the taps, run after run, in a run and among runs as they lie; length[i] gets the
 * taps of run i. Returns the number of runs. order and length: [taps].
 */
size_t cincel_slide_order(const ptrdiff_t *at, size_t taps, ptrdiff_t px, size_t *order, size_t *length);

#endif
