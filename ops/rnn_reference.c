#include "ops/rnn_reference.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GATES_MAX = 4 };

/* What a step of one sequence leaves behind. */
struct step {
    double *gate[GATES_MAX]; /* after their functions */
    double *h, *c;           /* after the step */
    double *product;         /* of GRU: W_hh[n] h + b_hh[n], or reset · h */
};

struct oracle {
    const struct cincel_problem *p;
    const struct cincel_rnn_tensors *t;
    const struct cincel_rnn_expected *out;
    size_t steps, batch, input, hidden, gates;
    double *block; /* of all below */
    struct step *step;
    double *h0, *c0, *dh, *dc, *d_ih[GATES_MAX], *d_hh[GATES_MAX], *dm;
};

static double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

static bool create(struct oracle *o)
{
    const size_t a_step = GATES_MAX + 3, others = 5 + 2 * GATES_MAX;
    o->block = calloc((o->steps * a_step + others) * o->hidden, sizeof *o->block);
    o->step = calloc(o->steps, sizeof *o->step);
    if (!o->block || !o->step) return false;
    double *at = o->block;
    for (size_t s = 0; s < o->steps; s++) {
        for (size_t g = 0; g < GATES_MAX; g++, at += o->hidden) o->step[s].gate[g] = at;
        o->step[s].h = at, at += o->hidden;
        o->step[s].c = at, at += o->hidden;
        o->step[s].product = at, at += o->hidden;
    }
    double **rest[] = {&o->h0, &o->c0, &o->dh, &o->dc, &o->dm};
    for (size_t i = 0; i < 5; i++, at += o->hidden) *rest[i] = at;
    for (size_t g = 0; g < GATES_MAX; g++, at += o->hidden) o->d_ih[g] = at;
    for (size_t g = 0; g < GATES_MAX; g++, at += o->hidden) o->d_hh[g] = at;
    return true;
}

static size_t row_of(const struct oracle *o, size_t b, size_t time)
{
    return o->p->rnn.d.batch_first ? b * o->steps + time : time * o->batch + b;
}

static size_t time_of(const struct oracle *o, size_t length, size_t s)
{
    return o->p->rnn.d.reverse ? length - 1 - s : s;
}

static double of_input(const struct oracle *o, size_t row, size_t gate, size_t j)
{
    const float *w = o->t->w_ih + (gate * o->hidden + j) * o->input, *x = o->t->x + row * o->input;
    double sum = o->t->b_ih ? (double)o->t->b_ih[gate * o->hidden + j] : 0.0;
    for (size_t i = 0; i < o->input; i++) sum += (double)w[i] * (double)x[i];
    return sum;
}

static double of_state(const struct oracle *o, const double *h, size_t gate, size_t j)
{
    const float *w = o->t->w_hh + (gate * o->hidden + j) * o->hidden;
    double sum = o->t->b_hh ? (double)o->t->b_hh[gate * o->hidden + j] : 0.0;
    for (size_t i = 0; i < o->hidden; i++) sum += (double)w[i] * h[i];
    return sum;
}

static double update(const struct oracle *o, double z, double candidate, double h)
{
    return o->p->rnn.d.update_new ? (1.0 - z) * h + z * candidate : (1.0 - z) * candidate + z * h;
}

static void gru_step(const struct oracle *o, struct step *s, const double *h, size_t row)
{
    const bool before = o->p->rnn.d.reset_before;
    for (size_t j = 0; j < o->hidden; j++) {
        s->gate[0][j] = sigmoid(of_input(o, row, 0, j) + of_state(o, h, 0, j));
        s->gate[1][j] = sigmoid(of_input(o, row, 1, j) + of_state(o, h, 1, j));
    }
    for (size_t j = 0; j < o->hidden; j++)
        s->product[j] = before ? s->gate[0][j] * h[j] : of_state(o, h, 2, j);
    for (size_t j = 0; j < o->hidden; j++) {
        const double state = before ? of_state(o, s->product, 2, j) : s->gate[0][j] * s->product[j];
        s->gate[2][j] = tanh(of_input(o, row, 2, j) + state);
        s->h[j] = update(o, s->gate[1][j], s->gate[2][j], h[j]);
    }
}

static void forward_step(const struct oracle *o, struct step *s, const double *h, const double *c, size_t row)
{
    const cincel_rnn_cell cell = o->p->rnn.d.cell;
    if (cell == CINCEL_GRU) {
        gru_step(o, s, h, row);
        return;
    }
    for (size_t j = 0; j < o->hidden; j++) {
        double a[GATES_MAX];
        for (size_t g = 0; g < o->gates; g++) a[g] = of_input(o, row, g, j) + of_state(o, h, g, j);
        if (cell != CINCEL_LSTM) {
            s->h[j] = s->gate[0][j] = cell == CINCEL_RNN_TANH ? tanh(a[0]) : a[0] > 0.0 ? a[0] : 0.0;
            continue;
        }
        for (size_t g = 0; g < 4; g++) s->gate[g][j] = g == 2 ? tanh(a[g]) : sigmoid(a[g]);
        s->c[j] = s->gate[1][j] * c[j] + s->gate[0][j] * s->gate[2][j];
        s->h[j] = s->gate[3][j] * tanh(s->c[j]);
    }
}

