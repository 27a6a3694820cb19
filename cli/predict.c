/* cincel predict: what a run's model takes pictures, or rows of a table, for, and how a series goes on. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/image.h"
#include "cli/options.h"
#include "cli/run_dir.h"
#include "core/status.h"

enum { BATCH = 64 };

/* A sample that waits for its turn, and what it is called. */
struct pending {
    const char *file;
    size_t index;
    bool many; /* one of many: named FILE[INDEX] */
};

struct predictor {
    struct run_model facts;
    cincel_model *model;
    cincel_context *ctx;
    enum image_invert invert;
    size_t waiting;
    struct pending pending[BATCH];
    float *x;           /* [BATCH][height][width][channels] */
    float *predictions; /* [BATCH][outputs] */
    json_t *json;       /* array of results; NULL: lines of text */
};

/* Are the files CSV files, not pictures? */
static bool reads_tables(const struct predictor *p)
{
    return p->facts.table.inputs > 0 || run_on_series(&p->facts);
}

/* ------------------------------------------------------------------------------------- answers -- */

static cincel_status add_json(struct predictor *p, const struct pending *sample, json_t *entry)
{
    int failed =
        !entry || json_object_set_new(entry, reads_tables(p) ? "file" : "image", json_string(sample->file));
    if (entry && sample->many)
        failed |= json_object_set_new(entry, "index", json_integer((json_int_t)sample->index));
    failed |= json_array_append_new(p->json, entry);
    return failed
               ? cincel_fail(CINCEL_FORMAT_ERROR, "%s: file name is no UTF-8, which JSON needs", sample->file)
               : CINCEL_OK;
}

static void print_name(const struct pending *sample)
{
    printf("%s", sample->file);
    if (sample->many) printf("[%zu]", sample->index);
}

/* The most probable class. */
static cincel_status answer_class(struct predictor *p, const struct pending *sample, const float *q)
{
    size_t best = 0;
    for (int c = 1; c < p->facts.classes; c++) {
        if (q[c] > q[best]) best = (size_t)c;
    }
    if (p->json) {
        json_t *all = json_array();
        for (int c = 0; c < p->facts.classes; c++) json_array_append_new(all, json_real((double)q[c]));
        return add_json(p, sample,
                        json_pack("{s:I, s:f, s:o}", "class", (json_int_t)best, "probability",
                                  (double)q[best], "probabilities", all));
    }
    print_name(sample);
    printf("  %zu  %.4f\n", best, (double)q[best]);
    return CINCEL_OK;
}

/* The target, in the units of the table. */
static cincel_status answer_number(struct predictor *p, const struct pending *sample, const float *q)
{
    const struct run_table *table = &p->facts.table;
    const float deviation = table->deviation[table->inputs];
    const double value =
        (double)q[0] * (deviation > 0.0f ? (double)deviation : 1.0) + (double)table->mean[table->inputs];
    if (p->json) return add_json(p, sample, json_pack("{s:f}", "prediction", value));
    print_name(sample);
    printf("  %.6g\n", value);
    return CINCEL_OK;
}

/* The rows behind the file's end, in its units: all columns, or the target's. */
static cincel_status answer_series(struct predictor *p, const struct pending *sample, const float *q)
{
    const struct run_series *series = &p->facts.series;
    const size_t width = series->target < 0 ? series->columns : 1;
    const size_t first = series->target < 0 ? 0 : (size_t)series->target;
    json_t *all = p->json ? json_array() : NULL;
    for (size_t row = 0; row < (size_t)run_horizon(&p->facts); row++) {
        json_t *values = p->json ? json_array() : NULL;
        if (!p->json) printf("%s[+%zu] ", sample->file, row + 1);
        for (size_t c = 0; c < width; c++) {
            const double value = series_value(series, first + c, q[row * width + c]);
            if (p->json)
                json_array_append_new(values, json_real(value));
            else
                printf(" %.6g", value);
        }
        if (p->json)
            json_array_append_new(all, values);
        else
            putchar('\n');
    }
    return p->json ? add_json(p, sample, json_pack("{s:o}", "forecast", all)) : CINCEL_OK;
}

