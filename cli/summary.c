/* cincel summary: what a built-in model is made of, and what a step over it takes. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cincel/train.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/recipe.h"
#include "core/status.h"

struct request {
    const char *model, *input;
    int64_t outputs, batch, threads;
    bool json;
    int height, width, channels;
};

struct facts {
    size_t parameters;
    uint64_t flops;
    size_t training_bytes, inference_bytes; /* a session's, the parameters apart */
    int threads;
};

/* What a session of this batch plans; made and thrown away. */
static cincel_status session_bytes(cincel_context *ctx, cincel_model *model, int batch, bool training,
                                   size_t *bytes)
{
    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    o.batch = batch;
    o.training = training;
    cincel_session *session;
    const cincel_status status = cincel_session_create(ctx, model, &o, &session);
    if (status != CINCEL_OK) return status;
    *bytes = cincel_session_memory(session);
    cincel_session_destroy(session);
    return CINCEL_OK;
}

static cincel_status layer_at(const cincel_model *model, size_t index, cincel_layer_info *out)
{
    *out = (cincel_layer_info)CINCEL_LAYER_INFO_INIT;
    return cincel_model_layer(model, index, out);
}

static cincel_status gather(const struct request *r, cincel_model *model, struct facts *facts)
{
    cincel_config config = CINCEL_CONFIG_INIT;
    config.threads = (int)r->threads;
    cincel_context *ctx = NULL;
    cincel_status status = cincel_context_create(&config, &ctx);
    if (status == CINCEL_OK) status = session_bytes(ctx, model, (int)r->batch, true, &facts->training_bytes);
    if (status == CINCEL_OK)
        status = session_bytes(ctx, model, (int)r->batch, false, &facts->inference_bytes);
    for (size_t i = 0; i < cincel_model_layers(model) && status == CINCEL_OK; i++) {
        cincel_layer_info layer;
        status = layer_at(model, i, &layer);
        if (status == CINCEL_OK) facts->flops += layer.flops;
    }
    facts->parameters = cincel_model_parameters(model);
    if (status == CINCEL_OK) facts->threads = cincel_context_threads(ctx);
    cincel_context_destroy(ctx);
    return status;
}

/* --------------------------------------------------------------------------------------- printing -- */

/* "1.2 MB", in a buffer of the caller's */
static const char *scaled(double value, const char *unit, char out[32])
{
    static const char *const prefix[] = {"", "k", "M", "G", "T", "P"};
    size_t i = 0;
    while (value >= 999.5 && i + 1 < sizeof prefix / sizeof prefix[0]) {
        value /= 1000.0;
        i++;
    }
    snprintf(out, 32, i ? "%.3g %s%s" : "%.0f %s%s", value, prefix[i], unit);
    return out;
}

static cincel_status print_text(const struct request *r, const cincel_model *model, const struct facts *f)
{
    char a[32], b[32];
    printf("%s for samples %dx%dx%d (height x width x channels)\n\n", r->model, r->height, r->width,
           r->channels);
    printf("%-8s  %-16s  %14s  %12s  %14s\n", "layer", "kind", "output", "parameters", "FLOPs/sample");
    for (size_t i = 0; i < cincel_model_layers(model); i++) {
        cincel_layer_info layer;
        const cincel_status status = layer_at(model, i, &layer);
        if (status != CINCEL_OK) return status;
        snprintf(a, sizeof a, "%dx%dx%d", layer.height, layer.width, layer.channels);
        printf("%-8s  %-16s  %14s  %12zu  %14" PRIu64 "\n", layer.name, layer.kind, a, layer.parameters,
               layer.flops);
    }
    printf("\nparameters %zu (%s)\n", f->parameters, scaled(4.0 * (double)f->parameters, "B", a));
    printf("forward %s, a training step about three times that\n",
           scaled((double)f->flops, "FLOP/sample", a));
    printf("planned memory, batch %" PRId64
           ", %d thread%s: training %s, inference %s; the parameters apart\n",
           r->batch, f->threads, f->threads == 1 ? "" : "s", scaled((double)f->training_bytes, "B", a),
           scaled((double)f->inference_bytes, "B", b));
    return CINCEL_OK;
}

