#include "problem.hpp"

#include <charconv>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace bench
{
namespace
{

constexpr std::size_t conv_columns = 15, pool_columns = 12, rnn_columns = 6, linear_columns = 4,
                      eltwise_columns = 3;

int number(const std::string &text, const char *column)
{
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        throw std::runtime_error(std::string(column) + " is \"" + text + "\", not a number");
    return value;
}

void check(cincel_status status)
{
    if (status != CINCEL_OK) throw std::runtime_error(cincel_error_message());
}

Problem parse_conv(const std::vector<std::string> &cells)
{
    static const char *const names[conv_columns] = {"name", "mb", "g",  "ic", "ih", "iw", "oc", "kh",
                                                    "kw",   "sh", "sw", "ph", "pw", "dh", "dw"};
    int v[conv_columns] = {};
    for (std::size_t i = 1; i < conv_columns; i++) v[i] = number(cells[i], names[i]);
    Problem p;
    p.op = Operator::conv;
    p.name = cells[0];
    cincel_conv_desc &d = p.conv;
    d.n = v[1], d.groups = v[2], d.ic = v[3], d.ih = v[4], d.iw = v[5];
    d.oc = v[6], d.kh = v[7], d.kw = v[8], d.stride_h = v[9], d.stride_w = v[10];
    d.pad_top = d.pad_bottom = v[11], d.pad_left = d.pad_right = v[12];
    d.dilation_h = v[13], d.dilation_w = v[14];
    check(cincel_conv_output_size(&d, &p.oh, &p.ow));
    return p;
}

Problem parse_linear(const std::vector<std::string> &cells)
{
    Problem p;
    p.op = Operator::linear;
    p.name = cells[0];
    p.linear.n = number(cells[1], "n"), p.linear.in = number(cells[2], "in");
    p.linear.out = number(cells[3], "out");
    if (p.linear.n < 1 || p.linear.in < 1 || p.linear.out < 1)
        throw std::runtime_error("n, in and out must be at least 1");
    return p;
}

cincel_pool_kind parse_pool_kind(const std::string &text)
{
    if (text == "max") return CINCEL_POOL_MAX;
    if (text == "avg_include_pad") return CINCEL_POOL_AVG_INCLUDE_PAD;
    if (text == "avg_exclude_pad") return CINCEL_POOL_AVG_EXCLUDE_PAD;
    throw std::runtime_error("kind is \"" + text + "\", not max, avg_include_pad or avg_exclude_pad");
}

Problem parse_pool(const std::vector<std::string> &cells)
{
    static const char *const names[pool_columns] = {"name", "kind", "mb", "c",  "ih", "iw",
                                                    "kh",   "kw",   "sh", "sw", "ph", "pw"};
    int v[pool_columns] = {};
    for (std::size_t i = 2; i < pool_columns; i++) v[i] = number(cells[i], names[i]);
    Problem p;
    p.op = Operator::pool;
    p.name = cells[0];
    cincel_pool_desc &d = p.pool;
    d.kind = parse_pool_kind(cells[1]);
    d.n = v[2], d.c = v[3], d.ih = v[4], d.iw = v[5];
    d.kh = v[6], d.kw = v[7], d.stride_h = v[8], d.stride_w = v[9];
    d.pad_top = d.pad_bottom = v[10], d.pad_left = d.pad_right = v[11];
    check(cincel_pool_output_size(&d, &p.oh, &p.ow));
    return p;
}

Problem parse_rnn(const std::vector<std::string> &cells)
{
    static const char *const cell_names[] = {"rnn_tanh", "rnn_relu", "lstm", "gru"};
    Problem p;
    p.op = Operator::rnn;
    p.name = cells[0];
    int cell = 0;
    while (cell <= CINCEL_GRU && cells[1] != cell_names[cell]) cell++;
    if (cell > CINCEL_GRU)
        throw std::runtime_error("cell is \"" + cells[1] + "\", not rnn_tanh, rnn_relu, lstm or gru");
    cincel_rnn_desc &d = p.rnn;
    d.cell = static_cast<cincel_rnn_cell>(cell);
    d.steps = number(cells[2], "t"), d.batch = number(cells[3], "b");
    d.input = number(cells[4], "i"), d.hidden = number(cells[5], "h");
    if (d.steps < 1 || d.batch < 1 || d.input < 1 || d.hidden < 1)
        throw std::runtime_error("t, b, i and h must be at least 1");
    return p;
}

Problem parse_eltwise(const std::vector<std::string> &cells)
{
    Problem p;
    p.op = Operator::eltwise;
    p.name = cells[0] + "/" + cells[1] + "x" + cells[2];
    p.eltwise = find_eltwise(cells[0]);
    if (p.eltwise == nullptr) throw std::runtime_error("op is \"" + cells[0] + "\", no such operation");
    const int rows = number(cells[1], "rows"), cols = number(cells[2], "cols");
    if (rows < 1 || cols < 2) throw std::runtime_error("rows must be at least 1, cols 2");
    p.rows = std::size_t(rows), p.cols = std::size_t(cols);
    return p;
}

Problem parse_line(const std::vector<std::string> &cells)
{
    if (cells.size() == conv_columns) return parse_conv(cells);
    if (cells.size() == pool_columns) return parse_pool(cells);
    if (cells.size() == rnn_columns) return parse_rnn(cells);
    if (cells.size() == linear_columns) return parse_linear(cells);
    if (cells.size() == eltwise_columns) return parse_eltwise(cells);
    throw std::runtime_error(std::to_string(cells.size()) + " columns; a convolution has " +
                             std::to_string(conv_columns) + ", a pooling " + std::to_string(pool_columns) +
                             ", a recurrent layer " + std::to_string(rnn_columns) + ", a linear layer " +
                             std::to_string(linear_columns) + ", an element-wise operation " +
                             std::to_string(eltwise_columns));
}

} // namespace

std::vector<Problem> read_problems(const std::string &path)
{
    std::ifstream file(path);
    if (!file) throw std::runtime_error(path + ": cannot be opened");
    std::vector<Problem> problems;
    std::string line;
    for (int row = 1; std::getline(file, line); row++) {
        std::istringstream words(line.substr(0, line.find('#')));
        std::vector<std::string> cells;
        for (std::string cell; words >> cell;) cells.push_back(cell);
        if (cells.empty()) continue;
        try {
            problems.push_back(parse_line(cells));
            if (problems.back().op != Operator::rnn) continue;
            problems.push_back(problems.back());
            problems.back().rnn.training = 1;
        } catch (const std::runtime_error &e) {
            throw std::runtime_error(path + ":" + std::to_string(row) + ": " + e.what());
        }
    }
    if (file.bad()) throw std::runtime_error(path + ": cannot be read");
    if (problems.empty()) throw std::runtime_error(path + ": holds no problem");
    return problems;
}

std::size_t Problem::x_count() const
{
    if (op == Operator::rnn) return std::size_t(rnn.steps) * rnn.batch * rnn.input;
    if (op == Operator::eltwise) return rows * cols;
    if (op == Operator::conv) return std::size_t(conv.n) * conv.ih * conv.iw * conv.ic;
    if (op == Operator::linear) return std::size_t(linear.n) * linear.in;
    return std::size_t(pool.n) * pool.ih * pool.iw * pool.c;
}

std::size_t Problem::y_count() const
{
    if (op == Operator::rnn) return std::size_t(rnn.steps) * rnn.batch * rnn.hidden;
    if (op == Operator::eltwise) return rows * cols;
    if (op == Operator::conv) return std::size_t(conv.n) * oh * ow * conv.oc;
    if (op == Operator::linear) return std::size_t(linear.n) * linear.out;
    return std::size_t(pool.n) * oh * ow * pool.c;
}

std::size_t Problem::w_count() const
{
    if (op == Operator::rnn)
        return std::size_t(cincel_rnn_gates(rnn.cell)) * rnn.hidden * (std::size_t(rnn.input) + rnn.hidden);
    if (op == Operator::pool || op == Operator::eltwise) return 0;
    if (op == Operator::linear) return std::size_t(linear.out) * linear.in;
    return std::size_t(conv.oc) * conv.kh * conv.kw * (conv.ic / conv.groups);
}

double Problem::flops(cincel_pass pass) const
{
    if (op == Operator::rnn)
        return (pass == CINCEL_FORWARD ? 2.0 : 4.0) * double(rnn.steps) * rnn.batch * double(w_count());
    if (op == Operator::pool || op == Operator::eltwise) return 0.0;
    if (op == Operator::linear) return 2.0 * linear.n * linear.in * linear.out;
    return 2.0 * double(y_count()) * conv.kh * conv.kw * (conv.ic / conv.groups);
}

double Problem::bytes() const
{
    if (op == Operator::eltwise)
        return double(sizeof(float)) * (eltwise->reads + eltwise->writes) * double(rows * cols);
    const double floats = double(x_count()) + double(y_count()) + double(w_count());
    return sizeof(float) * floats +
           (op == Operator::pool && pool.kind == CINCEL_POOL_MAX ? double(y_count()) : 0);
}

double Problem::working_set() const
{
    return double(sizeof(float)) * (eltwise->reads + eltwise->writes - eltwise->again) * double(rows * cols);
}

} // namespace bench
