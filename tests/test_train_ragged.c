/* Data sets of sequences of different lengths: what they hold, how they become batches, and that training,
   evaluation and prediction treat each sequence as if it were alone. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/philox.h"
#include "tests/support/status.h"
#include "train/dataset.h"
#include "train/model.h"

enum { COUNT = 11, STEPS = 7, WIDTH = 3, CLASSES = 4, HIDDEN = 5, ROWS = 44 };
static const int lengths[COUNT] = {3, 7, 1, 5, 2, 7, 4, 1, 6, 5, 3}; /* ROWS together */

static float x[ROWS][WIDTH];
static int32_t step_labels[ROWS], labels[COUNT];
static float targets[COUNT][2];

static void draw(void)
{
    const struct cincel_random random = {23, 1, 0};
    for (size_t i = 0; i < ROWS * WIDTH; i++) x[i / WIDTH][i % WIDTH] = cincel_random_normal(&random, i);
    for (int r = 0; r < ROWS; r++) step_labels[r] = r % 9 == 4 ? CINCEL_LABEL_IGNORED : (r * 7 + 1) % CLASSES;
    for (int i = 0; i < COUNT; i++) {
        labels[i] = i % CLASSES;
        targets[i][0] = (float)i, targets[i][1] = 0.5f - (float)i;
    }
}

enum truth { STEP_LABELS, LABELS, TARGETS };

static cincel_ragged description(enum truth truth)
{
    cincel_ragged r = CINCEL_RAGGED_INIT;
    r.count = COUNT, r.channels = WIDTH, r.lengths = lengths, r.x = x[0], r.classes = CLASSES;
    r.target_count = 2;
    r.step_labels = truth == STEP_LABELS;
    r.labels = truth == STEP_LABELS ? step_labels : truth == LABELS ? labels : NULL;
    r.targets = truth == TARGETS ? targets[0] : NULL;
    return r;
}

static cincel_dataset *ragged(enum truth truth)
{
    const cincel_ragged r = description(truth);
    cincel_dataset *data;
    must(cincel_dataset_ragged(&r, &data));
    return data;
}

static size_t begin_of(size_t sequence)
{
    size_t row = 0;
    for (size_t i = 0; i < sequence; i++) row += (size_t)lengths[i];
    return row;
}

/* ------------------------------------------------------------------------------------------ the set -- */

static void check_sample(const cincel_dataset *data, enum truth truth, size_t at, size_t sequence)
{
    float got[STEPS][WIDTH], numbers[2];
    int32_t label[STEPS];
    int length;
    const size_t begin = begin_of(sequence), own = (size_t)lengths[sequence];
    memset(got, 0x7f, sizeof got);
    must(cincel_dataset_lengths(data, &at, 1, &length));
    assert_int_equal(length, own);
    if (truth == TARGETS)
        must(cincel_dataset_gather_targets(data, &at, 1, got[0], numbers));
    else
        must(cincel_dataset_gather(data, &at, 1, got[0], label));
    assert_memory_equal(got, x[begin], own * sizeof got[0]);
    for (size_t s = own; s < STEPS; s++)
        for (int c = 0; c < WIDTH; c++) assert_true(got[s][c] == 0.0f);
    for (size_t s = 0; truth == STEP_LABELS && s < STEPS; s++)
        assert_int_equal(label[s], s < own ? step_labels[begin + s] : CINCEL_LABEL_IGNORED);
    if (truth == LABELS) assert_int_equal(label[0], labels[sequence]);
    if (truth == TARGETS) assert_memory_equal(numbers, targets[sequence], sizeof numbers);
}

