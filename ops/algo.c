/* The table of algorithms and look-ups in it and in the ISAs' row arrays. */
#include "ops/algo.h"

#include <string.h>

#include "ops/conv.h"
#include "ops/pool.h"
#include "ops/rnn.h"

const struct cincel_algo *const cincel_algos[] = {
    &cincel_algo_linear_gemv_forward,
    &cincel_algo_linear_gemv_backward_data,
    &cincel_algo_linear_gemv_backward_weights,
    &cincel_algo_conv_fewchan_forward,
    &cincel_algo_conv_fewchan_backward_data,
    &cincel_algo_conv_narrow_forward,
    &cincel_algo_conv_narrow_backward_data,
    &cincel_algo_conv_grouped_forward,
    &cincel_algo_conv_grouped_backward_data,
    &cincel_algo_conv_grouped_backward_weights,
    &cincel_algo_conv_depthwise_forward,
    &cincel_algo_conv_depthwise_backward_data,
    &cincel_algo_conv_depthwise_backward_weights,
    &cincel_algo_conv_im2col_forward,
    &cincel_algo_conv_im2col_backward_data,
    &cincel_algo_conv_im2col_backward_weights,
    &cincel_algo_conv_winograd2_forward,
    &cincel_algo_conv_winograd2_backward_data,
    &cincel_algo_conv_winograd4_forward,
    &cincel_algo_conv_winograd4_backward_data,
    &cincel_algo_conv_winograd2_backward_weights,
    &cincel_algo_conv_winograd4_backward_weights,
    &cincel_algo_conv_winograd2_slices_backward_weights,
    &cincel_algo_conv_winograd4_slices_backward_weights,
    /* last of the convolutions: what direct refuses nothing serves, and it has the last word on why */
    &cincel_algo_conv_direct_forward,
    &cincel_algo_conv_direct_backward_data,
    &cincel_algo_conv_direct_backward_weights,
    &cincel_algo_pool_rows,
    &cincel_algo_pool_slices,
    &cincel_algo_pool_gather,
    &cincel_algo_rnn_forward,
    &cincel_algo_rnn_backward,
    NULL,
};

double cincel_chain_length(const struct cincel_problem *p)
{
    if (p->op != CINCEL_OP_CONV) return 1.0;
    const cincel_conv_desc *d = &p->conv.d;
    switch (p->pass) {
    case CINCEL_FORWARD: return (double)d->kh * d->kw * (d->ic / d->groups);
    case CINCEL_BACKWARD_DATA: return (double)d->kh * d->kw * (d->oc / d->groups);
    case CINCEL_BACKWARD_WEIGHTS: return (double)d->n * p->conv.oh * p->conv.ow;
    case CINCEL_BACKWARD: break; /* of recurrent layers only */
    }
    return 1.0;
}

bool cincel_algo_never_standard(const struct cincel_problem *p)
{
    (void)p;
    return false;
}

const struct cincel_algo *cincel_algo_find(const struct cincel_problem *p, const char *name)
{
    for (const struct cincel_algo *const *a = cincel_algos; *a; a++)
        if ((*a)->op == p->op && (*a)->pass == p->pass && strcmp((*a)->name, name) == 0) return *a;
    return NULL;
}

const struct cincel_isa *cincel_isa_find(const struct cincel_target *t, const char *name)
{
    for (const struct cincel_isa *const *i = t->isas; *i; i++)
        if (strcmp((*i)->name, name) == 0) return *i;
    return NULL;
}

const struct cincel_gemm_row *cincel_gemm_row_find(const struct cincel_isa *isa, const char *name)
{
    for (int i = 0; i < isa->gemm_count; i++)
        if (strcmp(isa->gemm[i].name, name) == 0) return &isa->gemm[i];
    return NULL;
}

const struct cincel_outer_row *cincel_outer_row_find(const struct cincel_isa *isa, const char *name)
{
    for (int i = 0; i < isa->outer_count; i++)
        if (strcmp(isa->outer[i].name, name) == 0) return &isa->outer[i];
    return NULL;
}

size_t cincel_l2_bytes(const struct cincel_target *t)
{
    return t->machine->topo.l2_bytes ? t->machine->topo.l2_bytes : (size_t)256 << 10;
}

size_t cincel_l3_bytes(const struct cincel_target *t)
{
    return t->machine->topo.l3_bytes ? t->machine->topo.l3_bytes : (size_t)4 << 20;
}

bool cincel_exceeds_cache(const struct cincel_target *t, const struct cincel_problem *p)
{
    const double cache = (double)cincel_topology_cache(&t->machine->topo);
    return cache > 0.0 && cincel_problem_bytes(p) > cache / 2.0;
}
