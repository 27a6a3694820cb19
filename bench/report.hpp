// What of Google Benchmark's output has to be put right.
#ifndef CINCEL_BENCH_REPORT_HPP
#define CINCEL_BENCH_REPORT_HPP

#include <benchmark/benchmark.h>
#include <memory>

namespace bench
{

// Passes everything to another reporter, without the "/manual_time" that the library adds to every name.
class PlainNames : public benchmark::BenchmarkReporter
{
  public:
    explicit PlainNames(std::unique_ptr<benchmark::BenchmarkReporter> inner) : inner_(std::move(inner)) {}
    bool ReportContext(const Context &context) override;
    void ReportRuns(const std::vector<Run> &runs) override;
    void Finalize() override { inner_->Finalize(); }

  private:
    std::unique_ptr<benchmark::BenchmarkReporter> inner_;
};

} // namespace bench
#endif
