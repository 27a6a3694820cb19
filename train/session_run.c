/* A session's calls: forward, gradients, updates. */
#include <assert.h>
#include <string.h>

#include "core/status.h"
#include "train/random.h"
#include "train/session.h"
#include "train/trainer.h"

static void *buffer_at(const struct cincel_session *s, int layer, int which)
{
    const struct lifetime *b = &s->buffer[(size_t)layer * LAYER_BUFFERS + (size_t)which];
    return b->placed ? s->arena + b->offset : NULL;
}

static struct layer_call layer_call(const struct cincel_session *s, const struct plan_set *set, int i,
                                    bool training, const float *x)
{
    const struct layer *layer = &s->model->layer[i];
    const struct schedule_step *step = &s->step[i];
    struct layer_call call = {
        .ctx = s->ctx,
        .layer = layer,
        .plans = &set->layer[i],
        .n = set->n,
        .training = training,
        .lengths = s->length_count ? s->lengths : NULL,
        .carry = s->carry_offset[i] < s->carry_offset[i + 1] ? s->carry + s->carry_offset[i] : NULL,
        .batch = (size_t)s->batch,
        .seed = s->seed,
        .stream = (uint64_t)(RANDOM_DROPOUT + (uint32_t)i) << 32 | s->steps,
        .x = step->source == SCHEDULE_INPUT ? x : buffer_at(s, step->source, BUFFER_Y),
        .y = buffer_at(s, i, BUFFER_Y),
        .aux = buffer_at(s, i, BUFFER_AUX),
        .dy = buffer_at(s, i, BUFFER_DY),
        .dx = step->wants_dx ? buffer_at(s, step->source, BUFFER_DY) : NULL,
        .ws = s->ws,
    };
    for (int t = 0; t < layer->tensors; t++) {
        call.parameter[t] = layer_tensor_in(s->model->parameters, &layer->tensor[t]);
        call.gradient[t] = s->training ? layer_tensor_in(s->gradients, &layer->tensor[t]) : NULL;
    }
    for (int t = 0; t < layer->states; t++) {
        call.state[t] = layer_tensor_in(s->model->state, &layer->tensor[layer->tensors + t]);
    }
    return call;
}

/* The call of layer i with the next layer in its parameters. */
static cincel_status fold_next(const struct cincel_session *s, const struct plan_set *set, int i,
                               struct layer_call *call)
{
    const struct layer_call next = layer_call(s, set, i + 1, false, NULL);
    const struct layer_tensor *w = &call->layer->tensor[0];
    float *const bias = s->folded + session_folded_bias(call->layer);
    const cincel_status status = next.layer->kind->fold(&next, w->h * w->w * w->c, call->parameter[0],
                                                        call->parameter[1], s->folded, bias);
    call->parameter[0] = s->folded;
    call->parameter[1] = bias;
    return status;
}

static cincel_status run_forward(const struct cincel_session *s, const struct plan_set *set, bool training,
                                 const float *x)
{
    for (int i = 0; i < (int)s->model->layers; i++) {
        if (s->step[i].skip) continue;
        struct layer_call call = layer_call(s, set, i, training, x);
        cincel_status status = s->step[i].folds_next ? fold_next(s, set, i, &call) : CINCEL_OK;
        if (status == CINCEL_OK) status = call.layer->kind->forward(&call);
        if (status != CINCEL_OK) return status;
    }
    return CINCEL_OK;
}

static cincel_status run_backward(const struct cincel_session *s, const struct plan_set *set, const float *x)
{
    for (int i = (int)s->model->layers - 1; i >= 0; i--) {
        if (!s->step[i].backward) continue;
        const struct layer_call call = layer_call(s, set, i, true, x);
        cincel_status status = CINCEL_OK;
        const struct layer_activation mask = s->step[i].mask;
        if (mask.act != CINCEL_ACT_NONE) {
            float *dy = buffer_at(s, i, BUFFER_DY);
            status = cincel_activation_backward(s->ctx, mask.act, mask.alpha, NULL, call.y, dy, dy,
                                                (size_t)set->n * layer_shape_count(call.layer->out));
        }
        if (status == CINCEL_OK) status = call.layer->kind->backward(&call);
        if (status != CINCEL_OK) return status;
    }
    return CINCEL_OK;
}

static const float *logits_of(const struct cincel_session *s, const float *x)
{
    return s->last == SCHEDULE_INPUT ? x : buffer_at(s, s->last, BUFFER_Y);
}

static cincel_status check_call(const struct cincel_session *s, const float *x, int n)
{
    if (!s) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: session is NULL");
    if (!x) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: x is NULL");
    if (n <= 0 || n > s->batch) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: n is %d, must be in 1 … %d (the batch)", n,
                           s->batch);
    }
    if (s->length_count && s->length_count != n) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: n is %d, but there are %d lengths", n,
                           s->length_count);
    }
    return CINCEL_OK;
}

cincel_status cincel_session_reset(cincel_session *s)
{
    if (!s) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: session is NULL");
    if (s->carry) memset(s->carry, 0, s->carry_offset[s->model->layers] * sizeof *s->carry);
    return CINCEL_OK;
}

size_t cincel_session_state_count(const cincel_session *s)
{
    return s ? s->carry_offset[s->model->layers] : 0;
}

static cincel_status check_states(const struct cincel_session *s, const float *states, size_t count)
{
    if (!s) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: session is NULL");
    if (!states) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: states is NULL");
    if (!s->carry) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: carries no states");
    if (count == cincel_session_state_count(s)) return CINCEL_OK;
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: count is %zu, the states are %zu numbers", count,
                       cincel_session_state_count(s));
}

