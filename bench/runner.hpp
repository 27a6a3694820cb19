// One implementation of one problem and pass, ready to be timed.
#ifndef CINCEL_BENCH_RUNNER_HPP
#define CINCEL_BENCH_RUNNER_HPP

#include "problem.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace bench
{

// Holds its own tensors, activations in the layout it likes best, weights plain. run() is one call as
// training makes it: whatever the implementation must do to weights (pack, reorder, transform) is inside.
class Runner
{
  public:
    virtual ~Runner() = default;
    virtual void run() = 0;
    virtual std::string describe() const = 0; // what was chosen, one line
};

struct Implementation {
    std::string name; // "cincel", "onednn_any"
    // Throws std::runtime_error where it cannot. Called with omp_get_max_threads() as it is to be run.
    std::function<std::unique_ptr<Runner>()> make;
};

// `ctx` must outlive the runner; it decides the number of threads.
Implementation cincel_implementation(cincel_context *ctx, const Problem &problem, cincel_pass pass,
                                     cincel_effort effort);

// cincel again, on denormal inputs, states and gradients (its time over cincel's is the slow-down): recurrent
// layers only, where such numbers are met as states fade; otherwise empty.
constexpr const char *denormal_name = "cincel_denormal";
std::vector<Implementation> denormal_implementations(cincel_context *ctx, const Problem &problem,
                                                     cincel_pass pass, cincel_effort effort);

// oneDNN's ways of doing it: those that exist for this problem.
std::vector<Implementation> onednn_implementations(const Problem &problem, cincel_pass pass);

std::vector<Implementation> onednn_rnn_implementations(const Problem &problem, cincel_pass pass);

// OpenBLAS's sgemm on plain matrices (sgemv at batch 1): linear layers only, otherwise empty.
std::vector<Implementation> openblas_implementations(const Problem &problem, cincel_pass pass);

// A triad over the memory of an element-wise problem, otherwise empty: no rival but the limit of bandwidth.
// `problem` must outlive it.
constexpr const char *limit_name = "limit";
std::vector<Implementation> limit_implementations(const Problem &problem);

// Uniform in [-1, 1), the same at every call. (Small integers or zeros would flatter some CPUs.)
void fill_random(float *data, std::size_t count);

} // namespace bench
#endif
