/* What training, evaluation and prediction share: batches of a data set through a session. */
#ifndef CINCEL_TRAIN_TRAINER_H
#define CINCEL_TRAIN_TRAINER_H

#include "train/model.h"
#include "train/objective.h"

/* Room for one batch on its way from the data set to the session. */
struct batch_buffer {
    float *x;
    int32_t *labels; /* or */
    float *targets;
    int *lengths; /* of the sequences; where the data set is not ragged, of no meaning */
};
cincel_status cincel_batch_create(const cincel_model *model, int batch, struct batch_buffer *out);
void cincel_batch_destroy(struct batch_buffer *b);

/* Samples index[0 … n−1] with their labels or targets, whichever the objective takes; the session learns how
   long they are. */
cincel_status cincel_batch_gather(struct batch_buffer *b, const cincel_dataset *data,
                                  const cincel_objective *objective, const size_t *index, size_t n,
                                  cincel_session *session);

/* Makes the plans for n ≤ batch samples now, so that no later call has to: forward ones, and with `backward`
   all. */
cincel_status cincel_session_prepare(cincel_session *session, int n, bool backward);

/*
 * Samples that continue each other, cut into `count` streams of `length` that are worked through side by
 * side: sample b · length + s is row b of step s. The last stream may be shorter.
 */
struct streams {
    size_t count, length, samples;
};

/* At most `most` streams, of which none is empty, for samples > 0. */
static inline struct streams cincel_streams(size_t samples, size_t most)
{
    const size_t length = (samples + most - 1) / most;
    return (struct streams){(samples + length - 1) / length, length, samples};
}

/* How many streams have a sample at this step, from 0: all, or all but the last. */
static inline size_t cincel_streams_at(const struct streams *s, size_t step)
{
    return s->count - ((s->count - 1) * s->length + step >= s->samples);
}

/* Streams of an evaluation, whatever the batch: each begins without a past, which costs a little, and the
   figure is to be the same wherever the run is evaluated. */
enum { EVALUATION_STREAMS = 16 };

/* Do the samples fit the model's input, and the labels or targets its outputs and the objective? Can they
   continue each other, where that is wanted? `what` begins the message. */
cincel_status cincel_data_check(const char *what, const cincel_model *model,
                                const cincel_objective *objective, const cincel_dataset_info *info,
                                bool stateful);

/*
 * Figures of samples index[0 … count−1], count > 0, in batches of at most `batch` (the session's). A raised
 * `cancel` (may be NULL) ends it with CINCEL_CANCELLED.
 */
struct evaluation {
    cincel_context *ctx;
    const cincel_model *model;
    cincel_session *session;
    const cincel_dataset *data;
    const cincel_objective *objective;
    struct batch_buffer *buffer;
    const volatile int *cancel;
    int batch;
    bool stateful;
};
cincel_status cincel_evaluate_samples(const struct evaluation *e, const size_t *index, size_t count,
                                      cincel_evaluation *out);

#endif
