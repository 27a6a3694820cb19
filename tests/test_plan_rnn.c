/* Recurrent layers through the public calls: PyTorch's values, forward and all gradients, of both directions
   and of sequences of several lengths; weights packed once; measuring; misuse answered by a sentence. */
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cincel/cincel.h"
#include "tests/golden/rnn.h"

enum {
    ROWS = GOLDEN_STEPS * GOLDEN_BATCH,
    STATE = GOLDEN_BATCH * GOLDEN_HIDDEN,
    GATES = 4 * GOLDEN_HIDDEN /* at most */
};

static void must(cincel_status status)
{
    if (status != CINCEL_OK) fail_msg("%s", cincel_error_message());
}

static void says(cincel_status got, const char *part)
{
    if (got != CINCEL_INVALID_ARGUMENT || !strstr(cincel_error_message(), part))
        fail_msg("status %d, message \"%s\" (wanted \"%s\")", (int)got, cincel_error_message(), part);
}

static void *buffer(size_t bytes)
{
    void *p = NULL;
    must(cincel_workspace_create(bytes ? bytes : 64, &p));
    memset(p, 0xff, bytes ? bytes : 64);
    return p;
}

/* ---------------------------------------------------------------------------- PyTorch's values -- */

/* One cell's golden values: [0] of the forward direction, [1] of the reverse one. */
struct golden {
    const char *name;
    cincel_rnn_cell cell;
    const float *y, *h_n, *c_n, *dx, *dh0, *dc0;
    const float *w_ih[2], *w_hh[2], *b_ih[2], *b_hh[2];
    const float *dw_ih[2], *dw_hh[2], *db_ih[2], *db_hh[2];
};

#define GOLDEN_WEIGHTS(cell, what)                               \
    {                                                            \
        golden_##cell##_##what, golden_##cell##_##what##_reverse \
    }
#define GOLDEN_CELL(cell_, kind, c_n_, dc0_)                                                             \
    {                                                                                                    \
        .name = #cell_, .cell = kind, .y = golden_##cell_##_y, .h_n = golden_##cell_##_h_n, .c_n = c_n_, \
        .dx = golden_##cell_##_dx, .dh0 = golden_##cell_##_dh0, .dc0 = dc0_,                             \
        .w_ih = GOLDEN_WEIGHTS(cell_, weight_ih_l0), .w_hh = GOLDEN_WEIGHTS(cell_, weight_hh_l0),        \
        .b_ih = GOLDEN_WEIGHTS(cell_, bias_ih_l0), .b_hh = GOLDEN_WEIGHTS(cell_, bias_hh_l0),            \
        .dw_ih = GOLDEN_WEIGHTS(cell_, d_weight_ih_l0), .dw_hh = GOLDEN_WEIGHTS(cell_, d_weight_hh_l0),  \
        .db_ih = GOLDEN_WEIGHTS(cell_, d_bias_ih_l0), .db_hh = GOLDEN_WEIGHTS(cell_, d_bias_hh_l0),      \
    }
static const struct golden goldens[] = {
    GOLDEN_CELL(lstm, CINCEL_LSTM, golden_lstm_c_n, golden_lstm_dc0),
    GOLDEN_CELL(gru, CINCEL_GRU, NULL, NULL),
    GOLDEN_CELL(tanh, CINCEL_RNN_TANH, NULL, NULL),
    GOLDEN_CELL(relu, CINCEL_RNN_RELU, NULL, NULL),
};

static void near(const char *cell, const char *what, const float *got, const float *want, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(got[i] - want[i]) <= 2e-5f * (1.0f + fabsf(want[i]))))
            fail_msg("%s: %s[%zu] is %.9g, PyTorch has %.9g", cell, what, i, (double)got[i], (double)want[i]);
}

/* Results of both directions. */
struct results {
    float y[ROWS * 2 * GOLDEN_HIDDEN];
    float h_n[2][STATE], c_n[2][STATE], dh0[2][STATE], dc0[2][STATE];
    float dx[2][ROWS * GOLDEN_INPUT];
    float dw_ih[2][GATES * GOLDEN_INPUT], dw_hh[2][GATES * GOLDEN_HIDDEN], db_ih[2][GATES], db_hh[2][GATES];
};

