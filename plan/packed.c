/* Weights packed once: a header that ties the buffer to problem and choice, then what the algorithm made of
   them, or plain OHWI weights where it has no packed form. */
#include <stdint.h>
#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "plan/plan.h"

/* First in the buffer; the body begins CINCEL_ALIGN behind. */
struct header {
    char magic[8];
    uint64_t tie; /* of the problem's key and the choice */
};
static const char magic[8] = {'c', 'i', 'n', 'c', 'e', 'l', 'p', 'w'};
_Static_assert(sizeof(struct header) <= 64, "the header ends before the body");

/* FNV-1a (Fowler, Noll, Vo, 1991). */
static uint64_t hash(uint64_t h, const char *text)
{
    for (; *text; text++) h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return h;
}

static struct header header_of(const cincel_plan *plan)
{
    char key[256];
    struct header h = {.tie = UINT64_C(14695981039346656037)};
    cincel_problem_key(&plan->problem, key, sizeof key);
    memcpy(h.magic, magic, sizeof magic);
    h.tie = hash(hash(h.tie, key), plan->choice_text);
    return h;
}

void cincel_packed_begin(const cincel_plan *plan, void *packed)
{
    const struct header header = header_of(plan);
    memset(packed, 0, CINCEL_ALIGN);
    memcpy(packed, &header, sizeof header);
}

cincel_status cincel_packed_check(const cincel_plan *plan, const char *name, const void *packed)
{
    if ((uintptr_t)packed % CINCEL_ALIGN)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: packed is not aligned to %zu bytes", name,
                           CINCEL_ALIGN);
    const struct header header = header_of(plan);
    if (memcmp(packed, &header, sizeof header) != 0)
        return cincel_fail(CINCEL_INVALID_ARGUMENT,
                           "%s: packed was not packed for this plan's problem and choice", name);
    return CINCEL_OK;
}

static bool is_forward(const cincel_plan *plan)
{
    return plan && plan->pass == CINCEL_FORWARD &&
           (plan->kind == CINCEL_PLAN_CONV || plan->kind == CINCEL_PLAN_LINEAR);
}

/* OIHW as the plan would meet them; batch 0 where w is OHWI already. */
static struct cincel_transposition weights_conversion(const cincel_plan *plan)
{
    for (int i = 0; i < plan->layouts.count; i++)
        if (plan->layouts.item[i].member == offsetof(struct cincel_tensors, w))
            return plan->layouts.item[i].there;
    return (struct cincel_transposition){0, 0, 0};
}

static size_t weight_bytes(const cincel_plan *plan)
{
    const cincel_conv_desc *d = &plan->problem.conv.d;
    return (size_t)d->oc * (size_t)d->kh * (size_t)d->kw * (size_t)(d->ic / d->groups) * sizeof(float);
}

size_t cincel_weights_packed_size(const cincel_plan *plan)
{
    if (!is_forward(plan)) return 0;
    return CINCEL_ALIGN +
           (plan->algo->pack_weights ? plan->algo->packed_bytes(plan->prepared) : weight_bytes(plan));
}

cincel_status cincel_weights_pack(const cincel_plan *plan, const float *w, void *packed)
{
    if (!plan || !w || !packed)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "weights_pack: %s is NULL",
                           !plan ? "plan"
                           : !w  ? "w"
                                 : "packed");
    if (!is_forward(plan))
        return cincel_fail(CINCEL_INVALID_ARGUMENT,
                           "weights_pack: the plan is no forward pass of conv or linear");
    if ((uintptr_t)packed % CINCEL_ALIGN)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "weights_pack: packed is not aligned to %zu bytes",
                           CINCEL_ALIGN);
    const struct cincel_transposition there = weights_conversion(plan);
    const struct cincel_crew crew = cincel_plan_crew(plan);
    float *body = (float *)((char *)packed + CINCEL_ALIGN), *ohwi = NULL;
    cincel_packed_begin(plan, packed);
    if (!plan->algo->pack_weights) {
        if (there.batch)
            cincel_layout_transpose(&crew, &there, w, body);
        else
            memcpy(body, w, weight_bytes(plan));
        return CINCEL_OK;
    }
    if (there.batch) {
        ohwi = cincel_aligned_alloc(weight_bytes(plan));
        if (!ohwi)
            return cincel_fail(CINCEL_OUT_OF_MEMORY, "weights_pack: no memory for %zu bytes",
                               weight_bytes(plan));
        cincel_layout_transpose(&crew, &there, w, ohwi);
    }
    plan->algo->pack_weights(plan->prepared, ohwi ? ohwi : w, body, plan->ctx->team);
    cincel_aligned_free(ohwi);
    return CINCEL_OK;
}

static cincel_status forward_packed(const cincel_plan *plan, enum cincel_plan_kind kind, const char *name,
                                    const float *x, const void *packed, const float *bias, float *y, void *ws)
{
    const struct cincel_pointer required[] = {{"x", x}, {"packed", packed}, {"y", y}, {NULL, NULL}};
    cincel_status st = cincel_plan_check_call(plan, kind, CINCEL_FORWARD, required, ws);
    if (st == CINCEL_OK) st = cincel_packed_check(plan, name, packed);
    if (st != CINCEL_OK) return st;
    const struct cincel_crew crew = cincel_plan_crew(plan);
    const void *body = (const char *)packed + CINCEL_ALIGN;
    const struct cincel_tensors outer = {.x = x, .bias = bias, .y = y, .workspace = ws};
    struct cincel_tensors inner;
    cincel_layouts_enter(&plan->layouts, &crew, &outer, &inner);
    if (plan->algo->pack_weights)
        inner.packed = body;
    else
        inner.w = body;
    cincel_plan_run_inner(plan, &inner);
    cincel_layouts_leave(&plan->layouts, &crew, &outer, &inner);
    return CINCEL_OK;
}

cincel_status cincel_conv_forward_packed(const cincel_plan *plan, const float *x, const void *packed,
                                         const float *bias, float *y, void *ws)
{
    return forward_packed(plan, CINCEL_PLAN_CONV, "conv", x, packed, bias, y, ws);
}

cincel_status cincel_linear_forward_packed(const cincel_plan *plan, const float *x, const void *packed,
                                           const float *bias, float *y, void *ws)
{
    return forward_packed(plan, CINCEL_PLAN_LINEAR, "linear", x, packed, bias, y, ws);
}