cincel_status cincel_session_states(const cincel_session *s, float *states, size_t count)
{
    const cincel_status status = check_states(s, states, count);
    if (status == CINCEL_OK) memcpy(states, s->carry, count * sizeof *states);
    return status;
}

cincel_status cincel_session_set_states(cincel_session *s, const float *states, size_t count)
{
    const cincel_status status = check_states(s, states, count);
    if (status == CINCEL_OK) memcpy(s->carry, states, count * sizeof *states);
    return status;
}

cincel_status cincel_session_lengths(cincel_session *s, const int *lengths, int n)
{
    if (!s) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: session is NULL");
    const int steps = s->model->in.h;
    if (lengths && (n <= 0 || n > s->batch)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: n is %d, must be in 1 … %d (the batch)", n,
                           s->batch);
    }
    for (int i = 0; lengths && i < n; i++) {
        if (lengths[i] >= 1 && lengths[i] <= steps) continue;
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: lengths[%d] is %d, must be in 1 … %d", i,
                           lengths[i], steps);
    }
    s->length_count = lengths ? n : 0;
    if (lengths) memcpy(s->lengths, lengths, (size_t)n * sizeof *lengths);
    return CINCEL_OK;
}

cincel_status cincel_session_prepare(cincel_session *s, int n, bool backward)
{
    assert(n > 0 && n <= s->batch && (s->training || !backward));
    struct plan_set *set;
    return cincel_session_find(s, n, backward, &set);
}

cincel_status cincel_session_forward(cincel_session *s, const float *x, int n, const float **logits)
{
    cincel_status status = check_call(s, x, n);
    if (status != CINCEL_OK) return status;
    if (!logits) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: logits is NULL");
    struct plan_set *set;
    status = cincel_session_find(s, n, false, &set);
    if (status == CINCEL_OK) status = run_forward(s, set, false, x);
    if (status == CINCEL_OK) *logits = logits_of(s, x);
    return status;
}

static cincel_status compute_gradients(cincel_session *s, const float *x, const struct truth *truth, int n,
                                       double *loss, size_t *hits)
{
    struct plan_set *set;
    cincel_status status = cincel_session_find(s, n, true, &set);
    if (status != CINCEL_OK) return status;
    s->have_gradients = false;
    status = run_forward(s, set, true, x);
    if (status != CINCEL_OK) return status;
    const struct layer_shape out = cincel_model_out(s->model);
    status = cincel_objective_loss(s->ctx, &s->objective, logits_of(s, x), truth,
                                   (size_t)n * cincel_positions(out), (size_t)out.c, loss, hits,
                                   buffer_at(s, s->last, BUFFER_DY));
    if (status == CINCEL_OK) status = run_backward(s, set, x);
    s->have_gradients = status == CINCEL_OK;
    s->steps++;
    return status;
}

cincel_status cincel_session_gradients(cincel_session *s, const float *x, const int32_t *labels, int n,
                                       double *loss, size_t *hits)
{
    const cincel_status status = check_call(s, x, n);
    if (status != CINCEL_OK) return status;
    if (!s->training) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: training is 0: no gradients");
    if (!labels) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: labels is NULL");
    if (!cincel_objective_has_labels(&s->objective)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: its objective takes targets, not labels");
    }
    return compute_gradients(s, x, &(const struct truth){labels, NULL}, n, loss, hits);
}

cincel_status cincel_session_target_gradients(cincel_session *s, const float *x, const float *targets, int n,
                                              double *loss, size_t *hits)
{
    const cincel_status status = check_call(s, x, n);
    if (status != CINCEL_OK) return status;
    if (!s->training) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: training is 0: no gradients");
    if (!targets) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: targets is NULL");
    if (cincel_objective_has_labels(&s->objective)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: its objective takes labels, not targets");
    }
    return compute_gradients(s, x, &(const struct truth){NULL, targets}, n, loss, hits);
}

const float *cincel_session_gradient(const cincel_session *s, size_t index)
{
    if (!s || !s->training) return NULL;
    const struct layer_tensor *tensor = cincel_model_tensor(s->model, index);
    return tensor ? layer_tensor_in(s->gradients, tensor) : NULL;
}

cincel_status cincel_session_update(cincel_session *s, const cincel_optimizer *o)
{
    cincel_optimizer mine;
    if (!s) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: session is NULL");
    if (!o) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: optimizer is NULL");
    if (!s->have_gradients) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: no gradients to apply");
    cincel_status status = cincel_optimizer_take("session", o, &mine);
    if (status == CINCEL_OK && mine.kind != s->optimizer) {
        status = cincel_fail(CINCEL_INVALID_ARGUMENT, "session: optimizer is %s, the session was made for %s",
                             cincel_optimizer_name((int)mine.kind), cincel_optimizer_name((int)s->optimizer));
    }
    if (status != CINCEL_OK) return status;
    status = cincel_optimizer_step(s->ctx, &mine, s->updates + 1, s->model->parameters, s->gradients,
                                   s->moment, s->model->block);
    if (status == CINCEL_OK) s->updates++;
    return status;
}

cincel_status cincel_session_sgd(cincel_session *s, float lr, float momentum, float weight_decay)
{
    if (!s) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: session is NULL");
    if (!s->have_gradients) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: no gradients to apply");
    if (s->optimizer != CINCEL_OPTIMIZER_SGD) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: optimizer is sgd, the session was made for %s",
                           cincel_optimizer_name((int)s->optimizer));
    }
    return cincel_sgd_step(s->ctx, s->model->parameters, s->gradients, momentum != 0.0f ? s->moment[0] : NULL,
                           s->model->block, lr, momentum, weight_decay);
}
