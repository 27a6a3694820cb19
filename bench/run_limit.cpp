// What memory gives: a triad over as much memory as an element-wise problem has tensors, beside it in turns.
#include "runner.hpp"

#include <omp.h>

namespace bench
{
namespace
{

// Compiled for several CPUs: the rest of the benchmark is for the oldest, whose loads are half as wide.
#if defined(__x86_64__) && !defined(__clang__)
__attribute__((target_clones("default", "avx2", "avx512f")))
#endif
void
triad(float *a, const float *b, const float *c, std::size_t count)
{
#pragma omp simd
    for (std::size_t i = 0; i < count; i++) a[i] = b[i] + 0.5f * c[i];
}

// Ordinary stores: what is written is counted once though it may be read first, as in STREAM.
class TriadRunner : public Runner
{
  public:
    explicit TriadRunner(double bytes)
        : count_(std::size_t(bytes / sizeof(float)) / 3 / line * line),
          memory_(3 * (count_ + gap) + line, 1.0f)
    {
    }
    void run() override
    {
        float *a = memory_.data() + (line - std::size_t(memory_.data()) / sizeof(float) % line) % line;
        float *b = a + count_ + gap, *c = b + count_ + gap;
        if (omp_get_max_threads() == 1) return triad(a, b, c, count_);
#pragma omp parallel
        {
            const std::size_t lines = count_ / line, workers = std::size_t(omp_get_num_threads());
            const std::size_t me = std::size_t(omp_get_thread_num());
            const std::size_t begin = lines * me / workers * line, end = lines * (me + 1) / workers * line;
            triad(a + begin, b + begin, c + begin, end - begin);
        }
    }
    std::string describe() const override { return "triad"; }

  private:
    // A third of a page between the arrays: a load behind a store with equal low address bits waits for it.
    static constexpr std::size_t line = 16, gap = 21 * line;
    std::size_t count_;
    std::vector<float> memory_;
};

} // namespace

std::vector<Implementation> limit_implementations(const Problem &problem)
{
    if (problem.op != Operator::eltwise) return {};
    return {{limit_name, [&problem] { return std::make_unique<TriadRunner>(problem.working_set()); }}};
}

} // namespace bench
