#include "ops/rnn_panels.h"

/* W_ih's part of a slice and gate: as many panels side by side as make the slice's width. */
static size_t input_floats(const struct cincel_prepared *p)
{
    return p->nr / p->chunks.nr * cincel_rnn_panel(&p->chunks, p->input);
}

size_t cincel_rnn_panels_floats(const struct cincel_prepared *p)
{
    return p->slices * p->gates * (input_floats(p) + cincel_rnn_panel(&p->tiles, p->hidden));
}

bool cincel_rnn_one_chain(const struct cincel_prepared *p, size_t gate)
{
    return p->d.cell != CINCEL_GRU || gate < 2;
}

size_t cincel_rnn_panel_at(const struct cincel_prepared *p, size_t slice, bool hidden, size_t gate)
{
    const size_t of_x = input_floats(p), of_h = cincel_rnn_panel(&p->tiles, p->hidden);
    const size_t begin = slice * p->gates * (of_x + of_h);
    if (!p->joined) return begin + (hidden ? p->gates * of_x + gate * of_h : gate * of_x);
    const size_t behind_x = cincel_rnn_one_chain(p, gate) ? p->input * p->nr : of_x;
    return begin + gate * (of_x + of_h) + (hidden ? behind_x : 0);
}

void cincel_rnn_pack_slice(const struct cincel_prepared *p, const float *w_ih, const float *w_hh,
                           float *panels, size_t slice)
{
    const size_t column = slice * p->nr, count = cincel_min(p->nr, p->hidden - column), wide = p->chunks.nr;
    for (size_t g = 0; g < p->gates; g++) {
        const size_t row = g * p->hidden + column;
        float *to = panels + cincel_rnn_panel_at(p, slice, false, g);
        for (size_t j = 0; j < p->nr; j += wide, to += cincel_rnn_panel(&p->chunks, p->input)) {
            const size_t n = cincel_min(wide, count > j ? count - j : 0); /* 0: a panel of padding */
            p->isa->pack->transpose(w_ih + (n ? row + j : row) * p->input, p->input, p->input, (int)n,
                                    (int)wide, to);
        }
        p->isa->pack->transpose(w_hh + row * p->hidden, p->hidden, p->hidden, (int)count, (int)p->nr,
                                panels + cincel_rnn_panel_at(p, slice, true, g));
    }
}
