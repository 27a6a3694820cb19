/* cincel train: a built-in model, a data set, a run directory. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/digits.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/recipe.h"
#include "cli/run_record.h"
#include "cli/tuning.h"
#include "core/status.h"

struct request {
    const char *model, *data, *test, *target, *out, *schedule, *loss, *class_weights, *optimizer_name;
    int64_t epochs, batch, patience, seed, threads, window, horizon;
    enum recipe_data kind; /* of the model's data */
    double lr, momentum, weight_decay, clip_norm, delta, label_smoothing;
    double tune; /* seconds; 0: not at all */
    cincel_optimizer optimizer;
    cincel_lr_schedule lr_schedule;
    cincel_objective objective;
    bool table; /* data is a CSV file, of a model that takes any samples */
};

struct run {
    const struct request *request;
    cincel_context *ctx;
    cincel_model *model;
    cincel_dataset *train, *test;
    cincel_dataset *validation; /* NULL: a part of `train`. Text has no test */
    cincel_session *plans; /* made with the options of training: memory and plans can be told in advance */
    struct run_record record;
    struct progress progress;
    bool used;                  /* the run directory holds an earlier run */
    int kept_epoch;             /* whose weights are in the file; 0: none yet */
    cincel_status write_status; /* the first failure to write while training, and its sentence */
    char write_error[512];
    volatile int *cancel; /* raised by a signal or by a failed write; read after every training step */
};

/* ----------------------------------------------------------------------------------------- set-up -- */

/* Of a table, by the same seed and part as cincel_train's own. */
static cincel_status open_data(struct run *run)
{
    static const cincel_train_options training = CINCEL_TRAIN_OPTIONS_INIT;
    const struct request *r = run->request;
    struct run_model *model = &run->record.model;
    if (r->kind == RECIPE_TEXT)
        return text_open_training(r->data, (int)r->window, &model->text, &run->train, &run->validation);
    if (r->kind == RECIPE_SERIES)
        return series_open_training(r->data, r->target, (int)r->window, (int)r->horizon, &model->series,
                                    &run->train, &run->validation, &run->test);
    if (!r->table) return digits_open(r->data, &run->train, &run->test);
    return table_open_training(r->data, r->test, r->target, r->objective.kind, (uint64_t)r->seed,
                               training.validation_fraction, &model->table, &run->train, &run->test);
}

static cincel_status make_model(struct run *run)
{
    cincel_dataset_info train = CINCEL_DATASET_INFO_INIT, test = CINCEL_DATASET_INFO_INIT;
    const struct request *r = run->request;
    cincel_status status = cincel_dataset_describe(run->train, &train);
    if (status == CINCEL_OK) status = cincel_dataset_describe(run->test ? run->test : run->validation, &test);
    if (status == CINCEL_OK) {
        const int outputs = train.classes ? train.classes : train.targets;
        status =
            cincel_model_builtin(r->model, train.height, train.width, train.channels, outputs, &run->model);
    }
    if (status == CINCEL_OK) status = cincel_model_init(run->model, CINCEL_INIT_KAIMING, (uint64_t)r->seed);
    if (status != CINCEL_OK) return status;
    struct run_record *record = &run->record;
    snprintf(record->model.model, sizeof record->model.model, "%s", r->model);
    record->model.height = train.height;
    record->model.width = train.width;
    record->model.channels = train.channels;
    record->model.classes = train.classes;
    record->model.targets = train.targets;
    record->model.objective = r->objective;
    record->parameters = cincel_model_parameters(run->model);
    record->dataset = train.name;
    record->train_samples = train.count;
    record->test_samples = test.count;
    return CINCEL_OK;
}

static cincel_status make_plans(struct run *run)
{
    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    o.batch = (int)run->request->batch;
    if ((size_t)o.batch > run->record.train_samples) o.batch = (int)run->record.train_samples;
    o.training = 1;
    o.objective = &run->request->objective;
    o.optimizer = run->request->optimizer.kind;
    const cincel_status status = cincel_session_create(run->ctx, run->model, &o, &run->plans);
    run->record.plans = run->plans;
    return status;
}

