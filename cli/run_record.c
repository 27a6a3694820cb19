#include "cli/run_record.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/atomic_file.h"
#include "core/status.h"

static cincel_status make_folder(const char *path)
{
    if (mkdir(path, 0777) == 0) return CINCEL_OK;
    struct stat info;
    const int why = errno;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return CINCEL_OK;
    errno = why == EEXIST ? ENOTDIR : why;
    return cincel_fail_errno(CINCEL_IO_ERROR, "out: cannot make folder %s", path);
}

cincel_status run_prepare(const char *dir, bool *used)
{
    char *path = strdup(dir);
    if (!path) return cincel_fail(CINCEL_OUT_OF_MEMORY, "out: no memory");
    cincel_status status = *dir ? CINCEL_OK : cincel_fail(CINCEL_INVALID_ARGUMENT, "out: is empty");
    for (char *slash = strchr(path + (*path == '/'), '/'); slash && status == CINCEL_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        status = make_folder(path);
        *slash = '/';
    }
    if (status == CINCEL_OK) status = make_folder(path);
    free(path);

    /* all of them are replaced in the end: try each, leave each as it is */
    static const char *const files[] = {RUN_SUMMARY, RUN_METRICS, RUN_PLANS, RUN_WEIGHTS};
    for (size_t i = 0; i < sizeof files / sizeof files[0] && status == CINCEL_OK; i++) {
        char *file = run_path(dir, files[i]);
        if (!file) return cincel_fail(CINCEL_OUT_OF_MEMORY, "out: no memory");
        struct cincel_atomic_file *trial = NULL;
        status = cincel_atomic_file_create(file, &trial);
        if (status == CINCEL_OK) cincel_atomic_file_abandon(trial);
        if (strcmp(files[i], RUN_WEIGHTS) == 0) *used = access(file, F_OK) == 0;
        free(file);
    }
    return status;
}

cincel_status run_add_metrics(struct run_record *record, const struct run_metrics *line)
{
    struct run_metrics *metrics = realloc(record->metrics, (record->epochs + 1) * sizeof *metrics);
    if (!metrics) return cincel_fail(CINCEL_OUT_OF_MEMORY, "metrics: no memory");
    record->metrics = metrics;
    record->metrics[record->epochs++] = *line;
    return CINCEL_OK;
}

cincel_status run_write_metrics(const struct run_record *record)
{
    char *path = run_path(record->dir, RUN_METRICS);
    if (!path) return cincel_fail(CINCEL_OUT_OF_MEMORY, "metrics: no memory");
    struct cincel_atomic_file *file;
    cincel_status status = cincel_atomic_file_create(path, &file);
    free(path);
    if (status != CINCEL_OK) return status;
    const bool right = run_counts_hits(&record->model), text = run_on_text(&record->model);
    cincel_atomic_file_printf(file, "epoch,train_loss,%svalidation_loss,%s%s,items_per_second\n",
                              right ? "train_accuracy," : "", text ? "perplexity," : "",
                              right ? "validation_accuracy" : "validation_r2");
    for (size_t i = 0; i < record->epochs; i++) {
        const struct run_metrics *m = &record->metrics[i];
        cincel_atomic_file_printf(file, "%d,%.6g,", m->epoch, m->train_loss);
        if (right) cincel_atomic_file_printf(file, "%.6g,", m->train_accuracy);
        cincel_atomic_file_printf(file, "%.6g,", m->validation_loss);
        if (text) cincel_atomic_file_printf(file, "%.6g,", exp(m->validation_loss));
        cincel_atomic_file_printf(file, "%.6g,%.6g\n", right ? m->validation_accuracy : m->validation_r2,
                                  m->items_per_second);
    }
    return cincel_atomic_file_commit(file);
}

