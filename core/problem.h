/*
 * A problem is a checked, normalised descriptor and a pass: what tuner, drivers, profile and tests
 * mean by "this shape". Linear layers are convolutions of 1x1 images (n pixels).
 */
#ifndef CINCEL_CORE_PROBLEM_H
#define CINCEL_CORE_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

#include "cincel/cincel.h"

enum cincel_op { CINCEL_OP_CONV, CINCEL_OP_POOL, CINCEL_OP_RNN };

enum { CINCEL_PROBLEM_KEY = 256 }; /* bytes that hold every key: 20 numbers and their names */

struct cincel_problem {
    enum cincel_op op;
    cincel_pass pass;
    union {
        struct {
            cincel_conv_desc d;
            int oh, ow;
        } conv;
        struct {
            cincel_pool_desc d;
            int oh, ow;
        } pool;
        struct {
            cincel_rnn_desc d; /* checked by core/rnn_problem.h */
        } rnn;
    };
};

/* The activation exists and has a usable alpha; `op` begins the message. */
cincel_status cincel_activation_check(const char *op, cincel_activation act, float alpha);
/* Its derivative is taken from z, not from y. */
static inline bool cincel_activation_needs_input(cincel_activation act)
{
    return act == CINCEL_ACT_GELU || act == CINCEL_ACT_GELU_TANH || act == CINCEL_ACT_SILU;
}
static inline bool cincel_activation_has_alpha(cincel_activation act)
{
    return act == CINCEL_ACT_LEAKY_RELU || act == CINCEL_ACT_ELU;
}

/* Check every field and every product (bytes of each tensor ≤ PTRDIFF_MAX; padded sizes and outputs ≤
   INT_MAX); the message names the offending field and its value. `name` is the operator in messages:
   "conv" or "linear". Fields that cannot matter (accumulate of a forward pass, dilation of a kernel of
   one, strides of a single window) are given one value. Layouts are checked and kept, for the plan that
   converts: they are no part of the key, and algorithms take NHWC and OHWI whatever they say. `out` is
   written on success only. */
cincel_status cincel_problem_conv(const cincel_conv_desc *d, cincel_pass pass, const char *name,
                                  struct cincel_problem *out);
cincel_status cincel_problem_linear(const cincel_linear_desc *d, cincel_pass pass,
                                    struct cincel_problem *out);
/* Adaptive windows become sliding ones where they are that (each size divides); d.oh and d.ow are 0 then.
   Where they stay adaptive, kh and kw become an upper bound of the windows' sizes, strides 1, padding 0. */
cincel_status cincel_problem_pool(const cincel_pool_desc *d, cincel_pass pass, struct cincel_problem *out);

/*
 * The key as a profile line holds it, every field that changes the best choice, e.g.
 * "conv/fwd n8 g1 ic64 ih56 iw56 oc64 k3x3 s1x1 p1,1,1,1 d1x1 act0 acc0" (padding: top, bottom, left,
 * right) or "maxpool/fwd n8 c64 ih56 iw56 k2x2 s2x2 p0,0,0,0 acc0" ("avgpool", "avgpool_valid" without the
 * padding); adaptive windows that no sliding ones equal add " o5x4"; or
 * "lstm/fwd t50 b32 i256 h256 train0 first0 before0 acc0" ("rnn_tanh", "rnn_relu", "gru"; pass "bwd"), where
 * direction, y_ld and the GRU's update convention are left out. Returns false if cut short.
 */
bool cincel_problem_key(const struct cincel_problem *p, char *out, size_t size);

/* The problem of a key, in NHWC and OHWI; false where it is none, or not as cincel_problem_key prints it. */
bool cincel_problem_parse(const char *key, struct cincel_problem *out);

/* Multiply-adds counted as two; padded taps included, as all published figures do. 0 for pooling, which
   multiplies nothing: bandwidth is its limit. */
double cincel_problem_flops(const struct cincel_problem *p);
/* Bytes of one element of argmax: 1 where cell numbers kh·KW + kw fit a byte, else 4 (int32_t); 0 for
   averages. */
size_t cincel_problem_argmax_bytes(const struct cincel_problem *p);
/* Bytes of all tensors the call reads and writes once (biases left out, and what strides pass over; pooling
   with its argmax). */
double cincel_problem_bytes(const struct cincel_problem *p);

#endif