/* --tune: what the profile does not have, within the budget; the plans are then made again. */
static cincel_status tune_plans(struct run *run)
{
    struct tuning t = {.ctx = run->ctx, .cancel = interrupt_catch()};
    const int threads = cincel_context_threads(run->ctx);
    cincel_status status = tune_problems_of_session(&t.problems, run->plans, TUNE_ALL_PASSES);
    if (status == CINCEL_OK) status = tuning_prepare(&t, NULL, &threads, 1);
    if (status == CINCEL_OK) status = tuning_skip_known(&t);
    const size_t known = t.finished;
    if (status == CINCEL_OK) status = tuning_run(&t, run->request->tune);
    if (status == CINCEL_OK && t.finished > 0) {
        double tuned, untuned;
        tuning_totals(&t, &tuned, &untuned);
        fprintf(stderr,
                "tuned %zu problems%s: the kernels of a step %.3f ms by default, %.3f ms tuned (%.2fx)\n",
                t.finished - known, known ? ", the profile had the others" : "", 1e3 * untuned, 1e3 * tuned,
                untuned / tuned);
    }
    tuning_release(&t);
    if (status == CINCEL_OK && *t.cancel) status = cincel_fail(CINCEL_CANCELLED, "interrupted while tuning");
    if (status != CINCEL_OK) return status;
    cincel_session_destroy(run->plans);
    run->plans = NULL;
    return make_plans(run);
}

static void tell_plans(const cincel_session *plans)
{
    size_t count[CINCEL_SOURCE_GIVEN + 1] = {0};
    for (size_t i = 0; i < cincel_session_plans(plans); i++) {
        cincel_session_plan_info info = CINCEL_SESSION_PLAN_INFO_INIT;
        if (cincel_session_plan(plans, i, &info) == CINCEL_OK) count[info.source]++;
    }
    fprintf(stderr, "plans: %zu tuned, %zu from tuned neighbours, %zu from the cost model%s\n",
            count[CINCEL_SOURCE_EXACT], count[CINCEL_SOURCE_NEIGHBOUR], count[CINCEL_SOURCE_MODEL],
            count[CINCEL_SOURCE_NEIGHBOUR] + count[CINCEL_SOURCE_MODEL] ? " (--tune S tunes them)" : "");
}

static cincel_status set_up(struct run *run)
{
    const struct request *r = run->request;
    cincel_config config = CINCEL_CONFIG_INIT;
    config.threads = (int)r->threads;
    run->record = (struct run_record){.dir = r->out,
                                      .batch = (int)r->batch,
                                      .epochs_wanted = (int)r->epochs,
                                      .patience = (int)r->patience,
                                      .lr_schedule = r->schedule,
                                      .optimizer = r->optimizer,
                                      .seed = (uint64_t)r->seed,
                                      .report = CINCEL_TRAIN_REPORT_INIT,
                                      .test = CINCEL_EVALUATION_INIT};
    cincel_status status = open_data(run);
    if (status == CINCEL_OK) status = make_model(run);
    if (status == CINCEL_OK)
        status =
            r->tune > 0.0 ? tuning_context(&config, &run->ctx) : cincel_context_create(&config, &run->ctx);
    if (status == CINCEL_OK) status = make_plans(run);
    if (status == CINCEL_OK)
        status = run_prepare(r->out, &run->used); /* last: what is refused leaves no trace */
    if (status != CINCEL_OK) return status;
    run->record.ctx = run->ctx;
    run->record.threads = cincel_context_threads(run->ctx);
    const char *made =
        r->kind == RECIPE_SERIES ? "no --data: a series of sines; " : "no --data: drawing digits; ";
    fprintf(stderr, "%s%s, %zu parameters, on %s: %zu training and %zu %s samples; %d thread%s, %.1f MB\n",
            r->data ? "" : made, r->model, run->record.parameters, run->record.dataset,
            run->record.train_samples, run->record.test_samples, run->test ? "test" : "validation",
            run->record.threads, run->record.threads == 1 ? "" : "s",
            1e-6 * (double)cincel_session_memory(run->plans));
    if (r->tune > 0.0) status = tune_plans(run);
    if (status == CINCEL_OK) tell_plans(run->plans);
    return status;
}

static void tear_down(struct run *run)
{
    run_record_release(&run->record);
    cincel_session_destroy(run->plans);
    cincel_context_destroy(run->ctx);
    cincel_model_destroy(run->model);
    cincel_dataset_destroy(run->test);
    cincel_dataset_destroy(run->validation);
    cincel_dataset_destroy(run->train);
}

/* --------------------------------------------------------------------------------------- training -- */

/* At the end of an epoch: its line of metrics, and the weights if they are the best yet. A disk that is
   full ends the run now, not after the last epoch. */
