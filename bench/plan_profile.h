/* A profile as large as a year of tuning leaves behind, for the benchmark of plans. */
#ifndef CINCEL_BENCH_PLAN_PROFILE_H
#define CINCEL_BENCH_PLAN_PROFILE_H

#include <cincel/cincel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The problem of entry n: convolutions alike but for their batch. */
cincel_conv_desc cincel_bench_plan_problem(int n);

/* Writes `path`: entries for problems 1 … count on the team of `ctx`, each with the model's choice for the
   first. */
cincel_status cincel_bench_plan_profile(cincel_context *ctx, const char *path, int count);

#ifdef __cplusplus
}
#endif
#endif