cincel_status run_write_weights(const struct run_record *record, const cincel_model *model)
{
    char *path = run_path(record->dir, RUN_WEIGHTS);
    if (!path) return cincel_fail(CINCEL_OUT_OF_MEMORY, "weights: no memory");
    const cincel_status status = cincel_model_save(model, path);
    free(path);
    return status;
}

static const char *const passes[] = {"forward", "backward_data", "backward_weights", "backward"};

cincel_status run_write_plans(const struct run_record *record)
{
    char *path = run_path(record->dir, RUN_PLANS);
    if (!path) return cincel_fail(CINCEL_OUT_OF_MEMORY, "plans: no memory");
    struct cincel_atomic_file *file;
    const cincel_status status = cincel_atomic_file_create(path, &file);
    free(path);
    if (status != CINCEL_OK) return status;
    for (size_t i = 0; i < cincel_session_plans(record->plans); i++) {
        cincel_session_plan_info info = CINCEL_SESSION_PLAN_INFO_INIT;
        if (cincel_session_plan(record->plans, i, &info) != CINCEL_OK) continue;
        cincel_atomic_file_printf(file, "%s %s | %s\n", info.layer, passes[info.pass], info.description);
    }
    return cincel_atomic_file_commit(file);
}

/* The choice of every plan, as cincel_options.choice takes it back. */
static json_t *plans_json(const cincel_session *session)
{
    json_t *plans = json_array();
    for (size_t i = 0; i < cincel_session_plans(session); i++) {
        cincel_session_plan_info info = CINCEL_SESSION_PLAN_INFO_INIT;
        if (cincel_session_plan(session, i, &info) != CINCEL_OK) continue;
        json_array_append_new(plans, json_pack("{s:s, s:s, s:s}", "layer", info.layer, "pass",
                                               passes[info.pass], "choice", info.choice));
    }
    return plans;
}

/* How near the run came: perplexity of text, accuracy or R² of others, by the objective. */
static void add_figures(const struct run_record *r, json_t *json)
{
    const cincel_train_report *t = &r->report;
    const struct run_model *m = &r->model;
    if (run_on_text(m)) {
        json_object_set_new(json, "perplexity", json_real(exp(t->validation_loss)));
    } else {
        json_object_set_new(json, "test_loss", json_real(r->test.loss));
        const bool hits = run_counts_hits(m);
        json_object_set_new(json, hits ? "test_accuracy" : "r2",
                            json_real(hits ? r->test.accuracy : r->test.r2));
    }
    if (run_counts_hits(m)) {
        json_object_set_new(json, "train_accuracy", json_real(t->train_accuracy));
        json_object_set_new(json, "validation_accuracy", json_real(t->validation_accuracy));
    } else {
        json_object_set_new(json, "validation_r2", json_real(t->validation_r2));
    }
    if (run_on_series(m)) json_object_set_new(json, "naive_loss", json_real(r->naive_loss));
}

/* What the run was towards and on. */
static json_t *figures_json(const struct run_record *r)
{
    const struct run_model *m = &r->model;
    json_t *json =
        json_pack("{s:s, s:f, s:f}", "loss", run_objective_name((int)m->objective.kind), "train_loss",
                  r->report.train_loss, "validation_loss", r->report.validation_loss);
    if (m->objective.kind == CINCEL_OBJECTIVE_HUBER)
        json_object_set_new(json, "delta", json_real((double)m->objective.delta));
    if (m->objective.label_smoothing > 0.0f)
        json_object_set_new(json, "label_smoothing", json_real((double)m->objective.label_smoothing));
    if (m->objective.class_weights) {
        json_t *weights = json_array();
        for (size_t c = 0; c < m->objective.class_weight_count; c++)
            json_array_append_new(weights, json_real((double)m->objective.class_weights[c]));
        json_object_set_new(json, "class_weights", weights);
    }
    json_object_set_new(json, m->classes ? "classes" : "targets", json_integer(run_outputs(m)));
    add_figures(r, json);
    if (m->table.inputs) json_object_set_new(json, "table", table_to_json(&m->table));
    if (run_on_text(m)) json_object_set_new(json, "text", text_to_json(&m->text));
    if (run_on_series(m)) json_object_set_new(json, "series", series_to_json(&m->series));
    return json;
}

