/* The tiles of Winograd convolution: which pixels they read and write. */
#include "ops/conv_winograd_tiles.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"

int cincel_winograd_tile(const struct cincel_choice *c) { return c->algo[strlen("winograd")] - '0'; }

bool cincel_winograd_standard(const struct cincel_problem *problem)
{
    const cincel_conv_desc *d = &problem->conv.d;
    return d->ic / d->groups >= 32 && d->oc / d->groups >= 32 && problem->conv.oh >= 12 &&
           problem->conv.ow >= 12;
}

/* The kernel is a line, or else a square where any scheme serves it. */
static bool is_line(const cincel_conv_desc *d) { return d->kh == 1 || d->kw == 1; }

const struct cincel_winograd_row *cincel_winograd_find(const struct cincel_isa *isa,
                                                       const struct cincel_problem *problem, int m)
{
    const cincel_conv_desc *d = &problem->conv.d;
    const int r = d->kh > d->kw ? d->kh : d->kw;
    for (int i = 0; i < isa->winograd_count; i++) {
        const struct cincel_winograd_row *row = &isa->winograd[i];
        if (row->m == m && row->r == r && row->stride == d->stride_h && row->square == !is_line(d))
            return row;
    }
    return NULL;
}

/* Points of a tile's side. */
static int points_of(const struct cincel_problem *problem, const struct cincel_choice *c)
{
    const cincel_conv_desc *d = &problem->conv.d;
    return cincel_winograd_tile(c) + (d->stride_h == 2 ? 2 : d->kh > d->kw ? d->kh : d->kw) - 1;
}

double cincel_winograd_growth(const struct cincel_problem *problem, int m)
{
    /* tests/numerics.c, the worst of samples of any size: F(4x4,5x5) 4.1e-6; F(2x2,7x7) 4.8e-6, of weights,
       seven each way out of eight products, 8.5e-6; F(4x4,7x7) 3.0e-5; F(4x4,4x4) 3.2e-6;
       F(4x4,2x2) and F(4x4,3x3) of stride 2, which is F(4,2) at most, 5.8e-7; of lines 1.7e-7 for F(2,3), and
       0.8e-6, 0.8e-6, 1.7e-6 for F(4,3), F(4,5) and F(4,7), which the squares' constants cover */
    const cincel_conv_desc *d = &problem->conv.d;
    const bool weights = problem->pass == CINCEL_BACKWARD_WEIGHTS;
    const int side = d->kh < d->kw ? d->kh : d->kw;
    if (side == 7 && m == 2) return weights ? 32.0 : 18.0;
    if (side == 7) return 7.6;
    if (side == 5) return 1.25;
    return m == 4 && (side == 2 || d->stride_h == 2) ? 0.2 : 1.0;
}

double cincel_winograd_chain(const struct cincel_problem *problem, const struct cincel_choice *c,
                             double length)
{
    const double growth = cincel_winograd_growth(problem, cincel_winograd_tile(c));
    return length * growth * growth;
}

bool cincel_winograd_rounds(const struct cincel_problem *problem, const struct cincel_choice *c)
{
    return points_of(problem, c) > 6;
}

size_t cincel_winograd_pack_rows(size_t taps) { return 9 * 32 / taps & ~(size_t)3; }

/* a² planes of a tile, tiles of an image, all with their padding: what derivations multiply. */
static bool sizes_fit(const struct cincel_problem *problem)
{
    enum { PLANES = 100, ROUNDING = 512 };
    const cincel_conv_desc *d = &problem->conv.d;
    const size_t phases = 8 * (size_t)cincel_max((size_t)d->dilation_h, (size_t)d->dilation_w);
    size_t pixels, channels, total;
    if (!cincel_mul((size_t)d->ih + ROUNDING + phases, (size_t)d->iw + ROUNDING + phases, &pixels))
        return false;
    if (!cincel_mul(pixels, (size_t)d->n + 1, &pixels)) return false;
    if (!cincel_mul((size_t)d->ic + ROUNDING, (size_t)d->oc + ROUNDING, &channels)) return false;
    if (!cincel_mul(pixels, (size_t)d->ic + (size_t)d->oc + ROUNDING, &pixels)) return false;
    return cincel_mul(pixels, PLANES * sizeof(float), &pixels) &&
           cincel_mul(channels, PLANES * sizeof(float), &channels) &&
           !__builtin_add_overflow(pixels, channels, &total) && total < PTRDIFF_MAX / 2048;
}

/* Of groups of fewer channels, transforms take longer than the products they save (8 channels on Zen 3: 2.0
   ms, `grouped` 1.5). */
enum { GROUP_MIN = 12 };

