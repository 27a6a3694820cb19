#include "tune/trial.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "ops/reference.h"
#include "tune/trial_rnn.h"

/* All elements of an output are checked up to so many, else this many samples of them; fewer where the
   reference would take longer than some tens of milliseconds for them. */
enum { CHECK_ALL = 1024, CHECK_SAMPLES = 256, CHECK_LEAST = 8 };
static const double check_work = 4e6; /* multiply-adds of the plain reference, 5-10 ns each */

/* Rounding of a few operations: of a curved activation, of an average. */
static const double few_roundings = 5e-7;

/* ------------------------------------------------------------------------------------- tensors -- */

static void *keep(struct cincel_trial *trial, void *memory)
{
    trial->memory[trial->memories++] = memory;
    return memory;
}

/* Values in −1 … 1 without a pattern a predictor could learn; speed depends on them in no other way. */
static float *random_floats(struct cincel_trial *trial, size_t count)
{
    float *v = keep(trial, cincel_aligned_alloc((count ? count : 1) * sizeof *v));
    uint32_t state = 0x9e3779b9u + (uint32_t)trial->memories;
    for (size_t i = 0; v && i < count; i++) {
        state = state * 1664525u + 1013904223u;
        v[i] = (float)(int32_t)state * 0x1p-31f;
    }
    return v;
}

static bool add_output(struct cincel_trial *trial, const char *name, float *at, size_t count, double work)
{
    struct cincel_trial_output *o = &trial->output[trial->outputs++];
    *o = (struct cincel_trial_output){.name = name, .at = at, .count = count};
    const double most = check_work / fmax(work, 1.0);
    o->samples = count <= CHECK_ALL ? count : CHECK_SAMPLES;
    if ((double)o->samples > most) o->samples = cincel_min(count, (size_t)fmax(most, CHECK_LEAST));
    o->index = keep(trial, cincel_aligned_alloc(o->samples * sizeof *o->index));
    o->expected = keep(trial, cincel_aligned_alloc(o->samples * sizeof *o->expected));
    if (!o->index || !o->expected) return false;
    /* one in each of as many equal parts; the first and the last element are among them */
    uint32_t state = 0x2545f491u;
    for (size_t i = 0; i < o->samples; i++) {
        const size_t begin = (size_t)((double)i / (double)o->samples * (double)count);
        const size_t end = (size_t)((double)(i + 1) / (double)o->samples * (double)count);
        state = state * 1664525u + 1013904223u;
        o->index[i] = cincel_min(begin + (end > begin ? (state >> 8) % (end - begin) : 0), count - 1);
    }
    o->index[0] = 0;
    o->index[o->samples - 1] = count - 1;
    return true;
}

static double rms(const double *v, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) sum += v[i] * v[i];
    return sqrt(sum / (double)count);
}

static bool conv_tensors(struct cincel_trial *trial)
{
    const struct cincel_problem *p = trial->p;
    const cincel_conv_desc *d = &p->conv.d;
    const size_t x_count = (size_t)d->n * d->ih * d->iw * d->ic;
    const size_t w_count = (size_t)d->oc * d->kh * d->kw * (d->ic / d->groups);
    const size_t y_count = (size_t)d->n * p->conv.oh * p->conv.ow * d->oc, bias_count = (size_t)d->oc;
    float *x = random_floats(trial, x_count), *w = random_floats(trial, w_count);
    float *y = random_floats(trial, y_count), *bias = random_floats(trial, bias_count);
    if (!x || !w || !y || !bias) return false;
    const double chain = cincel_chain_length(p);
    struct cincel_tensors *t = &trial->tensors;
    bool good = false;
    trial->input = p->pass == CINCEL_FORWARD ? x : NULL;
    trial->input_count = p->pass == CINCEL_FORWARD ? x_count : y_count;
    switch (p->pass) {
    case CINCEL_FORWARD:
        *t = (struct cincel_tensors){.x = x, .w = w, .bias = bias, .y = y};
        good = add_output(trial, "y", y, y_count, chain);
        break;
    case CINCEL_BACKWARD_DATA:
        *t = (struct cincel_tensors){.dy = random_floats(trial, y_count), .w = w, .y_in = y, .dx = x};
        good = t->dy && add_output(trial, "dx", x, x_count, chain);
        trial->input = t->dy;
        break;
    case CINCEL_BACKWARD_WEIGHTS:
        *t = (struct cincel_tensors){
            .x = x, .dy = random_floats(trial, y_count), .y_in = y, .dw = w, .db = bias};
        good = t->dy && add_output(trial, "dw", w, w_count, chain) &&
               add_output(trial, "db", bias, bias_count, chain);
        trial->input = t->dy;
        break;
    case CINCEL_BACKWARD: break; /* no pass of convolutions */
    }
    return good;
}