static void forward_sequence(const struct oracle *o, size_t b, size_t length)
{
    for (size_t j = 0; j < o->hidden; j++) {
        o->h0[j] = o->t->h0 ? (double)o->t->h0[b * o->hidden + j] : 0.0;
        o->c0[j] = o->t->c0 ? (double)o->t->c0[b * o->hidden + j] : 0.0;
    }
    for (size_t s = 0; s < length; s++) {
        const size_t row = row_of(o, b, time_of(o, length, s));
        forward_step(o, &o->step[s], s ? o->step[s - 1].h : o->h0, s ? o->step[s - 1].c : o->c0, row);
        for (size_t j = 0; o->out->y && j < o->hidden; j++) o->out->y[row * o->hidden + j] = o->step[s].h[j];
    }
    for (size_t t = length; o->out->y && t < o->steps; t++)
        for (size_t j = 0; j < o->hidden; j++) o->out->y[row_of(o, b, t) * o->hidden + j] = 0.0;
    for (size_t j = 0; j < o->hidden; j++) {
        if (o->out->h_n) o->out->h_n[b * o->hidden + j] = o->step[length - 1].h[j];
        if (o->out->c_n) o->out->c_n[b * o->hidden + j] = o->step[length - 1].c[j];
    }
}

/* ------------------------------------------------------------------------------------- backward -- */

/* Σ over the units behind gate `gate` of what they got, by W_hh's column j */
static double through_state(const struct oracle *o, size_t gate, size_t j)
{
    double sum = 0.0;
    for (size_t i = 0; i < o->hidden; i++)
        sum += o->d_hh[gate][i] * (double)o->t->w_hh[(gate * o->hidden + i) * o->hidden + j];
    return sum;
}

/* From dh (and dc) the gradients of the sums; what reaches h directly stays in dh. */
static void gru_back(const struct oracle *o, const struct step *s, const double *h)
{
    const cincel_rnn_desc *d = &o->p->rnn.d;
    for (size_t j = 0; j < o->hidden; j++) {
        const double z = s->gate[1][j], n = s->gate[2][j], dh = o->dh[j];
        const double of_new = d->update_new ? z : 1.0 - z;
        o->d_ih[2][j] = dh * of_new * (1.0 - n * n);
        o->d_hh[2][j] = o->d_ih[2][j] * (d->reset_before ? 1.0 : s->gate[0][j]);
        o->d_ih[1][j] = o->d_hh[1][j] = dh * (d->update_new ? n - h[j] : h[j] - n) * z * (1.0 - z);
        o->dh[j] = dh * (1.0 - of_new);
    }
    for (size_t j = 0; j < o->hidden; j++) {
        const double r = s->gate[0][j];
        const double dr = d->reset_before ? through_state(o, 2, j) * h[j] : o->d_ih[2][j] * s->product[j];
        o->d_ih[0][j] = o->d_hh[0][j] = dr * r * (1.0 - r);
        if (d->reset_before) o->dh[j] += through_state(o, 2, j) * r;
    }
}

static void lstm_back(const struct oracle *o, const struct step *s, const double *c)
{
    for (size_t j = 0; j < o->hidden; j++) {
        const double i = s->gate[0][j], f = s->gate[1][j], g = s->gate[2][j], out = s->gate[3][j];
        const double bounded = tanh(s->c[j]);
        const double dc = o->dc[j] + o->dh[j] * out * (1.0 - bounded * bounded);
        o->d_ih[0][j] = dc * g * i * (1.0 - i);
        o->d_ih[1][j] = dc * c[j] * f * (1.0 - f);
        o->d_ih[2][j] = dc * i * (1.0 - g * g);
        o->d_ih[3][j] = o->dh[j] * bounded * out * (1.0 - out);
        o->dc[j] = dc * f;
        o->dh[j] = 0.0;
        for (size_t k = 0; k < 4; k++) o->d_hh[k][j] = o->d_ih[k][j];
    }
}

static void simple_back(const struct oracle *o, const struct step *s)
{
    const bool is_tanh = o->p->rnn.d.cell == CINCEL_RNN_TANH;
    for (size_t j = 0; j < o->hidden; j++) {
        const double h = s->h[j];
        o->d_ih[0][j] = o->d_hh[0][j] = o->dh[j] * (is_tanh ? 1.0 - h * h : h > 0.0);
        o->dh[j] = 0.0;
    }
}