static void keep_epoch(struct run *run, const cincel_train_progress *p)
{
    const struct run_metrics line = {p->epoch,
                                     p->loss,
                                     p->accuracy,
                                     p->validation_loss,
                                     p->validation_accuracy,
                                     p->validation_r2,
                                     p->items_per_second};
    cincel_status status = run_add_metrics(&run->record, &line);
    if (status == CINCEL_OK && p->best && run->kept_epoch == 0) status = run_write_plans(&run->record);
    if (status == CINCEL_OK && p->best) status = run_write_weights(&run->record, run->model);
    if (status == CINCEL_OK && p->best) run->kept_epoch = p->epoch;
    if (status == CINCEL_OK) status = run_write_metrics(&run->record);
    if (status == CINCEL_OK || run->write_status != CINCEL_OK) return;
    run->write_status = status;
    snprintf(run->write_error, sizeof run->write_error, "%s", cincel_error_message());
    *run->cancel = 1;
}

static void on_progress(void *user, const cincel_train_progress *p)
{
    struct run *run = user;
    progress_show(&run->progress, p);
    if (p->epoch_done) keep_epoch(run, p);
}

static cincel_status train(struct run *run)
{
    const struct request *r = run->request;
    cincel_train_options o = CINCEL_TRAIN_OPTIONS_INIT;
    o.epochs = (int)r->epochs;
    o.batch = (int)r->batch;
    o.optimizer = &r->optimizer;
    o.lr_schedule = r->lr_schedule;
    /* docs/architecture.md, "Training", has the figures; text is after the probabilities, not the first guess
     */
    o.criterion = r->kind == RECIPE_TEXT ? CINCEL_BEST_LOSS : CINCEL_BEST_ACCURACY;
    o.validation = run->validation;
    o.stateful = r->kind == RECIPE_TEXT;
    o.patience = (int)r->patience;
    o.seed = (uint64_t)r->seed;
    o.objective = &r->objective;
    o.progress = on_progress;
    o.user = run;
    o.cancel = run->cancel = interrupt_catch();
    run->progress = progress_on(stderr);
    run->progress.r2 = !run_counts_hits(&run->record.model);
    run->progress.characters = r->kind == RECIPE_TEXT ? (int)r->window : 0;
    const cincel_status status = cincel_train(run->ctx, run->model, run->train, &o, &run->record.report);
    progress_clear(&run->progress);
    return status;
}

static void tell_result(const struct run_record *record)
{
    const cincel_train_report *report = &record->report;
    if (report->cancelled) {
        fprintf(stderr, "cincel: stopped after %d of %d epochs; the %s weights are saved\n", report->epochs,
                record->epochs_wanted, report->best_epoch ? "best" : "present");
    } else if (report->stopped_early) {
        fprintf(stderr, "no better validation %s for %d epochs: stopped after epoch %d\n",
                run_counts_hits(&record->model) && !run_on_text(&record->model) ? "accuracy" : "loss",
                record->patience, report->epochs);
    }
    const struct run_model *model = &record->model;
    if (run_on_text(model)) {
        printf(
            "validation_loss %.4f\nperplexity %.4g\nvalidation_accuracy %.4f\ncharacters_per_second %.0f\n",
            report->validation_loss, exp(report->validation_loss), report->validation_accuracy,
            report->items_per_second * (double)model->height);
    } else {
        const bool hits = run_counts_hits(model);
        printf("%s %.4f\ntest_loss %.4g\n", hits ? "test_accuracy" : "r2",
               hits ? record->test.accuracy : record->test.r2, record->test.loss);
        if (run_on_series(model))
            printf("naive_loss %.4g\nnaive_ratio %.2f\n", record->naive_loss,
                   sqrt(record->naive_loss / record->test.loss));
        printf("items_per_second %.0f\n", report->items_per_second);
    }
    printf("epochs %d\ndataset %s\nrun_dir %s\n", report->epochs, record->dataset, record->dir);
}

