// cincel-bench: problem files in, Google Benchmark's table or JSON out.
#include "measure.hpp"
#include "options.hpp"
#include "report.hpp"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <cstdio>
#include <cstdlib>
#include <omp.h>
#include <regex>
#include <stdexcept>
#include <unistd.h>

namespace
{

using namespace bench;

// A team of one size with the context and the limits that go with it.
struct Team {
    int threads;
    cincel_context *context;
    cincel_machine_peaks peaks;
};

// The implementations of one problem, pass and team: measured together when the first is asked for.
struct Group {
    const Problem *problem;
    cincel_pass pass;
    const Team *team;
    std::vector<Implementation> implementations;
    std::vector<Timing> timings;
};

void check(cincel_status status)
{
    if (status != CINCEL_OK) throw std::runtime_error(cincel_error_message());
}

// Threads stay on their cores for the whole run. libgomp reads this before main, hence the second start.
void pin_threads(char **argv)
{
    if (std::getenv("OMP_PROC_BIND") != nullptr || std::getenv("OMP_PLACES") != nullptr) return;
    setenv("OMP_PLACES", "cores", 1);
    setenv("OMP_PROC_BIND", "close", 1);
    execv("/proc/self/exe", argv); // returns only if it failed: unpinned then
}

std::vector<Team> make_teams(std::vector<int> sizes)
{
    std::vector<Team> teams;
    if (sizes.empty()) {
        cincel_context *context = nullptr;
        check(cincel_context_create(nullptr, &context));
        sizes = {1};
        if (cincel_context_threads(context) > 1) sizes.push_back(cincel_context_threads(context));
        cincel_context_destroy(context);
    }
    // All contexts before the first parallel region: that one binds this thread to a core, and a context
    // made afterwards would see a machine of one core.
    for (const int size : sizes) {
        cincel_config config = CINCEL_CONFIG_INIT;
        config.threads = size;
        Team team = {size, nullptr, CINCEL_MACHINE_PEAKS_INIT};
        check(cincel_context_create(&config, &team.context));
        teams.push_back(team);
    }
    return teams;
}

// "" for an element-wise operation, whose own name says it.
std::string pass_name(const Problem &problem, cincel_pass pass)
{
    if (problem.op == Operator::rnn && pass == CINCEL_FORWARD)
        return problem.rnn.training ? "/fwd_training" : "/fwd_inference";
    if (problem.op == Operator::rnn) return "/bwd";
    if (problem.op == Operator::eltwise) return "";
    if (pass == CINCEL_FORWARD) return "/fwd";
    if (problem.op == Operator::pool) return "/bwd";
    return pass == CINCEL_BACKWARD_DATA ? "/bwd_data" : "/bwd_weights";
}

const char *operator_name(Operator op)
{
    switch (op) {
    case Operator::conv: return "conv";
    case Operator::linear: return "linear";
    case Operator::pool: return "pool";
    case Operator::rnn: return "rnn";
    case Operator::eltwise: return "eltwise";
    }
    return "";
}

std::string benchmark_name(const Group &group, const Implementation &implementation)
{
    return std::string(operator_name(group.problem->op)) + "/" + group.problem->name +
           pass_name(*group.problem, group.pass) + "/threads:" + std::to_string(group.team->threads) + "/" +
           implementation.name;
}

// As Google Benchmark's --benchmark_filter: a regular expression, with a leading '-' for "not".
class Filter
{
  public:
    explicit Filter(std::string text)
    {
        if (text.empty() || text == "all") text = ".";
        negative_ = text[0] == '-';
        expression_ = std::regex(negative_ ? text.substr(1) : text, std::regex::extended);
    }
    bool operator()(const std::string &name) const
    {
        return std::regex_search(name, expression_) != negative_;
    }