static void samples_are_filled_up(void **state)
{
    (void)state;
    for (enum truth truth = STEP_LABELS; truth <= TARGETS; truth++) {
        cincel_dataset *data = ragged(truth), *first, *second;
        cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
        must(cincel_dataset_describe(data, &info));
        assert_true(info.ragged && info.count == COUNT && info.height == STEPS && info.width == 1);
        assert_int_equal(info.positions, truth == STEP_LABELS ? STEPS : truth == LABELS);
        for (size_t i = 0; i < COUNT; i++) check_sample(data, truth, i, i);

        /* parts are copies of the same samples: each occurs once, found by its first number */
        must(cincel_dataset_split(data, 0.4, 5, &first, &second));
        bool seen[COUNT] = {false};
        const cincel_dataset *parts[] = {first, second};
        for (size_t p = 0; p < 2; p++) {
            for (size_t i = 0; i < parts[p]->count; i++) {
                float got[STEPS][WIDTH];
                size_t sequence = 0;
                must(cincel_dataset_gather(parts[p], &i, 1, got[0], NULL));
                while (x[begin_of(sequence)][0] != got[0][0]) sequence++;
                check_sample(parts[p], truth, i, sequence);
                assert_false(seen[sequence]);
                seen[sequence] = true;
            }
        }
        assert_int_equal(first->count + second->count, COUNT);
        cincel_dataset_destroy(second);
        cincel_dataset_destroy(first);
        cincel_dataset_destroy(data);
    }
}

/* Channels are standardised by their own steps: what samples are filled up with stays 0. */
static void channels_are_standardised(void **state)
{
    (void)state;
    cincel_dataset *data = ragged(TARGETS);
    size_t all[COUNT];
    float mean[WIDTH + 2], deviation[WIDTH + 2], got[STEPS][WIDTH];
    for (size_t i = 0; i < COUNT; i++) all[i] = i;
    must(cincel_dataset_moments(data, all, COUNT, mean, deviation));
    for (int c = 0; c < WIDTH; c++) {
        double sum = 0.0, square = 0.0;
        for (int r = 0; r < ROWS; r++) sum += (double)x[r][c] / ROWS;
        for (int r = 0; r < ROWS; r++) square += ((double)x[r][c] - sum) * ((double)x[r][c] - sum) / ROWS;
        assert_true(fabs((double)mean[c] - sum) < 1e-6 && fabs((double)deviation[c] - sqrt(square)) < 1e-6);
    }
    assert_true(mean[WIDTH] == 5.0f && mean[WIDTH + 1] == -4.5f);
    must(cincel_dataset_standardise(data, mean, deviation));
    must(cincel_dataset_gather(data, &all[4], 1, got[0], NULL));
    assert_true(got[1][2] == (x[begin_of(4) + 1][2] - mean[2]) / deviation[2]);
    assert_true(got[2][0] == 0.0f && got[6][2] == 0.0f);
    must(cincel_dataset_moments(data, all, COUNT, mean, deviation));
    for (int c = 0; c < WIDTH + 2; c++)
        assert_true(fabs((double)mean[c]) < 1e-6 && fabs((double)deviation[c] - 1.0) < 1e-6);
    cincel_dataset_destroy(data);
}

/* --------------------------------------------------------------------------------- as if each were alone --
 */

static cincel_model *build(cincel_rnn_cell cell, int steps, enum truth truth)
{
    cincel_model *model;
    cincel_rnn_options o = CINCEL_RNN_OPTIONS_INIT;
    o.cell = cell, o.hidden = HIDDEN, o.layers = 2, o.bidirectional = 1, o.last_only = truth != STEP_LABELS;
    must(cincel_model_create(steps, 1, WIDTH, &model));
    must(cincel_model_add_rnn(model, &o));
    must(cincel_model_add_linear(model, truth == TARGETS ? 2 : CLASSES, 1));
    must(cincel_model_init(model, CINCEL_INIT_KAIMING, 3));
    return model;
}

/* What the sequences come to one by one, in models that are just as long. */
struct alone {
    double loss, weight, hits;
    double *gradient;                    /* [block], of the mean over all */
    float predictions[COUNT][STEPS * 4]; /* those of own steps */
};