/* Errors are measured against what products of uniform numbers add up to, at least: a few samples may all be
   nearly nothing. */
static void conv_expect(struct cincel_trial *trial)
{
    const struct cincel_problem *p = trial->p;
    const double least = sqrt(cincel_chain_length(p)) / 3.0;
    struct cincel_trial_output *o = &trial->output[0];
    cincel_reference_conv(p, &trial->tensors, o->index, o->samples, o->expected);
    o->scale = fmax(rms(o->expected, o->samples), least);
    o->rounding = few_roundings;
    if (trial->outputs < 2) return;
    o = &trial->output[1];
    cincel_reference_conv_bias(p, &trial->tensors, o->index, o->samples, o->expected);
    o->scale = fmax(rms(o->expected, o->samples), least);
    o->rounding = few_roundings;
}

static bool pool_tensors(struct cincel_trial *trial)
{
    const struct cincel_problem *p = trial->p;
    const cincel_pool_desc *d = &p->pool.d;
    const size_t x_count = (size_t)d->n * d->ih * d->iw * d->c;
    const size_t y_count = (size_t)d->n * p->pool.oh * p->pool.ow * d->c;
    const size_t cell_bytes = y_count * cincel_problem_argmax_bytes(p);
    const double window = (double)d->kh * d->kw;
    const bool forward = p->pass == CINCEL_FORWARD;
    float *x = random_floats(trial, x_count), *y = random_floats(trial, y_count);
    void *cells = keep(trial, cincel_aligned_alloc(cell_bytes + 1));
    if (!x || !y || !cells) return false;
    memset(cells, 0, cell_bytes); /* of every window the first cell */
    trial->input = forward ? x : y;
    trial->input_count = forward ? x_count : y_count;
    trial->tensors = forward ? (struct cincel_tensors){.x = x, .y = y, .argmax_out = cells}
                             : (struct cincel_tensors){.dy = y, .argmax_in = cells, .dx = x};
    if (!add_output(trial, forward ? "y" : "dx", forward ? y : x, forward ? y_count : x_count, window))
        return false;
    struct cincel_trial_output *o = &trial->output[0];
    if (!forward || d->kind != CINCEL_POOL_MAX) return true;
    o->cell = keep(trial, cincel_aligned_alloc(o->samples * sizeof *o->cell));
    return o->cell != NULL;
}

static void pool_expect(struct cincel_trial *trial)
{
    const struct cincel_problem *p = trial->p;
    struct cincel_trial_output *o = &trial->output[0];
    const double rounding = few_roundings * sqrt((double)p->pool.d.kh * p->pool.d.kw);
    if (p->pass != CINCEL_FORWARD) {
        cincel_reference_pool_backward(p, &trial->tensors, o->index, o->samples, o->expected);
        o->rounding = rounding;
    } else if (p->pool.d.kind != CINCEL_POOL_MAX) {
        cincel_reference_avgpool_forward(p, &trial->tensors, o->index, o->samples, o->expected);
        o->rounding = rounding;
    } else {
        for (size_t i = 0; i < o->samples; i++) {
            float y;
            cincel_reference_maxpool_forward(p, &trial->tensors, &o->index[i], 1, &y, &o->cell[i]);
            o->expected[i] = (double)y;
        }
    }
}

static bool rnn_tensors(struct cincel_trial *trial) { return cincel_trial_rnn_tensors(trial, check_work); }

/* A further kind of problem is a row here. */
static const struct {
    bool (*tensors)(struct cincel_trial *trial); /* makes them and lists the outputs */
    void (*expect)(struct cincel_trial *trial);  /* of outputs just spoiled */
} kinds[] = {
    [CINCEL_OP_CONV] = {conv_tensors, conv_expect},
    [CINCEL_OP_POOL] = {pool_tensors, pool_expect},
    [CINCEL_OP_RNN] = {rnn_tensors, cincel_trial_rnn_expect},
};

static bool accumulates(const struct cincel_problem *p)
{
    switch (p->op) {
    case CINCEL_OP_CONV: return p->conv.d.accumulate;
    case CINCEL_OP_POOL: return p->pool.d.accumulate;
    case CINCEL_OP_RNN: return p->rnn.d.accumulate;
    }
    return false;
}

