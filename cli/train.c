/* cincel train: a built-in model, a data set, a run directory. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/digits.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/run_record.h"
#include "cli/train_request.h"
#include "cli/tuning.h"
#include "core/status.h"

struct run {
    const struct train_request *request;
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
    const struct train_request *r = run->request;
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
    const struct train_request *r = run->request;
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
    const struct train_request *r = run->request;
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
    const struct train_request *r = run->request;
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

static int run_training(const struct train_request *request)
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

int cli_train(int argc, char **argv)
{
    int code;
    const struct train_request *request = train_request_parse(argc, argv, &code);
    return request ? run_training(request) : code;
}
