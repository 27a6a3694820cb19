#include "measure.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>

namespace bench
{
namespace
{

// A sample lasts at least this long: 10^5 times the clock's resolution and longer than a time slice's
// switch costs, yet short enough for many rounds.
constexpr double sample_seconds = 2e-3;
constexpr int min_rounds = 5, max_rounds = 1000;

struct Candidate {
    std::unique_ptr<Runner> runner;
    int calls = 1; // a sample
    std::vector<double> samples;
};

double time_calls(Runner &runner, int calls)
{
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; i++) runner.run();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    return elapsed.count() / calls;
}

// Calls a sample and rounds that fit the time; the first call pays for page faults and code generation.
int prepare(Candidate &candidate, double seconds)
{
    candidate.runner->run();
    const double once =
        std::max(1e-9, std::min(time_calls(*candidate.runner, 1), time_calls(*candidate.runner, 1)));
    candidate.calls = int(std::ceil(std::min(1e6, sample_seconds / once)));
    const double round = (candidate.calls + 1) * once; // one call is not timed
    return int(std::clamp(seconds / round, double(min_rounds), double(max_rounds)));
}

} // namespace

std::vector<Timing> measure(const std::vector<Implementation> &implementations, double seconds)
{
    const std::size_t count = implementations.size();
    std::vector<Timing> timings(count);
    std::vector<Candidate> candidates(count);
    int rounds = min_rounds;
    for (std::size_t i = 0; i < count; i++) {
        try {
            candidates[i].runner = implementations[i].make();
            timings[i].description = candidates[i].runner->describe();
            rounds = std::max(rounds, prepare(candidates[i], seconds));
        } catch (const std::exception &e) {
            candidates[i].runner.reset();
            timings[i].error = e.what();
        }
    }
    for (int round = 0; round < rounds; round++) {
        for (std::size_t k = 0; k < count; k++) {
            Candidate &c = candidates[(k + std::size_t(round)) % count]; // another one begins each round
            if (!c.runner) continue;
            c.runner->run(); // its tensors and code are where the others left no trace of them
            c.samples.push_back(time_calls(*c.runner, c.calls));
        }
    }
    for (std::size_t i = 0; i < count; i++) {
        std::vector<double> &s = candidates[i].samples;
        if (s.empty()) continue;
        std::sort(s.begin(), s.end());
        timings[i].min = s.front();
        timings[i].median = s[s.size() / 2];
    }
    return timings;
}

} // namespace bench