static cincel_status answer(struct predictor *p, const struct pending *sample, const float *q)
{
    for (int c = 0; c < run_outputs(&p->facts); c++) {
        if (!isfinite(q[c]))
            return cincel_fail(CINCEL_FORMAT_ERROR,
                               "%s: the model answers no number: its weights are damaged", sample->file);
    }
    if (run_on_series(&p->facts)) return answer_series(p, sample, q);
    return p->facts.classes ? answer_class(p, sample, q) : answer_number(p, sample, q);
}

/* Answers for all that wait. Every sample that fails is reported; returns whether none did. */
static bool flush(struct predictor *p)
{
    if (!p->waiting) return true;
    const size_t count = p->waiting;
    p->waiting = 0;
    if (cli_report(cincel_predict(p->ctx, p->model, &p->facts.objective, p->x, (int)count, p->predictions)) !=
        CLI_SUCCESS)
        return false;
    bool fine = true;
    for (size_t i = 0; i < count; i++) {
        const float *q = p->predictions + i * (size_t)run_outputs(&p->facts);
        if (cli_report(answer(p, &p->pending[i], q)) != CLI_SUCCESS) fine = false;
    }
    return fine;
}

static size_t sample_size(const struct predictor *p)
{
    return (size_t)p->facts.height * (size_t)p->facts.width * (size_t)p->facts.channels;
}

/* The sample at x + waiting · sample_size is complete. */
static bool add_sample(struct predictor *p, const struct pending *sample)
{
    p->pending[p->waiting++] = *sample;
    return p->waiting < BATCH || flush(p);
}

static bool predict_picture(struct predictor *p, const char *file)
{
    struct image image;
    if (cli_report(image_read(file, &image)) != CLI_SUCCESS) return false;
    bool fine = true;
    for (size_t i = 0; i < image.count && fine; i++) {
        float *x = p->x + p->waiting * sample_size(p);
        image_sample(&image, i, p->invert, p->facts.height, p->facts.width, x);
        fine = add_sample(p, &(const struct pending){file, i, image.is_idx});
    }
    image_free(&image);
    return fine;
}

static bool predict_table(struct predictor *p, const char *file)
{
    size_t rows;
    float *x;
    if (cli_report(table_read_inputs(file, &p->facts.table, &rows, &x)) != CLI_SUCCESS) return false;
    const size_t sample = sample_size(p);
    bool fine = true;
    for (size_t i = 0; i < rows && fine; i++) {
        memcpy(p->x + p->waiting * sample, x + i * sample, sample * sizeof *x);
        fine = add_sample(p, &(const struct pending){file, i, true});
    }
    free(x);
    return fine;
}

static bool predict_series(struct predictor *p, const char *file)
{
    float *x = p->x + p->waiting * sample_size(p);
    if (cli_report(series_read_end(file, &p->facts.series, p->facts.height, x)) != CLI_SUCCESS) return false;
    return add_sample(p, &(const struct pending){file, 0, false});
}

static bool predict_file(struct predictor *p, const char *file)
{
    if (run_on_series(&p->facts)) return predict_series(p, file);
    return p->facts.table.inputs ? predict_table(p, file) : predict_picture(p, file);
}

/* -------------------------------------------------------------------------------------- set-up -- */

