/* Recurrent layers: a stack is a layer of the model a level, dropout layers between, all of one module. */
#include <string.h>

#include "core/abi.h"
#include "core/memory.h"
#include "core/status.h"
#include "train/model.h"

enum { LEVELS = 8, DIRECTIONS = 2, OF_A_DIRECTION = 4, HIDDEN_MOST = 1 << 20 };

/* PyTorch's names, by level. */
#define NAMES(l)                                                                                         \
    {                                                                                                    \
        "weight_ih_l" #l, "weight_hh_l" #l, "bias_ih_l" #l, "bias_hh_l" #l, "weight_ih_l" #l "_reverse", \
            "weight_hh_l" #l "_reverse", "bias_ih_l" #l "_reverse", "bias_hh_l" #l "_reverse"            \
    }
static const char *const names[LEVELS][DIRECTIONS * OF_A_DIRECTION] = {
    NAMES(0), NAMES(1), NAMES(2), NAMES(3), NAMES(4), NAMES(5), NAMES(6), NAMES(7)};

static int directions(const struct layer *layer) { return layer->as.rnn.o.bidirectional ? 2 : 1; }

static cincel_status rnn_infer(struct layer *layer)
{
    const struct layer_shape in = layer->in;
    const cincel_rnn_options *o = &layer->as.rnn.o;
    if (in.w != 1 || in.flat_h * in.flat_w != 1) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: input is %dx%dx%d, must be a sequence, Nx1xC",
                           layer->kind->name, in.h, in.w, in.c);
    }
    if (o->hidden <= 0 || o->hidden > HIDDEN_MOST) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: hidden is %d, must be 1 to %d", layer->kind->name,
                           o->hidden, HIDDEN_MOST);
    }
    const size_t hidden = (size_t)o->hidden, rows = hidden * (size_t)cincel_rnn_gates(o->cell);
    const size_t columns[OF_A_DIRECTION] = {(size_t)in.c, hidden, 1, 1};
    const int kept = o->bias ? OF_A_DIRECTION : 2; /* the weights alone */
    layer->out = (struct layer_shape){in.h, 1, directions(layer) * o->hidden, 1, 1};
    layer->tensors = directions(layer) * kept;
    for (int t = 0; t < layer->tensors; t++) {
        const int which = t % kept;
        layer->tensor[t] = (struct layer_tensor){
            .suffix = names[layer->as.rnn.level][t / kept * OF_A_DIRECTION + which],
            .rows = rows,
            .h = 1,
            .w = 1,
            .c = columns[which],
            .ndim = which < 2 ? 2 : 1,
            .role = TENSOR_EVEN,
            .fan_in = hidden,
        };
    }
    layer->flops = 2 * (uint64_t)in.h * (uint64_t)directions(layer) * rows * ((uint64_t)in.c + hidden);
    return CINCEL_OK;
}

/* --------------------------------------------------------------------------------------------- plans -- */

static cincel_rnn_desc rnn_desc(const struct layer *layer, int n, bool reverse, bool training)
{
    const cincel_rnn_options *o = &layer->as.rnn.o;
    cincel_rnn_desc d = CINCEL_RNN_DESC_INIT;
    d.cell = o->cell;
    d.steps = layer->in.h;
    d.batch = n;
    d.input = layer->in.c;
    d.hidden = o->hidden;
    d.batch_first = 1;
    d.reverse = reverse;
    d.training = training;
    d.reset_before = o->reset_before;
    d.update_new = o->update_new;
    d.y_ld = layer->out.c;
    return d;
}

static cincel_status rnn_plans(cincel_context *ctx, const struct layer *layer, int n, cincel_pass pass,
                               bool training, const cincel_options *options, struct layer_plans *out)
{
    cincel_plan **const plans[DIRECTIONS] = {&out->reverse[pass], &out->pass[pass]};
    cincel_status status = CINCEL_OK;
    /* the first direction's last: where it is there, both are */
    for (int i = directions(layer) == 2 ? 0 : 1; i < DIRECTIONS && status == CINCEL_OK; i++) {
        const cincel_rnn_desc d = rnn_desc(layer, n, i == 0, training);
        if (!*plans[i]) status = cincel_rnn_plan(ctx, &d, pass, options, plans[i]);
    }
    return status;
}

/* What is kept: each direction's reserve, and where there are two, room for the second one's dx. */
static size_t reserve_bytes(const struct layer_plans *plans)
{
    return cincel_round_up(cincel_rnn_reserve_size(plans->pass[CINCEL_FORWARD]), CINCEL_ALIGN);
}

static size_t rnn_aux_bytes(const struct layer *layer, const struct layer_plans *plans, int n)
{
    if (directions(layer) == 1) return reserve_bytes(plans);
    return 2 * reserve_bytes(plans) + (size_t)n * layer_shape_count(layer->in) * sizeof(float);
}

