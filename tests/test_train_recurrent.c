/* Recurrent layers in models: names, states carried from call to call, lengths, training in streams, misuse.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/philox.h"
#include "tests/support/status.h"
#include "train/model.h"

enum { STEPS = 6, WIDTH = 3, HIDDEN = 5, BATCH = 4 };

static cincel_model *stack(cincel_rnn_cell cell, int steps, int bidirectional, float dropout)
{
    cincel_model *model;
    cincel_rnn_options o = CINCEL_RNN_OPTIONS_INIT;
    o.cell = cell;
    o.hidden = HIDDEN;
    o.layers = 2;
    o.bidirectional = bidirectional;
    o.dropout = dropout;
    must(cincel_model_create(steps, 1, WIDTH, &model));
    must(cincel_model_add_rnn(model, &o));
    must(cincel_model_name(model, "rnn"));
    must(cincel_model_add_linear(model, 4, 1));
    must(cincel_model_init(model, CINCEL_INIT_KAIMING, 3));
    return model;
}

static void draw(float *x, size_t count, uint32_t stream)
{
    const struct cincel_random random = {17, stream, 0};
    for (size_t i = 0; i < count; i++) x[i] = cincel_random_normal(&random, i);
}

/* The stack is one module: one name for its tensors, one position. */
static void stacks_have_pytorchs_names(void **state)
{
    (void)state;
    static const char *const expected[] = {"rnn.weight_ih_l0",
                                           "rnn.weight_hh_l0",
                                           "rnn.bias_ih_l0",
                                           "rnn.bias_hh_l0",
                                           "rnn.weight_ih_l0_reverse",
                                           "rnn.weight_hh_l0_reverse",
                                           "rnn.bias_ih_l0_reverse",
                                           "rnn.bias_hh_l0_reverse",
                                           "rnn.weight_ih_l1",
                                           "rnn.weight_hh_l1",
                                           "rnn.bias_ih_l1",
                                           "rnn.bias_hh_l1",
                                           "rnn.weight_ih_l1_reverse",
                                           "rnn.weight_hh_l1_reverse",
                                           "rnn.bias_ih_l1_reverse",
                                           "rnn.bias_hh_l1_reverse",
                                           "1.weight",
                                           "1.bias"};
    cincel_model *model = stack(CINCEL_GRU, STEPS, 1, 0.5f);
    const size_t count = sizeof expected / sizeof expected[0];
    assert_int_equal(cincel_model_parameter_count(model), count);
    for (size_t i = 0; i < count; i++) {
        cincel_parameter p = CINCEL_PARAMETER_INIT;
        must(cincel_model_parameter(model, i, &p));
        assert_string_equal(p.name, expected[i]);
        for (size_t e = 0; e < p.count && i < 16; e++)
            assert_true(fabs((double)p.data[e]) <= 1.0 / sqrt(HIDDEN));
    }
    says(cincel_model_name(model, "rnn"), CINCEL_INVALID_ARGUMENT, "taken by layer 0");
    cincel_model_destroy(model);
}

/* Two calls of half the steps, with states carried, give what one call of all steps gives. */
static void states_are_carried(void **state)
{
    (void)state;
    enum { SAMPLE = STEPS * WIDTH, HALF = STEPS / 2 };
    float x[BATCH][STEPS][WIDTH], part[BATCH][HALF][WIDTH];
    cincel_context *ctx;
    must(cincel_context_create(NULL, &ctx));
    draw(x[0][0], BATCH * SAMPLE, 1);
    for (int cell = CINCEL_RNN_TANH; cell <= CINCEL_GRU; cell++) {
        cincel_model *whole = stack((cincel_rnn_cell)cell, STEPS, 0, 0.0f);
        cincel_model *halves = stack((cincel_rnn_cell)cell, HALF, 0, 0.0f);
        cincel_session *one, *two;
        cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
        const float *y;
        float expected[BATCH][STEPS][4];
        o.batch = BATCH;
        must(cincel_session_create(ctx, whole, &o, &one));
        o.stateful = 1;
        o.batch = BATCH + 1; /* rows keep their places in a session that is larger */
        must(cincel_session_create(ctx, halves, &o, &two));
        must(cincel_session_forward(one, x[0][0], BATCH, &y));
        memcpy(expected, y, sizeof expected);
        for (int round = 0; round < 2; round++) {
            for (int h = 0; h < 2; h++) {
                for (int b = 0; b < BATCH; b++) memcpy(part[b], x[b][h * HALF], sizeof part[b]);
                must(cincel_session_forward(two, part[0][0], BATCH, &y));
                for (int b = 0; b < BATCH; b++)
                    for (int i = 0; i < HALF * 4; i++) {
                        const float whole_y = expected[b][h * HALF + i / 4][i % 4];
                        assert_true(fabs((double)y[b * HALF * 4 + i] - (double)whole_y) < 1e-5);
                    }
            }
            must(cincel_session_reset(two));
        }
        cincel_session_destroy(two);
        cincel_session_destroy(one);
        cincel_model_destroy(halves);
        cincel_model_destroy(whole);
    }
    cincel_context_destroy(ctx);
}

