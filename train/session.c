#include "train/session.h"

#include <stdlib.h>
#include <string.h>

#include "core/abi.h"
#include "core/status.h"
#include "train/trainer.h"

/* --------------------------------------------------------------------------------------- plans -- */

static void plan_set_destroy(struct plan_set *set, size_t layers)
{
    for (size_t i = 0; i < layers; i++) {
        for (int pass = 0; pass < PASSES; pass++) {
            cincel_plan_destroy(set->layer[i].pass[pass]);
            cincel_plan_destroy(set->layer[i].reverse[pass]);
        }
    }
    free(set);
}

static bool layer_has_pass(const struct cincel_session *s, size_t i, cincel_pass pass)
{
    const struct schedule_step *step = &s->step[i];
    const struct layer_kind *kind = s->model->layer[i].kind;
    if (step->skip || !(kind->plan || kind->plan_directions)) return false;
    if (pass == CINCEL_FORWARD) return true;
    if (!step->backward || (pass == CINCEL_BACKWARD) != (kind->plan_directions != NULL)) return false;
    return pass != CINCEL_BACKWARD_DATA || step->wants_dx;
}

static cincel_status make_plan(const struct cincel_session *s, int n, size_t i, cincel_pass pass,
                               struct layer_plans *out)
{
    const struct layer *layer = &s->model->layer[i];
    if (layer->kind->plan_directions)
        return layer->kind->plan_directions(s->ctx, layer, n, pass, s->training, &s->options, out);
    const struct layer_activation none = {CINCEL_ACT_NONE, 0.0f};
    const struct layer_activation fused = pass == CINCEL_FORWARD ? s->step[i].fused : none;
    return layer->kind->plan(s->ctx, layer, n, pass, fused, &s->options, &out->pass[pass]);
}

/* Makes the plans of one pass; those made before a failure stay with the set, for the next attempt. */
static cincel_status make_pass(const struct cincel_session *s, struct plan_set *set, cincel_pass pass)
{
    if (set->made[pass]) return CINCEL_OK;
    for (size_t i = 0; i < s->model->layers; i++) {
        if (set->layer[i].pass[pass] || !layer_has_pass(s, i, pass)) continue;
        const cincel_status status = make_plan(s, set->n, i, pass, &set->layer[i]);
        if (status != CINCEL_OK) return status;
    }
    set->made[pass] = true;
    return CINCEL_OK;
}

static size_t set_workspace(const struct cincel_session *s, const struct plan_set *set)
{
    size_t bytes = 0;
    for (size_t i = 0; i < s->model->layers; i++) {
        for (int pass = 0; pass < PASSES; pass++) {
            const cincel_plan *plan = set->layer[i].pass[pass], *reverse = set->layer[i].reverse[pass];
            if (plan) bytes = cincel_max(bytes, cincel_plan_workspace_size(plan));
            if (reverse) bytes = cincel_max(bytes, cincel_plan_workspace_size(reverse));
        }
        const struct layer *layer = &s->model->layer[i];
        if (layer->kind->workspace_bytes)
            bytes = cincel_max(bytes, layer->kind->workspace_bytes(layer, set->n, s->training));
    }
    return bytes;
}

static size_t aux_bytes(const struct cincel_session *s, const struct plan_set *set, size_t i)
{
    const struct layer *layer = &s->model->layer[i];
    const bool kept = s->training && s->step[i].backward && layer->kind->aux_bytes;
    return kept ? layer->kind->aux_bytes(layer, &set->layer[i], set->n) : 0;
}

static cincel_status grow_workspace(struct cincel_session *s, size_t bytes)
{
    if (bytes <= s->ws_bytes) return CINCEL_OK;
    void *ws;
    const cincel_status status = cincel_workspace_create(bytes, &ws);
    if (status != CINCEL_OK) return status;
    cincel_workspace_destroy(s->ws);
    s->ws = ws;
    s->ws_bytes = bytes;
    return CINCEL_OK;
}

static cincel_status check_batch(const struct cincel_session *s, int n)
{
    cincel_status status = CINCEL_OK;
    for (size_t i = 0; i < s->model->layers && status == CINCEL_OK; i++) {
        const struct layer *layer = &s->model->layer[i];
        if (layer->kind->check_batch) status = layer->kind->check_batch(layer, n);
    }
    return status;
}

