/* The options of `cincel train`, checked against each other and filled from the model's recipe. */
#include "cli/train_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "cli/run_dir.h"
#include "cli/table.h"

/* The defaults, and what the command line makes of them. What is 0, or below, is left to the model's recipe.
 */
static struct train_request given = {
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
static bool take_optimizer(struct train_request *r, const struct recipe *recipe)
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
static void take_recipe(struct train_request *r, const struct recipe *recipe)
{
    r->kind = recipe->data;
    if (!r->epochs) r->epochs = recipe->epochs;
    if (!r->batch) r->batch = recipe->batch;
    if (r->patience < 0) r->patience = recipe->patience;
    if (!r->window) r->window = recipe->window;
    if (!r->horizon) r->horizon = recipe->horizon;
}

/* Are there options that the model has no use for, or does one lack? Prints the error; true: all is well. */
static bool options_fit(const struct train_request *r)
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
static bool take_objective(struct train_request *r)
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

const struct train_request *train_request_parse(int argc, char **argv, int *exit_code)
{
    int operands;
    if (!cli_parse(&syntax, argc, argv, &operands, exit_code)) return NULL;
    *exit_code = CLI_USAGE;
    given.model = argv[1];
    if (!find_schedule(given.schedule, &given.lr_schedule)) {
        cli_usage_error("train: --lr-schedule is \"%s\", must be cosine or constant", given.schedule);
        return NULL;
    }
    const struct recipe *recipe = recipe_of(given.model);
    if (!take_optimizer(&given, recipe)) {
        cli_usage_error("train: --optimizer is \"%s\", must be sgd, adam or adamw", given.optimizer_name);
        return NULL;
    }
    given.kind = recipe->data;
    if (!options_fit(&given)) return NULL;
    take_recipe(&given, recipe);
    given.table = given.kind == RECIPE_SAMPLES && table_is_file(given.data);
    if (!take_objective(&given)) return NULL;
    if (!given.out) {
        snprintf(given.default_out, sizeof given.default_out, "runs/%.200s-%lld", given.model,
                 (long long)given.seed);
        given.out = given.default_out;
    }
    return &given;
}