/* Where tiles of 7x7 see mostly padding, errors are large beside what little is summed up. */
static int least_side(const struct cincel_problem *problem)
{
    const cincel_conv_desc *d = &problem->conv.d;
    const int in = d->ih < d->iw ? d->ih : d->iw;
    const int out = problem->conv.oh < problem->conv.ow ? problem->conv.oh : problem->conv.ow;
    return in < out ? in : out;
}

bool cincel_winograd_refuse(char why[CINCEL_WHY], const char *phrase)
{
    snprintf(why, CINCEL_WHY, "winograd: %s", phrase);
    return false;
}

bool cincel_winograd_serves(const struct cincel_problem *problem, const char **why)
{
    const cincel_conv_desc *d = &problem->conv.d;
    *why = NULL;
    if (d->kh != d->kw && !is_line(d))
        *why = "kernels must be square or lines";
    else if (d->stride_h != d->stride_w || d->stride_h > 2)
        *why = "the stride must be 1 or 2";
    else if (d->stride_h == 2 && (d->kh != 3 || d->kw != 3 || d->dilation_h != 1 || d->dilation_w != 1))
        *why = "of stride 2, kernels must be 3x3 and dense";
    else if (d->kh == 7 && d->kw == 7 && least_side(problem) < 7)
        *why = "of 7x7, images must not be smaller than the kernel";
    else if (d->groups > 1 && (d->ic / d->groups < GROUP_MIN || d->oc / d->groups < GROUP_MIN))
        *why = "groups have too few channels each";
    else if (!sizes_fit(problem))
        *why = "sizes overflow";
    return *why == NULL;
}

/* Sizes along one axis of the image. */
struct side {
    int in, out, kernel, pad, stride, dilation;
    size_t in_step, out_step;
};

/* Stride 2. Backward-data as if dy had zeros between its pixels: those are the even samples. */
static void by_phases(bool gathers_dy, struct cincel_winograd_axis *axis)
{
    axis->a = 2 * axis->m + 1;
    axis->u = axis->m + 2;
    axis->shared = axis->m;
    if (gathers_dy) {
        axis->one_tap = axis->pad % 2;
        axis->pad /= 2;
        axis->window = axis->m + 1;
        axis->m *= 2;
    } else {
        axis->window = axis->a;
        axis->advance = 2 * axis->m;
    }
}

/* Of stride 1: finite points are 0 and pairs, ∞ makes their number even. */
static bool has_infinity(const struct cincel_winograd_axis *axis) { return axis->a % 2 == 0; }

/* What the last tile of a phase does without, of which at most `rest` pixels exist. */
static size_t skipped(const struct cincel_winograd_axis *axis, bool gathers_dy, int stride, size_t rest)
{
    if (rest >= axis->m) return 0;
    if (stride == 1) return has_infinity(axis) && rest + 1 < axis->m ? 2 : 1;
    if (!gathers_dy) return axis->m - rest; /* odd samples, a pixel each */
    /* every second pixel is that of an odd sample */
    return (axis->m - rest + (size_t)!axis->one_tap) / 2;
}

static struct cincel_winograd_axis derive_axis(const struct side *side, bool gathers_dy, size_t m, size_t r)
{
    const int pad = gathers_dy ? (side->kernel - 1) * side->dilation - side->pad : side->pad;
    struct cincel_winograd_axis axis = {.src = (size_t)(gathers_dy ? side->out : side->in),
                                        .out = (size_t)(gathers_dy ? side->in : side->out),
                                        .src_step = gathers_dy ? side->out_step : side->in_step,
                                        .out_step = gathers_dy ? side->in_step : side->out_step,
                                        .pad = (size_t)pad,
                                        .dilation = (size_t)side->dilation,
                                        .m = m,
                                        .window = m + r - 1,
                                        .advance = m,
                                        .r = r,
                                        .a = m + r - 1,
                                        .u = m + r - 1,
                                        .shared = 1};
    if (side->stride == 2) by_phases(gathers_dy, &axis);
    axis.phases = cincel_min(axis.dilation, axis.out);
    const size_t pixels = cincel_div_up(axis.out, axis.dilation); /* of the first phase, which has the most */
    axis.phase_tiles = cincel_div_up(pixels, axis.m);
    axis.tiles = axis.phases * axis.phase_tiles;
    axis.skips = skipped(&axis, gathers_dy, side->stride, pixels - (axis.phase_tiles - 1) * axis.m);
    return axis;
}

