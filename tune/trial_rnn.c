#include "tune/trial_rnn.h"

#include <math.h>

#include "core/memory.h"
#include "core/rnn_problem.h"
#include "ops/rnn_reference.h"

/* Rounding of a few operations and of the functions. */
static const double few_roundings = 2e-6;

/* Cuts the block, or with base NULL counts its bytes. */
static size_t lay_out(const struct cincel_problem *p, float *base, struct cincel_rnn_tensors *t)
{
    const cincel_rnn_desc *d = &p->rnn.d;
    const size_t rows = (size_t)d->steps * (size_t)d->batch, state = (size_t)d->batch * (size_t)d->hidden;
    const size_t gates = (size_t)cincel_rnn_gates(d->cell) * (size_t)d->hidden;
    const size_t w_ih = gates * (size_t)d->input, w_hh = gates * (size_t)d->hidden;
    struct cincel_carver c = {(char *)base, 0};
    float *x = cincel_carve(&c, rows * (size_t)d->input * sizeof(float));
    float *y = cincel_carve(&c, rows * (size_t)d->y_ld * sizeof(float));
    float *states = cincel_carve(&c, 2 * state * sizeof(float));
    float *weights = cincel_carve(&c, (w_ih + w_hh) * sizeof(float));
    float *reserve = cincel_carve(&c, rows * cincel_rnn_reserve_floats(d) * sizeof(float));
    float *dx = cincel_carve(&c, rows * (size_t)d->input * sizeof(float));
    float *dw = cincel_carve(&c, (w_ih + w_hh) * sizeof(float));
    float *db = cincel_carve(&c, 2 * gates * sizeof(float));
    *t = (struct cincel_rnn_tensors){.x = x, .w_ih = weights};
    if (!base) return c.used;
    t->w_hh = weights + w_ih;
    if (p->pass == CINCEL_FORWARD) {
        t->y = y, t->h_n = states, t->reserve = reserve;
        if (d->cell == CINCEL_LSTM) t->c_n = states + state;
        return c.used;
    }
    t->reserve_in = reserve, t->dy = y, t->dx = dx, t->dh0 = states;
    if (d->cell == CINCEL_LSTM) t->dc0 = states + state;
    t->dw_ih = dw, t->dw_hh = dw + w_ih, t->db_ih = db, t->db_hh = db + gates;
    return c.used;
}

/* Row of x and y in which the first sequence's step lies. */
static size_t row_of(const cincel_rnn_desc *d, size_t step)
{
    const size_t time = d->reverse ? (size_t)d->steps - 1 - step : step;
    return d->batch_first ? time : time * (size_t)d->batch;
}

bool cincel_trial_rnn_tensors(struct cincel_trial *trial, double work)
{
    const struct cincel_problem *p = trial->p;
    const cincel_rnn_desc *d = &p->rnn.d;
    const bool forward = p->pass == CINCEL_FORWARD;
    const size_t rows = (size_t)d->steps * (size_t)d->batch, hidden = (size_t)d->hidden;
    struct cincel_rnn_tensors *t = cincel_aligned_alloc(sizeof *t);
    trial->memory[trial->memories++] = t;
    if (!t) return false;
    const size_t bytes = lay_out(p, NULL, t), count = bytes / sizeof(float);
    float *block = cincel_aligned_alloc(bytes);
    trial->memory[trial->memories++] = block;
    if (!block) return false;
    uint32_t state = 0x9e3779b9u;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        block[i] = (float)(int32_t)state * 0x1p-35f; /* below 1/16: no state grows without bounds */
    }
    lay_out(p, block, t);
    trial->tensors = (struct cincel_tensors){.rnn = t};
    trial->input = forward ? t->x : t->dy;
    trial->input_count = rows * (size_t)(forward ? d->input : d->y_ld);

    const double a_step = (double)cincel_rnn_gates(d->cell) * d->hidden * ((double)d->input + d->hidden);
    const size_t steps = cincel_min((size_t)d->steps, (size_t)fmax(1.0, work / a_step));
    struct cincel_trial_output *o = &trial->output[trial->outputs++];
    *o = (struct cincel_trial_output){.name = forward ? "y" : "dx",
                                      .at = forward ? t->y : t->dx,
                                      .count = rows * (size_t)(forward ? d->y_ld : d->input),
                                      .samples = forward ? steps * hidden : 0,
                                      .rounding = few_roundings};
    if (!forward) return true;
    o->index = cincel_aligned_alloc(o->samples * sizeof *o->index);
    trial->memory[trial->memories++] = o->index;
    o->expected = cincel_aligned_alloc(o->samples * sizeof *o->expected);
    trial->memory[trial->memories++] = o->expected;
    for (size_t i = 0; o->index && i < o->samples; i++)
        o->index[i] = row_of(d, i / hidden) * (size_t)d->y_ld + i % hidden;
    return o->index && o->expected;
}

/* The first sequence by itself, step by step: its x copied together. */
void cincel_trial_rnn_expect(struct cincel_trial *trial)
{
    struct cincel_trial_output *o = &trial->output[0];
    const cincel_rnn_desc *d = &trial->p->rnn.d;
    const size_t steps = o->samples / (size_t)d->hidden, input = (size_t)d->input;
    if (o->samples == 0) return;
    struct cincel_problem alone = *trial->p;
    struct cincel_rnn_tensors t = *trial->tensors.rnn;
    alone.rnn.d.steps = (int)steps, alone.rnn.d.batch = 1;
    alone.rnn.d.reverse = alone.rnn.d.batch_first = 0;
    float *x = cincel_aligned_alloc(steps * input * sizeof(float));
    for (size_t i = 0; x && i < steps * input; i++) x[i] = t.x[row_of(d, i / input) * input + i % input];
    t.x = x;
    const struct cincel_rnn_expected want = {.y = o->expected};
    if (!x || !cincel_reference_rnn(&alone, &t, &want))
        o->samples = 0; /* no memory: unchecked, not refused */
    for (size_t i = 0; i < o->samples; i++) o->scale = fmax(o->scale, fabs(o->expected[i]));
    cincel_aligned_free(x);
}
