#include "train/schedule.h"

#include <assert.h>

#include "core/memory.h"

/* Layer i's output buffer: its own, or the nearest one before it that is not skipped. */
static int output_of(const struct schedule_step *step, int i)
{
    while (i != SCHEDULE_INPUT && step[i].skip) i--;
    return i;
}

/* Where the mask of the activation that ends at layer i is applied: behind the selecting layers. */
static int mask_place(const cincel_model *model, const struct schedule_step *step, int i)
{
    const int layers = (int)model->layers;
    while (i + 1 < layers && model->layer[i + 1].kind->selects) i++;
    return output_of(step, i);
}

/* The gradient of these needs what went into them, which a fused layer does not keep (cincel_activation). */
static bool needs_input(cincel_activation act)
{
    return act == CINCEL_ACT_GELU || act == CINCEL_ACT_GELU_TANH || act == CINCEL_ACT_SILU;
}

/* Is layer i worth folding into the one before? Its pass over n samples costs an output's size each, its
   folding an output's weights. */
static bool folds(const cincel_model *model, const struct schedule_step *step, int i, int n)
{
    if (i == 0 || !model->layer[i].kind->fold || step[i - 1].skip) return false;
    const struct layer *before = &model->layer[i - 1];
    if (!before->kind->affine) return false;
    const struct layer_tensor *w = &before->tensor[0];
    return w->h * w->w * w->c <= (size_t)n * cincel_positions(before->out);
}

/* The layer that an activation at layer i would be fused into: the one before, or what that was folded into.
 */
static int fusion_place(const struct schedule_step *step, int i)
{
    return i > 1 && step[i - 2].folds_next ? i - 2 : i - 1;
}

int cincel_schedule(const cincel_model *model, bool training, int n, struct schedule_step *step)
{
    const int layers = (int)model->layers;
    for (int i = 0; i < layers; i++) {
        const struct layer_kind *kind = model->layer[i].kind;
        step[i] = (struct schedule_step){.source = SCHEDULE_INPUT};
        const int place = fusion_place(step, i);
        const bool fused = kind->activation != CINCEL_ACT_NONE && i > 0 && !step[place].skip &&
                           model->layer[place].kind->fuses_activation &&
                           !(training && needs_input(kind->activation));
        const bool folded = !training && folds(model, step, i, n);
        step[i].skip = fused || folded || kind->view || (kind->training_only && !training);
        if (folded) step[i - 1].folds_next = true;
        if (fused) step[place].fused = (struct layer_activation){kind->activation, model->layer[i].alpha};
    }
    int first = 0; /* layer with parameters */
    while (first < layers && model->layer[first].tensors == 0) first++;
    for (int i = 0; i < layers; i++) {
        step[i].source = output_of(step, i - 1);
        step[i].backward = !step[i].skip && i >= first;
        step[i].wants_dx = step[i].backward && i > first;
        if (step[i].fused.act != CINCEL_ACT_NONE) {
            const int place = mask_place(model, step, i + 1);
            assert(step[place].mask.act ==
                   CINCEL_ACT_NONE); /* only a fused activation's own chain leads there */
            step[place].mask = step[i].fused;
        }
    }
    return output_of(step, layers - 1);
}

static struct lifetime *buffer(struct lifetime *buffers, int layer, int which)
{
    return &buffers[(size_t)layer * LAYER_BUFFERS + (size_t)which];
}

static void live_until(struct lifetime *buffers, int layer, int which, int time)
{
    if (layer == SCHEDULE_INPUT) return;
    struct lifetime *b = buffer(buffers, layer, which);
    if (b->dies < time) b->dies = time;
}

/* Times: layer i runs forward at i, the loss at L, layer i backward at 2L − i. */
bool cincel_schedule_buffers(const cincel_model *model, const struct schedule_step *step, int last, int n,
                             bool training, const size_t *aux_bytes, struct lifetime *buffers)
{
    const int layers = (int)model->layers;
    for (int i = 0; i < layers; i++) {
        size_t bytes = 0;
        if (!cincel_mul((size_t)n, layer_shape_count(model->layer[i].out) * sizeof(float), &bytes))
            return false;
        const int backward = 2 * layers - i;
        const bool runs = !step[i].skip, trains = training && step[i].backward;
        *buffer(buffers, i, BUFFER_Y) = (struct lifetime){.bytes = runs ? bytes : 0, .born = i, .dies = i};
        *buffer(buffers, i, BUFFER_AUX) =
            (struct lifetime){.bytes = trains ? aux_bytes[i] : 0, .born = i, .dies = backward};
        /* born where the next layer's backward pass, or the loss, writes it: set below */
        *buffer(buffers, i, BUFFER_DY) =
            (struct lifetime){.bytes = trains ? bytes : 0, .born = backward, .dies = backward};
    }
    for (int i = 0; i < layers; i++) {
        if (step[i].skip) continue;
        const int source = step[i].source, backward = 2 * layers - i;
        const struct layer_kind *kind = model->layer[i].kind;
        live_until(buffers, source, BUFFER_Y, i);
        if (!training || !step[i].backward) continue;
        if (kind->backward_reads_x) live_until(buffers, source, BUFFER_Y, backward);
        if (kind->backward_reads_y || step[i].mask.act != CINCEL_ACT_NONE)
            live_until(buffers, i, BUFFER_Y, backward);
        if (source != SCHEDULE_INPUT) buffer(buffers, source, BUFFER_DY)->born = backward;
    }
    if (last != SCHEDULE_INPUT) {
        live_until(buffers, last, BUFFER_Y, layers); /* read by the loss, and by the caller */
        buffer(buffers, last, BUFFER_DY)->born = layers;
    }
    return true;
}