/* dx, and what the step adds to weights and biases. */
static void collect(const struct oracle *o, const struct step *s, const double *h, size_t row)
{
    const struct cincel_rnn_expected *out = o->out;
    const float *x = o->t->x + row * o->input;
    for (size_t i = 0; out->dx && i < o->input; i++) {
        double sum = 0.0;
        for (size_t g = 0; g < o->gates; g++)
            for (size_t j = 0; j < o->hidden; j++)
                sum += o->d_ih[g][j] * (double)o->t->w_ih[(g * o->hidden + j) * o->input + i];
        out->dx[row * o->input + i] = sum;
    }
    for (size_t g = 0; g < o->gates; g++) {
        const double *right = g == 2 && o->p->rnn.d.reset_before ? s->product : h;
        for (size_t j = 0; j < o->hidden; j++) {
            const size_t at = g * o->hidden + j;
            if (out->db_ih) out->db_ih[at] += o->d_ih[g][j];
            if (out->db_hh) out->db_hh[at] += o->d_hh[g][j];
            for (size_t i = 0; out->dw_ih && i < o->input; i++)
                out->dw_ih[at * o->input + i] += o->d_ih[g][j] * (double)x[i];
            for (size_t i = 0; out->dw_hh && i < o->hidden; i++)
                out->dw_hh[at * o->hidden + i] += o->d_hh[g][j] * right[i];
        }
    }
}

static void backward_sequence(const struct oracle *o, size_t b, size_t length)
{
    const cincel_rnn_desc *d = &o->p->rnn.d;
    for (size_t j = 0; j < o->hidden; j++) {
        o->dh[j] = o->t->dh_n ? (double)o->t->dh_n[b * o->hidden + j] : 0.0;
        o->dc[j] = o->t->dc_n ? (double)o->t->dc_n[b * o->hidden + j] : 0.0;
    }
    for (size_t s = length; s-- > 0;) {
        const size_t row = row_of(o, b, time_of(o, length, s));
        const double *h = s ? o->step[s - 1].h : o->h0, *c = s ? o->step[s - 1].c : o->c0;
        for (size_t j = 0; o->t->dy && j < o->hidden; j++)
            o->dh[j] += (double)o->t->dy[row * (size_t)d->y_ld + j];
        if (d->cell == CINCEL_GRU)
            gru_back(o, &o->step[s], h);
        else if (d->cell == CINCEL_LSTM)
            lstm_back(o, &o->step[s], c);
        else
            simple_back(o, &o->step[s]);
        collect(o, &o->step[s], h, row);
        const size_t direct = d->reset_before ? 2 : o->gates; /* the candidate's share is in dh already */
        for (size_t j = 0; j < o->hidden; j++)
            for (size_t g = 0; g < direct; g++) o->dh[j] += through_state(o, g, j);
    }
    for (size_t t = length; o->out->dx && t < o->steps; t++)
        for (size_t i = 0; i < o->input; i++) o->out->dx[row_of(o, b, t) * o->input + i] = 0.0;
    for (size_t j = 0; j < o->hidden; j++) {
        if (o->out->dh0) o->out->dh0[b * o->hidden + j] = o->dh[j];
        if (o->out->dc0) o->out->dc0[b * o->hidden + j] = o->dc[j];
    }
}

static void start_sums(const struct oracle *o, const float *from, double *sum, size_t count)
{
    for (size_t i = 0; sum && i < count; i++) sum[i] = o->p->rnn.d.accumulate ? (double)from[i] : 0.0;
}

bool cincel_reference_rnn(const struct cincel_problem *p, const struct cincel_rnn_tensors *t,
                          const struct cincel_rnn_expected *out)
{
    assert(p->op == CINCEL_OP_RNN);
    const cincel_rnn_desc *d = &p->rnn.d;
    struct oracle o = {.p = p,
                       .t = t,
                       .out = out,
                       .steps = (size_t)d->steps,
                       .batch = (size_t)d->batch,
                       .input = (size_t)d->input,
                       .hidden = (size_t)d->hidden,
                       .gates = (size_t)cincel_rnn_gates(d->cell)};
    const bool created = create(&o);
    const size_t rows = o.gates * o.hidden;
    if (created && p->pass == CINCEL_BACKWARD) {
        start_sums(&o, t->dw_ih, out->dw_ih, rows * o.input);
        start_sums(&o, t->dw_hh, out->dw_hh, rows * o.hidden);
        start_sums(&o, t->db_ih, out->db_ih, rows);
        start_sums(&o, t->db_hh, out->db_hh, rows);
    }
    for (size_t b = 0; created && b < o.batch; b++) {
        const size_t length = t->lengths ? (size_t)t->lengths[b] : o.steps;
        forward_sequence(&o, b, length);
        if (p->pass == CINCEL_BACKWARD) backward_sequence(&o, b, length);
    }
    free(o.block);
    free(o.step);
    return created;
}
