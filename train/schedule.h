/*
 * What a step over a model does, layer by layer, once the layers are looked at together:
 *
 *   - an activation behind a layer that can fuse it is no step of its own: the layer's forward plan
 *     ends in it, and its gradient is a mask that is applied to dy before the layer's backward pass;
 *     in training so only those whose gradient follows from y;
 *   - where layers that only select follow (max pooling, flatten), the mask moves behind them: the
 *     selected output is the winner's, whose slope follows from it, the tensor is smaller, and the
 *     full-size activation need not be kept;
 *   - without training, batch norm behind a convolution goes into its weights, at each call anew since
 *     they may have changed: where they are fewer than the numbers it would go over;
 *   - views move no data;
 *   - layers before the first one with parameters have no backward pass, and that one no dx.
 *
 * Each of these keeps the mathematics; none looks at what kind a layer is beyond its row's facts.
 */
#ifndef CINCEL_TRAIN_SCHEDULE_H
#define CINCEL_TRAIN_SCHEDULE_H

#include "train/lifetime.h"
#include "train/model.h"

enum { SCHEDULE_INPUT = -1 }; /* in place of a layer number: the caller's x */

struct schedule_step {
    bool skip;                     /* fused away or a view: the output is that of `source` */
    bool folds_next;               /* the next layer, skipped, goes into this one's weights */
    int source;                    /* the layer whose output is this layer's input, or SCHEDULE_INPUT */
    struct layer_activation fused; /* the forward plan ends in it */
    struct layer_activation
        mask; /* its gradient, by this layer's y, is applied to dy before the backward pass */
    bool backward, wants_dx;
};

/* Fills step[0 … model->layers − 1], for forward passes alone unless `training`, of n samples. Returns the
 * layer whose output is the model's, or SCHEDULE_INPUT. */
int cincel_schedule(const cincel_model *model, bool training, int n, struct schedule_step *step);

/* Buffers of layer i: its output, what it keeps for its backward pass, and the gradient of its output. */
enum { BUFFER_Y, BUFFER_AUX, BUFFER_DY, LAYER_BUFFERS };

/*
 * Lifetimes of buffers[i · LAYER_BUFFERS + …] for a batch of n, times counted in steps of the schedule.
 * `aux_bytes` [layers] gives the sizes of what layers keep. False: a size overflows.
 */
bool cincel_schedule_buffers(const cincel_model *model, const struct schedule_step *step, int last, int n,
                             bool training, const size_t *aux_bytes, struct lifetime *buffers);

#endif