static void run_alone(cincel_context *ctx, cincel_rnn_cell cell, enum truth truth, size_t i, double weight,
                      const cincel_objective *objective, struct alone *a)
{
    const size_t begin = begin_of(i);
    cincel_model *model = build(cell, lengths[i], truth);
    cincel_session *session;
    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    double loss;
    size_t hits;
    o.batch = 1, o.training = 1, o.objective = objective;
    must(cincel_session_create(ctx, model, &o, &session));
    if (truth == TARGETS)
        must(cincel_session_target_gradients(session, x[begin], targets[i], 1, &loss, &hits));
    else
        must(cincel_session_gradients(session, x[begin], truth == LABELS ? &labels[i] : &step_labels[begin],
                                      1, &loss, &hits));
    for (size_t t = 0; t < model->tensors; t++) {
        const struct layer_tensor *tensor = cincel_model_tensor(model, t);
        const float *gradient = cincel_session_gradient(session, t);
        for (size_t e = 0; e < tensor->count; e++) a->gradient[tensor->offset + e] += weight * gradient[e];
    }
    if (weight > 0.0) a->loss += weight * loss;
    a->hits += (double)hits;
    must(cincel_predict(ctx, model, objective, x[begin], 1, a->predictions[i]));
    cincel_session_destroy(session);
    cincel_model_destroy(model);
}

static double counted(enum truth truth, size_t i)
{
    double sum = 0.0;
    for (size_t s = begin_of(i); s < begin_of(i + 1); s++) sum += step_labels[s] != CINCEL_LABEL_IGNORED;
    return truth == STEP_LABELS ? sum : 1.0;
}

static void compare_predictions(cincel_context *ctx, cincel_model *model, const cincel_dataset *data,
                                enum truth truth, const cincel_objective *objective, const struct alone *a)
{
    size_t all[COUNT];
    float padded[COUNT][STEPS][WIDTH], got[COUNT * STEPS * CLASSES];
    const size_t outputs = truth == TARGETS ? 2 : CLASSES, places = truth == STEP_LABELS ? STEPS : 1;
    for (size_t i = 0; i < COUNT; i++) all[i] = i;
    must(cincel_dataset_gather(data, all, COUNT, padded[0][0], NULL));
    for (int i = 0; i < COUNT; i++) /* what is behind the end is not looked at */
        for (int s = lengths[i]; s < STEPS; s++) padded[i][s][0] = 1e9f;
    must(cincel_predict_sequences(ctx, model, objective, padded[0][0], lengths, COUNT, got));
    for (size_t i = 0; i < COUNT; i++) {
        const size_t own = (truth == STEP_LABELS ? (size_t)lengths[i] : 1) * outputs;
        for (size_t e = 0; e < own; e++)
            assert_true(fabs((double)got[i * places * outputs + e] - (double)a->predictions[i][e]) < 1e-5);
    }
}