/* The test set is looked at here, for the first and only time. */
static cincel_status finish(struct run *run)
{
    struct run_record *record = &run->record;
    if (record->report.best_epoch == 0 && run->used) {
        fprintf(stderr, "cincel: stopped in the first epoch: the earlier run in %s is left as it was\n",
                record->dir);
        return CINCEL_OK;
    }
    cincel_evaluate_options o = CINCEL_EVALUATE_OPTIONS_INIT;
    o.batch = record->batch;
    o.objective = &record->model.objective;
    cincel_status status = CINCEL_OK;
    if (run->test) status = cincel_evaluate(run->ctx, run->model, run->test, &o, &record->test);
    if (status == CINCEL_OK && run_on_series(&record->model))
        status = series_naive_loss(&record->model.series, run->test, &record->naive_loss);
    if (status == CINCEL_OK && run->kept_epoch == 0) status = run_write_weights(record, run->model);
    if (status == CINCEL_OK && run->kept_epoch == 0) status = run_write_plans(record);
    if (status == CINCEL_OK && run->kept_epoch == 0) status = run_write_metrics(record);
    if (status == CINCEL_OK) status = run_write_summary(record);
    if (status == CINCEL_OK) tell_result(record);
    return status;
}

static int run_training(const struct request *request)
{
    struct run run = {.request = request};
    cincel_status status = set_up(&run);
    if (status == CINCEL_OK) status = train(&run);
    if (status == CINCEL_OK && run.write_status == CINCEL_OK) status = finish(&run);
    int code = CLI_SUCCESS;
    if (status != CINCEL_OK) {
        code = cli_report(status);
        if (status == CINCEL_CANCELLED) code = interrupt_code();
    } else if (run.write_status != CINCEL_OK) {
        fprintf(stderr, "cincel: %s\n", run.write_error);
        code = CLI_FAILURE;
    } else if (interrupt_code()) {
        code = interrupt_code();
    }
    tear_down(&run);
    return code;
}

/* ------------------------------------------------------------------------------- the command line -- */

/* The defaults, and what the command line makes of them. What is 0, or below, is left to the model's recipe.
 */
static struct request given = {
    .patience = -1, .seed = 1, .momentum = 0.9, .clip_norm = -1.0, .delta = 1.0, .schedule = "cosine"};

static const struct cli_option options[] = {
    {.name = "data",
     .kind = CLI_TEXT,
     .value = &given.data,
     .argument = "PATH",
     .help = "folder with MNIST's IDX files, or a CSV file; for charlstm a text (none: synthetic data)"},
    {.name = "target",
     .kind = CLI_TEXT,
     .value = &given.target,
     .argument = "COLUMN",
     .help = "of a CSV file: what to predict, by name or number from 1 (the last; forecast: all)"},
    {.name = "window",
     .kind = CLI_INTEGER,
     .value = &given.window,
     .argument = "N",
     .min = 1,
     .max = 65536,
     .help = "steps a sample: characters of charlstm (64), rows of forecast (48)"},
    {.name = "horizon",
     .kind = CLI_INTEGER,
     .value = &given.horizon,
     .argument = "N",
     .min = 1,
     .max = 65536,
     .help = "rows that forecast predicts (12)"},
    {.name = "test",
     .kind = CLI_TEXT,
     .value = &given.test,
     .argument = "FILE",
     .help = "CSV file to test on (none: every tenth row of --data, by the seed)"},
    {.name = "loss",
     .kind = CLI_TEXT,
     .value = &given.loss,
     .argument = "NAME",
     .help = "cross-entropy, bce, mse, l1 or huber (mse for CSV files, else cross-entropy)"},
    {.name = "delta",
     .kind = CLI_NUMBER,
     .value = &given.delta,
     .argument = "X",
     .min = 1e-6,
     .max = 1e6,
     .help = "where huber turns from squares to distances, in deviations of the target (1)"},
    {.name = "label-smoothing",
     .kind = CLI_NUMBER,
     .value = &given.label_smoothing,
     .argument = "X",
     .max = 1,
     .help = "of cross-entropy (0)"},
    {.name = "class-weights",
     .kind = CLI_TEXT,
     .value = &given.class_weights,
     .argument = "LIST",
     .help = "of cross-entropy: what each class counts in training, as 1,1,0.5 (all 1)"},
    {.name = "epochs",
     .kind = CLI_INTEGER,
     .value = &given.epochs,
     .argument = "N",
     .min = 1,
     .max = 1e6,
     .help = "passes over the training set (10; charlstm 3, forecast 20)"},
    {.name = "batch",
     .kind = CLI_INTEGER,
     .value = &given.batch,
     .argument = "N",
     .min = 1,
     .max = 1e6,
     .help = "samples a step (64; charlstm and forecast 32)"},
    {.name = "lr",
     .kind = CLI_NUMBER,
     .value = &given.lr,
     .argument = "X",
     .min = 1e-12,
     .max = 1e6,
     .help = "learning rate at the start (sgd 0.05, adam and adamw 0.001; charlstm, forecast 0.003)"},
    {.name = "lr-schedule",
     .kind = CLI_TEXT,
     .value = &given.schedule,
     .argument = "NAME",
     .help = "cosine: the learning rate falls to 0 over the run; constant (cosine)"},
    {.name = "optimizer",
     .kind = CLI_TEXT,
     .value = &given.optimizer_name,
     .argument = "NAME",
     .help = "sgd, adam or adamw (sgd; charlstm and forecast adam)"},
    {.name = "momentum",
     .kind = CLI_NUMBER,
     .value = &given.momentum,
     .argument = "X",
     .max = 0.999999,
     .help = "of sgd (0.9)"},
    {.name = "weight-decay",
     .kind = CLI_NUMBER,
     .value = &given.weight_decay,
     .argument = "X",
     .max = 1e6,
     .help = "L2 penalty; of adamw, decoupled (0)"},
    {.name = "clip-norm",
     .kind = CLI_NUMBER,
     .value = &given.clip_norm,
     .argument = "X",
     .max = 1e6,
     .help = "gradients of a larger norm are scaled down to it (0: never; charlstm and forecast 1)"},
    {.name = "patience",
     .kind = CLI_INTEGER,
     .value = &given.patience,
     .argument = "N",
     .max = 1e6,
     .help = "stop after N epochs without a better validation (0: never; charlstm 2, forecast 5)"},
    {.name = "seed",
     .kind = CLI_INTEGER,
     .value = &given.seed,
     .argument = "N",
     .max = 9e15,
     .help = "of initial weights, split and shuffling (1)"},
    {.name = "threads",
     .kind = CLI_INTEGER,
     .value = &given.threads,
     .argument = "N",
     .max = 4096,
     .help = "threads to use (0: one a physical core)"},
    {.name = "tune",
     .kind = CLI_NUMBER,
     .value = &given.tune,
     .argument = "S",
     .min = 0.001,
     .max = 1e6,
     .help = "first tune what the profile lacks, within S seconds (see cincel tune)"},
    {.name = "out",
     .kind = CLI_TEXT,
     .value = &given.out,
     .argument = "RUN_DIR",
     .help = "where the run goes (runs/MODEL-SEED)"},
};

