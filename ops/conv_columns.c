#include "ops/conv_columns.h"

#include <string.h>

#include "core/memory.h"

void cincel_columns_derive(const struct cincel_problem *p, struct cincel_columns *s)
{
    const cincel_conv_desc *d = &p->conv.d;
    *s = (struct cincel_columns){
        .images = (size_t)d->n,
        .groups = (size_t)d->groups,
        .ih = (size_t)d->ih,
        .iw = (size_t)d->iw,
        .ic = (size_t)d->ic,
        .oh = (size_t)p->conv.oh,
        .ow = (size_t)p->conv.ow,
        .kh = (size_t)d->kh,
        .kw = (size_t)d->kw,
        .stride_h = (size_t)d->stride_h,
        .stride_w = (size_t)d->stride_w,
        .dilation_h = (size_t)d->dilation_h,
        .dilation_w = (size_t)d->dilation_w,
        .pad_top = (size_t)d->pad_top,
        .pad_left = (size_t)d->pad_left,
        .channels = (size_t)(d->ic / d->groups),
    };
    s->k = s->kh * s->kw * s->channels;
    s->strip_h = (s->oh - 1) * s->stride_h + (s->kh - 1) * s->dilation_h + 1;
    s->strip_w = (s->ow - 1) * s->stride_w + (s->kw - 1) * s->dilation_w + 1;
    const bool merged = s->groups == 1 && s->dilation_w == 1;
    s->runs = merged ? 1 : s->kw;
    s->run = merged ? s->kw * s->channels : s->channels;
    s->pointwise = s->kh == 1 && s->kw == 1 && s->oh == s->ih && s->ow == s->iw;
}

/* Runs of this many floats are worth a call of what knows the ISA. */
enum { LONG_RUN = 32 };

bool cincel_columns_in_place(struct cincel_columns *s)
{
    const size_t reach_h = (s->kh - 1) * s->dilation_h + 1, reach_w = (s->kw - 1) * s->dilation_w + 1;
    const bool inside = s->pad_top == 0 && s->pad_left == 0 && (s->oh - 1) * s->stride_h + reach_h <= s->ih &&
                        (s->ow - 1) * s->stride_w + reach_w <= s->iw;
    if (!inside || (s->run % 4 != 0 && s->run < LONG_RUN)) return false;
    s->strip_h = s->ih;
    s->strip_w = s->iw;
    return true;
}

/* Strip rows that output pixels begin … end−1 (begin < end) read: the first, and *count. */
static size_t strip_rows(const struct cincel_columns *s, size_t begin, size_t end, size_t *count)
{
    const size_t from = begin / s->ow, to = (end - 1) / s->ow; /* output rows through all images */
    const size_t first = from / s->oh * s->strip_h + from % s->oh * s->stride_h;
    const size_t last = to / s->oh * s->strip_h + to % s->oh * s->stride_h + (s->kh - 1) * s->dilation_h;
    *count = last - first + 1;
    return first;
}

size_t cincel_columns_rows_max(const struct cincel_columns *s, size_t pixels)
{
    const size_t rows = (pixels + s->ow - 2) / s->ow + 1, images = (rows + s->oh - 2) / s->oh;
    const size_t extent = (s->kh - 1) * s->dilation_h + 1;
    const size_t between =
        extent > s->stride_h ? extent - s->stride_h : 0; /* an image's last row and the next */
    return (rows - 1) * s->stride_h + extent + images * between;
}

enum { SHORT_ROW = 128 };

size_t cincel_columns_strip(const struct cincel_columns *s, const float *x, size_t begin, size_t end,
                            float *strip)
{
    size_t count, from = 0, to = s->strip_w; /* pixels of a strip row that are read */
    const size_t first = strip_rows(s, begin, end, &count);
    if (begin / s->ow == (end - 1) / s->ow) {
        from = begin % s->ow * s->stride_w;
        to = (end - 1) % s->ow * s->stride_w + (s->kw - 1) * s->dilation_w + 1;
    }
    /* those there are: left … right−1 */
    const size_t left = cincel_min(cincel_max(s->pad_left, from), to);
    const size_t right = cincel_max(cincel_min(s->pad_left + s->iw, to), left);
    /* in rows as short as these a call for each side's padding costs as much as the copy */
    const bool cleared = s->strip_w * s->ic <= SHORT_ROW && to - from == s->strip_w;
    if (cleared) memset(strip, 0, count * s->strip_w * s->ic * sizeof(float));
    for (size_t row = first; row < first + count; row++, strip += s->strip_w * s->ic) {
        const size_t image = row / s->strip_h, r = row % s->strip_h;
        if (r < s->pad_top || r - s->pad_top >= s->ih) {
            if (!cleared) memset(strip + from * s->ic, 0, (to - from) * s->ic * sizeof(float));
            continue;
        }
        if (!cleared) memset(strip + from * s->ic, 0, (left - from) * s->ic * sizeof(float));
        if (right > left)
            memcpy(strip + left * s->ic,
                   x + ((image * s->ih + r - s->pad_top) * s->iw + left - s->pad_left) * s->ic,
                   (right - left) * s->ic * sizeof(float));
        if (!cleared) memset(strip + right * s->ic, 0, (to - right) * s->ic * sizeof(float));
    }
    return first;
}