static void run_direction(cincel_context *ctx, const struct golden *g, int way, struct results *r)
{
    const bool lstm = g->cell == CINCEL_LSTM;
    cincel_rnn_desc d = CINCEL_RNN_DESC_INIT;
    d.cell = g->cell, d.steps = GOLDEN_STEPS, d.batch = GOLDEN_BATCH;
    d.input = GOLDEN_INPUT, d.hidden = GOLDEN_HIDDEN;
    d.reverse = way, d.training = 1, d.y_ld = 2 * GOLDEN_HIDDEN;
    cincel_plan *forward, *backward;
    must(cincel_rnn_plan(ctx, &d, CINCEL_FORWARD, NULL, &forward));
    must(cincel_rnn_plan(ctx, &d, CINCEL_BACKWARD, NULL, &backward));
    assert_int_equal(cincel_rnn_reserve_size(forward), cincel_rnn_reserve_size(backward));
    void *ws = buffer(cincel_plan_workspace_size(forward)),
         *back = buffer(cincel_plan_workspace_size(backward));
    void *reserve = buffer(cincel_rnn_reserve_size(forward));
    cincel_rnn_forward_args f = CINCEL_RNN_FORWARD_ARGS_INIT;
    f.x = golden_x, f.h0 = golden_h0 + way * STATE, f.lengths = golden_lengths;
    f.w_ih = g->w_ih[way], f.w_hh = g->w_hh[way], f.b_ih = g->b_ih[way], f.b_hh = g->b_hh[way];
    f.y = r->y + way * GOLDEN_HIDDEN, f.h_n = r->h_n[way], f.reserve = reserve;
    if (lstm) f.c0 = golden_c0 + way * STATE, f.c_n = r->c_n[way];
    must(cincel_rnn_forward(forward, &f, ws));
    cincel_rnn_backward_args b = CINCEL_RNN_BACKWARD_ARGS_INIT;
    b.x = golden_x, b.w_ih = f.w_ih, b.w_hh = f.w_hh, b.lengths = golden_lengths, b.reserve = reserve;
    b.dy = golden_dy + way * GOLDEN_HIDDEN, b.dh_n = golden_dh_n + way * STATE;
    b.dx = r->dx[way], b.dh0 = r->dh0[way], b.dw_ih = r->dw_ih[way], b.dw_hh = r->dw_hh[way];
    b.db_ih = r->db_ih[way], b.db_hh = r->db_hh[way];
    if (lstm) b.dc_n = golden_dc_n + way * STATE, b.dc0 = r->dc0[way];
    must(cincel_rnn_backward(backward, &b, back));
    cincel_workspace_destroy(reserve);
    cincel_workspace_destroy(back);
    cincel_workspace_destroy(ws);
    cincel_plan_destroy(backward);
    cincel_plan_destroy(forward);
}

static void pytorch_agrees(void **state)
{
    static struct results r;
    for (size_t i = 0; i < sizeof goldens / sizeof *goldens; i++) {
        const struct golden *g = &goldens[i];
        const size_t gates = (size_t)cincel_rnn_gates(g->cell) * GOLDEN_HIDDEN;
        for (int way = 0; way < 2; way++) run_direction(*state, g, way, &r);
        near(g->name, "y", r.y, g->y, sizeof r.y / sizeof *r.y);
        for (size_t j = 0; j < ROWS * GOLDEN_INPUT; j++) r.dx[0][j] += r.dx[1][j];
        near(g->name, "dx", r.dx[0], g->dx, ROWS * GOLDEN_INPUT);
        for (int way = 0; way < 2; way++) {
            near(g->name, "h_n", r.h_n[way], g->h_n + way * STATE, STATE);
            near(g->name, "dh0", r.dh0[way], g->dh0 + way * STATE, STATE);
            if (g->c_n) near(g->name, "c_n", r.c_n[way], g->c_n + way * STATE, STATE);
            if (g->dc0) near(g->name, "dc0", r.dc0[way], g->dc0 + way * STATE, STATE);
            near(g->name, "dw_ih", r.dw_ih[way], g->dw_ih[way], gates * GOLDEN_INPUT);
            near(g->name, "dw_hh", r.dw_hh[way], g->dw_hh[way], gates * GOLDEN_HIDDEN);
            near(g->name, "db_ih", r.db_ih[way], g->db_ih[way], gates);
            near(g->name, "db_hh", r.db_hh[way], g->db_hh[way], gates);
        }
    }
}

/* --------------------------------------------------------------------- packed, measured, described -- */

