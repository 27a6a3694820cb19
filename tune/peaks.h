/* The machine's measured limits: what cost model, benchmark and `cincel info` hold results against. */
#ifndef CINCEL_TUNE_PEAKS_H
#define CINCEL_TUNE_PEAKS_H

#include <stdbool.h>

#include "core/machine.h"
#include "core/parallel.h"
#include "kernels/kernel.h"

/*
 * Measures FMA peak and bandwidths of one core and of the whole team (about two seconds), or, with
 * `use_cache` and without `refresh`, reads what an earlier call wrote. With `use_cache` the result is
 * written, silently if that fails. Working sets double from 16 KB until they exceed all last-level
 * caches of the team four times (at most 512 MB, an eighth of memory, and as far as the time suffices).
 */
cincel_status cincel_peaks_measure(const struct cincel_machine *machine, const struct cincel_isa *isa,
                                   struct cincel_team *team, bool refresh, bool use_cache,
                                   cincel_machine_peaks *out);

/* What an earlier measurement left in the cache for this machine, ISA and team size; false if nothing. */
bool cincel_peaks_cached(const struct cincel_machine *machine, const struct cincel_isa *isa, int threads,
                         cincel_machine_peaks *out);

#endif