static const struct cli_syntax syntax = {
    .command = "train",
    .operands = "MODEL",
    .about =
        "Trains a built-in model (simplecnn, lenet5, vgg-small, mlp, charlstm, forecast) and writes "
        "summary.json, metrics.csv,\n"
        "plans.txt and weights.safetensors. Ctrl-C stops after the current step and keeps the best weights.",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
};

static bool find_schedule(const char *name, cincel_lr_schedule *out)
{
    static const char *const names[] = {[CINCEL_LR_CONSTANT] = "constant", [CINCEL_LR_COSINE] = "cosine"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (cincel_lr_schedule)i;
        return true;
    }
    return false;
}

/* The factors given, in the optimizer they are for. */
static bool take_optimizer(struct request *r, const struct recipe *recipe)
{
    r->optimizer = (cincel_optimizer)CINCEL_OPTIMIZER_INIT;
    r->optimizer.kind = recipe->optimizer;
    for (int kind = 0; r->optimizer_name; kind++) {
        const char *name = cincel_optimizer_name(kind);
        if (!name) return false;
        r->optimizer.kind = (cincel_optimizer_kind)kind;
        if (strcmp(name, r->optimizer_name) == 0) break;
    }
    r->optimizer.lr = (float)(r->lr > 0.0 ? r->lr : recipe->lr[r->optimizer.kind]);
    r->optimizer.momentum = (float)r->momentum;
    r->optimizer.weight_decay = (float)r->weight_decay;
    r->optimizer.clip_norm = r->clip_norm >= 0.0 ? r->clip_norm : recipe->clip_norm;
    return true;
}

/* What was not given follows from the model. */
static void take_recipe(struct request *r, const struct recipe *recipe)
{
    r->kind = recipe->data;
    if (!r->epochs) r->epochs = recipe->epochs;
    if (!r->batch) r->batch = recipe->batch;
    if (r->patience < 0) r->patience = recipe->patience;
    if (!r->window) r->window = recipe->window;
    if (!r->horizon) r->horizon = recipe->horizon;
}