static cincel_status print_json(const struct request *r, const cincel_model *model, const struct facts *f)
{
    json_t *layers = json_array();
    cincel_status status = CINCEL_OK;
    for (size_t i = 0; i < cincel_model_layers(model) && status == CINCEL_OK; i++) {
        cincel_layer_info layer;
        status = layer_at(model, i, &layer);
        if (status != CINCEL_OK) break;
        json_array_append_new(
            layers, json_pack("{s:s, s:s, s:i, s:i, s:i, s:I, s:I}", "name", layer.name, "kind", layer.kind,
                              "height", layer.height, "width", layer.width, "channels", layer.channels,
                              "parameters", (json_int_t)layer.parameters, "flops", (json_int_t)layer.flops));
    }
    json_t *json =
        json_pack("{s:s, s:i, s:i, s:i, s:I, s:O, s:I, s:I, s:I, s:i, s:I, s:I}", "model", r->model, "height",
                  r->height, "width", r->width, "channels", r->channels, "outputs", (json_int_t)r->outputs,
                  "layers", layers, "parameters", (json_int_t)f->parameters, "flops", (json_int_t)f->flops,
                  "batch", (json_int_t)r->batch, "threads", f->threads, "training_bytes",
                  (json_int_t)f->training_bytes, "inference_bytes", (json_int_t)f->inference_bytes);
    json_decref(layers);
    if (status == CINCEL_OK && !json) status = cincel_fail(CINCEL_OUT_OF_MEMORY, "summary: no memory");
    if (status == CINCEL_OK) {
        json_dumpf(json, stdout, JSON_INDENT(2)); /* main checks stdout */
        putchar('\n');
    }
    json_decref(json);
    return status;
}

static cincel_status summarise(const struct request *r)
{
    struct facts facts = {0};
    cincel_model *model;
    cincel_status status =
        cincel_model_builtin(r->model, r->height, r->width, r->channels, (int)r->outputs, &model);
    if (status != CINCEL_OK) return status;
    status = gather(r, model, &facts);
    if (status == CINCEL_OK) status = r->json ? print_json(r, model, &facts) : print_text(r, model, &facts);
    cincel_model_destroy(model);
    return status;
}

/* ------------------------------------------------------------------------------- the command line -- */

/* "28x28x1", or "13" for a vector of 13 numbers */
static bool parse_input(struct request *r)
{
    int used = -1;
    if (sscanf(r->input, "%5dx%5dx%5d%n", &r->height, &r->width, &r->channels, &used) != 3) {
        used = -1;
        r->height = r->width = 1;
        if (sscanf(r->input, "%8d%n", &r->channels, &used) != 1) return false;
    }
    return used >= 0 && !r->input[used] && r->height > 0 && r->width > 0 && r->channels > 0;
}

int cli_summary(int argc, char **argv)
{
    struct request r = {.batch = 64};
    const struct cli_option options[] = {
        {.name = "input",
         .kind = CLI_TEXT,
         .value = &r.input,
         .argument = "HxWxC",
         .help =
             "shape of a sample, or N for a vector of N numbers (28x28x1; charlstm 64x1x1, forecast 48x1x1)"},
        {.name = "outputs",
         .kind = CLI_INTEGER,
         .value = &r.outputs,
         .argument = "N",
         .min = 1,
         .max = 1 << 24,
         .help = "classes, or targets of a regression (10; charlstm 65, forecast 12)"},
        {.name = "batch",
         .kind = CLI_INTEGER,
         .value = &r.batch,
         .argument = "N",
         .min = 1,
         .max = 1e6,
         .help = "samples a step (64)"},
        {.name = "threads",
         .kind = CLI_INTEGER,
         .value = &r.threads,
         .argument = "N",
         .max = 4096,
         .help = "threads to plan for (0: one a physical core)"},
        {.name = "json", .kind = CLI_FLAG, .value = &r.json, .help = "print one JSON object"},
    };
    const struct cli_syntax syntax = {
        .command = "summary",
        .operands = "MODEL",
        .about = "Prints the layers of a built-in model (simplecnn, lenet5, vgg-small, mlp, charlstm, "
                 "forecast): output\n"
                 "shapes, parameters and FLOPs, and the memory planned for training and for inference.",
        .min_operands = 1,
        .max_operands = 1,
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    int operands, code;
    if (!cli_parse(&syntax, argc, argv, &operands, &code)) return code;
    r.model = argv[1];
    const struct recipe *recipe = recipe_of(r.model);
    if (!r.input) r.input = recipe->input;
    if (!r.outputs) r.outputs = recipe->outputs;
    if (!parse_input(&r)) {
        return cli_usage_error("summary: --input is \"%s\", must be HxWxC or N, whole numbers > 0", r.input);
    }
    const cincel_status status = summarise(&r);
    return status == CINCEL_OK ? CLI_SUCCESS : cli_report(status);
}
