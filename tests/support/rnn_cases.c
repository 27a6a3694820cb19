#include "tests/support/rnn_cases.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rnn_problem.h"
#include "tests/support/guard.h"

static const float untouched = -77.0f; /* between the rows of y */

cincel_rnn_desc rnn_case_desc(struct test_random *r)
{
    cincel_rnn_desc d = CINCEL_RNN_DESC_INIT;
    d.cell = (cincel_rnn_cell)test_draw(r, CINCEL_RNN_TANH, CINCEL_GRU);
    if (test_draw(r, 0, 2) == 0) d.cell = CINCEL_LSTM;
    d.steps = test_draw(r, 0, 4) == 0 ? 1 : test_draw(r, 2, 9);
    d.batch = test_draw(r, 0, 3) == 0 ? 1 : test_draw(r, 2, 20);
    d.input = test_draw(r, 0, 4) == 0 ? 1 : test_draw(r, 2, 40);
    d.hidden = test_draw(r, 0, 4) == 0 ? 1 : test_draw(r, 2, 50);
    if (test_draw(r, 0, 7) == 0) d.hidden = test_draw(r, 100, 300), d.steps = 2;
    if (test_draw(r, 0, 7) == 0) d.steps = test_draw(r, 64, 90), d.hidden = test_draw(r, 1, 12);
    d.batch_first = test_draw(r, 0, 1);
    d.reverse = test_draw(r, 0, 1);
    d.training = 1;
    d.accumulate = test_draw(r, 0, 1);
    d.reset_before = test_draw(r, 0, 1);
    d.update_new = test_draw(r, 0, 1);
    d.y_ld = test_draw(r, 0, 1) ? 0 : d.hidden + test_draw(r, 0, 20);
    return d;
}

static float *add(struct rnn_case *c, struct test_random *r, const char *name, size_t count, float scale)
{
    struct rnn_tensor *t = &c->tensor[c->count++];
    assert_true(c->count <= RNN_FLOATS);
    *t = (struct rnn_tensor){.name = name, .at = test_guarded(count * sizeof(float)), .count = count};
    for (size_t i = 0; i < count; i++) t->at[i] = scale * (float)test_draw(r, -1000, 1000) / 1000.0f;
    return t->at;
}

/* One in four is not given. */
static float *add_optional(struct rnn_case *c, struct test_random *r, const char *name, size_t count,
                           float scale)
{
    return test_draw(r, 0, 3) ? add(c, r, name, count, scale) : NULL;
}

static float *add_output(struct rnn_case *c, struct test_random *r, const char *name, size_t count,
                         bool optional, double **expected)
{
    if (optional && test_draw(r, 0, 7) == 0) return NULL;
    float *at = add(c, r, name, count, 1.0f);
    struct rnn_tensor *t = &c->tensor[c->count - 1];
    t->initial = malloc(count * sizeof(float));
    t->expected = calloc(count, sizeof(double));
    assert_true(t->initial && t->expected);
    memcpy(t->initial, at, count * sizeof(float));
    *expected = t->expected;
    return at;
}

static void add_inputs(struct test_random *r, const cincel_rnn_desc *d, struct rnn_case *c)
{
    const size_t rows = (size_t)d->steps * (size_t)d->batch, hidden = (size_t)d->hidden;
    const size_t input = (size_t)d->input, state = (size_t)d->batch * hidden;
    const size_t gates = (size_t)cincel_rnn_gates(d->cell) * hidden;
    const bool lstm = d->cell == CINCEL_LSTM;
    c->t.x = add(c, r, "x", rows * input, 1.0f);
    c->t.h0 = add_optional(c, r, "h0", state, 1.0f);
    c->t.c0 = lstm ? add_optional(c, r, "c0", state, 1.0f) : NULL;
    c->t.w_ih = add(c, r, "w_ih", gates * input, 2.0f / sqrtf((float)input));
    c->t.w_hh = add(c, r, "w_hh", gates * hidden, 1.0f / sqrtf((float)hidden));
    c->t.b_ih = add_optional(c, r, "b_ih", gates, 0.5f);
    c->t.b_hh = add_optional(c, r, "b_hh", gates, 0.5f);
    c->t.dy = add_optional(c, r, "dy", rows * (size_t)c->forward.rnn.d.y_ld, 1.0f);
    c->t.dh_n = add_optional(c, r, "dh_n", state, 1.0f);
    c->t.dc_n = lstm ? add_optional(c, r, "dc_n", state, 1.0f) : NULL;
    if (test_draw(r, 0, 1)) return;
    c->lengths = test_guarded((size_t)d->batch * sizeof(int));
    for (int b = 0; b < d->batch; b++) c->lengths[b] = test_draw(r, 1, d->steps);
    c->t.lengths = c->lengths;
}

