#include "ops/pool.h"

cincel_pool_forward_kernel *cincel_pool_forward_kernel_of(const struct cincel_isa *isa,
                                                          const struct cincel_problem *p)
{
    return p->pool.d.kind == CINCEL_POOL_MAX ? isa->pool->max_forward : isa->pool->avg_forward;
}

const char *cincel_pool_no_row(const struct cincel_isa *isa, int i)
{
    (void)isa;
    return i == 0 ? "" : NULL;
}
