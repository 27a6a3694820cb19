/*
 * Measured peaks in a small text file, `peaks-<machine key>-t<threads>.txt`:
 *
 *   cincel-peaks 1
 *   machine amd-25-1-avx2-l1_32k-l2_512k l3 33554432 threads 2
 *   mflops 103700 207100                       of one core, of the team
 *   point 16384 201500 133000 402100 265900    bytes; MB/s: read and triad of one core, of the team
 *   …
 *   end 14
 *
 * Anything else in it, and the whole file is ignored.
 */
#ifndef CINCEL_TUNE_PEAKS_CACHE_H
#define CINCEL_TUNE_PEAKS_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "cincel/cincel.h"

/* What the figures belong to: a file that says otherwise is another machine's. */
struct cincel_peaks_identity {
    char key[96]; /* cincel_machine_key, which names the ISA too */
    size_t l3_bytes;
    int threads;
};

/* $XDG_CACHE_HOME/cincel, else $HOME/.cache/cincel; false where neither is an absolute path. */
bool cincel_peaks_cache_folder(char *out, size_t size);

bool cincel_peaks_load(const char *folder, const struct cincel_peaks_identity *who,
                       cincel_machine_peaks *out);

/* Makes the folder; writes a temporary file and renames it. False on any failure, nothing is left behind. */
bool cincel_peaks_save(const char *folder, const struct cincel_peaks_identity *who,
                       const cincel_machine_peaks *peaks);

#endif
