/* Was the machine ours while we measured? What others took of it, in figures. */
#ifndef CINCEL_TUNE_CONTENTION_H
#define CINCEL_TUNE_CONTENTION_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/kernel.h"

struct cincel_contention {
    /* set by _begin */
    const struct cincel_probe_row *probe;
    double steal, ticks; /* of all CPUs so far */
    double rate;         /* flops a second of one core, for a moment */
    /* counted by the one who measures */
    size_t samples, interrupted; /* … in which a thread of ours was put aside for another */
    /* filled by _end */
    double stolen; /* share of the CPUs' time that the hypervisor gave to others, 0 … 1 */
    double clock;  /* rate after / rate before */
};

void cincel_contention_begin(struct cincel_contention *c, const struct cincel_isa *isa);
void cincel_contention_end(struct cincel_contention *c);

/* Times a thread of this process had to leave its core although it had work; differences count. */
long cincel_contention_switches(void);

/* Steal time and all time of the CPUs since boot, in ticks, from the first line of /proc/stat; false where it
   is another line. */
bool cincel_contention_parse(const char *line, double *steal, double *all);

/* "12 % of the samples interrupted, clock 8 % slower"; "" where nothing is worth saying. */
void cincel_contention_text(const struct cincel_contention *c, char *out, size_t size);

#endif
