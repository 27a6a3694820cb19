/*
 * What stands around a plan whose caller holds NCHW tensors or OIHW weights: algorithms know NHWC and OHWI
 * only, so tensors are converted into the workspace on the way in, and out of it on the way out. What an
 * accumulating pass adds to goes both ways, so that the bits are those of the NHWC plan.
 */
#ifndef CINCEL_PLAN_LAYOUT_H
#define CINCEL_PLAN_LAYOUT_H

#include "ops/algo.h"
#include "ops/layout.h"

/* One tensor of struct cincel_tensors. */
struct cincel_conversion {
    const char *name;
    size_t member;                     /* offset of its pointer in struct cincel_tensors */
    struct cincel_transposition there; /* from the caller's layout to ours */
    size_t at;                         /* bytes into the workspace */
    bool in, out;
};

struct cincel_layouts {
    struct cincel_conversion item[4]; /* backward passes: dy, y, x or w, and the gradient */
    int count;
    size_t bytes; /* of workspace, a multiple of CINCEL_ALIGN */
};

/*
 * Which tensors of the problem need converting, where they lie in the workspace; the problem's layout fields
 * are set to what algorithms take. A transposition of one row or column moves nothing and is left out.
 * `accumulates`: the gradient is added to, whatever the problem's own field says. Returns false where the
 * sizes overflow.
 */
bool cincel_layouts_plan(struct cincel_problem *p, bool accumulates, struct cincel_layouts *out);

/* *inner = *outer with converted tensors, those that go in already filled. Tensors that are NULL stay it. */
void cincel_layouts_enter(const struct cincel_layouts *l, const struct cincel_crew *crew,
                          const struct cincel_tensors *outer, struct cincel_tensors *inner);

/* Brings home what went out. */
void cincel_layouts_leave(const struct cincel_layouts *l, const struct cincel_crew *crew,
                          const struct cincel_tensors *outer, const struct cincel_tensors *inner);

/* Bytes read and written by all conversions of a call. */
double cincel_layouts_traffic(const struct cincel_layouts *l);

#endif