/* States are read and set: a session goes on from where another stopped, and the state of a GRU is its last
   output. */
static void states_are_read_and_set(void **state)
{
    (void)state;
    enum { NUMBERS = BATCH * HIDDEN };
    float x[2][BATCH * STEPS * WIDTH], kept[2][2 * NUMBERS + 1], y[BATCH * STEPS * HIDDEN];
    cincel_context *ctx;
    must(cincel_context_create(NULL, &ctx));
    draw(x[0], 2 * BATCH * STEPS * WIDTH, 8);
    for (int lstm = 0; lstm < 2; lstm++) {
        const size_t count = lstm ? 2 * NUMBERS : NUMBERS;
        cincel_model *model;
        cincel_session *one, *other, *plain;
        cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
        cincel_rnn_options r = CINCEL_RNN_OPTIONS_INIT;
        const float *got;
        r.cell = lstm ? CINCEL_LSTM : CINCEL_GRU, r.hidden = HIDDEN;
        must(cincel_model_create(STEPS, 1, WIDTH, &model));
        must(cincel_model_add_rnn(model, &r));
        must(cincel_model_init(model, CINCEL_INIT_KAIMING, 3));
        o.batch = BATCH;
        must(cincel_session_create(ctx, model, &o, &plain));
        o.stateful = 1;
        must(cincel_session_create(ctx, model, &o, &one));
        must(cincel_session_create(ctx, model, &o, &other));
        assert_int_equal(cincel_session_state_count(one), count);
        assert_int_equal(cincel_session_state_count(plain), 0);
        must(cincel_session_forward(one, x[0], BATCH, &got));
        must(cincel_session_states(one, kept[0], count));
        for (int b = 0; b < BATCH; b++)
            assert_memory_equal(kept[0] + b * HIDDEN, got + (b * STEPS + STEPS - 1) * HIDDEN,
                                HIDDEN * sizeof(float));
        must(cincel_session_forward(one, x[1], BATCH, &got));
        memcpy(y, got, sizeof y);
        must(cincel_session_set_states(other, kept[0], count));
        must(cincel_session_forward(other, x[1], BATCH, &got));
        assert_memory_equal(y, got, sizeof y);
        must(cincel_session_states(one, kept[0], count));
        must(cincel_session_states(other, kept[1], count));
        assert_memory_equal(kept[0], kept[1], count * sizeof(float));

        const cincel_status bad = CINCEL_INVALID_ARGUMENT;
        says(cincel_session_states(plain, kept[0], count), bad, "carries no states");
        says(cincel_session_states(one, kept[0], count + 1), bad, "states are");
        says(cincel_session_set_states(one, NULL, count), bad, "states is NULL");
        says(cincel_session_set_states(NULL, kept[0], count), bad, "session is NULL");
        cincel_session_destroy(other);
        cincel_session_destroy(one);
        cincel_session_destroy(plain);
        cincel_model_destroy(model);
    }
    cincel_context_destroy(ctx);
}

/* What is behind a sequence's end does not matter, and each is as it is alone. */
static void lengths_end_sequences(void **state)
{
    (void)state;
    static const int lengths[BATCH] = {6, 1, 3, 5};
    float x[BATCH][STEPS][WIDTH];
    cincel_context *ctx;
    must(cincel_context_create(NULL, &ctx));
    draw(x[0][0], BATCH * STEPS * WIDTH, 2);
    cincel_model *model = stack(CINCEL_LSTM, STEPS, 1, 0.0f);
    cincel_session *session;
    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    const float *y;
    float expected[BATCH][STEPS][4];
    o.batch = BATCH;
    must(cincel_session_create(ctx, model, &o, &session));
    must(cincel_session_lengths(session, lengths, BATCH));
    must(cincel_session_forward(session, x[0][0], BATCH, &y));
    memcpy(expected, y, sizeof expected);
    for (int b = 0; b < BATCH; b++)
        for (int s = lengths[b]; s < STEPS; s++) x[b][s][0] = 1e9f;
    for (int b = 0; b < BATCH; b++) {
        must(cincel_session_lengths(session, &lengths[b], 1));
        must(cincel_session_forward(session, x[b][0], 1, &y));
        for (int i = 0; i < lengths[b] * 4; i++)
            assert_true(fabs((double)y[i] - (double)expected[b][i / 4][i % 4]) < 1e-5);
    }
    cincel_session_destroy(session);
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
}

