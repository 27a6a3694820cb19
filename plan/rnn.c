/* Public calls of recurrent layers. */
#include <stdint.h>

#include "core/abi.h"
#include "core/memory.h"
#include "core/rnn_problem.h"
#include "core/status.h"
#include "plan/plan.h"

static const char name[] = "rnn";

cincel_status cincel_rnn_plan(cincel_context *ctx, const cincel_rnn_desc *d, cincel_pass pass,
                              const cincel_options *options, cincel_plan **out)
{
    struct cincel_problem p;
    if (!ctx || !out)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s is NULL", name, ctx ? "out" : "ctx");
    const cincel_status st = cincel_problem_rnn(d, pass, &p);
    return st == CINCEL_OK ? cincel_plan_create(ctx, CINCEL_PLAN_RNN, &p, options, out) : st;
}

static bool is_rnn(const cincel_plan *plan) { return plan && plan->kind == CINCEL_PLAN_RNN; }

size_t cincel_rnn_reserve_size(const cincel_plan *plan)
{
    if (!is_rnn(plan) || !plan->problem.rnn.d.training) return 0;
    const cincel_rnn_desc *d = &plan->problem.rnn.d;
    return (size_t)d->steps * (size_t)d->batch * cincel_rnn_reserve_floats(d) * sizeof(float);
}

/* ------------------------------------------------------------------------------- checks of calls -- */

static cincel_status check_lengths(const cincel_rnn_desc *d, const int *lengths)
{
    for (int b = 0; lengths && b < d->batch; b++)
        if (lengths[b] < 1 || lengths[b] > d->steps)
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: lengths[%d] is %d, must be 1 … steps %d", name,
                               b, lengths[b], d->steps);
    return CINCEL_OK;
}

static cincel_status check_aligned(const char *what, const void *p)
{
    if ((uintptr_t)p % CINCEL_ALIGN == 0) return CINCEL_OK;
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s is not aligned to %zu bytes", name, what,
                       CINCEL_ALIGN);
}

/* A state that only the LSTM has. */
static cincel_status check_lstm_only(const cincel_rnn_desc *d, const struct cincel_pointer *given)
{
    for (; given->name && d->cell != CINCEL_LSTM; given++)
        if (given->value)
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: %s is given, but only lstm has it", name,
                               given->name);
    return CINCEL_OK;
}

static cincel_status check_args(const void *args)
{
    return args ? CINCEL_OK : cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: args is NULL", name);
}

/* -------------------------------------------------------------------------------------- forward -- */

static cincel_status check_forward(const cincel_plan *plan, const cincel_rnn_forward_args *a, const void *ws)
{
    const bool training = is_rnn(plan) && plan->problem.rnn.d.training;
    struct cincel_pointer required[] = {{"x", a->x},  {"y", a->y},  {NULL, NULL},
                                        {NULL, NULL}, {NULL, NULL}, {NULL, NULL}};
    size_t count = 2;
    if (!a->packed) {
        required[count++] = (struct cincel_pointer){"w_ih", a->w_ih};
        required[count++] = (struct cincel_pointer){"w_hh", a->w_hh};
    }
    if (training) required[count++] = (struct cincel_pointer){"reserve", a->reserve};
    cincel_status st = cincel_plan_check_call(plan, CINCEL_PLAN_RNN, CINCEL_FORWARD, required, ws);
    if (st != CINCEL_OK) return st;
    const struct cincel_pointer of_lstm[] = {{"c0", a->c0}, {"c_n", a->c_n}, {NULL, NULL}};
    st = check_lstm_only(&plan->problem.rnn.d, of_lstm);
    if (st == CINCEL_OK) st = check_lengths(&plan->problem.rnn.d, a->lengths);
    if (st == CINCEL_OK && training) st = check_aligned("reserve", a->reserve);
    if (st == CINCEL_OK && a->packed) st = cincel_packed_check(plan, name, a->packed);
    return st;
}