static cincel_status rnn_carry_floats(const struct layer *layer, size_t *out)
{
    const cincel_rnn_options *o = &layer->as.rnn.o;
    if (o->bidirectional) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT,
                           "session: stateful, but layer %s is bidirectional: it begins at the end too",
                           layer->name);
    }
    *out = (size_t)o->hidden * (o->cell == CINCEL_LSTM ? 2 : 1);
    return CINCEL_OK;
}

/* ------------------------------------------------------------------------------------------ execution -- */

/* Numbers of a direction's tensors among the layer's; -1: there is none. */
static int tensor_of(const struct layer *layer, int direction, int which)
{
    const int kept = layer->as.rnn.o.bias ? OF_A_DIRECTION : 2;
    return which < kept ? direction * kept + which : -1;
}

static const float *parameter_of(const struct layer_call *call, int direction, int which)
{
    const int t = tensor_of(call->layer, direction, which);
    return t < 0 ? NULL : call->parameter[t];
}

static float *gradient_of(const struct layer_call *call, int direction, int which)
{
    const int t = tensor_of(call->layer, direction, which);
    return t < 0 ? NULL : call->gradient[t];
}

static void *reserve_of(const struct layer_call *call, int direction)
{
    return call->aux ? (char *)call->aux + (size_t)direction * reserve_bytes(call->plans) : NULL;
}

static cincel_status forward_direction(const struct layer_call *call, int direction)
{
    const cincel_rnn_options *o = &call->layer->as.rnn.o;
    const struct layer_plans *plans = call->plans;
    cincel_rnn_forward_args a = CINCEL_RNN_FORWARD_ARGS_INIT;
    a.x = call->x;
    a.w_ih = parameter_of(call, direction, 0);
    a.w_hh = parameter_of(call, direction, 1);
    a.b_ih = parameter_of(call, direction, 2);
    a.b_hh = parameter_of(call, direction, 3);
    a.lengths = call->lengths;
    a.y = call->y + direction * o->hidden;
    a.reserve = reserve_of(call, direction);
    if (call->carry) {
        a.h0 = a.h_n = call->carry;
        if (o->cell == CINCEL_LSTM) a.c0 = a.c_n = call->carry + call->batch * (size_t)o->hidden;
    }
    return cincel_rnn_forward((direction ? plans->reverse : plans->pass)[CINCEL_FORWARD], &a, call->ws);
}

static cincel_status rnn_forward(const struct layer_call *call)
{
    cincel_status status = CINCEL_OK;
    for (int d = 0; d < directions(call->layer) && status == CINCEL_OK; d++)
        status = forward_direction(call, d);
    return status;
}

static cincel_status backward_direction(const struct layer_call *call, int direction, float *dx)
{
    const struct layer_plans *plans = call->plans;
    cincel_rnn_backward_args a = CINCEL_RNN_BACKWARD_ARGS_INIT;
    a.x = call->x;
    a.w_ih = parameter_of(call, direction, 0);
    a.w_hh = parameter_of(call, direction, 1);
    a.lengths = call->lengths;
    a.reserve = reserve_of(call, direction);
    a.dy = call->dy + direction * call->layer->as.rnn.o.hidden;
    a.dx = dx;
    a.dw_ih = gradient_of(call, direction, 0);
    a.dw_hh = gradient_of(call, direction, 1);
    a.db_ih = gradient_of(call, direction, 2);
    a.db_hh = gradient_of(call, direction, 3);
    return cincel_rnn_backward((direction ? plans->reverse : plans->pass)[CINCEL_BACKWARD], &a, call->ws);
}

static cincel_status rnn_backward(const struct layer_call *call)
{
    cincel_status status = backward_direction(call, 0, call->dx);
    if (directions(call->layer) == 1 || status != CINCEL_OK) return status;
    float *second = call->dx ? (float *)reserve_of(call, DIRECTIONS) : NULL; /* behind both reserves */
    status = backward_direction(call, 1, second);
    if (status != CINCEL_OK || !second) return status;
    const size_t count = (size_t)call->n * layer_shape_count(call->layer->in);
    return cincel_add_scaled(call->ctx, 1.0f, call->dx, 1.0f, second, call->dx, count);
}

#define RNN_KIND(kind)                                                                              \
    {                                                                                               \
        .name = (kind), .backward_reads_x = true, .infer = rnn_infer, .plan_directions = rnn_plans, \
        .aux_bytes = rnn_aux_bytes, .carry_floats = rnn_carry_floats, .forward = rnn_forward,       \
        .backward = rnn_backward,                                                                   \
    }
