/* What tuning found as one HTML page that needs nothing else: the machine's roofline with every problem on
 * it, untuned and tuned, and a table. */
#ifndef CINCEL_CLI_REPORT_H
#define CINCEL_CLI_REPORT_H

#include <stddef.h>

#include "cincel/cincel.h"
#include "core/atomic_file.h"

/* A problem that was tuned. */
struct report_entry {
    const char *name, *choice;
    int pass, threads;
    double operations; /* 2 a multiply-add; of pooling, one a cell of a window */
    double bytes;      /* of all tensors, once */
    double seconds, default_seconds;
    double uses; /* in a training step */
};

struct report {
    cincel_machine_info machine;
    cincel_machine_peaks peaks;
    const struct report_entry *entry;
    size_t entries;
};

/* Replaces `path` as a whole or not at all. */
cincel_status report_write(const char *path, const struct report *r);

/* The roofline, as wide and as high, inline in the page (report_roofline.c). `kind` becomes its class. */
void report_write_roofline(struct cincel_atomic_file *file, const struct report *r, const char *kind,
                           int width, int height);

/* Text with what HTML would take for markup escaped; returns `out`, cut to its size. */
const char *report_escape(const char *text, char *out, size_t size);

#endif
