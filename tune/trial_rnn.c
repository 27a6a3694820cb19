#include "tune/trial_rnn.h"

#include <math.h>
#include <stdlib.h>

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

/* ---------------------------------------------------------------------------- a forward pass -- */

struct first {
    const struct cincel_algo *algo;
    struct cincel_choice choice;
};

static bool take_first(void *user, const struct cincel_algo *algo, const struct cincel_choice *c)
{
    *(struct first *)user = (struct first){algo, *c};
    return false;
}

/* Runs the untuned choice on one thread; false for lack of memory. */
static bool run_forward(const struct cincel_target *target, const struct cincel_problem *p,
                        const struct cincel_rnn_tensors *t)
{
    char why[CINCEL_WHY];
    struct first first = {.algo = NULL};
    cincel_choice_enumerate(target, p, CINCEL_DEFAULT_KNOBS, 1, HUGE_VAL, take_first, &first, why);
    if (!first.algo) return false;
    struct cincel_prepared *prepared = NULL;
    struct cincel_tensors tensors = {.rnn = t};
    tensors.workspace = cincel_aligned_alloc(first.algo->workspace(target, p, &first.choice));
    struct cincel_team *team = cincel_team_create(1);
    const bool good =
        tensors.workspace && team && first.algo->build(target, p, &first.choice, &prepared) == CINCEL_OK;
    if (good) first.algo->run(prepared, &tensors, team);
    if (prepared) first.algo->discard(prepared);
    cincel_team_destroy(team);
    cincel_aligned_free(tensors.workspace);
    return good;
}

/* What the backward pass of the trial reads. */
static bool fill_reserve(const struct cincel_trial *trial)
{
    const cincel_rnn_desc *d = &trial->p->rnn.d;
    const size_t rows = (size_t)d->steps * (size_t)d->batch;
    struct cincel_problem p = *trial->p;
    struct cincel_rnn_tensors t = *trial->tensors.rnn;
    p.pass = CINCEL_FORWARD, p.rnn.d.training = 1, p.rnn.d.accumulate = 0;
    t.reserve = (void *)(uintptr_t)t.reserve_in; /* the trial's own */
    t.y = cincel_aligned_alloc(rows * (size_t)d->y_ld * sizeof(float));
    const bool good = t.y && run_forward(trial->target, &p, &t);
    cincel_aligned_free(t.y);
    return good;
}

/* ------------------------------------------------------------------------------------- the trial -- */

bool cincel_trial_rnn_tensors(struct cincel_trial *trial, double work)
{
    const struct cincel_problem *p = trial->p;
    const cincel_rnn_desc *d = &p->rnn.d;
    const bool forward = p->pass == CINCEL_FORWARD;
    const size_t rows = (size_t)d->steps * (size_t)d->batch;
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
    const size_t steps =
        cincel_min((size_t)d->steps, (size_t)fmax(1.0, (forward ? work : work / 2.0) / a_step));
    const size_t width = (size_t)(forward ? d->hidden : d->input), ld = forward ? (size_t)d->y_ld : width;
    const size_t first = forward ? 0 : (size_t)d->steps - steps;
    struct cincel_trial_output *o = &trial->output[trial->outputs++];
    *o = (struct cincel_trial_output){.name = forward ? "y" : "dx",
                                      .at = forward ? t->y : t->dx,
                                      .count = rows * ld,
                                      .samples = steps * width,
                                      .rounding = few_roundings};
    o->index = cincel_aligned_alloc(o->samples * sizeof *o->index);
    trial->memory[trial->memories++] = o->index;
    o->expected = cincel_aligned_alloc(o->samples * sizeof *o->expected);
    trial->memory[trial->memories++] = o->expected;
    for (size_t i = 0; o->index && i < o->samples; i++)
        o->index[i] = row_of(d, first + i / width) * ld + i % width;
    return o->index && o->expected && (forward || fill_reserve(trial));
}