void cincel_winograd_tiles_derive(const struct cincel_problem *problem, int m,
                                  struct cincel_winograd_tiles *out)
{
    const cincel_conv_desc *d = &problem->conv.d;
    const int oh = problem->conv.oh, ow = problem->conv.ow;
    const bool gathers_dy = problem->pass == CINCEL_BACKWARD_DATA, column = d->kw == 1 && d->kh > 1;
    const struct side h = {d->ih,         oh,        d->kh, d->pad_top, d->stride_h, d->dilation_h,
                           (size_t)d->iw, (size_t)ow};
    const struct side w = {d->iw, ow, d->kw, d->pad_left, d->stride_w, d->dilation_w, 1, 1};
    const size_t tile = (size_t)m, across = is_line(d) ? 1 : tile;
    const size_t in_pixels = (size_t)d->ih * (size_t)d->iw, out_pixels = (size_t)oh * (size_t)ow;
    const struct side *rows = column ? &w : &h, *cols = column ? &h : &w;
    *out = (struct cincel_winograd_tiles){
        .rows = derive_axis(rows, gathers_dy, across, (size_t)rows->kernel),
        .cols = derive_axis(cols, gathers_dy, tile, (size_t)cols->kernel),
        .images = (size_t)d->n,
        .src_pixels = gathers_dy ? out_pixels : in_pixels,
        .out_pixels = gathers_dy ? in_pixels : out_pixels,
        .taps = (size_t)d->kh * (size_t)d->kw,
    };
    out->planes = out->rows.a * out->cols.a;
    out->u_planes = out->rows.u * out->cols.u;
    out->count = out->images * out->rows.tiles * out->cols.tiles;
}

/* ------------------------------------------------------------------------------------- numbering -- */

/* Tiles of an axis that are short, or whole. */
static size_t axis_tiles(const struct cincel_winograd_axis *axis, bool is_short)
{
    const size_t count = axis->skips ? axis->phases : 0;
    return is_short ? count : axis->tiles - count;
}

/* Number `at` of them among all tiles of the axis. */
static size_t axis_tile(const struct cincel_winograd_axis *axis, bool is_short, size_t at)
{
    if (!axis->skips) return at;
    if (is_short) return (at + 1) * axis->phase_tiles - 1;
    return at / (axis->phase_tiles - 1) * axis->phase_tiles + at % (axis->phase_tiles - 1);
}

/* The classes of tiles, in their order. */
static const struct {
    bool rows, cols; /* short? */
} class[] = {{false, true}, {false, false}, {true, false}, {true, true}};
enum { CLASSES = sizeof class / sizeof class[0] };

static size_t class_tiles(const struct cincel_winograd_tiles *s, int i)
{
    return s->images * axis_tiles(&s->rows, class[i].rows) * axis_tiles(&s->cols, class[i].cols);
}

struct place {
    size_t image, row, col; /* tiles */
};

static struct place find(const struct cincel_winograd_tiles *s, size_t tile)
{
    int i = 0;
    for (size_t count; tile >= (count = class_tiles(s, i)) && i < CLASSES - 1; i++) tile -= count;
    const size_t rows = axis_tiles(&s->rows, class[i].rows), cols = axis_tiles(&s->cols, class[i].cols);
    return (struct place){tile / cols / rows, axis_tile(&s->rows, class[i].rows, tile / cols % rows),
                          axis_tile(&s->cols, class[i].cols, tile % cols)};
}

struct cincel_winograd_range cincel_winograd_tiles_of(const struct cincel_winograd_tiles *s, size_t row,
                                                      size_t col)
{
    struct cincel_winograd_range range = {0, s->count};
    if (col + s->cols.skips >= s->cols.a) {
        range.begin = class_tiles(s, 0);
        range.end -= class_tiles(s, 3);
    }
    if (row + s->rows.skips >= s->rows.a) range.end = class_tiles(s, 0) + class_tiles(s, 1);
    return range;
}

double cincel_winograd_products(const struct cincel_winograd_tiles *s, size_t grain)
{
    double products = 0.0;
    for (size_t row = 0; row < s->rows.a; row++)
        for (size_t col = 0; col < s->cols.a; col++) {
            const struct cincel_winograd_range range = cincel_winograd_tiles_of(s, row, col);
            products += (double)cincel_round_up(range.end - range.begin, grain);
        }
    return products;
}

double cincel_winograd_work(const struct cincel_winograd_tiles *s)
{
    const bool dense = s->cols.u == s->cols.a; /* else the transform is that of fewer points */
    return dense && s->cols.a > 6 ? (double)((s->cols.a - 1) / 2) / 2.0 : 1.0;
}

/* ---------------------------------------------------------------------------------------- places -- */