void rnn_case_create(struct test_random *r, const cincel_rnn_desc *d, struct rnn_case *c)
{
    const size_t rows = (size_t)d->steps * (size_t)d->batch, hidden = (size_t)d->hidden;
    const size_t input = (size_t)d->input, state = (size_t)d->batch * hidden;
    const size_t gates = (size_t)cincel_rnn_gates(d->cell) * hidden;
    const bool lstm = d->cell == CINCEL_LSTM;
    struct cincel_rnn_expected want = {0};
    *c = (struct rnn_case){.count = 0};
    assert_int_equal(cincel_problem_rnn(d, CINCEL_FORWARD, &c->forward), CINCEL_OK);
    assert_int_equal(cincel_problem_rnn(d, CINCEL_BACKWARD, &c->backward), CINCEL_OK);
    add_inputs(r, d, c);
    const size_t ld = (size_t)c->forward.rnn.d.y_ld;
    double *y = NULL;
    c->t.y = add_output(c, r, "y", rows * ld, false, &y);
    want.y = calloc(rows * hidden, sizeof(double));
    assert_non_null(want.y);
    c->t.h_n = add_output(c, r, "h_n", state, true, &want.h_n);
    if (lstm) c->t.c_n = add_output(c, r, "c_n", state, true, &want.c_n);
    c->t.dx = add_output(c, r, "dx", rows * input, true, &want.dx);
    c->t.dh0 = add_output(c, r, "dh0", state, true, &want.dh0);
    if (lstm) c->t.dc0 = add_output(c, r, "dc0", state, true, &want.dc0);
    c->t.dw_ih = add_output(c, r, "dw_ih", gates * input, true, &want.dw_ih);
    c->t.dw_hh = add_output(c, r, "dw_hh", gates * hidden, true, &want.dw_hh);
    c->t.db_ih = add_output(c, r, "db_ih", gates, true, &want.db_ih);
    c->t.db_hh = add_output(c, r, "db_hh", gates, true, &want.db_hh);
    c->reserve_bytes = rows * cincel_rnn_reserve_floats(d) * sizeof(float);
    c->reserve = test_guarded(c->reserve_bytes);
    c->t.reserve = c->reserve;
    c->t.reserve_in = c->reserve;
    assert_true(cincel_reference_rnn(&c->backward, &c->t, &want));
    for (size_t i = 0; i < rows * ld; i++)
        y[i] = i % ld < hidden ? want.y[i / ld * hidden + i % ld] : (double)untouched;
    free(want.y);
}

void rnn_case_free(struct rnn_case *c)
{
    for (int i = 0; i < c->count; i++) {
        test_guarded_free(c->tensor[i].at, c->tensor[i].count * sizeof(float));
        free(c->tensor[i].initial);
        free(c->tensor[i].expected);
    }
    if (c->lengths) test_guarded_free(c->lengths, (size_t)c->forward.rnn.d.batch * sizeof(int));
    test_guarded_free(c->reserve, c->reserve_bytes);
}

/* Does the pass write it? Names of gradients begin with d, and those that come in are no outputs. */
static bool written(const struct rnn_tensor *t, const struct cincel_problem *p)
{
    return t->expected && (t->name[0] == 'd') == (p->pass == CINCEL_BACKWARD);
}

void rnn_case_reset(const struct rnn_case *c, const struct cincel_problem *p)
{
    for (int i = 0; i < c->count; i++) {
        const struct rnn_tensor *t = &c->tensor[i];
        if (!written(t, p)) continue;
        memcpy(t->at, t->initial, t->count * sizeof(float));
        for (size_t j = 0; t->name[0] == 'y' && j < t->count; j++) t->at[j] = untouched;
    }
    if (p->pass == CINCEL_FORWARD) memset(c->reserve, 0xff, c->reserve_bytes);
}

void rnn_case_run(const struct rnn_case *c, const struct cincel_problem *p, const struct test_target *target,
                  const struct cincel_choice *choice, struct cincel_team *team)
{
    const struct cincel_algo *algo = cincel_algo_find(p, choice->algo);
    struct cincel_prepared *prepared;
    const size_t bytes = algo->workspace(&target->target, p, choice);
    void *ws = test_guarded(bytes);
    memset(ws, 0xff, bytes);
    assert_int_equal(algo->build(&target->target, p, choice, &prepared), CINCEL_OK);
    algo->run(prepared, &(struct cincel_tensors){.rnn = &c->t, .workspace = ws}, team);
    algo->discard(prepared);
    test_guarded_free(ws, bytes);
}

double rnn_case_error(const struct rnn_case *c, const struct cincel_problem *p, const char **name)
{
    double worst = 0.0;
    *name = "";
    for (int i = 0; i < c->count; i++) {
        const struct rnn_tensor *t = &c->tensor[i];
        double sum = 0.0, error = 0.0;
        if (!written(t, p)) continue;
        for (size_t j = 0; j < t->count; j++) {
            const double off = fabs((double)t->at[j] - t->expected[j]);
            sum += t->expected[j] * t->expected[j];
            error = isnan(off) ? HUGE_VAL : fmax(error, off);
        }
        error /= sqrt(sum / (double)t->count) + 1e-6; /* gradients may be all zero */
        if (error <= worst) continue;
        worst = error;
        *name = t->name;
    }
    return worst;
}

uint64_t rnn_case_bits(const struct rnn_case *c, const struct cincel_problem *p)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (int i = 0; i < c->count; i++) {
        const unsigned char *b = (const unsigned char *)c->tensor[i].at;
        if (!written(&c->tensor[i], p)) continue;
        for (size_t j = 0; j < c->tensor[i].count * sizeof(float); j++)
            hash = (hash ^ b[j]) * UINT64_C(1099511628211);
    }
    const unsigned char *b = c->reserve;
    for (size_t j = 0; p->pass == CINCEL_FORWARD && j < c->reserve_bytes; j++)
        hash = (hash ^ b[j]) * UINT64_C(1099511628211);
    return hash;
}