/* Short runs (3 floats where one channel meets a 3x3 kernel) would cost less than the call of memcpy. */
static inline void copy_run(float *dst, const float *src, size_t count)
{
    if (count >= LONG_RUN) {
        memcpy(dst, src, count * sizeof(float));
        return;
    }
    for (size_t i = 0; i < count; i += 4) memcpy(dst + i, src + i, 4 * sizeof(float));
}

/* One walk over pixels in their order. */
struct walk {
    size_t image, row, col;
};

static struct walk walk_from(const struct cincel_columns *s, size_t pixel)
{
    return (struct walk){pixel / s->ow / s->oh, pixel / s->ow % s->oh, pixel % s->ow};
}

static void step(const struct cincel_columns *s, struct walk *w)
{
    if (++w->col < s->ow) return;
    w->col = 0;
    if (++w->row < s->oh) return;
    w->row = 0;
    w->image++;
}

/* Columns of `count` neighbouring pixels, the first one's input beginning at `from`. */
static float *fill_row(const struct cincel_columns *s, const float *from, size_t count, float *columns)
{
    const size_t next_row = s->dilation_h * s->strip_w * s->ic, next_run = s->dilation_w * s->ic;
    const size_t run = s->run, runs = s->runs, kh = s->kh, next_pixel = s->stride_w * s->ic;
    for (size_t i = 0; i < count; i++, from += next_pixel) {
        const float *row = from;
        if (runs == 1 && run <= 4)
            for (size_t th = 0; th < kh; th++, row += next_row, columns += run)
                memcpy(columns, row, 4 * sizeof(float));
        else
            for (size_t th = 0; th < kh; th++, row += next_row)
                for (size_t r = 0; r < runs; r++, columns += run) copy_run(columns, row + r * next_run, run);
    }
    return columns;
}

void cincel_columns_fill(const struct cincel_columns *s, const float *strip, size_t first, size_t group,
                         size_t begin, size_t end, float *columns)
{
    const size_t width = s->strip_w * s->ic;
    while (begin < end) {
        const size_t row = begin / s->ow, col = begin % s->ow; /* through all images */
        const size_t count = cincel_min(s->ow - col, end - begin);
        const size_t strip_row = row / s->oh * s->strip_h + row % s->oh * s->stride_h - first;
        columns = fill_row(s, strip + strip_row * width + col * s->stride_w * s->ic + group * s->channels,
                           count, columns);
        begin += count;
    }
}

void cincel_columns_add(const struct cincel_columns *s, const struct cincel_vector_row *vector,
                        const float *columns, size_t pitch, size_t group, size_t begin, size_t end,
                        size_t first, size_t count, float *strip)
{
    const size_t width = s->strip_w * s->ic, next_run = s->dilation_w * s->ic, run = s->run;
    struct walk w = walk_from(s, begin);
    for (size_t pixel = begin; pixel < end; pixel++, step(s, &w), columns += pitch) {
        const size_t top = w.image * s->strip_h + w.row * s->stride_h;
        const size_t at = w.col * s->stride_w * s->ic + group * s->channels;
        const float *from = columns;
        for (size_t th = 0; th < s->kh; th++) {
            const size_t row = top + th * s->dilation_h;
            if (row < first || row >= first + count) {
                from += s->runs * run;
                continue;
            }
            float *to = strip + (row - first) * width + at;
            for (size_t r = 0; r < s->runs; r++, from += run, to += next_run)
                if (run >= LONG_RUN)
                    vector->add(from, to, run);
                else
                    for (size_t i = 0; i < run; i++) to[i] += from[i];
        }
    }
}

/* What lies behind a pixel's window and before the next one's: beside it, and below where a row ends. */
static void clear_gaps(const struct cincel_columns *s, const struct walk *w, float *image)
{
    const size_t width = s->iw * s->ic, left = (w->col * s->stride_w + s->kw) * s->ic;
    const size_t top = w->row * s->stride_h, bottom = w->row + 1 < s->oh ? top + s->stride_h : s->ih;
    const size_t right = w->col + 1 < s->ow ? (w->col + 1) * s->stride_w * s->ic : width;
    if (right > left)
        for (size_t th = 0; th < s->kh; th++)
            memset(image + (top + th) * width + left, 0, (right - left) * sizeof(float));
    if (right == width && bottom > top + s->kh)
        memset(image + (top + s->kh) * width, 0, (bottom - top - s->kh) * width * sizeof(float));
}

void cincel_columns_put(const struct cincel_columns *s, const float *columns, size_t pitch, size_t group,
                        size_t begin, size_t end, float *x)
{
    const size_t width = s->iw * s->ic, run = s->run;
    struct walk w = walk_from(s, begin);
    for (size_t pixel = begin; pixel < end; pixel++, step(s, &w), columns += pitch) {
        const float *from = columns;
        float *image = x + w.image * s->ih * width;
        float *row = image + w.row * s->stride_h * width + w.col * s->stride_w * s->ic + group * s->channels;
        for (size_t th = 0; th < s->kh; th++, row += width)
            for (size_t r = 0; r < s->runs; r++, from += run) copy_run(row + r * s->ic, from, run);
        if (group == 0) clear_gaps(s, &w, image);
    }
}