/* Gradients that accumulate are checked from 0 on; all others must be written, so they begin as NaN. */
void cincel_trial_spoil(struct cincel_trial *trial)
{
    const size_t cell_bytes = cincel_problem_argmax_bytes(trial->p);
    for (int i = 0; i < trial->outputs; i++) {
        const struct cincel_trial_output *o = &trial->output[i];
        for (size_t s = 0; s < o->samples; s++) {
            o->at[o->index[s]] = accumulates(trial->p) ? 0.0f : NAN;
            if (o->cell)
                memset((char *)trial->tensors.argmax_out + o->index[s] * cell_bytes, 0xff, cell_bytes);
        }
    }
}

cincel_status cincel_trial_create(const struct cincel_target *t, const struct cincel_problem *p,
                                  struct cincel_trial *out)
{
    const size_t junk = cincel_l2_bytes(t);
    *out = (struct cincel_trial){
        .target = t, .p = p, .probe = t->isas[0]->probe, .junk_count = junk / sizeof(float)};
    bool good = kinds[p->op].tensors(out);
    out->junk = good ? keep(out, cincel_aligned_alloc(junk)) : NULL;
    if (!out->junk) {
        cincel_trial_destroy(out);
        return cincel_fail(CINCEL_OUT_OF_MEMORY, "tune: no memory for the tensors of the problem");
    }
    for (size_t i = 0; i < out->junk_count; i++) out->junk[i] = 0.0f;
    cincel_trial_spoil(out);
    kinds[p->op].expect(out);
    return CINCEL_OK;
}

void cincel_trial_destroy(struct cincel_trial *trial)
{
    while (trial->memories > 0) cincel_aligned_free(trial->memory[--trial->memories]);
}

/* --------------------------------------------------------------------------------------- check -- */

static int32_t cell_at(const struct cincel_trial *trial, size_t i)
{
    return cincel_problem_argmax_bytes(trial->p) == 1 ? ((const uint8_t *)trial->tensors.argmax_out)[i]
                                                      : ((const int32_t *)trial->tensors.argmax_out)[i];
}

static bool verify_output(const struct cincel_trial *trial, const struct cincel_trial_output *o,
                          double relative, char why[CINCEL_WHY])
{
    for (size_t i = 0; i < o->samples; i++) {
        const size_t e = o->index[i];
        const double got = (double)o->at[e], want = o->expected[i];
        const double allowed = relative * o->scale + o->rounding * fmax(1.0, fabs(want));
        if (!(fabs(got - want) <= allowed)) {
            snprintf(why, CINCEL_WHY, "computes %s[%zu] as %.9g, must be %.9g", o->name, e, got, want);
            return false;
        }
        if (o->cell && cell_at(trial, e) != o->cell[i]) {
            snprintf(why, CINCEL_WHY, "finds the maximum of %s[%zu] in cell %d, must be %d", o->name, e,
                     (int)cell_at(trial, e), (int)o->cell[i]);
            return false;
        }
    }
    return true;
}

/* Within four times what the algorithm's row promises, as the tests have it (small tensors scatter). */
bool cincel_trial_verify(const struct cincel_trial *trial, const struct cincel_algo *algo,
                         const struct cincel_choice *c, char why[CINCEL_WHY])
{
    const double chain = algo->chain ? algo->chain(trial->p, c) : cincel_chain_length(trial->p);
    const double relative = 4.0 * algo->error * sqrt(fmax(chain, cincel_chain_length(trial->p)));
    for (int i = 0; i < trial->outputs; i++)
        if (!verify_output(trial, &trial->output[i], relative, why)) return false;
    return true;
}

/* -------------------------------------------------------------------------------------- caches -- */

struct pass {
    const struct cincel_trial *trial;
    const float *at; /* what is read in shares */
    size_t count;
};

enum { LINE_FLOATS = 16 };

static void read_share(const struct pass *pass, const struct cincel_worker *worker)
{
    size_t end;
    const size_t begin = cincel_share(worker, pass->count, LINE_FLOATS, &end);
    pass->trial->probe->read(pass->at + begin, end - begin);
}

static void settle_body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct pass *pass = data;
    if (phase == 0) /* each worker its own cache */
        pass->trial->probe->read(pass->trial->junk, pass->trial->junk_count);
    else
        read_share(pass, worker);
}

static void read_body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    read_share(data, worker);
}

void cincel_trial_settle(const struct cincel_trial *trial, struct cincel_team *team, int threads)
{
    struct pass pass = {trial, trial->input, trial->input_count};
    cincel_team_run(team, threads, 2, settle_body, &pass);
}

void cincel_trial_read_output(const struct cincel_trial *trial, struct cincel_team *team, int threads)
{
    struct pass pass = {trial, trial->output[0].at, trial->output[0].count};
    cincel_team_run(team, threads, 1, read_body, &pass);
}
