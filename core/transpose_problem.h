/* A transposed convolution as the problem behind it: the convolution from y to x, with passes exchanged. */
#ifndef CINCEL_CORE_TRANSPOSE_PROBLEM_H
#define CINCEL_CORE_TRANSPOSE_PROBLEM_H

#include "core/problem.h"

struct cincel_transpose_problem {
    cincel_conv_transpose_desc d;  /* complete and checked */
    int oh, ow;                    /* of y */
    struct cincel_problem inverse; /* without activation; its x is y's place, its y x's. Accumulates in
                                      backward-weights only */
};

/* Checks every field; messages name the descriptor's own. `out` is written on success only. */
cincel_status cincel_problem_conv_transpose(const cincel_conv_transpose_desc *d, cincel_pass pass,
                                            struct cincel_transpose_problem *out);

#endif
