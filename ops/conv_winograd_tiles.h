/*
 * Winograd convolution (Winograd, 1980; Lavin & Gray, 2016), what all passes share: schemes, tiles, errors.
 * Private to ops/conv_winograd*.c.
 *
 * F(m x m, r x r): the output is cut into tiles of m x m pixels; a tile of a = m + r − 1 source pixels
 * squared, transformed, is a row of a² *planes*, and in each plane the convolution is a matrix product.
 * F(1 x m, 1 x r), for kernels of one row or one column: tiles are lines of a pixels, and there are a planes.
 * Stride 2 (of 3x3) takes even and odd samples apart, struct cincel_winograd_row tells how.
 * A dilated convolution falls apart into *phases*: pixels d apart see each other, and no others; the tiles of
 * a phase take every d-th pixel.
 */
#ifndef CINCEL_OPS_CONV_WINOGRAD_TILES_H
#define CINCEL_OPS_CONV_WINOGRAD_TILES_H

#include "ops/algo.h"

/* One axis of the scheme. */
struct cincel_winograd_axis {
    size_t src, out;           /* pixels */
    size_t src_step, out_step; /* pixels of the tensor from one to the next along this axis */
    size_t pad;                /* source pixel 0 of tile 0 lies that far outside */
    size_t dilation, phases;   /* fewer phases than the dilation where the output is smaller */
    size_t m, window;          /* pixels of an output tile, and source pixels under it */
    size_t advance;            /* source pixels from tile to tile, of those that see each other */
    size_t r;                  /* taps */
    size_t a, u;               /* elements of a transformed tile, and of transformed weights: */
    size_t shared;      /* weight u − 1 is that of the last `shared` elements, the others have their own */
    int one_tap;        /* of backward-data of stride 2: pixel 0 of a tile has one tap */
    size_t phase_tiles; /* of one phase; the last may be short, or empty */
    size_t tiles;
    size_t skips; /* elements, the last ones, that the last tile of a phase does not need: it is short */
};

/*
 * Output tiles of all images and the source pixels under them. The rows of a scheme of one row are the
 * image's columns where the kernel is a column.
 *
 * Where the last tile of an axis is short, some products concern only pixels that do not exist: that of the
 * point ∞ the last pixel alone, and of the last finite point none but the last two (without ∞ the last), if
 * the sources are transformed accordingly (struct cincel_winograd_row). 14 pixels are 3 tiles of 6 products
 * and one of 4. So that the tiles of each plane are neighbours, those that are short in columns alone come
 * first, then whole ones, then those short in rows alone, and in both; in each class by columns, rows,
 * images.
 */
struct cincel_winograd_tiles {
    struct cincel_winograd_axis rows, cols;
    size_t images, src_pixels, out_pixels; /* of an image */
    size_t planes, u_planes, taps;         /* a², u² and r², or a, u and r */
    size_t count;
};

/*
 * max |error| / RMS over √(chain length), the chain of channels forward, of output channels in backward-data,
 * of tiles for weights. Measured (tests/numerics.c, chains of 8 to 784) 0.9e-7 … 2.3e-7 and 1.3e-6 … 4.0e-6,
 * uniform and ReLU-like data.
 */
#define WINOGRAD2_ERROR 3.0e-7
#define WINOGRAD4_ERROR 4.4e-6

/* The error of a scheme over that of 3x3 of stride 1, which the constants above are. */
double cincel_winograd_growth(const struct cincel_problem *problem, int m);

/* The chain length whose error the constants above give, for another scheme than 3x3's of stride 1. */
double cincel_winograd_chain(const struct cincel_problem *problem, const struct cincel_choice *c,
                             double length);

/* Says why not, for a row's check(): false. */
bool cincel_winograd_refuse(char why[CINCEL_WHY], const char *phrase);

/* Is there a smaller value of a knob's list, each twice the one before, that covers `size`, too? */
static inline bool cincel_winograd_repeats(int value, const int *values, size_t size)
{
    return value > values[0] && (size_t)value / 2 >= size;
}

/* cincel_algo.rounds */
bool cincel_winograd_rounds(const struct cincel_problem *problem, const struct cincel_choice *c);

/* m of a choice: it is in the algorithm's name, "winograd4". */
int cincel_winograd_tile(const struct cincel_choice *c);

/* Rows of k (of V^T's channels) whose weights are transformed at a time: a claim, 18 KB of 16 columns. */
enum { WINOGRAD_PACK_FLOATS = 9 * 64 * 32 };
size_t cincel_winograd_pack_rows(size_t taps);

/* cincel_algo.standard of F(4x4): where it wins clearly on any machine seen so far. */
bool cincel_winograd_standard(const struct cincel_problem *problem);

/* The scheme m of `isa` for the problem's kernel; NULL where there is none. */
const struct cincel_winograd_row *cincel_winograd_find(const struct cincel_isa *isa,
                                                       const struct cincel_problem *problem, int m);

/* May Winograd serve the problem at all? If not, *why is a phrase. */
bool cincel_winograd_serves(const struct cincel_problem *problem, const char **why);

/* What m and the problem give; backward-data reads dy under the rotated kernel. */
void cincel_winograd_tiles_derive(const struct cincel_problem *problem, int m,
                                  struct cincel_winograd_tiles *out);

/* Tiles begin … end−1. */
struct cincel_winograd_range {
    size_t begin, end;
};

/* Those that need the plane in row `row` and column `col` of a transformed tile. */
struct cincel_winograd_range cincel_winograd_tiles_of(const struct cincel_winograd_tiles *s, size_t row,
                                                      size_t col);

/* How many there are in all planes together, those of a plane rounded up to a multiple of `grain`. */
double cincel_winograd_products(const struct cincel_winograd_tiles *s, size_t grain);

/* What an element of a transformed tile takes, over what it does with six points (Zen 3, 8 channels of x: up
   to six points 1.0 ns, eight 1.5, ten 2.2). */
double cincel_winograd_work(const struct cincel_winograd_tiles *s);

/* Fills in src, the ranges and phases of `args` for tile `tile` of `src`, [image][src_h][src_w][channels]. */
void cincel_winograd_source(const struct cincel_winograd_tiles *s, const float *src, size_t channels,
                            size_t tile, struct cincel_winograd_gather_args *args);

/* The planes whose weights are plane `weight` of U: a rectangle of rows and columns. */
struct cincel_winograd_sharers {
    size_t row, rows, col, cols;
};
struct cincel_winograd_sharers cincel_winograd_sharers(const struct cincel_winograd_tiles *s, size_t weight);

/* Where tile `tile` of an output tensor begins, in pixels; fills in the rows and columns of `args` that
   exist, and the phases. Neighbours lie dilation · out_step apart. */
size_t cincel_winograd_place(const struct cincel_winograd_tiles *s, size_t tile,
                             struct cincel_winograd_output_args *args);

/* Outer-product tiles of weight gradients: channels covered by tiles of decreasing height, `count` of each.
 */
enum { WINOGRAD_SPANS = 8 };
struct cincel_winograd_cover {
    struct {
        const struct cincel_outer_row *row;
        size_t count;
    } span[WINOGRAD_SPANS];
    int spans;
};
void cincel_winograd_cover(const struct cincel_isa *isa, const struct cincel_outer_row *highest,
                           size_t channels, struct cincel_winograd_cover *out);

/* cincel_algo.row: the highest tile of each width; the cover finds the lower ones. */
const char *cincel_winograd_outer_row(const struct cincel_isa *isa, int index);

/* An odd number of cache lines, ≥ floats: planes a power of two apart would share L1 sets. */
size_t cincel_winograd_pitch(size_t floats);

#endif
