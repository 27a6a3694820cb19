/*
 * Tuning as `cincel tune` and `cincel train --tune` do it: problems at numbers of threads, a budget shared
 * among them, progress on stderr, each finished entry appended to a profile at once.
 */
#ifndef CINCEL_CLI_TUNING_H
#define CINCEL_CLI_TUNING_H

#include <stdbool.h>

#include "cincel/cincel.h"
#include "cli/tune_problems.h"

/* A problem at a number of threads. */
struct tuning_task {
    const struct tune_problem *what;
    int threads;
    double weight; /* of its share of the budget */
    bool skipped;  /* tuning_skip_known: the profile has it */
    bool done;
    bool disturbed; /* measured while others took much of the machine */
    cincel_plan_timing timing;
    char choice[256];
};

struct tuning {
    cincel_context *ctx;           /* whose profile learns what is found; not owned */
    struct tune_problems problems; /* filled before tuning_prepare */
    struct tuning_task *task;
    size_t tasks, finished;
    double seconds_left;
    char path[8192]; /* the profile */
    const volatile int *cancel;
};

extern const char *const tuning_pass_names[CINCEL_BACKWARD + 1]; /* "fwd", … */

/* A context whose cost model knows the machine's measured peaks: they are measured if that was never done,
   which takes two seconds. */
cincel_status tuning_context(const cincel_config *config, cincel_context **out);

/* The profile: `path`, NULL: the user's; and a task for each problem and number of threads. */
cincel_status tuning_prepare(struct tuning *t, const char *path, const int *threads, int thread_counts);

/* Leaves out what the profile has. */
cincel_status tuning_skip_known(struct tuning *t);

/* Tunes within `budget` seconds, 0: two a problem. Raised, `cancel` ends it after what was finished. */
cincel_status tuning_run(struct tuning *t, double budget);

/* Seconds of all finished tasks, each as often as a step runs it: as tuned, as untuned. */
void tuning_totals(const struct tuning *t, double *tuned, double *untuned);

/* "51.3 GFLOP/s, 49 % of peak"; "12.1 GB/s" where nothing is multiplied. */
void tuning_speed_text(const struct tuning *t, const struct tuning_task *task, double seconds, char *out,
                       size_t size);

/* The closing table, on stdout: default → tuned. */
void tuning_print_table(const struct tuning *t);

/* What is finished as an HTML page (cli/report.h). */
cincel_status tuning_write_report(const struct tuning *t, const char *path);

/* All but the context. */
void tuning_release(struct tuning *t);

#endif
