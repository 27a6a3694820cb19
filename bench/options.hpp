// The command line of cincel-bench, apart from Google Benchmark's flags.
#ifndef CINCEL_BENCH_OPTIONS_HPP
#define CINCEL_BENCH_OPTIONS_HPP

#include <cincel/cincel.h>
#include <string>
#include <vector>

namespace bench
{

struct Options {
    std::vector<std::string> shapes; // files
    std::vector<cincel_pass> passes = {CINCEL_FORWARD, CINCEL_BACKWARD_DATA, CINCEL_BACKWARD_WEIGHTS};
    std::vector<int> threads; // empty: 1 and the whole team
    cincel_effort effort = CINCEL_PROFILE;
    double seconds = 0.5; // of measuring an implementation: --benchmark_min_time
    bool list = false;    // --benchmark_list_tests
};

// Takes what is ours out of argc/argv. Throws std::runtime_error naming option and value.
Options parse_options(int *argc, char **argv);

void print_usage();

} // namespace bench
#endif
