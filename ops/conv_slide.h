/*
 * Runs of taps, for the kernels that let them slide (struct cincel_slide_args): taps of one kernel row whose
 * source columns lie side by side in a strip, three at most; behind two of them one more, from anywhere.
 */
#ifndef CINCEL_OPS_CONV_SLIDE_H
#define CINCEL_OPS_CONV_SLIDE_H

#include <stdbool.h>
#include <stddef.h>

enum { CINCEL_SLIDE_TAPS = 3, CINCEL_SLIDE_MOST = 800 }; /* of a run; of a kernel row */

/* `slide` taps side by side, and `lone` (0 or 1) more. */
struct cincel_slide_taps {
    size_t slide, lone;
};

/*
 * The taps of a kernel row, `at[tap]` floats from a pixel's own column (no two alike), a pixel of the strip
 * being `px`: `order` gets the taps, run after run, `runs` what each consists of. Longer runs come first, and
 * those alike as they lie. Not `pairs`: no run has a lone tap. Returns the number of runs. order and runs:
 * [taps].
 */
size_t cincel_slide_order(const ptrdiff_t *at, size_t taps, ptrdiff_t px, bool pairs, size_t *order,
                          struct cincel_slide_taps *runs);

#endif