  private:
    bool negative_ = false;
    std::regex expression_;
};

std::vector<Group> make_groups(const std::vector<Problem> &problems, const std::vector<Team> &teams,
                               const Options &options, const Filter &filter)
{
    std::vector<Group> groups;
    for (const Problem &problem : problems) {
        for (cincel_pass pass : options.passes) {
            if (problem.op == Operator::rnn && pass == CINCEL_BACKWARD_WEIGHTS) continue;
            if (problem.op == Operator::rnn && pass == CINCEL_BACKWARD_DATA) pass = CINCEL_BACKWARD;
            if (pass == CINCEL_BACKWARD && !problem.rnn.training) continue;
            if (problem.op == Operator::pool && pass == CINCEL_BACKWARD_WEIGHTS) continue;
            if (problem.op == Operator::eltwise && pass != options.passes.front()) continue;
            for (const Team &team : teams) {
                Group group = {&problem, pass, &team, {}, {}};
                std::vector<Implementation> all = {
                    cincel_implementation(team.context, problem, pass, options.effort)};
#ifdef CINCEL_BENCH_ONEDNN
                for (Implementation &i : onednn_implementations(problem, pass)) all.push_back(std::move(i));
#endif
#ifdef CINCEL_BENCH_OPENBLAS
                for (Implementation &i : openblas_implementations(problem, pass)) all.push_back(std::move(i));
#endif
                for (Implementation &i :
                     denormal_implementations(team.context, problem, pass, options.effort))
                    all.push_back(std::move(i));
                for (Implementation &i : limit_implementations(problem)) all.push_back(std::move(i));
                for (Implementation &i : all) {
                    if (filter(benchmark_name(group, i))) group.implementations.push_back(std::move(i));
                }
                if (!group.implementations.empty()) groups.push_back(std::move(group));
            }
        }
    }
    return groups;
}

// GB/s of a triad over a working set of this size: the nearest one measured.
double bandwidth_limit(const Team &team, double bytes)
{
    const double *triad = team.threads == 1 ? team.peaks.triad_1 : team.peaks.triad_team;
    int best = 0;
    for (int i = 1; i < team.peaks.points; i++) {
        if (std::abs(double(team.peaks.working_set[i]) - bytes) <
            std::abs(double(team.peaks.working_set[best]) - bytes))
            best = i;
    }
    return team.peaks.points > 0 ? triad[best] : 0.0;
}

// GB/s that memory gives: of the triad timed beside the group, else of the machine's measured curve.
double group_limit(const Group &group)
{
    for (std::size_t i = 0; i < group.implementations.size(); i++) {
        if (group.implementations[i].name == limit_name && group.timings[i].min > 0.0)
            return group.problem->working_set() / group.timings[i].min * 1e-9;
    }
    return bandwidth_limit(*group.team, group.problem->bytes());
}

void report(benchmark::State &state, Group &group, std::size_t index, double seconds)
{
    if (group.timings.empty()) {
        omp_set_num_threads(group.team->threads);
        group.timings = measure(group.implementations, seconds);
    }
    const Timing &timing = group.timings[index];
    if (!timing.error.empty()) {
        state.SkipWithError(timing.error.c_str());
        return;
    }
    for (auto _ : state) state.SetIterationTime(timing.min);

    const Problem &problem = *group.problem;
    const Team &team = *group.team;
    if (problem.flops(group.pass) > 0.0) {
        const double rate = problem.flops(group.pass) / timing.min * 1e-9;
        const double peak = team.threads == 1 ? team.peaks.gflops_1 : team.peaks.gflops_team;
        state.counters["GFLOP/s"] = rate;
        state.counters["pct_peak"] = peak > 0 ? 100.0 * rate / peak : 0.0;
    } else {
        const bool triad = group.implementations[index].name == limit_name;
        const double rate = (triad ? problem.working_set() : problem.bytes()) / timing.min * 1e-9;
        const double limit = group_limit(group);
        state.counters["GB/s"] = rate;
        state.counters["pct_peak"] = limit > 0 ? 100.0 * rate / limit : 0.0;
    }
    state.counters["min_ms"] = timing.min * 1e3;
    state.counters["median_ms"] = timing.median * 1e3;
    state.SetLabel(timing.description);
}

// Peaks, groups and what Google Benchmark is to run; returns the number of benchmarks.
std::size_t register_groups(std::vector<Group> &groups, double seconds)
{
    std::size_t count = 0;
    for (Group &group : groups) {
        for (std::size_t i = 0; i < group.implementations.size(); i++, count++) {
            const std::string name = benchmark_name(group, group.implementations[i]);
            benchmark::RegisterBenchmark(name.c_str(), [&group, i, seconds](benchmark::State &state) {
                report(state, group, i, seconds);
            })->UseManualTime();
        }
    }
    return count;
}

std::unique_ptr<benchmark::BenchmarkReporter> file_reporter(int argc, char **argv)
{
    std::unique_ptr<benchmark::BenchmarkReporter> inner = std::make_unique<benchmark::JSONReporter>();
    bool wanted = false;
    for (int i = 1; i < argc; i++) {
        const std::string argument = argv[i];
        if (argument.rfind("--benchmark_out=", 0) == 0) wanted = true;
        if (argument == "--benchmark_out_format=console")
            inner = std::make_unique<benchmark::ConsoleReporter>();
    }
    if (!wanted) return nullptr;
    return std::make_unique<PlainNames>(std::move(inner));
}

void run(const Options &options, std::unique_ptr<benchmark::BenchmarkReporter> to_file)
{
    if (options.shapes.empty()) throw std::runtime_error("--shapes FILE is missing");
    std::vector<Problem> problems;
    for (const std::string &path : options.shapes) {
        for (Problem &p : read_problems(path)) problems.push_back(std::move(p));
    }
    std::vector<Team> teams = make_teams(options.threads);
    std::vector<Group> groups =
        make_groups(problems, teams, options, Filter(benchmark::GetBenchmarkFilter()));
    if (groups.empty()) throw std::runtime_error("--benchmark_filter: nothing matches");
    if (options.list) {
        for (const Group &group : groups) {
            for (const Implementation &i : group.implementations) std::puts(benchmark_name(group, i).c_str());
        }
    } else {
        for (Team &team : teams) check(cincel_machine_measure(team.context, 0, &team.peaks));
        register_groups(groups, options.seconds);
        PlainNames display(
            std::unique_ptr<benchmark::BenchmarkReporter>(benchmark::CreateDefaultDisplayReporter()));
        benchmark::RunSpecifiedBenchmarks(&display, to_file.get(), "."); // what is registered was filtered
        benchmark::ClearRegisteredBenchmarks();
    }
    for (const Team &team : teams) cincel_context_destroy(team.context);
}

} // namespace

int main(int argc, char **argv)
{
    pin_threads(argv);
    try {
        const Options options = parse_options(&argc, argv);
        std::unique_ptr<benchmark::BenchmarkReporter> to_file = file_reporter(argc, argv);
        benchmark::Initialize(&argc, argv, print_usage);
        if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
        run(options, std::move(to_file));
    } catch (const std::exception &e) {
        std::fprintf(stderr, "cincel-bench: %s\n", e.what());
        return 2;
    }
    return 0;
}