/* A float as the shortest decimal that was meant by it: 0.05, not 0.0500000007. */
static double decimal(float value)
{
    char text[32];
    snprintf(text, sizeof text, "%.7g", (double)value);
    return strtod(text, NULL);
}

static json_t *optimizer_json(const cincel_optimizer *o)
{
    json_t *json = json_pack("{s:s, s:f, s:f}", "optimizer", cincel_optimizer_name((int)o->kind), "lr",
                             decimal(o->lr), "weight_decay", decimal(o->weight_decay));
    if (o->kind == CINCEL_OPTIMIZER_SGD)
        json_object_set_new(json, "momentum", json_real(decimal(o->momentum)));
    if (o->clip_norm > 0.0) json_object_set_new(json, "clip_norm", json_real(o->clip_norm));
    return json;
}

static json_t *summary_json(const struct run_record *r)
{
    cincel_machine_info machine = CINCEL_MACHINE_INFO_INIT;
    if (cincel_machine_describe(r->ctx, &machine) != CINCEL_OK) return NULL;
    const cincel_train_report *t = &r->report;
    json_t *json = json_object();
    json_t *const parts[] = {
        json_pack("{s:s, s:i, s:i, s:i, s:I}", "model", r->model.model, "height", r->model.height, "width",
                  r->model.width, "channels", r->model.channels, "parameters", (json_int_t)r->parameters),
        json_pack("{s:s, s:I, s:I}", "dataset", r->dataset, "train_samples", (json_int_t)r->train_samples,
                  "test_samples", (json_int_t)r->test_samples),
        figures_json(r),
        json_pack("{s:f}", "items_per_second", t->items_per_second),
        json_pack("{s:i, s:i, s:i, s:b, s:b}", "epochs", t->epochs, "epochs_wanted", r->epochs_wanted,
                  "best_epoch", t->best_epoch, "stopped_early", t->stopped_early, "cancelled", t->cancelled),
        json_pack("{s:i, s:s, s:i, s:I}", "batch", r->batch, "lr_schedule", r->lr_schedule, "patience",
                  r->patience, "seed", (json_int_t)r->seed),
        optimizer_json(&r->optimizer),
        json_pack("{s:f, s:I}", "seconds", t->seconds, "planned_bytes", (json_int_t)t->planned_bytes),
        json_pack("{s:s, s:s, s:s, s:i}", "cincel", cincel_version(), "cpu", machine.cpu, "isa", machine.isa,
                  "threads", r->threads),
        json_pack("{s:o}", "plans", plans_json(r->plans)),
    };
    bool complete = json != NULL;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        complete = complete && parts[i] && json_object_update(json, parts[i]) == 0;
        json_decref(parts[i]);
    }
    if (complete) return json;
    json_decref(json);
    return NULL;
}

cincel_status run_write_summary(const struct run_record *record)
{
    json_t *json = summary_json(record);
    char *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    char *path = run_path(record->dir, RUN_SUMMARY);
    cincel_status status = CINCEL_OK;
    if (!text || !path) status = cincel_fail(CINCEL_INTERNAL_ERROR, "summary: cannot be written as JSON");
    struct cincel_atomic_file *file;
    if (status == CINCEL_OK) status = cincel_atomic_file_create(path, &file);
    if (status == CINCEL_OK) {
        cincel_atomic_file_printf(file, "%s\n", text);
        status = cincel_atomic_file_commit(file);
    }
    free(path);
    free(text);
    json_decref(json);
    return status;
}

void run_record_release(struct run_record *record)
{
    free(record->metrics);
    run_model_release(&record->model);
    record->metrics = NULL;
    record->epochs = 0;
}