/* The first sequence by itself, in the order of its steps: from the end of `skipped` steps on. */
struct alone {
    struct cincel_problem p;
    struct cincel_rnn_tensors t;
    float *x, *dy, *y, *h, *c;
    size_t skipped;
};

static bool copy_sequence(const struct cincel_trial *trial, size_t checked, struct alone *out)
{
    const cincel_rnn_desc *d = &trial->p->rnn.d;
    const bool forward = trial->p->pass == CINCEL_FORWARD;
    const size_t steps = forward ? checked : (size_t)d->steps, hidden = (size_t)d->hidden;
    const size_t input = (size_t)d->input;
    const struct cincel_rnn_tensors *t = trial->tensors.rnn;
    *out = (struct alone){.p = *trial->p, .t = {.w_ih = t->w_ih, .w_hh = t->w_hh}};
    out->skipped = steps - checked;
    out->p.rnn.d.batch = 1, out->p.rnn.d.y_ld = d->hidden;
    out->p.rnn.d.reverse = out->p.rnn.d.batch_first = out->p.rnn.d.accumulate = 0;
    out->x = cincel_aligned_alloc(steps * input * sizeof(float));
    out->dy = cincel_aligned_alloc(steps * hidden * sizeof(float));
    out->y = cincel_aligned_alloc(steps * hidden * sizeof(float));
    out->h = cincel_aligned_alloc(hidden * sizeof(float));
    out->c = cincel_aligned_alloc(hidden * sizeof(float));
    if (!out->x || !out->dy || !out->y || !out->h || !out->c) return false;
    for (size_t i = 0; i < steps * input; i++) out->x[i] = t->x[row_of(d, i / input) * input + i % input];
    for (size_t i = 0; !forward && i < steps * hidden; i++)
        out->dy[i] = t->dy[row_of(d, i / hidden) * (size_t)d->y_ld + i % hidden];
    return true;
}

/* The states behind the skipped steps, in float: the reference would take too long. */
static bool skip_steps(const struct cincel_trial *trial, struct alone *a)
{
    struct cincel_problem p = a->p;
    struct cincel_rnn_tensors t = a->t;
    if (a->skipped == 0) return true;
    p.pass = CINCEL_FORWARD, p.rnn.d.training = 0, p.rnn.d.steps = (int)a->skipped;
    t.x = a->x, t.y = a->y, t.h_n = a->h;
    if (p.rnn.d.cell == CINCEL_LSTM) t.c_n = a->c;
    if (!run_forward(trial->target, &p, &t)) return false;
    a->t.h0 = a->h;
    if (p.rnn.d.cell == CINCEL_LSTM) a->t.c0 = a->c;
    return true;
}

void cincel_trial_rnn_expect(struct cincel_trial *trial)
{
    struct cincel_trial_output *o = &trial->output[0];
    const bool forward = trial->p->pass == CINCEL_FORWARD;
    const size_t hidden = (size_t)trial->p->rnn.d.hidden, input = (size_t)trial->p->rnn.d.input;
    const size_t checked = o->samples / (forward ? hidden : input);
    struct alone a;
    bool good = copy_sequence(trial, checked, &a) && skip_steps(trial, &a);
    if (good) {
        struct cincel_rnn_expected want = {.y = NULL};
        a.p.rnn.d.steps = (int)checked;
        a.t.x = a.x + a.skipped * input;
        if (forward) {
            want.y = o->expected;
        } else {
            a.t.dy = a.dy + a.skipped * hidden;
            want.dx = o->expected;
        }
        good = cincel_reference_rnn(&a.p, &a.t, &want);
    }
    if (!good) o->samples = 0; /* no memory: unchecked, not refused */
    for (size_t i = 0; i < o->samples; i++) o->scale = fmax(o->scale, fabs(o->expected[i]));
    cincel_aligned_free(a.x);
    cincel_aligned_free(a.dy);
    cincel_aligned_free(a.y);
    cincel_aligned_free(a.h);
    cincel_aligned_free(a.c);
}
