/* The inside of contexts and plans, shared by the files of this room. */
#ifndef CINCEL_PLAN_PLAN_H
#define CINCEL_PLAN_PLAN_H

#include "core/machine.h"
#include "core/parallel.h"
#include "core/problem.h"
#include "core/transpose_problem.h"
#include "ops/algo.h"
#include "ops/crew.h"
#include "plan/layout.h"
#include "tune/choose.h"

enum { CINCEL_MAX_ISAS = 8 };

struct cincel_context {
    struct cincel_machine machine;
    const struct cincel_isa *isas[CINCEL_MAX_ISAS]; /* usable and allowed, best first, NULL-terminated */
    struct cincel_target target;                    /* points at the two above */
    struct cincel_team *team;
    double error_budget;
    struct cincel_profile *profile; /* what tuning found; NULL: reproducible contexts have none */
    bool use_files;                 /* profiles, caches and the environment may be read */
    void (*log)(void *user, const char *line);
    void *log_user;
    int log_fd; /* of $CINCEL_LOG; −1: none */
};

/* Operators as the caller sees them: a linear plan solves a convolution problem. */
enum cincel_plan_kind {
    CINCEL_PLAN_CONV,
    CINCEL_PLAN_LINEAR,
    CINCEL_PLAN_POOL,
    CINCEL_PLAN_CONV_TRANSPOSE,
    CINCEL_PLAN_RNN
};

struct cincel_plan {
    const cincel_context *ctx;
    enum cincel_plan_kind kind;
    cincel_pass pass;                           /* as the caller sees it */
    struct cincel_problem problem;              /* in NHWC and OHWI */
    struct cincel_layouts layouts;              /* what the caller holds in others; first in the workspace */
    size_t own_bytes;                           /* next: what calls of this kind need themselves */
    struct cincel_transpose_problem transposed; /* of CINCEL_PLAN_CONV_TRANSPOSE */
    const struct cincel_algo *algo;
    struct cincel_choice choice;
    cincel_plan_timing timing;
    int threads_allowed; /* when it was chosen */
    bool disturbed;      /* others took much of the machine while it was measured */
    struct cincel_prepared *prepared;
    size_t workspace_bytes;
    char choice_text[CINCEL_CHOICE_TEXT];
    char description[CINCEL_CHOICE_TEXT + 512];
};

/* What a plan is made of besides its problem. */
struct cincel_plan_frame {
    enum cincel_plan_kind kind;
    cincel_pass pass;
    size_t own_bytes; /* of workspace, a multiple of CINCEL_ALIGN */
    bool accumulates; /* see cincel_layouts_plan */
};

/* Chooses, builds and describes. `options` may be NULL. */
cincel_status cincel_plan_create_framed(cincel_context *ctx, const struct cincel_plan_frame *frame,
                                        const struct cincel_problem *problem, const cincel_options *options,
                                        cincel_plan **out);

/* The usual frame: the problem's own pass, nothing around it. */
cincel_status cincel_plan_create(cincel_context *ctx, enum cincel_plan_kind kind,
                                 const struct cincel_problem *problem, const cincel_options *options,
                                 cincel_plan **out);

/* One argument of an execute call, for the check that none is missing. */
struct cincel_pointer {
    const char *name;
    const void *value;
};

/* No pointer of the list, which ends with a NULL name, is NULL. `name` begins the message. */
cincel_status cincel_check_pointers(const char *name, const struct cincel_pointer *required);

/* Where the calls without a plan run: on the whole team. */
struct cincel_crew cincel_context_crew(const cincel_context *ctx);

/*
 * The opening of every execute call: plan is of this kind and pass, no required pointer is NULL, the
 * workspace is there and aligned. A list ends with a NULL name.
 */
cincel_status cincel_plan_check_call(const cincel_plan *plan, enum cincel_plan_kind kind, cincel_pass pass,
                                     const struct cincel_pointer *required, const void *ws);

/* Runs the plan on the context's team: tensors are the caller's, the workspace is the plan's whole. */
void cincel_plan_run(const cincel_plan *plan, const struct cincel_tensors *tensors);

/* The middle part of it: tensors in NHWC and OHWI, the workspace still whole. */
void cincel_plan_run_inner(const cincel_plan *plan, const struct cincel_tensors *tensors);

/*
 * Weights packed for a plan begin with CINCEL_ALIGN bytes that tie them to its problem and choice: writes
 * them; is the buffer aligned, and are they this plan's? `name` begins the message.
 */
void cincel_packed_begin(const cincel_plan *plan, void *packed);
cincel_status cincel_packed_check(const cincel_plan *plan, const char *name, const void *packed);

/* Where what stands around the algorithm runs: with the plan's own number of threads. */
struct cincel_crew cincel_plan_crew(const cincel_plan *plan);

/* Reads the layers of profiles into the context's; what cannot be used goes to the log. */
void cincel_context_read_profiles(cincel_context *ctx);

/* Appends `name` to a blank-separated list, cut at `size`. */
void cincel_append_name(char *list, size_t size, const char *name);

/* One line to the context's log, if it has one. */
void cincel_context_log(const cincel_context *ctx, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