const struct layer_kind cincel_layer_rnn[] = {
    [CINCEL_RNN_TANH] = RNN_KIND("rnn_tanh"),
    [CINCEL_RNN_RELU] = RNN_KIND("rnn_relu"),
    [CINCEL_LSTM] = RNN_KIND("lstm"),
    [CINCEL_GRU] = RNN_KIND("gru"),
};

/* ------------------------------------------------------------------------------------- the last state -- */

static cincel_status last_infer(struct layer *layer)
{
    layer->out = (struct layer_shape){1, 1, layer->in.c, 1, 1};
    return CINCEL_OK;
}

/* Where the numbers of direction d of sequence i's last state begin in [n][steps][c]: the first direction's
   at its last step, the second's, which goes back, at its first. */
static size_t last_place(const struct layer_call *call, int i, int d)
{
    const struct layer *layer = call->layer;
    const size_t steps = (size_t)layer->in.h, c = (size_t)layer->in.c;
    const size_t length = call->lengths ? (size_t)call->lengths[i] : steps;
    const size_t step = d == 0 ? length - 1 : 0;
    return ((size_t)i * steps + step) * c + (size_t)d * (size_t)layer->as.rnn.o.hidden;
}

static cincel_status last_forward(const struct layer_call *call)
{
    const size_t hidden = (size_t)call->layer->as.rnn.o.hidden;
    float *y = call->y;
    for (int i = 0; i < call->n; i++) {
        for (int d = 0; d < directions(call->layer); d++, y += hidden)
            memcpy(y, call->x + last_place(call, i, d), hidden * sizeof *y);
    }
    return CINCEL_OK;
}

static cincel_status last_backward(const struct layer_call *call)
{
    const size_t hidden = (size_t)call->layer->as.rnn.o.hidden;
    const float *dy = call->dy;
    if (!call->dx) return CINCEL_OK;
    memset(call->dx, 0, (size_t)call->n * layer_shape_count(call->layer->in) * sizeof *call->dx);
    for (int i = 0; i < call->n; i++) {
        for (int d = 0; d < directions(call->layer); d++, dy += hidden)
            memcpy(call->dx + last_place(call, i, d), dy, hidden * sizeof *dy);
    }
    return CINCEL_OK;
}

const struct layer_kind cincel_layer_last_step = {
    .name = "last_step",
    .infer = last_infer,
    .forward = last_forward,
    .backward = last_backward,
};

/* --------------------------------------------------------------------------------------- the module -- */

static cincel_status take_options(const cincel_rnn_options *o, cincel_rnn_options *mine)
{
    *mine = (cincel_rnn_options)CINCEL_RNN_OPTIONS_INIT;
    if (!o) return cincel_fail(CINCEL_INVALID_ARGUMENT, "rnn: options is NULL");
    const cincel_status status = cincel_struct_in("rnn", o, sizeof *o, sizeof *mine, mine);
    if (status != CINCEL_OK) return status;
    if (!cincel_rnn_gates(mine->cell)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "rnn: cell is %d, must be one of cincel_rnn_cell",
                           (int)mine->cell);
    }
    if (mine->layers < 1 || mine->layers > LEVELS) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "rnn: layers is %d, must be 1 to %d", mine->layers,
                           LEVELS);
    }
    if (!(mine->dropout >= 0.0f && mine->dropout < 1.0f)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "rnn: dropout is %g, must be >= 0 and < 1",
                           (double)mine->dropout);
    }
    mine->bidirectional = mine->bidirectional != 0;
    return CINCEL_OK;
}

cincel_status cincel_model_add_rnn(cincel_model *model, const cincel_rnn_options *o)
{
    cincel_rnn_options mine;
    if (!model) return cincel_fail(CINCEL_INVALID_ARGUMENT, "rnn: model is NULL");
    cincel_status status = take_options(o, &mine);
    const size_t before = model->layers;
    for (int level = 0; level < mine.layers && status == CINCEL_OK; level++) {
        const struct layer dropout = {
            .kind = &cincel_layer_dropout, .continues = true, .as.drop = mine.dropout};
        const struct layer layer = {
            .kind = &cincel_layer_rnn[mine.cell], .continues = level > 0, .as.rnn = {mine, level}};
        if (level > 0 && mine.dropout > 0.0f) status = cincel_model_append(model, &dropout);
        if (status == CINCEL_OK) status = cincel_model_append(model, &layer);
    }
    const struct layer last = {.kind = &cincel_layer_last_step, .continues = true, .as.rnn = {mine, 0}};
    if (status == CINCEL_OK && mine.last_only) status = cincel_model_append(model, &last);
    if (status != CINCEL_OK) cincel_model_truncate(model, before);
    return status;
}