static void check_alone(cincel_context *ctx, cincel_rnn_cell cell, enum truth truth)
{
    cincel_objective objective = CINCEL_OBJECTIVE_INIT;
    if (truth == TARGETS) objective.kind = CINCEL_OBJECTIVE_MSE;
    cincel_dataset *data = ragged(truth);
    cincel_model *model = build(cell, STEPS, truth);
    struct alone a = {.gradient = calloc(model->block, sizeof *a.gradient)};
    float *before = malloc(model->block * sizeof *before);
    assert_true(a.gradient && before);
    for (size_t i = 0; i < COUNT; i++) a.weight += counted(truth, i);
    for (size_t i = 0; i < COUNT; i++)
        run_alone(ctx, cell, truth, i, counted(truth, i) / a.weight, &objective, &a);

    cincel_evaluate_options e = CINCEL_EVALUATE_OPTIONS_INIT;
    cincel_evaluation found = CINCEL_EVALUATION_INIT;
    e.batch = 4, e.objective = &objective;
    must(cincel_evaluate(ctx, model, data, &e, &found));
    if (fabs(found.loss - a.loss) > 1e-5 * a.loss) fail_msg("loss %g, alone %g", found.loss, a.loss);
    if (truth != TARGETS) assert_true(fabs(found.accuracy - a.hits / a.weight) < 1e-9);
    compare_predictions(ctx, model, data, truth, &objective, &a);

    /* one step of plain descent over all of them tells the gradient */
    cincel_train_options t = CINCEL_TRAIN_OPTIONS_INIT;
    cincel_train_report report = CINCEL_TRAIN_REPORT_INIT;
    t.epochs = 1, t.batch = COUNT, t.lr = 0.5f, t.momentum = 0.0f, t.objective = &objective;
    t.validation_fraction = 0.0;
    memcpy(before, model->parameters, model->block * sizeof *before);
    must(cincel_train(ctx, model, data, &t, &report));
    assert_true(fabs(report.train_loss - a.loss) < 1e-5 * a.loss);
    for (size_t i = 0; i < model->block; i++) {
        const double gradient = ((double)before[i] - (double)model->parameters[i]) / 0.5;
        if (fabs(gradient - a.gradient[i]) > 2e-6 * (1.0 + fabs(a.gradient[i])))
            fail_msg("cell %d, truth %d: gradient %zu is %g, alone %g", (int)cell, (int)truth, i, gradient,
                     a.gradient[i]);
    }
    free(before);
    free(a.gradient);
    cincel_model_destroy(model);
    cincel_dataset_destroy(data);
}

static void sequences_are_as_alone(void **state)
{
    (void)state;
    cincel_context *ctx;
    must(cincel_context_create(NULL, &ctx));
    for (int cell = CINCEL_RNN_TANH; cell <= CINCEL_GRU; cell++)
        for (enum truth truth = STEP_LABELS; truth <= TARGETS; truth++)
            check_alone(ctx, (cincel_rnn_cell)cell, truth);
    cincel_context_destroy(ctx);
}

/* ------------------------------------------------------------------------------------------- batches -- */

static int length_of(const cincel_dataset *data, size_t i) { return (int)cincel_ragged_length(data, i); }

/* Each sample once; those of a batch about as long as each other; another seed or epoch, other batches. */
static void batches_are_made_by_length(void **state)
{
    (void)state;
    enum { MANY = 1003, BATCH = 8, LONGEST = 90 };
    static int many[MANY];
    static float zeros[MANY * LONGEST];
    static int32_t one[MANY];
    size_t order[3][MANY];
    const struct cincel_random random = {4, 9, 0};
    for (size_t i = 0; i < MANY; i++) many[i] = 1 + (int)cincel_random_below(&random, i, LONGEST);
    cincel_ragged r = CINCEL_RAGGED_INIT;
    r.count = MANY, r.lengths = many, r.x = zeros, r.labels = one, r.classes = 1;
    cincel_dataset *data;
    must(cincel_dataset_ragged(&r, &data));
    for (int run = 0; run < 3; run++) {
        bool seen[MANY] = {false};
        int rises = 0;
        double spread = 0.0;
        for (size_t i = 0; i < MANY; i++) order[run][i] = (i * 401) % MANY;
        cincel_ragged_batches(data, order[run], MANY, BATCH, run == 1 ? 2 : 1, run == 2 ? 2 : 1);
        for (size_t i = 0; i < MANY; i++) {
            assert_false(seen[order[run][i]]);
            seen[order[run][i]] = true;
        }
        for (size_t b = 0; b + BATCH <= MANY; b += BATCH) {
            for (size_t i = b + 1; i < b + BATCH; i++)
                assert_true(length_of(data, order[run][i - 1]) <= length_of(data, order[run][i]));
            spread += length_of(data, order[run][b + BATCH - 1]) - length_of(data, order[run][b]);
            if (b) rises += length_of(data, order[run][b]) > length_of(data, order[run][b - BATCH]);
        }
        assert_true(spread / (MANY / BATCH) < 3.0);                     /* 70 without */
        assert_in_range(rises, MANY / BATCH / 4, MANY / BATCH * 3 / 4); /* long ones are not all last */
    }
    assert_memory_not_equal(order[0], order[1], sizeof order[0]);
    assert_memory_not_equal(order[0], order[2], sizeof order[0]);
    cincel_ragged_sort(data, order[0], MANY);
    for (size_t i = 1; i < MANY; i++)
        assert_true(length_of(data, order[0][i - 1]) <= length_of(data, order[0][i]));
    cincel_dataset_destroy(data);
}