cincel_status cincel_session_find(struct cincel_session *s, int n, bool backward, struct plan_set **out)
{
    struct plan_set *set = s->sets;
    while (set && set->n != n) set = set->next;
    if (!set) {
        set = calloc(1, sizeof *set + s->model->layers * sizeof set->layer[0]);
        if (!set) return cincel_fail(CINCEL_OUT_OF_MEMORY, "session: no memory");
        set->n = n;
        struct plan_set **end = &s->sets;
        while (*end) end = &(*end)->next;
        *end = set;
    }
    *out = set;
    if (set->made[CINCEL_FORWARD] && (!backward || set->made[PASSES - 1])) return CINCEL_OK;

    cincel_status status = backward ? check_batch(s, set->n) : CINCEL_OK;
    if (status == CINCEL_OK) status = make_pass(s, set, CINCEL_FORWARD);
    for (int pass = CINCEL_BACKWARD_DATA; pass < PASSES && status == CINCEL_OK && backward; pass++)
        status = make_pass(s, set, (cincel_pass)pass);
    if (status == CINCEL_OK) status = grow_workspace(s, set_workspace(s, set));
    for (size_t i = 0; i < s->model->layers && status == CINCEL_OK && s->arena; i++) {
        if (aux_bytes(s, set, i) > s->buffer[i * LAYER_BUFFERS + BUFFER_AUX].bytes) {
            status = cincel_fail(CINCEL_INTERNAL_ERROR,
                                 "session: layer %zu keeps more for %d samples than %d", i, n, s->batch);
        }
    }
    return status;
}

/* ------------------------------------------------------------------------------------- life cycle -- */

static cincel_status check_options(const cincel_context *ctx, const cincel_model *model,
                                   const cincel_session_options *o, cincel_session_options *mine,
                                   cincel_options *plan, cincel_objective *objective)
{
    if (!ctx) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: context is NULL");
    if (!model) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: model is NULL");
    *mine = (cincel_session_options)CINCEL_SESSION_OPTIONS_INIT;
    if (o) {
        const cincel_status status = cincel_struct_in("session", o, sizeof *mine, sizeof *mine, mine);
        if (status != CINCEL_OK) return status;
    }
    *plan = (cincel_options)CINCEL_OPTIONS_INIT;
    if (mine->plan) {
        const cincel_status status =
            cincel_struct_in("session: plan", mine->plan, sizeof *plan, sizeof *plan, plan);
        if (status != CINCEL_OK) return status;
    }
    cincel_status status =
        cincel_objective_take("session", mine->objective, (size_t)cincel_model_out(model).c, objective);
    if (status == CINCEL_OK) status = cincel_optimizer_check_kind("session", mine->optimizer);
    if (status != CINCEL_OK) return status;
    if (mine->batch <= 0) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: batch is %d, must be > 0", mine->batch);
    }
    if (plan->choice) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: plan.choice is set, but there are many plans");
    }
    if (model->layers == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: the model has no layers");
    if (mine->training && model->tensors == 0) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: the model has no parameters to train");
    }
    return CINCEL_OK;
}

/* A block of zeros arranged as the parameters. */
static cincel_status parameter_block(const struct cincel_session *s, float **out)
{
    const size_t bytes = s->model->block * sizeof(float);
    void *memory;
    const cincel_status status = cincel_workspace_create(bytes, &memory);
    if (status == CINCEL_OK) *out = memset(memory, 0, bytes);
    return status;
}

/* Room for the states that layers carry from call to call, and for lengths. */
static cincel_status allocate_sequences(struct cincel_session *s, bool stateful)
{
    const size_t layers = s->model->layers;
    s->lengths = calloc((size_t)s->batch, sizeof *s->lengths);
    s->carry_offset = calloc(layers + 1, sizeof *s->carry_offset);
    if (!s->lengths || !s->carry_offset) return cincel_fail(CINCEL_OUT_OF_MEMORY, "session: no memory");
    for (size_t i = 0; i < layers; i++) {
        const struct layer *layer = &s->model->layer[i];
        size_t floats = 0;
        cincel_status status = CINCEL_OK;
        if (stateful && layer->kind->carry_floats) status = layer->kind->carry_floats(layer, &floats);
        if (status != CINCEL_OK) return status;
        s->carry_offset[i + 1] = s->carry_offset[i] + floats * (size_t)s->batch;
    }
    if (s->carry_offset[layers] == 0) return CINCEL_OK;
    void *memory;
    const cincel_status status = cincel_workspace_create(s->carry_offset[layers] * sizeof(float), &memory);
    if (status != CINCEL_OK) return status;
    s->carry = memory;
    return cincel_session_reset(s);
}

/* Places the buffers of a step and allocates them, and what there is beside each parameter. */
static cincel_status allocate(struct cincel_session *s)
{
    const size_t layers = s->model->layers;
    size_t *aux = calloc(layers, sizeof *aux);
    if (!aux) return cincel_fail(CINCEL_OUT_OF_MEMORY, "session: no memory");
    for (size_t i = 0; i < layers; i++) aux[i] = aux_bytes(s, s->sets, i);
    const bool fits =
        cincel_schedule_buffers(s->model, s->step, s->last, s->batch, s->training, aux, s->buffer);
    free(aux);
    if (!fits) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: batch %d of this model overflows", s->batch);
    }
    s->arena_bytes = cincel_lifetime_place(s->buffer, layers * LAYER_BUFFERS);
    void *memory = NULL;
    cincel_status status = cincel_workspace_create(s->arena_bytes, &memory);
    s->arena = memory;
    if (status != CINCEL_OK || !s->training) return status;

    status = parameter_block(s, &s->gradients);
    for (int m = 0; m < cincel_optimizer_moments(s->optimizer) && status == CINCEL_OK; m++) {
        status = parameter_block(s, &s->moment[m]);
    }
    return status;
}