static cincel_rnn_desc small_lstm(int training)
{
    cincel_rnn_desc d = CINCEL_RNN_DESC_INIT;
    d.steps = GOLDEN_STEPS, d.batch = GOLDEN_BATCH, d.input = GOLDEN_INPUT, d.hidden = GOLDEN_HIDDEN;
    d.training = training;
    return d;
}

static cincel_rnn_forward_args lstm_args(float *y)
{
    cincel_rnn_forward_args f = CINCEL_RNN_FORWARD_ARGS_INIT;
    f.x = golden_x, f.y = y;
    f.w_ih = golden_lstm_weight_ih_l0, f.w_hh = golden_lstm_weight_hh_l0;
    return f;
}

static void packed_weights_give_the_same_bits(void **state)
{
    const cincel_rnn_desc d = small_lstm(0);
    float y[ROWS * GOLDEN_HIDDEN], again[ROWS * GOLDEN_HIDDEN];
    cincel_plan *plan;
    must(cincel_rnn_plan(*state, &d, CINCEL_FORWARD, NULL, &plan));
    void *ws = buffer(cincel_plan_workspace_size(plan)), *packed = buffer(cincel_rnn_packed_size(plan));
    cincel_rnn_forward_args f = lstm_args(y);
    assert_true(cincel_rnn_packed_size(plan) > 0);
    assert_int_equal(cincel_rnn_reserve_size(plan), 0);
    must(cincel_rnn_forward(plan, &f, ws));
    f.packed = packed, f.y = again;
    says(cincel_rnn_forward(plan, &f, ws), "rnn: packed was not packed for this plan");
    must(cincel_rnn_pack(plan, f.w_ih, f.w_hh, packed));
    f.w_ih = f.w_hh = NULL;
    for (int round = 0; round < 2; round++) {
        memset(again, 0, sizeof again);
        must(cincel_rnn_forward(plan, &f, ws));
        assert_memory_equal(y, again, sizeof y);
    }
    says(cincel_rnn_pack(plan, NULL, golden_x, packed), "rnn_pack: w_ih is NULL");
    says(cincel_rnn_pack(plan, golden_x, golden_x, (char *)packed + 4), "rnn: packed is not aligned");
    cincel_workspace_destroy(packed);
    cincel_workspace_destroy(ws);
    cincel_plan_destroy(plan);
}

static void states_may_be_updated_in_place(void **state)
{
    const cincel_rnn_desc d = small_lstm(0);
    float y[ROWS * GOLDEN_HIDDEN], h[2][STATE], c[2][STATE];
    cincel_plan *plan;
    must(cincel_rnn_plan(*state, &d, CINCEL_FORWARD, NULL, &plan));
    void *ws = buffer(cincel_plan_workspace_size(plan));
    cincel_rnn_forward_args f = lstm_args(y);
    memcpy(h[1], golden_h0, sizeof h[1]);
    memcpy(c[1], golden_c0, sizeof c[1]);
    f.h0 = golden_h0, f.c0 = golden_c0, f.h_n = h[0], f.c_n = c[0];
    must(cincel_rnn_forward(plan, &f, ws));
    f.h0 = f.h_n = h[1], f.c0 = f.c_n = c[1];
    must(cincel_rnn_forward(plan, &f, ws));
    assert_memory_equal(h[0], h[1], sizeof h[0]);
    assert_memory_equal(c[0], c[1], sizeof c[0]);
    cincel_workspace_destroy(ws);
    cincel_plan_destroy(plan);
}

static void plans_are_measured(void **state)
{
    cincel_options o = CINCEL_OPTIONS_INIT;
    o.effort = CINCEL_MEASURE, o.budget_seconds = 0.2;
    for (int pass = 0; pass < 2; pass++) {
        const cincel_rnn_desc d = small_lstm(1);
        cincel_plan *plan;
        must(cincel_rnn_plan(*state, &d, pass ? CINCEL_BACKWARD : CINCEL_FORWARD, &o, &plan));
        const char *text = cincel_plan_describe(plan);
        assert_non_null(strstr(text, pass ? "lstm/bwd t4 b3 i5 h6 train1 first0 before0 acc0: steps "
                                          : "lstm/fwd t4 b3 i5 h6 train1 first0 before0 acc0: steps "));
        assert_non_null(strstr(text, "measured"));
        cincel_plan_destroy(plan);
    }
}

/* ------------------------------------------------------------------------------- unusual numbers -- */

enum { SWEEP = 4001 };

