// Whole-tensor operations without a plan, by name: what bench/shapes/eltwise.txt may ask for.
#ifndef CINCEL_BENCH_ELTWISE_HPP
#define CINCEL_BENCH_ELTWISE_HPP

#include <cincel/cincel.h>
#include <cstdint>
#include <string>
#include <vector>

namespace bench
{

// The tensors of a call, [rows][cols] each but for the labels, [rows].
struct EltwiseTensors {
    std::size_t rows, cols;
    float *a, *b; // in
    float *out;
    const std::int32_t *labels;
    float *per_row[2], *per_col[4]; // parameters and statistics of normalisation, their gradients
    void *ws;                       // as much as workspace_bytes asks for
};

struct Eltwise {
    std::string name;
    int reads, writes; // of an element, as the bandwidth counts them: each tensor once
    cincel_status (*run)(cincel_context *ctx, const Eltwise &op, const EltwiseTensors &t);
    cincel_activation activation;
    std::size_t (*workspace_bytes)(std::size_t rows, std::size_t cols) = nullptr;
    int again = 0; // of the reads: of a tensor read before
};

// nullptr: no operation of that name.
const Eltwise *find_eltwise(const std::string &name);

} // namespace bench
#endif
