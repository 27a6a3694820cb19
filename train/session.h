/* A session's inside, for the two files that are it: session.c makes it, session_run.c runs it. */
#ifndef CINCEL_TRAIN_SESSION_H
#define CINCEL_TRAIN_SESSION_H

#include <stdbool.h>

#include "core/memory.h"
#include "train/lifetime.h"
#include "train/model.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/schedule.h"

enum { PASSES = LAYER_PASSES };

/* All plans for one number of samples, one entry a layer. Passes are made when first wanted. */
struct plan_set {
    int n;
    bool made[PASSES];
    struct plan_set *next;
    struct layer_plans layer[];
};

struct cincel_session {
    cincel_context *ctx;
    cincel_model *model;
    int batch;
    bool training;
    cincel_options options;
    cincel_objective objective;
    uint64_t seed;
    uint32_t steps;             /* gradients computed so far */
    struct schedule_step *step; /* [layers] */
    struct lifetime *buffer;    /* [layers · LAYER_BUFFERS] */
    int last;                   /* layer that gives the logits */
    char *arena;
    size_t arena_bytes;
    void *ws;
    size_t ws_bytes;
    float *gradients, *moment[OPTIMIZER_MOMENTS]; /* arranged as model->parameters; NULL unless training, and
                                                     where the optimizer keeps fewer */
    cincel_optimizer_kind optimizer;
    uint64_t updates; /* of the parameters so far */
    bool have_gradients;
    float *folded; /* weights, then biases, of a layer that the next was folded into, during its call */
    size_t folded_floats;
    float *carry;          /* states of recurrent layers, layer after layer; NULL unless stateful */
    size_t *carry_offset;  /* [layers + 1], in floats */
    int *lengths;          /* [batch]: of the calls' sequences, */
    int length_count;      /* in calls of so many samples; 0: all have all steps */
    struct plan_set *sets; /* the full batch's is the first */
};

/* The plans for n samples, forward ones and, if asked, backward ones. */
cincel_status cincel_session_find(struct cincel_session *s, int n, bool backward, struct plan_set **out);

/* Where a layer's biases begin among its folded parameters: on a cache line. */
static inline size_t session_folded_bias(const struct layer *layer)
{
    const struct layer_tensor *w = &layer->tensor[0];
    return cincel_round_up(w->rows * w->h * w->w * w->c, CINCEL_ALIGN / sizeof(float));
}

#endif