/* One step of a layer with one input and one unit, over many sequences. */
static void sweep(cincel_context *ctx, cincel_rnn_cell cell, const float *x, const float *h0,
                  const float *w_ih, float *y)
{
    static const float none[3];
    cincel_rnn_desc d = CINCEL_RNN_DESC_INIT;
    d.cell = cell, d.batch = SWEEP, d.input = d.hidden = 1;
    cincel_plan *plan;
    must(cincel_rnn_plan(ctx, &d, CINCEL_FORWARD, NULL, &plan));
    void *ws = buffer(cincel_plan_workspace_size(plan));
    cincel_rnn_forward_args f = CINCEL_RNN_FORWARD_ARGS_INIT;
    f.x = x, f.h0 = h0, f.w_ih = w_ih, f.w_hh = none, f.y = y;
    must(cincel_rnn_forward(plan, &f, ws));
    cincel_workspace_destroy(ws);
    cincel_plan_destroy(plan);
}

static void close_to(const char *name, float x, float got, double want)
{
    if (!(fabs((double)got - want) <= 3.5 * 0x1p-24 * fabs(want) * 2.0 + 1e-37))
        fail_msg("%s(%.9g) is %.9g, must be %.9g", name, (double)x, (double)got, want);
}

/* tanh and the logistic function over all magnitudes: as the only unit of an RNN, and as z of a GRU whose
   candidate is 0 and whose state was 1. */
static void functions_are_accurate(void **state)
{
    static float x[SWEEP], ones[SWEEP], y[SWEEP];
    static const float one[] = {1.0f}, z_only[] = {0.0f, 1.0f, 0.0f};
    for (int i = 0; i < SWEEP; i++) {
        const float size = exp2f((float)(i / 2 % 500) / 500.0f * 36.0f - 29.0f); /* 2e-9 … 128 */
        x[i] = (i % 2 ? -1.0f : 1.0f) * size * (1.0f + (float)i / SWEEP / 8.0f);
        ones[i] = 1.0f;
    }
    x[0] = INFINITY, x[1] = -INFINITY, x[2] = NAN, x[3] = 3e38f, x[4] = -3e38f, x[5] = 0.0f;
    sweep(*state, CINCEL_RNN_TANH, x, NULL, one, y);
    for (int i = 0; i < SWEEP; i++)
        if (isnan(x[i]))
            assert_true(isnan(y[i]));
        else
            close_to("tanh", x[i], y[i], tanh((double)x[i]));
    /* 0 · inf of the other gates is no number, and theirs */
    x[0] = 100.0f, x[1] = -80.0f;
    sweep(*state, CINCEL_GRU, x, ones, z_only, y);
    for (int i = 0; i < SWEEP; i++)
        if (isnan(x[i]))
            assert_true(isnan(y[i]));
        else
            close_to("sigmoid", x[i], y[i], x[i] < -86.0f ? (double)y[i] : 1.0 / (1.0 + exp(-(double)x[i])));
}

/* Whatever one sequence holds, from that step on and nowhere else does it show; huge numbers saturate. */
static void unusual_numbers_stay_where_they_are(void **state)
{
    static const float values[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f};
    for (int cell = CINCEL_RNN_TANH; cell <= CINCEL_GRU; cell++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            float x[ROWS * GOLDEN_INPUT], plain[ROWS * GOLDEN_HIDDEN], y[ROWS * GOLDEN_HIDDEN];
            const size_t spoiled = GOLDEN_BATCH + 1; /* step 1 of sequence 1 */
            cincel_rnn_desc d = small_lstm(0);
            d.cell = (cincel_rnn_cell)cell;
            cincel_plan *plan;
            must(cincel_rnn_plan(*state, &d, CINCEL_FORWARD, NULL, &plan));
            void *ws = buffer(cincel_plan_workspace_size(plan));
            cincel_rnn_forward_args f = lstm_args(plain);
            must(cincel_rnn_forward(plan, &f, ws));
            memcpy(x, golden_x, sizeof x);
            x[spoiled * GOLDEN_INPUT] = values[v];
            f.x = x, f.y = y;
            must(cincel_rnn_forward(plan, &f, ws));
            for (size_t i = 0; i < ROWS * GOLDEN_HIDDEN; i++) {
                const size_t row = i / GOLDEN_HIDDEN;
                const bool after = row >= spoiled && row % GOLDEN_BATCH == spoiled % GOLDEN_BATCH;
                if (!after) assert_memory_equal(&y[i], &plain[i], sizeof(float));
                if (after && isnan(values[v])) assert_true(isnan(y[i]));
                if (after && isfinite(values[v]) && cell != CINCEL_RNN_RELU) assert_true(fabsf(y[i]) <= 1.0f);
            }
            cincel_workspace_destroy(ws);
            cincel_plan_destroy(plan);
        }
}

