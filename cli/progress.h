/*
 * How a training run is shown while it lasts: on a terminal a bar that is redrawn in place, and one plain
 * line an epoch that stays; elsewhere (a file, a pipe) the lines alone.
 */
#ifndef CINCEL_CLI_PROGRESS_H
#define CINCEL_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdio.h>

#include "cincel/train.h"

struct progress {
    FILE *stream;
    bool terminal;
    bool r2;        /* shown instead of the accuracy */
    int characters; /* of text: a sample's; perplexity is shown too */
    double drawn;   /* when, so as not to redraw at every step */
    bool showing;   /* a bar is on the screen */
};

/* Asks whether `stream` is a terminal; escape sequences go nowhere else. */
struct progress progress_on(FILE *stream);

void progress_show(struct progress *progress, const cincel_train_progress *p);

/* Takes the bar away, if there is one. */
void progress_clear(struct progress *progress);

#endif