/* The class of a sequence is its first number, which the last state has to remember. The same bits for any
   number of threads. */
static void classes_are_learnt(void **state)
{
    (void)state;
    enum { MANY = 600, LONGEST = 9 };
    static int many[MANY];
    static float numbers[MANY * LONGEST];
    static int32_t first[MANY];
    const struct cincel_random random = {6, 2, 0};
    size_t row = 0;
    for (size_t i = 0; i < MANY; i++) {
        many[i] = 2 + (int)cincel_random_below(&random, i, LONGEST - 1);
        first[i] = (int32_t)(i % 3);
        for (int s = 0; s < many[i]; s++, row++)
            numbers[row] = s ? (float)cincel_random_below(&random, 100000 + row, 3) : (float)first[i];
    }
    cincel_ragged r = CINCEL_RAGGED_INIT;
    r.count = MANY, r.lengths = many, r.x = numbers, r.labels = first, r.classes = 3;
    cincel_dataset *data;
    must(cincel_dataset_ragged(&r, &data));
    float *kept = NULL;
    for (int threads = 1; threads <= 3; threads += 2) {
        cincel_config config = CINCEL_CONFIG_INIT;
        cincel_rnn_options o = CINCEL_RNN_OPTIONS_INIT;
        cincel_optimizer adam = CINCEL_OPTIMIZER_INIT;
        cincel_train_options t = CINCEL_TRAIN_OPTIONS_INIT;
        cincel_train_report report = CINCEL_TRAIN_REPORT_INIT;
        cincel_context *ctx;
        cincel_model *model;
        config.threads = threads;
        o.hidden = 16, o.last_only = 1;
        adam.kind = CINCEL_OPTIMIZER_ADAM, adam.lr = 0.01f;
        t.epochs = 30, t.batch = 32, t.optimizer = &adam, t.validation_fraction = 0.2;
        must(cincel_context_create(&config, &ctx));
        must(cincel_model_create(LONGEST, 1, 1, &model));
        must(cincel_model_add_one_hot(model, 3));
        must(cincel_model_add_rnn(model, &o));
        must(cincel_model_add_linear(model, 3, 1));
        must(cincel_model_init(model, CINCEL_INIT_XAVIER, 1));
        must(cincel_train(ctx, model, data, &t, &report));
        if (!(report.validation_accuracy > 0.95)) fail_msg("accuracy %g", report.validation_accuracy);
        const size_t bytes = model->block * sizeof *kept;
        if (kept) assert_memory_equal(kept, model->parameters, bytes);
        if (!kept) kept = memcpy(malloc(bytes), model->parameters, bytes);
        cincel_model_destroy(model);
        cincel_context_destroy(ctx);
    }
    free(kept);
    cincel_dataset_destroy(data);
}

/* --------------------------------------------------------------------------------------------- files -- */

static const char *write_file(const char *text)
{
    static char path[64];
    snprintf(path, sizeof path, "ragged_%ld.csv", (long)getpid());
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    return path;
}