/* ---------------------------------------------------------------------------------------- misuse -- */

static void descriptors_are_checked(void **state)
{
    cincel_plan *plan;
    const struct {
        size_t field;
        int value;
        const char *message;
    } wrong[] = {
        {offsetof(cincel_rnn_desc, steps), 0, "rnn: steps is 0, must be > 0"},
        {offsetof(cincel_rnn_desc, batch), -1, "rnn: batch is -1"},
        {offsetof(cincel_rnn_desc, input), 0, "rnn: input is 0"},
        {offsetof(cincel_rnn_desc, hidden), -7, "rnn: hidden is -7"},
        {offsetof(cincel_rnn_desc, batch_first), 2, "rnn: batch_first is 2, must be 0 or 1"},
        {offsetof(cincel_rnn_desc, reverse), -1, "rnn: reverse is -1"},
        {offsetof(cincel_rnn_desc, training), 2, "rnn: training is 2"},
        {offsetof(cincel_rnn_desc, accumulate), 2, "rnn: accumulate is 2"},
        {offsetof(cincel_rnn_desc, reset_before), 3, "rnn: reset_before is 3"},
        {offsetof(cincel_rnn_desc, update_new), 3, "rnn: update_new is 3"},
        {offsetof(cincel_rnn_desc, y_ld), GOLDEN_HIDDEN - 1, "rnn: y_ld 5 is below hidden 6"},
        {offsetof(cincel_rnn_desc, y_ld), -1, "rnn: y_ld -1 is below hidden 6"},
        {offsetof(cincel_rnn_desc, cell), 9, "rnn: cell 9 does not exist"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cincel_rnn_desc d = small_lstm(0);
        memcpy((char *)&d + wrong[i].field, &wrong[i].value, sizeof(int));
        says(cincel_rnn_plan(*state, &d, CINCEL_FORWARD, NULL, &plan), wrong[i].message);
    }
    cincel_rnn_desc d = small_lstm(0);
    says(cincel_rnn_plan(*state, &d, CINCEL_BACKWARD_DATA, NULL, &plan), "rnn: pass is 1, must be FORWARD");
    says(cincel_rnn_plan(NULL, &d, CINCEL_FORWARD, NULL, &plan), "rnn: ctx is NULL");
    says(cincel_rnn_plan(*state, &d, CINCEL_FORWARD, NULL, NULL), "rnn: out is NULL");
    says(cincel_rnn_plan(*state, NULL, CINCEL_FORWARD, NULL, &plan), "rnn: descriptor is NULL");
    d.steps = d.batch = d.input = d.hidden = INT_MAX;
    says(cincel_rnn_plan(*state, &d, CINCEL_FORWARD, NULL, &plan), "rnn: tensor x of");
    d = small_lstm(0);
    d.hidden = INT_MAX;
    says(cincel_rnn_plan(*state, &d, CINCEL_FORWARD, NULL, &plan), "rnn: tensor w_hh of");
    assert_int_equal(cincel_rnn_gates((cincel_rnn_cell)9), 0);
    assert_int_equal(cincel_rnn_reserve_size(NULL), 0);
    assert_int_equal(cincel_rnn_packed_size(NULL), 0);
}

static void forward_calls_are_checked(void **state)
{
    const cincel_rnn_desc d = small_lstm(1);
    float y[ROWS * GOLDEN_HIDDEN] = {0}, state_out[STATE];
    int lengths[] = {1, GOLDEN_STEPS, GOLDEN_STEPS + 1};
    cincel_plan *plan, *gru;
    must(cincel_rnn_plan(*state, &d, CINCEL_FORWARD, NULL, &plan));
    void *ws = buffer(cincel_plan_workspace_size(plan)), *reserve = buffer(cincel_rnn_reserve_size(plan));
    cincel_rnn_forward_args f = lstm_args(y);
    says(cincel_rnn_forward(plan, &f, ws), "rnn: reserve is NULL");
    f.reserve = (char *)reserve + 4;
    says(cincel_rnn_forward(plan, &f, ws), "rnn: reserve is not aligned");
    f.reserve = reserve;
    says(cincel_rnn_forward(plan, NULL, ws), "rnn: args is NULL");
    says(cincel_rnn_forward(plan, &f, NULL), "rnn: ws is NULL");
    says(cincel_rnn_forward(NULL, &f, ws), "rnn: plan is NULL");
    f.lengths = lengths;
    says(cincel_rnn_forward(plan, &f, ws), "rnn: lengths[2] is 5, must be 1 … steps 4");
    lengths[2] = 0;
    says(cincel_rnn_forward(plan, &f, ws), "rnn: lengths[2] is 0");
    f.lengths = NULL, f.x = NULL;
    says(cincel_rnn_forward(plan, &f, ws), "rnn: x is NULL");
    f.x = golden_x, f.w_hh = NULL;
    says(cincel_rnn_forward(plan, &f, ws), "rnn: w_hh is NULL");
    f.w_hh = golden_lstm_weight_hh_l0, f.size = 3;
    says(cincel_rnn_forward(plan, &f, ws), "rnn: args: size 3 is impossible");
    for (int i = 0; i < ROWS * GOLDEN_HIDDEN; i++) assert_true(y[i] == 0.0f);
    cincel_rnn_desc other = small_lstm(0);
    other.cell = CINCEL_GRU;
    must(cincel_rnn_plan(*state, &other, CINCEL_FORWARD, NULL, &gru));
    f = lstm_args(y);
    f.c_n = state_out;
    says(cincel_rnn_forward(gru, &f, ws), "rnn: c_n is given, but only lstm has it");
    cincel_plan_destroy(gru);
    cincel_workspace_destroy(reserve);
    cincel_workspace_destroy(ws);
    cincel_plan_destroy(plan);
}

static void backward_calls_are_checked(void **state)
{
    const cincel_rnn_desc d = small_lstm(1);
    float dx[ROWS * GOLDEN_INPUT], dw[GATES * GOLDEN_INPUT];
    cincel_plan *plan;
    must(cincel_rnn_plan(*state, &d, CINCEL_BACKWARD, NULL, &plan));
    void *ws = buffer(cincel_plan_workspace_size(plan)), *reserve = buffer(cincel_rnn_reserve_size(plan));
    cincel_rnn_backward_args b = CINCEL_RNN_BACKWARD_ARGS_INIT;
    says(cincel_rnn_backward(plan, &b, ws), "rnn: w_hh is NULL");
    b.w_hh = golden_lstm_weight_hh_l0;
    says(cincel_rnn_backward(plan, &b, ws), "rnn: reserve is NULL");
    b.reserve = reserve, b.dx = dx;
    says(cincel_rnn_backward(plan, &b, ws), "rnn: w_ih is NULL");
    b.dx = NULL, b.dw_ih = dw;
    says(cincel_rnn_backward(plan, &b, ws), "rnn: x is NULL");
    b.dw_ih = NULL, b.reserve = (char *)reserve + 4;
    says(cincel_rnn_backward(plan, &b, ws), "rnn: reserve is not aligned");
    b.reserve = reserve;
    says(cincel_rnn_backward(plan, &b, NULL), "rnn: ws is NULL");
    says(cincel_rnn_backward(plan, NULL, ws), "rnn: args is NULL");
    cincel_rnn_forward_args f = lstm_args(dx);
    says(cincel_rnn_forward(plan, &f, ws), "rnn: a rnn forward call was given a plan for rnn backward");
    cincel_workspace_destroy(reserve);
    cincel_workspace_destroy(ws);
    cincel_plan_destroy(plan);
}

static int set_up(void **state)
{
    cincel_config config = CINCEL_CONFIG_INIT;
    config.threads = 2;
    return cincel_context_create(&config, (cincel_context **)state) == CINCEL_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    cincel_context_destroy(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pytorch_agrees),
        cmocka_unit_test(packed_weights_give_the_same_bits),
        cmocka_unit_test(states_may_be_updated_in_place),
        cmocka_unit_test(plans_are_measured),
        cmocka_unit_test(functions_are_accurate),
        cmocka_unit_test(unusual_numbers_stay_where_they_are),
        cmocka_unit_test(descriptors_are_checked),
        cmocka_unit_test(forward_calls_are_checked),
        cmocka_unit_test(backward_calls_are_checked),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
