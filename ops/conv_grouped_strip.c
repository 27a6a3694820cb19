/* Strips of grouped convolution, and what its two halves ask of a problem. */
#include <stdio.h>
#include <string.h>

#include "ops/conv_grouped.h"

/* AHEAD: lines on their way from the last cache hide its latency, and pixels may lie pages apart, behind
   which no prefetcher looks */
enum { PX = CINCEL_GROUPED_PX, AHEAD = 48 };

void cincel_grouped_strip_plan(struct cincel_grouped_strip *s, size_t rows, size_t columns)
{
    s->pieces = cincel_div_up(s->group, PX);
    s->piece = cincel_div_up(s->group, s->pieces);
    s->per_line = cincel_max(PX / s->group, 1);
    s->columns = columns;
    s->phase = cincel_div_up(columns, s->split);
    s->row_floats = s->split * s->phase * PX;
    s->line_floats = rows * s->row_floats;
}

size_t cincel_grouped_strip_floats(const struct cincel_grouped_strip *s, size_t groups)
{
    return cincel_div_up(groups * s->pieces, s->per_line) * s->line_floats + PX;
}

/* One pixel of all lines; NULL: zeros. Of a group's last line, the channels it lacks are zeros. */
static void fill_pixel(const struct cincel_grouped_strip *s, const float *from, size_t groups, float *to)
{
    const size_t lines = cincel_div_up(groups * s->pieces, s->per_line), count = groups * s->group;
    const size_t line = s->pieces > 1 ? s->piece : s->per_line * s->group;
    for (size_t b = 0; b < lines; b++, to += s->line_floats) {
        const size_t within = b % s->pieces * line; /* of a group of several lines */
        const size_t begin = s->pieces > 1 ? b / s->pieces * s->group + within : b * line;
        const size_t left = s->pieces > 1 ? s->group - within : count - begin;
        const size_t n = cincel_min(line, left);
        if (from) {
            memcpy(to, from + begin, n * sizeof(float));
            memset(to + n, 0, (line - n) * sizeof(float));
        } else {
            memset(to, 0, PX * sizeof(float));
        }
    }
}

/* Columns begin … end−1, which lie inside of the image's row `from`. Lines whose channels do not fill them
   take what comes next in the tensor along; behind a row's last pixel that may be nothing. */
static void fill_inside(const struct cincel_grouped_strip *s, const struct cincel_pack_row *pack,
                        const float *from, size_t begin, size_t end, size_t groups, float *to)
{
    const size_t lines = cincel_div_up(groups * s->pieces, s->per_line);
    const size_t line = s->pieces > 1 ? s->piece : s->per_line * s->group;
    const size_t even = groups * s->group != lines * line ? begin : line == PX ? end : end - 1;
    const struct cincel_blocks_args args = {.src = from,
                                            .dst = to,
                                            .src_px = s->channels,
                                            .src_block = line,
                                            .dst_px = PX,
                                            .dst_block = s->line_floats,
                                            .dst_phase = s->phase * PX,
                                            .first = begin,
                                            .split = s->split,
                                            .pixels = even - begin,
                                            .blocks = lines,
                                            .ahead = cincel_div_up(AHEAD, lines) * s->channels};
    pack->blocks(&args);
    for (size_t q = even; q < end; q++)
        fill_pixel(s, from + (q - begin) * s->channels, groups, to + cincel_grouped_strip_column(s, q));
}

void cincel_grouped_strip_fill(const struct cincel_grouped_strip *s, const struct cincel_pack_row *pack,
                               const float *image, ptrdiff_t first, size_t rows, size_t groups, float *to)
{
    for (size_t r = 0; r < rows; r++, to += s->row_floats) {
        const ptrdiff_t row = first + (ptrdiff_t)r;
        const bool there = row >= 0 && row < (ptrdiff_t)s->height;
        const size_t begin = there ? cincel_min(s->left, s->columns) : s->columns;
        const size_t end = there ? cincel_min(s->left + s->width, s->columns) : s->columns;
        for (size_t q = 0; q < begin; q++)
            fill_pixel(s, NULL, groups, to + cincel_grouped_strip_column(s, q));
        if (begin < end)
            fill_inside(s, pack, image + (size_t)row * s->width * s->channels, begin, end, groups, to);
        for (size_t q = end; q < s->columns; q++)
            fill_pixel(s, NULL, groups, to + cincel_grouped_strip_column(s, q));
    }
}

/* ------------------------------------------------------------------------------------ the table -- */

const struct cincel_grouped_row *cincel_grouped_row_find(const struct cincel_isa *isa, const char *name)
{
    for (int i = 0; i < isa->grouped_count; i++)
        if (strcmp(isa->grouped[i].name, name) == 0) return &isa->grouped[i];
    return NULL;
}

void cincel_grouped_defaults(const struct cincel_target *t, const struct cincel_problem *problem,
                             struct cincel_choice *c)
{
    (void)t;
    (void)problem;
    memset(c->knob, 0, sizeof c->knob);
}

bool cincel_grouped_refuse(char why[CINCEL_WHY], const char *phrase)
{
    snprintf(why, CINCEL_WHY, "grouped: %s", phrase);
    return false;
}

/* Strips and slices are no larger than padded tensors and 16 of the weights, in lines of 16 at most half
 * empty. */
static bool fits(const struct cincel_problem *problem, int threads)
{
    const cincel_conv_desc *d = &problem->conv.d;
    const size_t channels = (size_t)d->ic + (size_t)d->oc + (size_t)d->groups;
    const size_t h = (size_t)d->ih + (size_t)problem->conv.oh + 2 * (size_t)d->kh * (size_t)d->dilation_h;
    const size_t w = (size_t)d->iw + (size_t)problem->conv.ow + 2 * (size_t)d->kw * (size_t)d->dilation_w;
    size_t strip, weights, total;
    if (!cincel_mul(h + 64, 2 * channels + 256, &strip) || !cincel_mul(strip, w + 256, &strip)) return false;
    if (!cincel_mul(channels * 32, CINCEL_GROUPED_K + 256, &weights)) return false;
    if (!cincel_mul(weights, 32, &weights) || __builtin_add_overflow(strip, weights, &total)) return false;
    return cincel_mul(total, ((size_t)threads + (size_t)d->n + 1) * sizeof(float), &total) &&
           total < PTRDIFF_MAX / 2;
}

bool cincel_grouped_serves(const struct cincel_target *t, const struct cincel_problem *problem,
                           const struct cincel_choice *c, char why[CINCEL_WHY])
{
    const cincel_conv_desc *d = &problem->conv.d;
    const struct cincel_grouped_row *row = cincel_grouped_row_find(cincel_isa_find(t, c->isa), c->row);
    if (d->groups < 2) return cincel_grouped_refuse(why, "needs groups > 1");
    const size_t ic = (size_t)(d->ic / d->groups), oc = (size_t)(d->oc / d->groups);
    size_t k;
    if (!cincel_mul((size_t)d->kh * (size_t)d->kw, cincel_max(ic, oc), &k) || k > CINCEL_GROUPED_K)
        return cincel_grouped_refuse(why, "too many taps");
    if (row->quads && (ic != 4 || oc != 4))
        return cincel_grouped_refuse(why, "quads need groups of 4 channels");
    if (!fits(problem, c->threads)) return cincel_grouped_refuse(why, "sizes overflow");
    return true;
}
