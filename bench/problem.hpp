// Problems as bench/shapes/*.txt state them.
#ifndef CINCEL_BENCH_PROBLEM_HPP
#define CINCEL_BENCH_PROBLEM_HPP

#include "eltwise.hpp"

#include <cincel/cincel.h>
#include <string>
#include <vector>

namespace bench
{

enum class Operator { conv, linear, pool, rnn, eltwise };

struct Problem {
    Operator op = Operator::conv;
    std::string name;
    cincel_conv_desc conv = CINCEL_CONV_DESC_INIT;       // op == conv
    cincel_linear_desc linear = CINCEL_LINEAR_DESC_INIT; // op == linear
    cincel_pool_desc pool = CINCEL_POOL_DESC_INIT;       // op == pool
    cincel_rnn_desc rnn = CINCEL_RNN_DESC_INIT;          // op == rnn
    const Eltwise *eltwise = nullptr;                    // op == eltwise
    std::size_t rows = 0, cols = 0;                      // of that
    int oh = 0, ow = 0;

    std::size_t x_count() const;
    std::size_t y_count() const;
    std::size_t w_count() const; // of conv and linear
    // As published figures count: padded taps included, a multiply-add is two. 0 for pooling and
    // element-wise operations: bandwidth is their limit.
    double flops(cincel_pass pass) const;
    // Every tensor of the call once; max pooling's record of where the maxima were as one byte each.
    double bytes() const;
    // The memory of an element-wise operation: what is read twice counts once here, and twice in bytes().
    double working_set() const;
};

// A file's problems: lines of 15 columns are convolutions, of 12 poolings, of 6 recurrent layers (two
// problems each: for inference and for training), of 4 linear layers, of 3 element-wise operations; the
// columns are explained in the files. Throws std::runtime_error "FILE:LINE: what is wrong".
std::vector<Problem> read_problems(const std::string &path);

} // namespace bench
#endif