/* Are there options that the model has no use for, or does one lack? Prints the error; true: all is well. */
static bool options_fit(const struct request *r)
{
    if (r->kind == RECIPE_TEXT && !r->data) {
        cli_usage_error("train: --data FILE.txt is needed: %s learns a text", r->model);
        return false;
    }
    const struct {
        const char *name;
        bool given;
    } unused[] = {
        {"window", r->kind == RECIPE_SAMPLES && r->window > 0},
        {"horizon", r->kind != RECIPE_SERIES && r->horizon > 0},
        {"target", r->kind == RECIPE_TEXT && r->target},
        {"test", r->kind != RECIPE_SAMPLES && r->test},
    };
    for (size_t i = 0; i < sizeof unused / sizeof unused[0]; i++) {
        if (!unused[i].given) continue;
        cli_usage_error("train: --%s is not for %s", unused[i].name, r->model);
        return false;
    }
    return true;
}

enum { MAX_CLASSES = 4096 };

/* Numbers between commas; how many, and which values are sound, the library says. */
static bool take_class_weights(const char *list, cincel_objective *out)
{
    static float weights[MAX_CLASSES];
    size_t count = 0;
    for (const char *at = list;; at++) {
        char *end;
        if (count == MAX_CLASSES) return false;
        weights[count++] = strtof(at, &end);
        if (end == at || (*end != ',' && *end != '\0')) return false;
        at = end;
        if (*at == '\0') break;
    }
    out->class_weights = weights;
    out->class_weight_count = count;
    return true;
}

/* What to train towards, where that is possible on such data. */
static bool take_objective(struct request *r)
{
    const bool numbers = r->table || r->kind == RECIPE_SERIES;
    r->objective = (cincel_objective)CINCEL_OBJECTIVE_INIT;
    r->objective.kind = numbers ? CINCEL_OBJECTIVE_MSE : CINCEL_OBJECTIVE_CROSS_ENTROPY;
    r->objective.delta = (float)r->delta;
    r->objective.label_smoothing = (float)r->label_smoothing;
    if (r->loss && !run_objective_find(r->loss, &r->objective.kind)) {
        cli_usage_error("train: --loss is \"%s\", must be cross-entropy, bce, mse, l1 or huber", r->loss);
        return false;
    }
    if (r->class_weights && !take_class_weights(r->class_weights, &r->objective)) {
        cli_usage_error("train: --class-weights is \"%s\", must be 1 to %d numbers between commas",
                        r->class_weights, MAX_CLASSES);
        return false;
    }
    const bool classes = r->objective.kind == CINCEL_OBJECTIVE_CROSS_ENTROPY;
    if (!numbers && !classes) {
        cli_usage_error("train: --loss is \"%s\", but %s have classes: cross-entropy", r->loss,
                        r->kind == RECIPE_TEXT ? "characters" : "pictures");
        return false;
    }
    if (r->kind == RECIPE_SERIES && (classes || r->objective.kind == CINCEL_OBJECTIVE_BCE)) {
        cli_usage_error("train: --loss is \"%s\", but a series has numbers: mse, l1 or huber", r->loss);
        return false;
    }
    if (!numbers && r->kind == RECIPE_SAMPLES && (r->target || r->test)) {
        cli_usage_error("train: --%s is for a CSV file in --data", r->target ? "target" : "test");
        return false;
    }
    return true;
}

int cli_train(int argc, char **argv)
{
    int operands, code;
    if (!cli_parse(&syntax, argc, argv, &operands, &code)) return code;
    given.model = argv[1];
    if (!find_schedule(given.schedule, &given.lr_schedule)) {
        return cli_usage_error("train: --lr-schedule is \"%s\", must be cosine or constant", given.schedule);
    }
    const struct recipe *recipe = recipe_of(given.model);
    if (!take_optimizer(&given, recipe)) {
        return cli_usage_error("train: --optimizer is \"%s\", must be sgd, adam or adamw",
                               given.optimizer_name);
    }
    given.kind = recipe->data;
    if (!options_fit(&given)) return CLI_USAGE;
    take_recipe(&given, recipe);
    given.table = given.kind == RECIPE_SAMPLES && table_is_file(given.data);
    if (!take_objective(&given)) return CLI_USAGE;
    char dir[256];
    if (!given.out) {
        snprintf(dir, sizeof dir, "runs/%.200s-%lld", given.model, (long long)given.seed);
        given.out = dir;
    }
    return run_training(&given);
}
