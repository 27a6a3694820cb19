/*
 * The activation at either end of an algorithm: on the way out of a forward pass, on the way in of a backward
 * one. Every algorithm that ends in a gemm tile ends so:
 *
 *   - the call that ends the chains gets cincel_epilogue_in_tile() as args.act: NONE and ReLU cost nothing in
 *     registers, and a tile need not know more;
 *   - each finished row of outputs then goes through cincel_epilogue_row(), as soon as it is finished, while
 *     it is in L1. Rows should be long: the call is ~5 ns.
 *
 * An element's result depends on the element alone, so neither the rows' cuts nor the threads change a bit.
 */
#ifndef CINCEL_OPS_EPILOGUE_H
#define CINCEL_OPS_EPILOGUE_H

#include "core/memory.h"
#include "ops/algo.h"

struct cincel_epilogue {
    const struct cincel_vector_row *vector;
    cincel_activation act;
    float alpha;
};

static inline struct cincel_epilogue cincel_epilogue_of(const struct cincel_isa *isa,
                                                        const cincel_conv_desc *d)
{
    return (struct cincel_epilogue){isa->vector, d->activation, d->alpha};
}

/* The part of the activation that the last call of a tile applies. */
static inline int cincel_epilogue_in_tile(const struct cincel_epilogue *e)
{
    return e->act == CINCEL_ACT_RELU ? CINCEL_ACT_RELU : CINCEL_ACT_NONE;
}

/* The rest of it, on n finished outputs. */
static inline void cincel_epilogue_row(const struct cincel_epilogue *e, float *row, size_t n)
{
    if (e->act == (cincel_activation)cincel_epilogue_in_tile(e)) return;
    e->vector->act_forward((int)e->act, e->alpha, row, row, n);
}

/* dz = dy · act'(y), for activations whose derivative follows from y (others have no backward plan). */
static inline void cincel_epilogue_gradient(const struct cincel_epilogue *e, const float *y, const float *dy,
                                            float *dz, size_t count)
{
    e->vector->act_backward((int)e->act, e->alpha, y, dy, dz, count);
}

enum { CINCEL_EPILOGUE_CUT = 16384 }; /* elements: some µs */

/* The same for cut `cut` of the div_up(count, CINCEL_EPILOGUE_CUT) of whole tensors t->y_in and t->dy. */
static inline void cincel_epilogue_gradient_cut(const struct cincel_epilogue *e,
                                                const struct cincel_tensors *t, float *dz, size_t count,
                                                size_t cut)
{
    const size_t begin = cut * CINCEL_EPILOGUE_CUT;
    cincel_epilogue_gradient(e, t->y_in + begin, t->dy + begin, dz + begin,
                             cincel_min(CINCEL_EPILOGUE_CUT, count - begin));
}

#endif
