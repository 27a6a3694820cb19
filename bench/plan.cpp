// cincel-bench-plan: what stands around the kernels. Loading a profile of 1,000 entries (goal: 5 ms), making
// a plan (goal: 50 us from such a profile) and a call whose kernels have next to nothing to do (goal: 1 us).
#include "plan_profile.h"

#include <benchmark/benchmark.h>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

namespace
{

constexpr int entries = 1000;

void check(cincel_status status)
{
    if (status != CINCEL_OK) throw std::runtime_error(cincel_error_message());
}

cincel_context *make_context(int threads)
{
    cincel_config config = CINCEL_CONFIG_INIT;
    cincel_context *ctx = nullptr;
    config.threads = threads;
    config.profiles = CINCEL_PROFILES_NONE;
    check(cincel_context_create(&config, &ctx));
    return ctx;
}

cincel_plan *make_plan(cincel_context *ctx, int n, cincel_effort effort)
{
    const cincel_conv_desc d = cincel_bench_plan_problem(n);
    cincel_options options = CINCEL_OPTIONS_INIT;
    cincel_plan *plan = nullptr;
    options.effort = effort;
    check(cincel_conv_plan(ctx, &d, CINCEL_FORWARD, &options, &plan));
    return plan;
}

void expect_source(cincel_context *ctx, int n, cincel_effort effort, cincel_plan_source source)
{
    cincel_plan *plan = make_plan(ctx, n, effort);
    cincel_plan_timing timing = CINCEL_PLAN_TIMING_INIT;
    check(cincel_plan_describe_timing(plan, &timing));
    cincel_plan_destroy(plan);
    if (timing.source != source) throw std::runtime_error("a plan came from elsewhere than it should");
}

void load(benchmark::State &state, const std::string &path)
{
    cincel_context *ctx = make_context(2);
    for (auto _ : state) check(cincel_profile_load(ctx, path.c_str(), 0, nullptr));
    cincel_context_destroy(ctx);
}

// Problems first … first + 31 in turn: no plan is made from what the one before left in the caches.
void plan(benchmark::State &state, const std::string &path, int first, cincel_effort effort,
          cincel_plan_source source)
{
    cincel_context *ctx = make_context(2);
    check(cincel_profile_load(ctx, path.c_str(), 0, nullptr));
    expect_source(ctx, first, effort, source);
    int n = 0;
    for (auto _ : state) {
        cincel_plan_destroy(make_plan(ctx, first + n, effort));
        n = (n + 1) % 32;
    }
    cincel_context_destroy(ctx);
}

// A convolution of one multiplication: all of it is what a call adds.
void execute(benchmark::State &state)
{
    cincel_context *ctx = make_context(1);
    const cincel_conv_desc d = [] {
        cincel_conv_desc one = CINCEL_CONV_DESC_INIT;
        one.n = one.ic = one.oc = one.ih = one.iw = one.kh = one.kw = 1;
        return one;
    }();
    cincel_plan *plan = nullptr;
    cincel_options options = CINCEL_OPTIONS_INIT;
    options.effort = CINCEL_ESTIMATE;
    check(cincel_conv_plan(ctx, &d, CINCEL_FORWARD, &options, &plan));
    void *workspace = nullptr;
    check(cincel_workspace_create(cincel_plan_workspace_size(plan), &workspace));
    const float x = 2.0f, w = 3.0f;
    float y = 0.0f;
    for (auto _ : state) {
        check(cincel_conv_forward(plan, &x, &w, nullptr, &y, workspace));
        benchmark::DoNotOptimize(y);
    }
    if (y != 6.0f) state.SkipWithError("wrong result");
    cincel_workspace_destroy(workspace);
    cincel_plan_destroy(plan);
    cincel_context_destroy(ctx);
}

void run(const std::string &path)
{
    cincel_context *ctx = make_context(2);
    check(cincel_bench_plan_profile(ctx, path.c_str(), entries));
    cincel_context_destroy(ctx);
    benchmark::RegisterBenchmark("profile/load", load, path)->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark("plan/exact", plan, path, 17, CINCEL_PROFILE, CINCEL_SOURCE_EXACT)
        ->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark("plan/neighbour", plan, path, entries + 1, CINCEL_PROFILE,
                                 CINCEL_SOURCE_NEIGHBOUR)
        ->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark("plan/model", plan, path, 17, CINCEL_ESTIMATE, CINCEL_SOURCE_MODEL)
        ->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark("execute/one_multiplication", execute)->Unit(benchmark::kNanosecond);
    benchmark::RunSpecifiedBenchmarks();
}

} // namespace

int main(int argc, char **argv)
{
    int code = 0;
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    std::string folder = (std::filesystem::temp_directory_path() / "cincel-bench-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) {
        std::perror("cincel-bench-plan: temporary folder");
        return 1;
    }
    try {
        run(folder + "/many.profile");
    } catch (const std::exception &e) {
        std::fprintf(stderr, "cincel-bench-plan: %s\n", e.what());
        code = 1;
    }
    std::filesystem::remove_all(folder);
    return code;
}
