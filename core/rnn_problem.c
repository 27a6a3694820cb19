#include "core/rnn_problem.h"

#include "core/abi.h"
#include "core/check.h"
#include "core/memory.h"
#include "core/status.h"

static const char name[] = "rnn";

int cincel_rnn_gates(cincel_rnn_cell cell)
{
    switch (cell) {
    case CINCEL_RNN_TANH:
    case CINCEL_RNN_RELU: return 1;
    case CINCEL_LSTM: return 4;
    case CINCEL_GRU: return 3;
    }
    return 0;
}

const char *cincel_rnn_cell_name(cincel_rnn_cell cell)
{
    static const char *const names[] = {"rnn_tanh", "rnn_relu", "lstm", "gru"};
    return names[cell];
}

size_t cincel_rnn_reserve_floats(const cincel_rnn_desc *d)
{
    const size_t parts[] = {
        [CINCEL_RNN_TANH] = 2, [CINCEL_RNN_RELU] = 2, [CINCEL_LSTM] = 6, [CINCEL_GRU] = 5};
    return parts[d->cell] * (size_t)d->hidden;
}

static cincel_status check_fields(const cincel_rnn_desc *d)
{
    const struct cincel_field positive[] = {
        {"steps", d->steps}, {"batch", d->batch}, {"input", d->input}, {"hidden", d->hidden}};
    const struct cincel_field flags[] = {{"batch_first", d->batch_first},   {"reverse", d->reverse},
                                         {"training", d->training},         {"accumulate", d->accumulate},
                                         {"reset_before", d->reset_before}, {"update_new", d->update_new}};
    if (cincel_rnn_gates(d->cell) == 0)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: cell %d does not exist", name, (int)d->cell);
    cincel_status st = cincel_check_positive(name, positive, sizeof positive / sizeof *positive);
    if (!st) st = cincel_check_switches(name, flags, sizeof flags / sizeof *flags);
    if (st) return st;
    if (d->y_ld != 0 && d->y_ld < d->hidden)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: y_ld %d is below hidden %d", name, d->y_ld,
                           d->hidden);
    return CINCEL_OK;
}

static cincel_status check_bytes(const char *tensor, size_t rows, size_t more_rows, size_t floats)
{
    size_t bytes = sizeof(float);
    if (cincel_mul(bytes, rows, &bytes) && cincel_mul(bytes, more_rows, &bytes) &&
        cincel_mul(bytes, floats, &bytes) && bytes <= PTRDIFF_MAX)
        return CINCEL_OK;
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: tensor %s of %zux%zux%zu floats is too large", name,
                       tensor, rows, more_rows, floats);
}

static cincel_status check_tensors(const cincel_rnn_desc *d)
{
    const size_t steps = (size_t)d->steps, batch = (size_t)d->batch, hidden = (size_t)d->hidden;
    const size_t gates = (size_t)cincel_rnn_gates(d->cell);
    cincel_status st = check_bytes("x", steps, batch, (size_t)d->input);
    if (st == CINCEL_OK) st = check_bytes("y", steps, batch, (size_t)d->y_ld);
    if (st == CINCEL_OK) st = check_bytes("w_ih", gates, hidden, (size_t)d->input);
    if (st == CINCEL_OK) st = check_bytes("w_hh", gates, hidden, hidden);
    if (st == CINCEL_OK) st = check_bytes("reserve", steps, batch, cincel_rnn_reserve_floats(d));
    return st;
}

static void normalise(cincel_rnn_desc *d, cincel_pass pass)
{
    if (pass == CINCEL_FORWARD)
        d->accumulate = 0;
    else
        d->training = 1;
    if (d->cell != CINCEL_GRU) d->reset_before = d->update_new = 0;
    if (d->steps == 1) d->reverse = 0;
    if (d->steps == 1 || d->batch == 1) d->batch_first = 0;
}

cincel_status cincel_problem_rnn(const cincel_rnn_desc *d, cincel_pass pass, struct cincel_problem *out)
{
    struct cincel_problem p = {.op = CINCEL_OP_RNN, .pass = pass, .rnn = {.d = CINCEL_RNN_DESC_INIT}};
    cincel_status st = cincel_check_descriptor(name, d);
    if (st) return st;
    if (pass != CINCEL_FORWARD && pass != CINCEL_BACKWARD)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: pass is %d, must be FORWARD or BACKWARD", name,
                           (int)pass);
    st = cincel_struct_in(name, d, sizeof *d, sizeof *d, &p.rnn.d);
    if (st == CINCEL_OK) st = check_fields(&p.rnn.d);
    if (st != CINCEL_OK) return st;
    if (p.rnn.d.y_ld == 0) p.rnn.d.y_ld = p.rnn.d.hidden;
    st = check_tensors(&p.rnn.d);
    if (st != CINCEL_OK) return st;
    normalise(&p.rnn.d, pass);
    *out = p;
    return CINCEL_OK;
}

double cincel_rnn_flops(const struct cincel_problem *p)
{
    const cincel_rnn_desc *d = &p->rnn.d;
    const double rows = (double)d->steps * d->batch;
    const double forward =
        2.0 * rows * cincel_rnn_gates(d->cell) * d->hidden * ((double)d->input + d->hidden);
    return p->pass == CINCEL_FORWARD ? forward : 2.0 * forward;
}

double cincel_rnn_bytes(const struct cincel_problem *p)
{
    const cincel_rnn_desc *d = &p->rnn.d;
    const double rows = (double)d->steps * d->batch;
    const double weights = (double)cincel_rnn_gates(d->cell) * d->hidden * ((double)d->input + d->hidden);
    const double reserve = d->training ? rows * (double)cincel_rnn_reserve_floats(d) : 0.0;
    double floats = rows * ((double)d->input + d->hidden) + weights + reserve;
    if (p->pass == CINCEL_BACKWARD) floats += rows * d->input + weights;
    return sizeof(float) * floats;
}
