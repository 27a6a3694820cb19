/* The tiles of Winograd convolution: which pixels they read and write. */
#include "ops/conv_winograd_tiles.h"

#include <string.h>

#include "core/memory.h"

int cincel_winograd_tile(const struct cincel_choice *c) { return c->algo[strlen("winograd")] - '0'; }

bool cincel_winograd_standard(const struct cincel_problem *problem)
{
    const cincel_conv_desc *d = &problem->conv.d;
    return d->ic >= 32 && d->oc >= 32 && problem->conv.oh >= 12 && problem->conv.ow >= 12;
}

const struct cincel_winograd_row *cincel_winograd_find(const struct cincel_isa *isa,
                                                       const struct cincel_problem *problem, int m)
{
    for (int i = 0; i < isa->winograd_count; i++)
        if (isa->winograd[i].m == m && isa->winograd[i].r == problem->conv.d.kh) return &isa->winograd[i];
    return NULL;
}

/* a² planes of a tile, tiles of an image, all with their padding: what derivations multiply. */
static bool sizes_fit(const struct cincel_problem *problem)
{
    enum { PLANES = 64, ROUNDING = 512 };
    const cincel_conv_desc *d = &problem->conv.d;
    size_t pixels, channels, total;
    if (!cincel_mul((size_t)d->ih + ROUNDING, (size_t)d->iw + ROUNDING, &pixels)) return false;
    if (!cincel_mul(pixels, (size_t)d->n + 1, &pixels)) return false;
    if (!cincel_mul((size_t)d->ic + ROUNDING, (size_t)d->oc + ROUNDING, &channels)) return false;
    if (!cincel_mul(pixels, (size_t)d->ic + (size_t)d->oc + ROUNDING, &pixels)) return false;
    return cincel_mul(pixels, PLANES * sizeof(float), &pixels) &&
           cincel_mul(channels, PLANES * sizeof(float), &channels) &&
           !__builtin_add_overflow(pixels, channels, &total) && total < PTRDIFF_MAX / 2048;
}

bool cincel_winograd_serves(const struct cincel_problem *problem, const char **why)
{
    const cincel_conv_desc *d = &problem->conv.d;
    *why = NULL;
    if (d->kh != 3 || d->kw != 3)
        *why = "there are schemes for 3x3 kernels only";
    else if (d->stride_h != 1 || d->stride_w != 1)
        *why = "the stride must be 1";
    else if (d->dilation_h != 1 || d->dilation_w != 1)
        *why = "the kernel must be dense";
    else if (d->groups != 1)
        *why = "groups have too few channels each";
    else if (!sizes_fit(problem))
        *why = "sizes overflow";
    return *why == NULL;
}

void cincel_winograd_tiles_derive(const struct cincel_problem *problem, int m,
                                  struct cincel_winograd_tiles *out)
{
    const cincel_conv_desc *d = &problem->conv.d;
    const bool gathers_dy = problem->pass == CINCEL_BACKWARD_DATA;
    *out = (struct cincel_winograd_tiles){
        .images = (size_t)d->n,
        .src_h = (size_t)(gathers_dy ? problem->conv.oh : d->ih),
        .src_w = (size_t)(gathers_dy ? problem->conv.ow : d->iw),
        .out_h = (size_t)(gathers_dy ? d->ih : problem->conv.oh),
        .out_w = (size_t)(gathers_dy ? d->iw : problem->conv.ow),
        .pad_top = (size_t)(gathers_dy ? d->kh - 1 - d->pad_top : d->pad_top),
        .pad_left = (size_t)(gathers_dy ? d->kw - 1 - d->pad_left : d->pad_left),
        .m = (size_t)m,
        .r = (size_t)d->kh,
    };
    out->a = out->m + out->r - 1;
    out->planes = out->a * out->a;
    out->tiles_h = cincel_div_up(out->out_h, out->m);
    out->tiles_w = cincel_div_up(out->out_w, out->m);
    out->count = out->images * out->tiles_h * out->tiles_w;
}

/* Of `a` positions that begin at `begin` − pad: those within [0, size), and the first of them. */
static size_t overlap(size_t begin, size_t pad, size_t a, size_t size, int *from, int *to)
{
    const size_t low = begin < pad ? cincel_min(pad - begin, a) : 0;
    const size_t high = size + pad > begin ? cincel_min(size + pad - begin, a) : 0;
    *from = (int)low;
    *to = (int)cincel_max(low, high);
    return low < high ? begin + low - pad : 0;
}

void cincel_winograd_source(const struct cincel_winograd_tiles *s, const float *src, size_t channels,
                            size_t tile, struct cincel_winograd_gather_args *args)
{
    const size_t image = tile / (s->tiles_h * s->tiles_w), at = tile % (s->tiles_h * s->tiles_w);
    const size_t row =
        overlap(at / s->tiles_w * s->m, s->pad_top, s->a, s->src_h, &args->row_begin, &args->row_end);
    const size_t col =
        overlap(at % s->tiles_w * s->m, s->pad_left, s->a, s->src_w, &args->col_begin, &args->col_end);
    args->src = src + ((image * s->src_h + row) * s->src_w + col) * channels;
    args->src_row = s->src_w * channels;
    args->src_col = channels;
}

size_t cincel_winograd_place(const struct cincel_winograd_tiles *s, size_t tile, int *rows, int *cols)
{
    const size_t image = tile / (s->tiles_h * s->tiles_w), at = tile % (s->tiles_h * s->tiles_w);
    const size_t row = at / s->tiles_w * s->m, col = at % s->tiles_w * s->m;
    *rows = (int)cincel_min(s->m, s->out_h - row);
    *cols = (int)cincel_min(s->m, s->out_w - col);
    return (image * s->out_h + row) * s->out_w + col;
}

size_t cincel_winograd_pitch(size_t floats)
{
    const size_t line = CINCEL_ALIGN / sizeof(float);
    return (cincel_div_up(floats, line) | 1) * line;
}