static void tables_have_sequences(void **state)
{
    (void)state;
    static const char table[] = "a,who,b,class\n"
                                "1,7,10,0\n2,7,20,1\n"
                                "3,9,30,2\n"
                                "4,7,40,1\n5,7,50,0\n6,7,60,2\n"; /* 7 again: another sequence */
    static const int expected[] = {2, 1, 3};
    cincel_csv_options o = CINCEL_CSV_OPTIONS_INIT;
    o.sequence = "who", o.labels = 1;
    for (o.step_labels = 0; o.step_labels < 2; o.step_labels++) {
        cincel_dataset *data;
        int32_t label[3][3];
        int length[3];
        float got[3][3][2];
        const size_t all[] = {0, 1, 2};
        must(cincel_dataset_csv(write_file(table), &o, &data));
        cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
        must(cincel_dataset_describe(data, &info));
        assert_true(info.count == 3 && info.height == 3 && info.channels == 2 && info.classes == 3);
        assert_string_equal(cincel_dataset_column(data, 0), "a");
        assert_string_equal(cincel_dataset_column(data, 1), "b");
        assert_null(cincel_dataset_column(data, 2));
        must(cincel_dataset_lengths(data, all, 3, length));
        assert_memory_equal(length, expected, sizeof length);
        must(cincel_dataset_gather(data, all, 3, got[0][0], label[0]));
        assert_true(got[0][1][0] == 2.0f && got[0][1][1] == 20.0f && got[1][0][1] == 30.0f &&
                    got[2][2][0] == 6.0f && got[0][2][0] == 0.0f);
        const int32_t steps[3][3] = {{0, 1, -100}, {2, -100, -100}, {1, 0, 2}}, last[3] = {1, 2, 2};
        if (o.step_labels)
            assert_memory_equal(label, steps, sizeof steps);
        else
            assert_memory_equal(label, last, sizeof last);
        cincel_dataset_destroy(data);
    }
    /* a number to predict is the last row's; its column has a name too */
    cincel_dataset *data, *first, *second;
    float number[3];
    const size_t all[] = {0, 1, 2};
    o.labels = 0, o.step_labels = 0, o.target = "b";
    must(cincel_dataset_csv(write_file(table), &o, &data));
    must(cincel_dataset_gather_targets(data, all, 3, NULL, number));
    assert_true(number[0] == 20.0f && number[1] == 30.0f && number[2] == 60.0f);
    must(cincel_dataset_split(data, 0.4, 1, &first, &second));
    assert_string_equal(cincel_dataset_column(second, 1), "class");
    assert_string_equal(cincel_dataset_column(first, 2), "b");
    cincel_dataset_destroy(first);
    cincel_dataset_destroy(second);
    cincel_dataset_destroy(data);

    data = NULL;
    o.step_labels = 1;
    says(cincel_dataset_csv(write_file(table), &o, &data), CINCEL_INVALID_ARGUMENT, "step_labels is 1");
    o = (cincel_csv_options)CINCEL_CSV_OPTIONS_INIT, o.sequence = "whom";
    says(cincel_dataset_csv(write_file(table), &o, &data), CINCEL_INVALID_ARGUMENT, "no column \"whom\"");
    o.sequence = o.target = "who";
    says(cincel_dataset_csv(write_file(table), &o, &data), CINCEL_INVALID_ARGUMENT, "both column 2");
    o.target = "a", o.labels = 1;
    says(cincel_dataset_csv(write_file("a,who,b\n1.5,1,1\n"), &o, &data), CINCEL_FORMAT_ERROR,
         "row 1, column 1: 1.5 is no class");
    says(cincel_dataset_csv(write_file("a,who\n1,1\n"), &o, &data), CINCEL_FORMAT_ERROR, "has 2 columns");
    assert_null(data);
    assert_int_equal(unlink(write_file("")), 0);
}

/* -------------------------------------------------------------------------------------------- misuse -- */

