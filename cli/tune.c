/* cincel tune: measures which choice is fastest for each problem, and keeps it in a profile. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/recipe.h"
#include "cli/tuning.h"

enum { MAX_THREAD_COUNTS = 16 };

struct request {
    const char *shapes, *model, *input, *threads, *passes, *profile, *report;
    int64_t batch, outputs;
    double budget; /* seconds in all; 0: two a problem */
    bool resume;
    int thread_count[MAX_THREAD_COUNTS], thread_counts;
    unsigned pass_bits;
    int sample[3];
};

static cincel_status prepare(struct tuning *t, struct request *r)
{
    cincel_config config = CINCEL_CONFIG_INIT;
    for (int i = 0; i < r->thread_counts; i++)
        if (r->thread_count[i] > config.threads) config.threads = r->thread_count[i];
    cincel_status status = tuning_context(&config, &t->ctx);
    if (status != CINCEL_OK) return status;
    if (r->thread_counts == 0) r->thread_count[r->thread_counts++] = cincel_context_threads(t->ctx);
    if (r->shapes) status = tune_problems_read(&t->problems, r->shapes, (int)r->batch, r->pass_bits);
    if (status == CINCEL_OK && r->model)
        status = tune_problems_of_model(&t->problems, r->model, r->sample, (int)r->outputs,
                                        r->batch ? (int)r->batch : 64, r->pass_bits);
    return status == CINCEL_OK ? tuning_prepare(t, r->profile, r->thread_count, r->thread_counts) : status;
}

static int tune(struct request *r)
{
    struct tuning t = {.cancel = interrupt_catch()};
    cincel_status status = prepare(&t, r);
    if (status == CINCEL_OK && r->resume) status = tuning_skip_known(&t);
    if (status == CINCEL_OK) {
        status = tuning_run(&t, r->budget);
        tuning_print_table(&t);
        if (status == CINCEL_OK && r->report) status = tuning_write_report(&t, r->report);
    }
    int code = cli_report(status);
    if (status == CINCEL_OK && *t.cancel) {
        fprintf(stderr, "cincel: tune: interrupted, %zu of %zu finished; --resume goes on\n", t.finished,
                t.tasks);
        code = interrupt_code();
    }
    cincel_context *ctx = t.ctx;
    tuning_release(&t);
    cincel_context_destroy(ctx);
    return code;
}

/* ------------------------------------------------------------------------------- command line -- */

/* "1,2" */
static bool parse_threads(struct request *r)
{
    for (const char *s = r->threads; s && *s;) {
        char *end;
        const long value = strtol(s, &end, 10);
        if (end == s || value < 1 || value > 1024 || r->thread_counts == MAX_THREAD_COUNTS) return false;
        if (*end && (*end != ',' || !end[1])) return false;
        r->thread_count[r->thread_counts++] = (int)value;
        s = *end ? end + 1 : end;
    }
    return true;
}

/* "fwd,bwd_data" */
static bool parse_passes(struct request *r)
{
    r->pass_bits = r->passes ? 0 : TUNE_ALL_PASSES;
    for (const char *s = r->passes; s && *s;) {
        const size_t length = strcspn(s, ",");
        int pass = 0;
        while (pass <= CINCEL_BACKWARD && (strlen(tuning_pass_names[pass]) != length ||
                                           strncmp(s, tuning_pass_names[pass], length) != 0))
            pass++;
        if (pass > CINCEL_BACKWARD || (s[length] && !s[length + 1])) return false;
        r->pass_bits |= 1u << pass;
        s += length + (s[length] == ',');
    }
    return r->pass_bits != 0;
}

static bool parse_input(struct request *r)
{
    int used = -1, *v = r->sample;
    if (sscanf(r->input, "%5dx%5dx%5d%n", &v[0], &v[1], &v[2], &used) != 3) return false;
    return used >= 0 && !r->input[used] && v[0] > 0 && v[1] > 0 && v[2] > 0;
}

int cli_tune(int argc, char **argv)
{
    struct request r = {.input = NULL};
    const struct cli_option options[] = {
        {.name = "shapes",
         .kind = CLI_TEXT,
         .value = &r.shapes,
         .argument = "FILE",
         .help = "problems, one a line, as in bench/shapes"},
        {.name = "model",
         .kind = CLI_TEXT,
         .value = &r.model,
         .argument = "NAME",
         .help = "what a training step of a built-in model runs"},
        {.name = "input",
         .kind = CLI_TEXT,
         .value = &r.input,
         .argument = "HxWxC",
         .help = "shape of the model's samples (28x28x1; charlstm 64x1x1, forecast 48x1x1)"},
        {.name = "outputs",
         .kind = CLI_INTEGER,
         .value = &r.outputs,
         .argument = "N",
         .min = 1,
         .max = 1 << 24,
         .help = "the model's classes or targets (10; charlstm 65, forecast 12)"},
        {.name = "batch",
         .kind = CLI_INTEGER,
         .value = &r.batch,
         .argument = "N",
         .min = 1,
         .max = 1e6,
         .help = "samples a step (the file's; 64 for a model)"},
        {.name = "threads",
         .kind = CLI_TEXT,
         .value = &r.threads,
         .argument = "1,2",
         .help = "numbers of threads to tune for (one a physical core)"},
        {.name = "passes",
         .kind = CLI_TEXT,
         .value = &r.passes,
         .argument = "LIST",
         .help = "of fwd,bwd_data,bwd_weights,bwd (all)"},
        {.name = "budget",
         .kind = CLI_NUMBER,
         .value = &r.budget,
         .argument = "S",
         .min = 0.001,
         .max = 1e7,
         .help = "seconds in all (2 a problem)"},
        {.name = "profile",
         .kind = CLI_TEXT,
         .value = &r.profile,
         .argument = "FILE",
         .help = "where the results go (the user's: cincel profile path)"},
        {.name = "report",
         .kind = CLI_TEXT,
         .value = &r.report,
         .argument = "FILE",
         .help = "write an HTML page: the roofline, every problem untuned and tuned"},
        {.name = "resume",
         .kind = CLI_FLAG,
         .value = &r.resume,
         .help = "leave out what the profile has already"},
    };
    const struct cli_syntax syntax = {
        .command = "tune",
        .operands = "",
        .about = "Times the ways to compute each problem against each other and adds the fastest to a "
                 "profile, from\n"
                 "which all later plans on this machine are made. Finished problems survive Ctrl-C.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int operands, code;
    if (!cli_parse(&syntax, argc, argv, &operands, &code)) return code;
    if (!r.shapes && !r.model) return cli_usage_error("tune: --shapes or --model says what to tune");
    if (!parse_threads(&r))
        return cli_usage_error("tune: --threads is \"%s\", must be numbers 1 … 1024 with commas", r.threads);
    if (!parse_passes(&r))
        return cli_usage_error("tune: --passes is \"%s\", must be of fwd,bwd_data,bwd_weights,bwd", r.passes);
    const struct recipe *recipe = recipe_of(r.model ? r.model : "");
    if (!r.input) r.input = recipe->input;
    if (!r.outputs) r.outputs = recipe->outputs;
    if (!parse_input(&r)) return cli_usage_error("tune: --input is \"%s\", must be HxWxC", r.input);
    return tune(&r);
}