static cincel_status open_predictor(const char *dir, int threads, struct predictor *p)
{
    cincel_config config = CINCEL_CONFIG_INIT;
    config.threads = threads;
    cincel_status status = run_open(dir, &p->facts, &p->model);
    if (status == CINCEL_OK && run_on_text(&p->facts))
        status = cincel_fail(CINCEL_UNSUPPORTED, "%s: was trained on text: see cincel generate", dir);
    if (status == CINCEL_OK && p->facts.channels != 1 && !reads_tables(p))
        status =
            cincel_fail(CINCEL_UNSUPPORTED, "%s: channels is %d: pictures are read as grey, for models of 1",
                        dir, p->facts.channels);
    if (status == CINCEL_OK) status = cincel_context_create(&config, &p->ctx);
    if (status != CINCEL_OK) return status;
    p->x = calloc(BATCH, sample_size(p) * sizeof *p->x);
    p->predictions = calloc(BATCH, (size_t)run_outputs(&p->facts) * sizeof *p->predictions);
    return p->x && p->predictions
               ? CINCEL_OK
               : cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for %d samples", dir, BATCH);
}

static void close_predictor(struct predictor *p)
{
    free(p->x);
    free(p->predictions);
    run_model_release(&p->facts);
    json_decref(p->json);
    cincel_context_destroy(p->ctx);
    cincel_model_destroy(p->model);
}

static int run(const char *dir, char *const *files, int count, enum image_invert invert, int threads,
               bool json)
{
    struct predictor p = {.invert = invert, .json = json ? json_array() : NULL};
    bool fine = cli_report(open_predictor(dir, threads, &p)) == CLI_SUCCESS;
    if (fine) {
        for (int i = 0; i < count; i++) fine = predict_file(&p, files[i]) && fine;
        fine = flush(&p) && fine;
        if (json) {
            json_dumpf(p.json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)); /* main checks stdout */
            putchar('\n');
        }
    }
    close_predictor(&p);
    return fine ? CLI_SUCCESS : CLI_FAILURE;
}

static bool parse_invert(const char *text, enum image_invert *out)
{
    static const char *const words[] = {
        [IMAGE_INVERT_AUTO] = "auto", [IMAGE_INVERT_YES] = "yes", [IMAGE_INVERT_NO] = "no"};
    for (int i = 0; i < (int)(sizeof words / sizeof *words); i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = (enum image_invert)i;
            return true;
        }
    }
    return false;
}

int cli_predict(int argc, char **argv)
{
    bool json = false;
    const char *invert_text = "auto";
    int64_t threads = 0;
    const struct cli_option options[] = {
        {.name = "json",
         .kind = CLI_FLAG,
         .value = &json,
         .help = "print a JSON array, with the probability of each class"},
        {.name = "invert",
         .kind = CLI_TEXT,
         .value = &invert_text,
         .argument = "auto|yes|no",
         .help = "swap black and white (auto: where a PNG or JPEG has a bright border)"},
        {.name = "threads",
         .kind = CLI_INTEGER,
         .value = &threads,
         .argument = "N",
         .max = 4096,
         .help = "threads to use (0: one a physical core)"},
    };
    const struct cli_syntax syntax = {
        .command = "predict",
        .operands = "RUN_DIR FILE…",
        .about =
            "Prints for each picture its name, the class the run's model takes it for, and the probability.\n"
            "Pictures are PNG or JPEG files of any size and colour, or IDX files (plain or .gz), which give\n"
            "one line an image. They are made grey and scaled to the model's input, sides in proportion.\n"
            "Models trained on MNIST know white digits on black: dark ink on bright paper is inverted.\n"
            "For a run on a table the files are CSV files with the same columns, the target or none; each "
            "row\n"
            "gets a line with its number, from 0, and what is predicted.\n"
            "For a run on a time series the files are CSV files with the same columns; the rows behind each "
            "one's\nend are predicted, a line a row.\n"
            "A file that cannot be read is reported, the others are still predicted; exit code 1.",
        .min_operands = 2,
        .max_operands = 1 << 24,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int operands, code;
    if (!cli_parse(&syntax, argc, argv, &operands, &code)) return code;
    enum image_invert invert;
    if (!parse_invert(invert_text, &invert))
        return cli_usage_error("predict: --invert is \"%s\", must be auto, yes or no", invert_text);
    return run(argv[1], argv + 2, operands - 1, invert, (int)threads, json);
}