/* Of the source pixels under tile `tile`: those that exist, and the first of them. */
static size_t source_of(const struct cincel_winograd_axis *axis, size_t tile, int *from, int *to)
{
    const size_t d = axis->dilation;
    const size_t begin = tile / axis->phase_tiles + tile % axis->phase_tiles * axis->advance * d; /* − pad */
    const size_t missing = begin < axis->pad ? cincel_div_up(axis->pad - begin, d) : 0;
    const size_t reached =
        axis->src + axis->pad > begin ? cincel_div_up(axis->src + axis->pad - begin, d) : 0;
    const size_t low = cincel_min(missing, axis->window), high = cincel_min(reached, axis->window);
    *from = (int)low;
    *to = (int)cincel_max(low, high);
    return low < high ? begin + low * d - axis->pad : 0;
}

/* What struct cincel_winograd_gather_args calls a phase. */
static int phase_of(const struct cincel_winograd_axis *axis, size_t tile)
{
    if (axis->u < axis->a) return axis->one_tap; /* stride 2 */
    return axis->skips > (size_t)has_infinity(axis) && tile % axis->phase_tiles == axis->phase_tiles - 1;
}

/* Where tile `tile` begins, and how many of its pixels exist. */
static size_t place_of(const struct cincel_winograd_axis *axis, size_t tile, int *count)
{
    const size_t begin = tile / axis->phase_tiles + tile % axis->phase_tiles * axis->m * axis->dilation;
    *count = 0;
    if (begin >= axis->out) return 0;
    *count = (int)cincel_min(axis->m, cincel_div_up(axis->out - begin, axis->dilation));
    return begin;
}

void cincel_winograd_source(const struct cincel_winograd_tiles *s, const float *src, size_t channels,
                            size_t tile, struct cincel_winograd_gather_args *args)
{
    const struct place at = find(s, tile);
    const size_t row = source_of(&s->rows, at.row, &args->row_begin, &args->row_end);
    const size_t col = source_of(&s->cols, at.col, &args->col_begin, &args->col_end);
    args->row_phase = phase_of(&s->rows, at.row);
    args->col_phase = phase_of(&s->cols, at.col);
    args->src = src + (at.image * s->src_pixels + row * s->rows.src_step + col * s->cols.src_step) * channels;
    args->src_row = s->rows.dilation * s->rows.src_step * channels;
    args->src_col = s->cols.dilation * s->cols.src_step * channels;
}

size_t cincel_winograd_place(const struct cincel_winograd_tiles *s, size_t tile,
                             struct cincel_winograd_output_args *args)
{
    const struct place at = find(s, tile);
    const size_t row = place_of(&s->rows, at.row, &args->rows);
    const size_t col = place_of(&s->cols, at.col, &args->cols);
    args->row_phase = phase_of(&s->rows, at.row);
    args->col_phase = phase_of(&s->cols, at.col);
    return at.image * s->out_pixels + row * s->rows.out_step + col * s->cols.out_step;
}

struct cincel_winograd_sharers cincel_winograd_sharers(const struct cincel_winograd_tiles *s, size_t weight)
{
    const size_t row = weight / s->cols.u, col = weight % s->cols.u;
    return (struct cincel_winograd_sharers){row, row == s->rows.u - 1 ? s->rows.shared : 1, col,
                                            col == s->cols.u - 1 ? s->cols.shared : 1};
}

size_t cincel_winograd_pitch(size_t floats)
{
    const size_t line = CINCEL_ALIGN / sizeof(float);
    return (cincel_div_up(floats, line) | 1) * line;
}

/* ------------------------------------------------------------------------------- outer products -- */

const char *cincel_winograd_outer_row(const struct cincel_isa *isa, int index)
{
    for (int i = 0; i < isa->outer_count; i++) {
        bool highest = true;
        for (int j = 0; j < isa->outer_count; j++)
            if (isa->outer[j].nr == isa->outer[i].nr && isa->outer[j].mr > isa->outer[i].mr) highest = false;
        if (highest && index-- == 0) return isa->outer[i].name;
    }
    return NULL;
}

/* As high as fit, one after the other: each ISA has tiles of height 1. */
void cincel_winograd_cover(const struct cincel_isa *isa, const struct cincel_outer_row *highest,
                           size_t channels, struct cincel_winograd_cover *out)
{
    const int width = highest->nr;
    out->spans = 0;
    for (size_t left = channels; left > 0; left %= (size_t)out->span[out->spans++].row->mr) {
        const struct cincel_outer_row *best = NULL;
        for (int i = 0; i < isa->outer_count; i++) {
            const struct cincel_outer_row *row = &isa->outer[i];
            if (row->nr == width && row->mr <= highest->mr && (size_t)row->mr <= left &&
                (!best || row->mr > best->mr))
                best = row;
        }
        assert(best && out->spans < WINOGRAD_SPANS);
        out->span[out->spans].row = best;
        out->span[out->spans].count = left / (size_t)best->mr;
    }
}