static double loss_along(cincel_model *model, cincel_session *session, const float *kept, const float *way,
                         double h, const float *x, const int32_t *labels)
{
    double loss;
    for (size_t i = 0; i < model->block; i++) model->parameters[i] = (float)(kept[i] + h * way[i]);
    must(cincel_session_gradients(session, x, labels, BATCH, &loss, NULL));
    return loss;
}

/* Along the gradient of the masked loss, through both layers and all steps, the loss rises by the gradient's
   length: differences of the library's own losses. */
static void gradients_are_slopes(void **state)
{
    (void)state;
    static const int lengths[BATCH] = {6, 2, 4, 6};
    float x[BATCH][STEPS][WIDTH];
    int32_t labels[BATCH][STEPS];
    cincel_context *ctx;
    must(cincel_context_create(NULL, &ctx));
    draw(x[0][0], BATCH * STEPS * WIDTH, 5);
    for (int b = 0; b < BATCH; b++)
        for (int s = 0; s < STEPS; s++)
            labels[b][s] = s < lengths[b] ? (b + 3 * s) % 4 : CINCEL_LABEL_IGNORED;
    for (int i = 0; i < 8; i++) {
        const cincel_rnn_cell cell = (cincel_rnn_cell)(CINCEL_RNN_TANH + i % 4);
        cincel_model *model = stack(cell, STEPS, i / 4, 0.0f);
        cincel_session *session;
        cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
        double square = 0.0, loss;
        float *way = calloc(model->block, sizeof *way), *kept = calloc(model->block, sizeof *kept);
        assert_true(way && kept);
        o.batch = BATCH, o.training = 1;
        must(cincel_session_create(ctx, model, &o, &session));
        must(cincel_session_lengths(session, lengths, BATCH));
        must(cincel_session_gradients(session, x[0][0], labels[0], BATCH, &loss, NULL));
        for (size_t t = 0; t < model->tensors; t++) {
            const struct layer_tensor *tensor = cincel_model_tensor(model, t);
            const float *gradient = cincel_session_gradient(session, t);
            memcpy(layer_tensor_in(way, tensor), gradient, tensor->count * sizeof *gradient);
            for (size_t e = 0; e < tensor->count; e++) square += (double)gradient[e] * gradient[e];
        }
        memcpy(kept, model->parameters, model->block * sizeof *kept);
        const double h = 3e-3 / sqrt(square); /* rounding of the losses, 1e-7, is 1e-4 of their difference */
        const double above = loss_along(model, session, kept, way, h, x[0][0], labels[0]);
        const double below = loss_along(model, session, kept, way, -h, x[0][0], labels[0]);
        const double slope = (above - below) / (2.0 * h);
        if (fabs(slope - square) > 1e-3 * square)
            fail_msg("cell %d: slope along the gradient %.7g, its square length %.7g", (int)cell, slope,
                     square);
        free(kept);
        free(way);
        cincel_session_destroy(session);
        cincel_model_destroy(model);
    }
    cincel_context_destroy(ctx);
}

/* A sequence with a memory longer than a sample, which only a state that is carried can tell:
   a one every PERIOD steps. The same bits for any number of threads. */
