/*
 * What a training run writes to its run directory (run_dir.h says which files). Each file is replaced as a
 * whole or not at all, and the directory is tried out before the first step.
 */
#ifndef CINCEL_CLI_RUN_RECORD_H
#define CINCEL_CLI_RUN_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "cincel/train.h"
#include "cli/run_dir.h"

struct run_metrics { /* a line of metrics.csv */
    int epoch;
    double train_loss, train_accuracy, validation_loss, validation_accuracy, validation_r2, items_per_second;
};

struct run_record {
    const char *dir;
    struct run_model model;
    size_t parameters;
    const char *dataset;
    size_t train_samples, test_samples; /* of text, the latter are the validation's */
    int threads, batch, epochs_wanted, patience;
    const char *lr_schedule;
    cincel_optimizer optimizer;
    uint64_t seed;
    const cincel_session *plans; /* whose choices go into the summary */
    const cincel_context *ctx;

    struct run_metrics *metrics; /* grown by run_add_metrics, freed by run_record_release */
    size_t epochs;

    cincel_train_report report;
    cincel_evaluation test; /* not of text, which has no test set */
    double naive_loss;      /* of series */
};

/* Makes the directory and its parents, and finds out whether files can be made in it. *used: it holds the
   weights of an earlier run. */
cincel_status run_prepare(const char *dir, bool *used);

/* The line is kept for run_write_metrics. */
cincel_status run_add_metrics(struct run_record *record, const struct run_metrics *line);

/* Each writes its one file. The summary is for when report and test figures are known. */
cincel_status run_write_metrics(const struct run_record *record);
cincel_status run_write_plans(const struct run_record *record);
cincel_status run_write_weights(const struct run_record *record, const cincel_model *model);
cincel_status run_write_summary(const struct run_record *record);

void run_record_release(struct run_record *record);

#endif