cincel_status cincel_rnn_forward(const cincel_plan *plan, const cincel_rnn_forward_args *args, void *ws)
{
    cincel_rnn_forward_args a = CINCEL_RNN_FORWARD_ARGS_INIT;
    cincel_status st = check_args(args);
    if (st == CINCEL_OK) st = cincel_struct_in("rnn: args", args, sizeof a, sizeof a, &a);
    if (st == CINCEL_OK) st = check_forward(plan, &a, ws);
    if (st != CINCEL_OK) return st;
    const struct cincel_rnn_tensors r = {.x = a.x,
                                         .h0 = a.h0,
                                         .c0 = a.c0,
                                         .w_ih = a.w_ih,
                                         .w_hh = a.w_hh,
                                         .b_ih = a.b_ih,
                                         .b_hh = a.b_hh,
                                         .lengths = a.lengths,
                                         .y = a.y,
                                         .h_n = a.h_n,
                                         .c_n = a.c_n,
                                         .reserve = a.reserve};
    const void *packed = a.packed ? (const char *)a.packed + CINCEL_ALIGN : NULL;
    cincel_plan_run(plan, &(struct cincel_tensors){.rnn = &r, .packed = packed, .workspace = ws});
    return CINCEL_OK;
}

static bool packs(const cincel_plan *plan) { return is_rnn(plan) && plan->algo->pack_rnn; }

size_t cincel_rnn_packed_size(const cincel_plan *plan)
{
    return packs(plan) ? CINCEL_ALIGN + plan->algo->packed_bytes(plan->prepared) : 0;
}

cincel_status cincel_rnn_pack(const cincel_plan *plan, const float *w_ih, const float *w_hh, void *packed)
{
    const struct cincel_pointer required[] = {
        {"plan", plan}, {"w_ih", w_ih}, {"w_hh", w_hh}, {"packed", packed}, {NULL, NULL}};
    cincel_status st = cincel_check_pointers("rnn_pack", required);
    if (st == CINCEL_OK && !packs(plan))
        st = cincel_fail(CINCEL_INVALID_ARGUMENT, "rnn_pack: the plan is no forward pass of rnn");
    if (st == CINCEL_OK) st = check_aligned("packed", packed);
    if (st != CINCEL_OK) return st;
    cincel_packed_begin(plan, packed);
    plan->algo->pack_rnn(plan->prepared, w_ih, w_hh, (char *)packed + CINCEL_ALIGN, plan->ctx->team);
    return CINCEL_OK;
}

/* ------------------------------------------------------------------------------------- backward -- */

static cincel_status check_backward(const cincel_plan *plan, const cincel_rnn_backward_args *a,
                                    const void *ws)
{
    struct cincel_pointer required[] = {
        {"w_hh", a->w_hh}, {"reserve", a->reserve}, {NULL, NULL}, {NULL, NULL}, {NULL, NULL}};
    size_t count = 2;
    if (a->dx) required[count++] = (struct cincel_pointer){"w_ih", a->w_ih};
    if (a->dw_ih) required[count++] = (struct cincel_pointer){"x", a->x};
    cincel_status st = cincel_plan_check_call(plan, CINCEL_PLAN_RNN, CINCEL_BACKWARD, required, ws);
    if (st != CINCEL_OK) return st;
    const struct cincel_pointer of_lstm[] = {{"dc_n", a->dc_n}, {"dc0", a->dc0}, {NULL, NULL}};
    st = check_lstm_only(&plan->problem.rnn.d, of_lstm);
    if (st == CINCEL_OK) st = check_lengths(&plan->problem.rnn.d, a->lengths);
    if (st == CINCEL_OK) st = check_aligned("reserve", a->reserve);
    return st;
}

cincel_status cincel_rnn_backward(const cincel_plan *plan, const cincel_rnn_backward_args *args, void *ws)
{
    cincel_rnn_backward_args a = CINCEL_RNN_BACKWARD_ARGS_INIT;
    cincel_status st = check_args(args);
    if (st == CINCEL_OK) st = cincel_struct_in("rnn: args", args, sizeof a, sizeof a, &a);
    if (st == CINCEL_OK) st = check_backward(plan, &a, ws);
    if (st != CINCEL_OK) return st;
    const struct cincel_rnn_tensors r = {.x = a.x,
                                         .w_ih = a.w_ih,
                                         .w_hh = a.w_hh,
                                         .lengths = a.lengths,
                                         .reserve_in = a.reserve,
                                         .dy = a.dy,
                                         .dh_n = a.dh_n,
                                         .dc_n = a.dc_n,
                                         .dx = a.dx,
                                         .dh0 = a.dh0,
                                         .dc0 = a.dc0,
                                         .dw_ih = a.dw_ih,
                                         .dw_hh = a.dw_hh,
                                         .db_ih = a.db_ih,
                                         .db_hh = a.db_hh};
    cincel_plan_run(plan, &(struct cincel_tensors){.rnn = &r, .workspace = ws});
    return CINCEL_OK;
}