static void streams_are_learnt(void **state)
{
    (void)state;
    enum { COUNT = 4000, PERIOD = 7, WINDOW = 4 };
    int32_t tokens[COUNT];
    for (int i = 0; i < COUNT; i++) tokens[i] = i % PERIOD == 0; /* a one, then zeros */
    double loss[2];
    float *first = NULL;
    cincel_dataset *data;
    must(cincel_dataset_tokens(tokens, COUNT, WINDOW, 2, &data));
    for (int run = 0; run < 3; run++) {
        const int stateful = run < 2; /* on one thread and on three */
        cincel_config config = CINCEL_CONFIG_INIT;
        cincel_rnn_options o = CINCEL_RNN_OPTIONS_INIT;
        cincel_optimizer adam = CINCEL_OPTIMIZER_INIT;
        cincel_train_options t = CINCEL_TRAIN_OPTIONS_INIT;
        cincel_train_report r = CINCEL_TRAIN_REPORT_INIT;
        cincel_context *ctx;
        cincel_model *model;
        config.threads = run == 1 ? 3 : 1;
        o.hidden = 12;
        adam.kind = CINCEL_OPTIMIZER_ADAM;
        adam.lr = 0.02f;
        t.epochs = 12;
        t.batch = 4;
        t.optimizer = &adam;
        t.stateful = stateful;
        must(cincel_context_create(&config, &ctx));
        must(cincel_model_create(WINDOW, 1, 1, &model));
        must(cincel_model_add_one_hot(model, 2));
        must(cincel_model_add_rnn(model, &o));
        must(cincel_model_add_linear(model, 2, 1));
        must(cincel_model_init(model, CINCEL_INIT_XAVIER, 1));
        must(cincel_train(ctx, model, data, &t, &r));
        loss[!stateful] = r.validation_loss;
        if (run == 1) assert_memory_equal(model->parameters, first, model->block * sizeof *first);
        if (run == 0)
            first =
                memcpy(malloc(model->block * sizeof *first), model->parameters, model->block * sizeof *first);
        cincel_evaluation found = CINCEL_EVALUATION_INIT;
        cincel_evaluate_options e = CINCEL_EVALUATE_OPTIONS_INIT;
        e.stateful = stateful;
        must(cincel_evaluate(ctx, model, data, &e, &found));
        assert_int_equal(found.samples, (COUNT - 1) / WINDOW);
        cincel_model_destroy(model);
        cincel_context_destroy(ctx);
    }
    if (!(loss[0] < 0.1 && loss[1] > 3 * loss[0])) fail_msg("losses %g and %g", loss[0], loss[1]);
    free(first);
    cincel_dataset_destroy(data);
}

static void misuse_is_answered(void **state)
{
    (void)state;
    const cincel_status bad = CINCEL_INVALID_ARGUMENT;
    const cincel_rnn_options good = {
        .size = sizeof good, .cell = CINCEL_LSTM, .hidden = 4, .layers = 2, .bias = 1};
    cincel_model *model, *flat;
    must(cincel_model_create(STEPS, 1, WIDTH, &model));
    must(cincel_model_create(4, 4, WIDTH, &flat));
    cincel_rnn_options o = good;
    says(cincel_model_add_rnn(NULL, &o), bad, "model is NULL");
    says(cincel_model_add_rnn(model, NULL), bad, "options is NULL");
    says(cincel_model_add_rnn(flat, &o), bad, "lstm: input is 4x4x3, must be a sequence");
    o.hidden = 0;
    says(cincel_model_add_rnn(model, &o), bad, "hidden is 0");
    o = good, o.layers = 9;
    says(cincel_model_add_rnn(model, &o), bad, "layers is 9, must be 1 to 8");
    o = good, o.dropout = 1.0f;
    says(cincel_model_add_rnn(model, &o), bad, "dropout is 1");
    o = good, o.dropout = NAN;
    says(cincel_model_add_rnn(model, &o), bad, "dropout is nan");
    o = good, o.cell = (cincel_rnn_cell)4;
    says(cincel_model_add_rnn(model, &o), bad, "cell is 4");
    assert_int_equal(cincel_model_layers(model), 0);
    cincel_context *ctx;
    cincel_session *session = NULL;
    cincel_session_options so = CINCEL_SESSION_OPTIONS_INIT;
    must(cincel_context_create(NULL, &ctx));
    o = good, o.bidirectional = 1;
    must(cincel_model_add_rnn(model, &o));
    must(cincel_model_name(model, "both"));
    so.stateful = 1;
    says(cincel_session_create(ctx, model, &so, &session), bad, "stateful, but layer both is bidirectional");
    assert_null(session);
    cincel_context_destroy(ctx);
    cincel_model_destroy(flat);
    cincel_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stacks_have_pytorchs_names), cmocka_unit_test(states_are_carried),
        cmocka_unit_test(states_are_read_and_set),    cmocka_unit_test(lengths_end_sequences),
        cmocka_unit_test(gradients_are_slopes),       cmocka_unit_test(streams_are_learnt),
        cmocka_unit_test(misuse_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
