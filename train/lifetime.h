/*
 * Memory planned by lifetime: buffers that are never in use at the same time may lie at the same place.
 */
#ifndef CINCEL_TRAIN_LIFETIME_H
#define CINCEL_TRAIN_LIFETIME_H

#include <stdbool.h>
#include <stddef.h>

struct lifetime {
    size_t bytes;   /* 0: not used, gets no place */
    int born, dies; /* first and last step that touches it, born ≤ dies */
    size_t offset;  /* out: a multiple of 64 bytes */
    bool placed;    /* out */
};

/*
 * Places the buffers in one arena and returns its size. Largest first, each at the lowest place that
 * is free for the whole of its life: close to the best on the chains that models are.
 */
size_t cincel_lifetime_place(struct lifetime *buffers, size_t count);

#endif
