// Interleaved timing of several implementations of one problem.
#ifndef CINCEL_BENCH_MEASURE_HPP
#define CINCEL_BENCH_MEASURE_HPP

#include "runner.hpp"

#include <optional>

namespace bench
{

struct Timing {
    double min = 0.0, median = 0.0; // seconds a call
    std::string description;
    std::string error; // "" if the figures are valid
};

// Times the implementations in rounds, one sample of each a round, so that a noisy moment hits all of
// them; `seconds` is spent on each. The result is in the order of `implementations`.
std::vector<Timing> measure(const std::vector<Implementation> &implementations, double seconds);

} // namespace bench
#endif
