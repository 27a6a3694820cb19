/* cincel eval: the accuracy of a run's weights on a test set. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/digits.h"
#include "cli/options.h"
#include "cli/run_dir.h"

enum { EVAL_BATCH = 64 };

struct eval_request {
    const char *dir, *data;
    int64_t threads;
    bool json;
};

static cincel_status evaluate(const struct eval_request *request)
{
    cincel_config config = CINCEL_CONFIG_INIT;
    config.threads = (int)request->threads;
    cincel_context *ctx = NULL;
    cincel_model *model = NULL;
    cincel_dataset *test = NULL;
    struct run_model facts;
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    double loss = 0.0, accuracy = 0.0;
    cincel_status status = run_open(request->dir, &facts, &model);
    if (status == CINCEL_OK) status = digits_open(request->data, NULL, &test);
    if (status == CINCEL_OK) status = cincel_dataset_describe(test, &info);
    if (status == CINCEL_OK) status = cincel_context_create(&config, &ctx);
    if (status == CINCEL_OK) status = cincel_evaluate(ctx, model, test, EVAL_BATCH, &loss, &accuracy);
    if (status == CINCEL_OK && request->json) {
        printf("{\"test_accuracy\": %.9g, \"test_loss\": %.9g, \"test_samples\": %zu, \"dataset\": \"%s\", "
               "\"model\": \"%s\"}\n",
               accuracy, loss, info.count, info.name, facts.model);
    } else if (status == CINCEL_OK) {
        printf("test_accuracy %.4f\ntest_loss %.4g\ndataset %s\n", accuracy, loss, info.name);
    }
    cincel_dataset_destroy(test);
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
    return status;
}

int cli_eval(int argc, char **argv)
{
    struct eval_request request = {NULL, NULL, 0, false};
    const struct cli_option options[] = {
        {.name = "data",
         .kind = CLI_TEXT,
         .value = &request.data,
         .argument = "DIR",
         .help = "folder with MNIST's IDX files (none: synthetic digits)"},
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
        .about = "Prints the accuracy of a training run's weights on a test set.",
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
