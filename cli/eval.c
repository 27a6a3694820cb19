/* cincel eval: how good a run's weights are on a test set. */
#include <math.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/digits.h"
#include "cli/options.h"
#include "cli/run_dir.h"
#include "core/status.h"

struct eval_request {
    const char *dir, *data;
    int64_t threads;
    bool json;
};

/* A run on a table is measured on one, a run on pictures on pictures. */
static cincel_status open_data(const struct eval_request *request, const struct run_model *facts,
                               cincel_dataset **test)
{
    if (run_on_text(facts) && request->data)
        return text_open(request->data, &facts->text, facts->height, test);
    if (run_on_text(facts)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "eval: --data FILE.txt is needed: %s was trained on text",
                           request->dir);
    }
    if (run_on_series(facts))
        return series_open(request->data, &facts->series, facts->height, run_horizon(facts), test);
    if (!facts->table.inputs) return digits_open(request->data, NULL, test);
    if (request->data) return table_open(request->data, &facts->table, test);
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "eval: --data FILE.csv is needed: %s was trained on a table",
                       request->dir);
}

/* A name and a number that go with the figure, for text and series; NULL: none. */
struct companion {
    const char *name;
    double value;
};

static void print_figures(const struct run_model *facts, const cincel_dataset_info *info,
                          const cincel_evaluation *found, const struct companion *companion, bool json)
{
    const bool hits = run_counts_hits(facts);
    const char *name = hits ? "test_accuracy" : "r2";
    const double value = hits ? found->accuracy : found->r2;
    if (json) {
        printf("{\"%s\": %.9g, \"test_loss\": %.9g, ", name, value, found->loss);
        if (companion->name) printf("\"%s\": %.9g, ", companion->name, companion->value);
        printf("\"test_samples\": %zu, \"dataset\": \"%s\", \"model\": \"%s\"}\n", info->count, info->name,
               facts->model);
    } else {
        printf("%s %.4f\ntest_loss %.4g\n", name, value, found->loss);
        if (companion->name) printf("%s %.4g\n", companion->name, companion->value);
        printf("dataset %s\n", info->name);
    }
}

static cincel_status find_companion(const struct run_model *facts, const cincel_dataset *test,
                                    const cincel_evaluation *found, struct companion *out)
{
    *out = (struct companion){NULL, 0.0};
    if (run_on_text(facts)) *out = (struct companion){"perplexity", exp(found->loss)};
    if (!run_on_series(facts)) return CINCEL_OK;
    *out = (struct companion){"naive_loss", 0.0};
    return series_naive_loss(&facts->series, test, &out->value);
}

static cincel_status evaluate(const struct eval_request *request)
{
    cincel_config config = CINCEL_CONFIG_INIT;
    config.threads = (int)request->threads;
    cincel_context *ctx = NULL;
    cincel_model *model = NULL;
    cincel_dataset *test = NULL;
    struct run_model facts;
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    cincel_evaluation found = CINCEL_EVALUATION_INIT;
    cincel_evaluate_options o = CINCEL_EVALUATE_OPTIONS_INIT;
    cincel_status status = run_open(request->dir, &facts, &model);
    if (status != CINCEL_OK) return status;
    struct companion companion;
    o.objective = &facts.objective;
    o.stateful = run_on_text(&facts);
    status = open_data(request, &facts, &test);
    if (status == CINCEL_OK) status = cincel_dataset_describe(test, &info);
    if (status == CINCEL_OK) status = cincel_context_create(&config, &ctx);
    if (status == CINCEL_OK) status = cincel_evaluate(ctx, model, test, &o, &found);
    if (status == CINCEL_OK) status = find_companion(&facts, test, &found, &companion);
    if (status == CINCEL_OK) print_figures(&facts, &info, &found, &companion, request->json);
    cincel_dataset_destroy(test);
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
    run_model_release(&facts);
    return status;
}

int cli_eval(int argc, char **argv)
{
    struct eval_request request = {NULL, NULL, 0, false};
    const struct cli_option options[] = {
        {.name = "data",
         .kind = CLI_TEXT,
         .value = &request.data,
         .argument = "PATH",
         .help = "folder with MNIST's IDX files, a CSV file or a text (none: synthetic)"},
        {.name = "threads",
         .kind = CLI_INTEGER,
         .value = &request.threads,
         .argument = "N",
         .max = 4096,
         .help = "threads to use (0: one a physical core)"},
        {.name = "json", .kind = CLI_FLAG, .value = &request.json, .help = "print one JSON object"},
    };
    const struct cli_syntax syntax = {
        .command = "eval",
        .operands = "RUN_DIR",
        .about = "Prints accuracy, R² or perplexity of a training run's weights on a test set.",
        .min_operands = 1,
        .max_operands = 1,
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    int operands, code;
    if (!cli_parse(&syntax, argc, argv, &operands, &code)) return code;
    request.dir = argv[1];
    const cincel_status status = evaluate(&request);
    return status == CINCEL_OK ? CLI_SUCCESS : cli_report(status);
}
