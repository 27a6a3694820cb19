/*
 * How digits are written: for each class a few ways, as strokes of a pen through points of the unit
 * square, x to the right and y down.
 */
#ifndef CINCEL_TRAIN_DIGIT_STROKES_H
#define CINCEL_TRAIN_DIGIT_STROKES_H

enum {
    DIGIT_CLASSES = 10,
    DIGIT_WAYS = 3,    /* to write each digit */
    DIGIT_STROKES = 3, /* most strokes of a way */
    DIGIT_POINTS = 12  /* most points of a stroke */
};

struct digit_point {
    float x, y;
};

/* Curved: a Catmull-Rom spline through the points; else straight from one to the next. */
struct digit_stroke {
    int count, curved;
    struct digit_point at[DIGIT_POINTS];
};

struct digit_way {
    int strokes;
    struct digit_stroke stroke[DIGIT_STROKES];
};

extern const struct digit_way cincel_digit_ways[DIGIT_CLASSES][DIGIT_WAYS];

#endif
