/* Time series: tables whose rows follow each other in time. */
#ifndef CINCEL_TRAIN_SERIES_H
#define CINCEL_TRAIN_SERIES_H

#include <stddef.h>
#include <stdint.h>

#include "cincel/train.h"

/*
 * Windows of values [rows][columns] as samples [window][1][columns] whose targets are the `horizon` rows
 * behind, [horizon][columns], or [horizon] of column `target` where that is ≥ 0. The first window begins at
 * row `first`, each further one a row later, as long as there are targets before row `last` ≤ rows.
 */
cincel_status cincel_dataset_windows(const float *values, size_t columns, size_t first, size_t last,
                                     int window, int horizon, int target, cincel_dataset **out);

/* A series of one column, a pure function of (seed, row): three sines of periods 24, 17 and 63 with
   amplitudes 1, 0.6 and 0.4, and normal noise of deviation 0.05. */
void cincel_series_sines(float *values, size_t rows, uint64_t seed);

#endif
