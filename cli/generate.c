/* cincel generate: text, character by character, each drawn by what the model gives it for likely. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/run_dir.h"
#include "core/philox.h"
#include "core/status.h"
#include "train/random.h"

struct generate_request {
    const char *dir, *prompt;
    double temperature;
    int64_t length, seed, threads;
};

/*
 * The character that u in [0, 1) draws of softmax(logits / temperature); temperature 0: the likeliest. In
 * double, and relative to the largest, so that no temperature overflows.
 */
static size_t draw(const float *logits, size_t count, double temperature, double u)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        if (logits[i] > logits[best]) best = i;
    }
    if (temperature == 0.0) return best;
    double total = 0.0;
    for (size_t i = 0; i < count; i++) total += exp(((double)logits[i] - (double)logits[best]) / temperature);
    double left = u * total;
    for (size_t i = 0; i < count; i++) {
        left -= exp(((double)logits[i] - (double)logits[best]) / temperature);
        if (left < 0.0) return i;
    }
    return best; /* what rounding left over */
}

/* The prompt, then `length` characters behind it. */
static cincel_status write_text(const struct generate_request *r, const struct run_text *text,
                                cincel_session *session, const int32_t *prompt, size_t prompted)
{
    const struct cincel_vocabulary *vocabulary = &text->vocabulary;
    const struct cincel_random random = {(uint64_t)r->seed, RANDOM_GENERATE, 0};
    const float *logits = NULL;
    char character[CINCEL_UTF8_BYTES + 1];
    for (size_t i = 0; i < prompted; i++) {
        const float token = (float)prompt[i];
        const cincel_status status = cincel_session_forward(session, &token, 1, &logits);
        if (status != CINCEL_OK) return status;
    }
    fputs(r->prompt, stdout);
    for (int64_t i = 0; i < r->length; i++) {
        const double u = (double)cincel_random_uniform(&random, (uint64_t)i);
        const size_t next = draw(logits, vocabulary->count, r->temperature, u);
        cincel_vocabulary_decode(vocabulary, next, character);
        fputs(character, stdout);
        const float token = (float)next;
        const cincel_status status = cincel_session_forward(session, &token, 1, &logits);
        if (status != CINCEL_OK) return status;
    }
    putchar('\n');
    return CINCEL_OK;
}

static cincel_status generate(const struct generate_request *r)
{
    cincel_config config = CINCEL_CONFIG_INIT;
    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    cincel_context *ctx = NULL;
    cincel_model *model = NULL;
    cincel_session *session = NULL;
    struct run_model facts;
    const size_t bytes = strlen(r->prompt);
    int32_t *tokens = NULL;
    size_t count = 0;
    config.threads = (int)r->threads;
    o.batch = 1;
    o.stateful = 1;
    cincel_status status = run_open_steps(r->dir, 1, &facts, &model);
    if (status != CINCEL_OK) return status;
    if (!run_on_text(&facts))
        status = cincel_fail(CINCEL_UNSUPPORTED, "%s: the run was not trained on text", r->dir);
    if (status == CINCEL_OK) {
        tokens = malloc(bytes * sizeof *tokens);
        if (!tokens) status = cincel_fail(CINCEL_OUT_OF_MEMORY, "generate: no memory");
    }
    if (status == CINCEL_OK)
        status =
            cincel_vocabulary_encode(&facts.text.vocabulary, "--prompt", r->prompt, bytes, tokens, &count);
    if (status == CINCEL_OK) status = cincel_context_create(&config, &ctx);
    if (status == CINCEL_OK) status = cincel_session_create(ctx, model, &o, &session);
    if (status == CINCEL_OK) status = write_text(r, &facts.text, session, tokens, count);
    free(tokens);
    cincel_session_destroy(session);
    cincel_context_destroy(ctx);
    cincel_model_destroy(model);
    run_model_release(&facts);
    return status;
}

int cli_generate(int argc, char **argv)
{
    struct generate_request request = {NULL, "\n", 0.8, 500, 1, 1};
    const struct cli_option options[] = {
        {.name = "prompt",
         .kind = CLI_TEXT,
         .value = &request.prompt,
         .argument = "TEXT",
         .help = "what the text begins with (an empty line)"},
        {.name = "temperature",
         .kind = CLI_NUMBER,
         .value = &request.temperature,
         .argument = "X",
         .max = 100,
         .help = "below 1 more likely text, above it less; 0: always the likeliest (0.8)"},
        {.name = "length",
         .kind = CLI_INTEGER,
         .value = &request.length,
         .argument = "N",
         .min = 1,
         .max = 1e9,
         .help = "characters behind the prompt (500)"},
        {.name = "seed",
         .kind = CLI_INTEGER,
         .value = &request.seed,
         .argument = "N",
         .max = 9e15,
         .help = "of the draws (1)"},
        {.name = "threads",
         .kind = CLI_INTEGER,
         .value = &request.threads,
         .argument = "N",
         .max = 4096,
         .help = "threads to use; 0: one a physical core (1)"},
    };
    const struct cli_syntax syntax = {
        .command = "generate",
        .operands = "RUN_DIR",
        .about = "Writes text as the model of a run of charlstm does: each character is drawn by its "
                 "probability.\n"
                 "The same seed gives the same text.",
        .min_operands = 1,
        .max_operands = 1,
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    int operands, code;
    if (!cli_parse(&syntax, argc, argv, &operands, &code)) return code;
    request.dir = argv[1];
    const cincel_status status = generate(&request);
    return status == CINCEL_OK ? CLI_SUCCESS : cli_report(status);
}
