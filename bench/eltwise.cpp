#include "eltwise.hpp"

namespace bench
{
namespace
{

using T = const EltwiseTensors &;
using Op = const Eltwise &;

cincel_status add_scaled(cincel_context *ctx, Op, T t)
{
    return cincel_add_scaled(ctx, 1.5f, t.a, 0.5f, t.b, t.out, t.rows * t.cols);
}

cincel_status dropout(cincel_context *ctx, Op, T t)
{
    return cincel_dropout(ctx, 0.5f, 1, 2, t.a, t.out, t.rows * t.cols);
}

// A quarter of the columns and the rest, as in a network of dense blocks.
cincel_status concat(cincel_context *ctx, Op, T t)
{
    const std::size_t first = (t.cols + 3) / 4, cols[2] = {first, t.cols - first};
    const float *const parts[2] = {t.a, t.b};
    return cincel_concat(ctx, parts, cols, 2, t.rows, t.out);
}

cincel_status softmax(cincel_context *ctx, Op, T t)
{
    return cincel_softmax_forward(ctx, t.a, t.out, t.rows, t.cols);
}

cincel_status softmax_backward(cincel_context *ctx, Op, T t)
{
    return cincel_softmax_backward(ctx, t.a, t.b, t.out, t.rows, t.cols);
}

cincel_status log_softmax(cincel_context *ctx, Op, T t)
{
    return cincel_log_softmax_forward(ctx, t.a, t.out, t.rows, t.cols);
}

cincel_status log_softmax_backward(cincel_context *ctx, Op, T t)
{
    return cincel_log_softmax_backward(ctx, t.a, t.b, t.out, t.rows, t.cols);
}

cincel_status cross_entropy(cincel_context *ctx, Op, T t)
{
    cincel_cross_entropy_desc d = CINCEL_CROSS_ENTROPY_DESC_INIT;
    d.rows = t.rows, d.cols = t.cols;
    double loss;
    std::size_t hits;
    return cincel_cross_entropy(ctx, &d, t.a, t.labels, &loss, &hits, t.out);
}

template <cincel_loss_kind kind> cincel_status loss(cincel_context *ctx, Op, T t)
{
    double mean;
    return cincel_loss(ctx, kind, 0.5f, t.a, t.b, t.rows * t.cols, &mean, t.out);
}

cincel_status activation(cincel_context *ctx, Op op, T t)
{
    return cincel_activation_forward(ctx, op.activation, 0.5f, t.a, t.out, t.rows * t.cols);
}

// x and y are given both; the activation reads one of them.
cincel_status activation_backward(cincel_context *ctx, Op op, T t)
{
    return cincel_activation_backward(ctx, op.activation, 0.5f, t.a, t.a, t.b, t.out, t.rows * t.cols);
}

std::vector<Eltwise> make_table()
{
    std::vector<Eltwise> table = {
        {"add_scaled", 2, 1, add_scaled, CINCEL_ACT_NONE},
        {"dropout", 1, 1, dropout, CINCEL_ACT_NONE},
        {"concat", 1, 1, concat, CINCEL_ACT_NONE},
        {"softmax", 1, 1, softmax, CINCEL_ACT_NONE},
        {"softmax_bwd", 2, 1, softmax_backward, CINCEL_ACT_NONE},
        {"log_softmax", 1, 1, log_softmax, CINCEL_ACT_NONE},
        {"log_softmax_bwd", 2, 1, log_softmax_backward, CINCEL_ACT_NONE},
        {"cross_entropy", 1, 1, cross_entropy, CINCEL_ACT_NONE},
        {"bce_logits", 2, 1, loss<CINCEL_LOSS_BCE_LOGITS>, CINCEL_ACT_NONE},
        {"mse", 2, 1, loss<CINCEL_LOSS_MSE>, CINCEL_ACT_NONE},
        {"l1", 2, 1, loss<CINCEL_LOSS_L1>, CINCEL_ACT_NONE},
        {"huber", 2, 1, loss<CINCEL_LOSS_HUBER>, CINCEL_ACT_NONE},
    };
    const std::pair<const char *, cincel_activation> activations[] = {{"relu", CINCEL_ACT_RELU},
                                                                      {"leaky_relu", CINCEL_ACT_LEAKY_RELU},
                                                                      {"elu", CINCEL_ACT_ELU},
                                                                      {"sigmoid", CINCEL_ACT_SIGMOID},
                                                                      {"tanh", CINCEL_ACT_TANH},
                                                                      {"gelu", CINCEL_ACT_GELU},
                                                                      {"gelu_tanh", CINCEL_ACT_GELU_TANH},
                                                                      {"silu", CINCEL_ACT_SILU}};
    for (const auto &[name, act] : activations) {
        table.push_back({name, 1, 1, activation, act});
        table.push_back({std::string(name) + "_bwd", 2, 1, activation_backward, act});
    }
    return table;
}

} // namespace

const Eltwise *find_eltwise(const std::string &name)
{
    static const std::vector<Eltwise> table = make_table();
    for (const Eltwise &op : table) {
        if (op.name == name) return &op;
    }
    return nullptr;
}

} // namespace bench
