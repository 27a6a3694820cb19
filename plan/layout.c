#include "plan/layout.h"

#include <assert.h>
#include <string.h>

#include "core/memory.h"

/* --------------------------------------------------------------------------------- planning -- */

/* A tensor a pass takes or gives, in the caller's layout. */
struct tensor {
    const char *name;
    size_t member;
    struct cincel_transposition there;
    bool in, out;
};

static bool add(struct cincel_layouts *l, const struct tensor *t)
{
    const struct cincel_transposition *there = &t->there;
    if (there->rows == 1 || there->cols == 1) return true;
    assert(l->count < (int)(sizeof l->item / sizeof *l->item));
    l->item[l->count++] = (struct cincel_conversion){t->name, t->member, *there, l->bytes, t->in, t->out};
    const size_t bytes =
        there->batch * there->rows * there->cols * sizeof(float); /* fits: the problem's check */
    return !__builtin_add_overflow(l->bytes, cincel_round_up(bytes, CINCEL_ALIGN), &l->bytes) &&
           l->bytes <= PTRDIFF_MAX;
}

static bool add_all(struct cincel_layouts *l, const struct tensor *list, size_t count)
{
    bool fits = true;
    for (size_t i = 0; fits && i < count; i++)
        if (list[i].there.batch > 0) fits = add(l, &list[i]);
    return fits;
}

/* NCHW images, as seen from NHWC ones; nothing where the caller's are NHWC already or `used` is false. */
static struct cincel_transposition images(cincel_layout layout, bool used, int n, int c, int h, int w)
{
    if (layout == CINCEL_NHWC || !used) return (struct cincel_transposition){0, 0, 0};
    return (struct cincel_transposition){(size_t)n, (size_t)c, (size_t)h * (size_t)w};
}

static bool plan_conv(struct cincel_problem *p, bool accumulates, struct cincel_layouts *l)
{
    cincel_conv_desc *d = &p->conv.d;
    const bool forward = p->pass == CINCEL_FORWARD, data = p->pass == CINCEL_BACKWARD_DATA;
    const bool weights = p->pass == CINCEL_BACKWARD_WEIGHTS;
    const bool adds = accumulates || d->accumulate, gradient = d->activation != CINCEL_ACT_NONE && !forward;
    struct cincel_transposition kernel = {0, 0, 0};
    if (d->weights_layout == CINCEL_OIHW)
        kernel = (struct cincel_transposition){(size_t)d->oc, (size_t)(d->ic / d->groups),
                                               (size_t)d->kh * (size_t)d->kw};
    const struct cincel_transposition x = images(d->layout, true, d->n, d->ic, d->ih, d->iw);
    const struct cincel_transposition y = images(d->layout, true, d->n, d->oc, p->conv.oh, p->conv.ow);
    const struct cincel_transposition y_in = images(d->layout, gradient, d->n, d->oc, p->conv.oh, p->conv.ow);
    const struct tensor of_forward[] = {{"x", offsetof(struct cincel_tensors, x), x, true, false},
                                        {"w", offsetof(struct cincel_tensors, w), kernel, true, false},
                                        {"y", offsetof(struct cincel_tensors, y), y, adds, true}};
    const struct tensor of_data[] = {{"dy", offsetof(struct cincel_tensors, dy), y, true, false},
                                     {"y", offsetof(struct cincel_tensors, y_in), y_in, true, false},
                                     {"w", offsetof(struct cincel_tensors, w), kernel, true, false},
                                     {"dx", offsetof(struct cincel_tensors, dx), x, adds, true}};
    const struct tensor of_weights[] = {{"x", offsetof(struct cincel_tensors, x), x, true, false},
                                        {"dy", offsetof(struct cincel_tensors, dy), y, true, false},
                                        {"y", offsetof(struct cincel_tensors, y_in), y_in, true, false},
                                        {"dw", offsetof(struct cincel_tensors, dw), kernel, adds, true}};
    d->layout = CINCEL_NHWC;
    d->weights_layout = CINCEL_OHWI;
    return (!forward || add_all(l, of_forward, 3)) && (!data || add_all(l, of_data, 4)) &&
           (!weights || add_all(l, of_weights, 4));
}

static bool plan_pool(struct cincel_problem *p, struct cincel_layouts *l)
{
    cincel_pool_desc *d = &p->pool.d;
    const struct cincel_transposition x = images(d->layout, true, d->n, d->c, d->ih, d->iw);
    const struct cincel_transposition y = images(d->layout, true, d->n, d->c, p->pool.oh, p->pool.ow);
    const struct tensor of_forward[] = {{"x", offsetof(struct cincel_tensors, x), x, true, false},
                                        {"y", offsetof(struct cincel_tensors, y), y, false, true}};
    const struct tensor of_data[] = {
        {"dy", offsetof(struct cincel_tensors, dy), y, true, false},
        {"dx", offsetof(struct cincel_tensors, dx), x, d->accumulate != 0, true}};
    d->layout = CINCEL_NHWC;
    return add_all(l, p->pass == CINCEL_FORWARD ? of_forward : of_data, 2);
}

bool cincel_layouts_plan(struct cincel_problem *p, bool accumulates, struct cincel_layouts *out)
{
    *out = (struct cincel_layouts){.count = 0};
    if (p->op == CINCEL_OP_RNN) return true; /* its algorithms take every layout themselves */
    return p->op == CINCEL_OP_CONV ? plan_conv(p, accumulates, out) : plan_pool(p, out);
}

double cincel_layouts_traffic(const struct cincel_layouts *l)
{
    double floats = 0.0;
    for (int i = 0; i < l->count; i++) {
        const struct cincel_transposition *t = &l->item[i].there;
        floats += 2.0 * (double)(t->batch * t->rows * t->cols) * (l->item[i].in + l->item[i].out);
    }
    return floats * sizeof(float);
}

/* ---------------------------------------------------------------------------------- executing -- */

/* A tensor's pointer; inputs and outputs alike. */
static float *tensor_get(const struct cincel_tensors *t, size_t member)
{
    float *p;
    memcpy(&p, (const char *)t + member, sizeof p);
    return p;
}

static void tensor_set(struct cincel_tensors *t, size_t member, float *p)
{
    memcpy((char *)t + member, &p, sizeof p);
}

void cincel_layouts_enter(const struct cincel_layouts *l, const struct cincel_crew *crew,
                          const struct cincel_tensors *outer, struct cincel_tensors *inner)
{
    *inner = *outer;
    for (int i = 0; i < l->count; i++) {
        const struct cincel_conversion *c = &l->item[i];
        const float *theirs = tensor_get(outer, c->member);
        if (!theirs) continue;
        float *ours = (float *)((char *)outer->workspace + c->at);
        tensor_set(inner, c->member, ours);
        if (c->in) cincel_layout_transpose(crew, &c->there, theirs, ours);
    }
}

void cincel_layouts_leave(const struct cincel_layouts *l, const struct cincel_crew *crew,
                          const struct cincel_tensors *outer, const struct cincel_tensors *inner)
{
    for (int i = 0; i < l->count; i++) {
        const struct cincel_conversion *c = &l->item[i];
        if (!c->out) continue;
        const struct cincel_transposition back = {c->there.batch, c->there.cols, c->there.rows};
        cincel_layout_transpose(crew, &back, tensor_get(inner, c->member), tensor_get(outer, c->member));
    }
}