static void misuse_is_answered(void **state)
{
    (void)state;
    const cincel_status bad = CINCEL_INVALID_ARGUMENT;
    const int none[COUNT] = {3, 0}, huge[COUNT] = {3, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    cincel_dataset *data = NULL;
    cincel_ragged r = description(LABELS);
    says(cincel_dataset_ragged(NULL, &data), bad, "description is NULL");
    says(cincel_dataset_ragged(&r, NULL), bad, "out is NULL");
    r.targets = targets[0];
    says(cincel_dataset_ragged(&r, &data), bad, "both labels and targets");
    r.targets = NULL, r.labels = NULL;
    says(cincel_dataset_ragged(&r, &data), bad, "neither labels and targets");
    r = description(LABELS), r.count = 0;
    says(cincel_dataset_ragged(&r, &data), bad, "count is 0");
    r = description(LABELS), r.x = NULL;
    says(cincel_dataset_ragged(&r, &data), bad, "x is NULL");
    r = description(LABELS), r.lengths = NULL;
    says(cincel_dataset_ragged(&r, &data), bad, "lengths is NULL");
    r = description(LABELS), r.lengths = none;
    says(cincel_dataset_ragged(&r, &data), bad, "lengths[1] is 0, must be >= 1");
    r.lengths = huge, r.steps = 8;
    says(cincel_dataset_ragged(&r, &data), bad, "lengths[1] is 9, must be >= 1 and at most `steps`");
    r = description(LABELS), r.steps = -1;
    says(cincel_dataset_ragged(&r, &data), bad, "steps is -1");
    r = description(LABELS), r.channels = 0;
    says(cincel_dataset_ragged(&r, &data), bad, "channels is 0");
    r = description(LABELS), r.classes = 0;
    says(cincel_dataset_ragged(&r, &data), bad, "classes is 0");
    r = description(STEP_LABELS), r.classes = 2;
    says(cincel_dataset_ragged(&r, &data), bad, "labels[2] is 3, must be 0 to 1");
    r = description(STEP_LABELS), r.step_labels = 0; /* then no label may be ignored */
    says(cincel_dataset_ragged(&r, &data), bad, "labels[4] is -100");
    r = description(TARGETS), r.target_count = 0;
    says(cincel_dataset_ragged(&r, &data), bad, "target_count is 0");
    targets[3][1] = NAN;
    r = description(TARGETS);
    says(cincel_dataset_ragged(&r, &data), bad, "targets[7] is nan");
    draw();
    assert_null(data);

    cincel_context *ctx;
    cincel_model *model = build(CINCEL_GRU, STEPS, LABELS);
    cincel_train_options t = CINCEL_TRAIN_OPTIONS_INIT;
    cincel_evaluate_options e = CINCEL_EVALUATE_OPTIONS_INIT;
    cincel_evaluation found = CINCEL_EVALUATION_INIT;
    float padded[2][STEPS][WIDTH] = {{{0.0f}}}, predictions[2 * CLASSES];
    const int long_one[] = {STEPS, STEPS + 1};
    must(cincel_context_create(NULL, &ctx));
    data = ragged(LABELS);
    t.stateful = e.stateful = 1;
    says(cincel_train(ctx, model, data, &t, NULL), bad, "train: stateful, but samples of a ragged set");
    says(cincel_evaluate(ctx, model, data, &e, &found), bad, "evaluate: stateful, but samples");
    says(cincel_predict_sequences(ctx, model, NULL, padded[0][0], long_one, 2, predictions), bad,
         "lengths[1] is 8, must be in 1 … 7");
    says(cincel_dataset_lengths(data, (const size_t[]){COUNT}, 1, (int[1]){0}), bad, "index[0] is 11");
    says(cincel_dataset_lengths(data, (const size_t[]){0}, 1, NULL), bad, "lengths is NULL");
    cincel_dataset_destroy(data);
    cincel_context_destroy(ctx);
    cincel_model_destroy(model);
}

static int set_up(void **state)
{
    (void)state;
    draw();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_filled_up),  cmocka_unit_test(channels_are_standardised),
        cmocka_unit_test(sequences_are_as_alone), cmocka_unit_test(batches_are_made_by_length),
        cmocka_unit_test(classes_are_learnt),     cmocka_unit_test(tables_have_sequences),
        cmocka_unit_test(misuse_is_answered),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
