/*
 * A run directory, as `cincel train` leaves it and `eval`, `predict` and `generate` take it up:
 * - summary.json names the model, the shape of its samples and what it was trained towards ("model",
 * "height", "width", "channels", "classes" or "targets", "loss", and "table", "text" or "series" where it was
 * on one), and says how the run went;
 * - metrics.csv: one line an epoch;
 * - plans.txt: one line a plan: layer, pass, problem, choice and where it came from;
 * - weights.safetensors: the best weights.
 */
#ifndef CINCEL_CLI_RUN_DIR_H
#define CINCEL_CLI_RUN_DIR_H

#include <stdbool.h>

#include "cincel/train.h"
#include "cli/series.h"
#include "cli/table.h"
#include "cli/text.h"

#define RUN_SUMMARY "summary.json"
#define RUN_METRICS "metrics.csv"
#define RUN_PLANS "plans.txt"
#define RUN_WEIGHTS "weights.safetensors"

struct run_model {
    char model[32]; /* a built-in one: "simplecnn" */
    int height, width, channels;
    int classes, targets; /* one of the two is 0 */
    cincel_objective objective;
    struct run_table table; /* at most one of these is in use */
    struct run_text text;
    struct run_series series;
};

static inline bool run_on_text(const struct run_model *model) { return model->text.vocabulary.count > 0; }
/* Rows of a series that are predicted. */
static inline int run_horizon(const struct run_model *model)
{
    return model->targets / (model->series.target < 0 ? (int)model->series.columns : 1);
}

static inline bool run_on_series(const struct run_model *model) { return model->series.columns > 0; }

static inline int run_outputs(const struct run_model *model)
{
    return model->classes ? model->classes : model->targets;
}

/* Is its figure the accuracy? R² otherwise. */
static inline bool run_counts_hits(const struct run_model *model)
{
    return model->objective.kind == CINCEL_OBJECTIVE_CROSS_ENTROPY ||
           model->objective.kind == CINCEL_OBJECTIVE_BCE;
}

void run_model_release(struct run_model *model);

/* The objectives' names on the command line and in summary.json: "cross-entropy", "mse", …; NULL past the
   last, and back: false, no such name. */
const char *run_objective_name(int kind);
bool run_objective_find(const char *name, cincel_objective_kind *out);

/* `dir/file`, for the caller to free; NULL when there is no memory. */
char *run_path(const char *dir, const char *file);

/* Builds the model that summary.json names and loads its weights. What is missing or makes no sense is an
   error that names file and field. Release *facts. */
cincel_status run_open(const char *dir, struct run_model *facts, cincel_model **model);

/* The same as a model of sequences of `steps`, which its weights do not depend on; *facts as they are. */
cincel_status run_open_steps(const char *dir, int steps, struct run_model *facts, cincel_model **model);

#endif