/* Room for the parameters of the largest layer that the next one is folded into. */
static cincel_status allocate_folded(struct cincel_session *s)
{
    for (size_t i = 0; i < s->model->layers; i++) {
        const struct layer *layer = &s->model->layer[i];
        if (s->step[i].folds_next)
            s->folded_floats =
                cincel_max(s->folded_floats, session_folded_bias(layer) + layer->tensor[0].rows);
    }
    if (s->folded_floats == 0) return CINCEL_OK;
    void *memory = NULL;
    const cincel_status status = cincel_workspace_create(s->folded_floats * sizeof(float), &memory);
    s->folded = memory;
    return status;
}

cincel_status cincel_session_create(cincel_context *ctx, cincel_model *model, const cincel_session_options *o,
                                    cincel_session **out)
{
    cincel_session_options mine;
    cincel_options plan;
    cincel_objective objective;
    cincel_status status = check_options(ctx, model, o, &mine, &plan, &objective);
    if (status != CINCEL_OK) return status;
    if (!out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: out is NULL");
    struct cincel_session *s = calloc(1, sizeof *s);
    if (!s) return cincel_fail(CINCEL_OUT_OF_MEMORY, "session: no memory");
    s->ctx = ctx;
    s->model = model;
    s->batch = mine.batch;
    s->training = mine.training != 0;
    s->options = plan;
    s->objective = objective;
    s->optimizer = mine.optimizer;
    s->seed = mine.seed;
    atomic_store(&model->sealed, true);
    s->step = calloc(model->layers, sizeof *s->step);
    s->buffer = calloc(model->layers * LAYER_BUFFERS, sizeof *s->buffer);
    if (!s->step || !s->buffer) status = cincel_fail(CINCEL_OUT_OF_MEMORY, "session: no memory");
    if (status == CINCEL_OK) {
        struct plan_set *set;
        s->last = cincel_schedule(model, s->training, s->batch, s->step);
        status = cincel_session_find(s, s->batch, s->training, &set);
    }
    if (status == CINCEL_OK) status = allocate(s);
    if (status == CINCEL_OK) status = allocate_folded(s);
    if (status == CINCEL_OK) status = allocate_sequences(s, mine.stateful != 0);
    if (status != CINCEL_OK) {
        cincel_session_destroy(s);
        return status;
    }
    *out = s;
    return CINCEL_OK;
}

void cincel_session_destroy(cincel_session *s)
{
    if (!s) return;
    for (struct plan_set *set = s->sets, *next; set; set = next) {
        next = set->next;
        plan_set_destroy(set, s->model->layers);
    }
    for (int m = 0; m < OPTIMIZER_MOMENTS; m++) cincel_workspace_destroy(s->moment[m]);
    cincel_workspace_destroy(s->gradients);
    cincel_workspace_destroy(s->ws);
    cincel_workspace_destroy(s->arena);
    cincel_workspace_destroy(s->carry);
    cincel_workspace_destroy(s->folded);
    free(s->carry_offset);
    free(s->lengths);
    free(s->buffer);
    free(s->step);
    free(s);
}

size_t cincel_session_memory(const cincel_session *s)
{
    if (!s) return 0;
    const size_t blocks = s->training ? 1 + (size_t)cincel_optimizer_moments(s->optimizer) : 0;
    const size_t carried = s->carry_offset[s->model->layers];
    return s->arena_bytes + s->ws_bytes +
           (blocks * s->model->block + carried + s->folded_floats) * sizeof(float);
}

/* The index-th plan of the full batch in the order of the layers, and within one of the passes. */
cincel_status cincel_session_plan(const cincel_session *s, size_t index, cincel_session_plan_info *out)
{
    if (!s) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: session is NULL");
    if (!out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: out is NULL");
    size_t left = index;
    for (size_t i = 0; i < s->model->layers; i++) {
        for (int p = 0; p < 2 * PASSES; p++) {
            const struct layer_plans *plans = &s->sets->layer[i];
            const cincel_plan *plan = p % 2 ? plans->reverse[p / 2] : plans->pass[p / 2];
            if (!plan || left-- > 0) continue;
            cincel_plan_timing timing = CINCEL_PLAN_TIMING_INIT;
            const cincel_status status = cincel_plan_describe_timing(plan, &timing);
            if (status != CINCEL_OK) return status;
            const cincel_session_plan_info info = {sizeof info,
                                                   s->model->layer[i].name,
                                                   (cincel_pass)(p / 2),
                                                   cincel_plan_choice(plan),
                                                   cincel_plan_describe(plan),
                                                   timing.source};
            return cincel_struct_out("session", &info, sizeof info, sizeof info, out);
        }
    }
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "session: no plan %zu", index);
}

size_t cincel_session_plans(const cincel_session *s)
{
    size_t plans = 0;
    for (size_t i = 0; s && i < s->model->layers; i++) {
        for (int pass = 0; pass < PASSES; pass++) {
            plans += s->sets->layer[i].pass[pass] != NULL;
            plans += s->sets->layer[i].reverse[pass] != NULL;
        }
    }
    return plans;
}
