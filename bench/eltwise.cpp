#include "eltwise.hpp"

namespace bench
{
namespace
{

constexpr int layout_images = 8;

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

cincel_batch_norm_desc batch_norm_desc(std::size_t rows, std::size_t cols)
{
    cincel_batch_norm_desc d = CINCEL_BATCH_NORM_DESC_INIT;
    d.rows = rows, d.channels = cols;
    return d;
}

std::size_t batch_norm_workspace(std::size_t rows, std::size_t cols)
{
    const cincel_batch_norm_desc d = batch_norm_desc(rows, cols);
    return cincel_batch_norm_workspace_size(&d);
}

cincel_status batch_norm(cincel_context *ctx, Op, T t)
{
    const cincel_batch_norm_desc d = batch_norm_desc(t.rows, t.cols);
    return cincel_batch_norm_train(ctx, &d, t.a, t.per_col[0], t.per_col[1], nullptr, nullptr, t.out,
                                   t.per_col[2], t.per_col[3], t.ws);
}

cincel_status batch_norm_backward(cincel_context *ctx, Op, T t)
{
    const cincel_batch_norm_desc d = batch_norm_desc(t.rows, t.cols);
    return cincel_batch_norm_backward(ctx, &d, t.a, t.b, nullptr, t.per_col[0], t.per_col[1], t.out,
                                      t.per_col[2], t.per_col[3], t.ws);
}

cincel_layer_norm_desc layer_norm_desc(std::size_t rows, std::size_t cols)
{
    cincel_layer_norm_desc d = CINCEL_LAYER_NORM_DESC_INIT;
    d.rows = rows, d.cols = cols;
    return d;
}

std::size_t layer_norm_workspace(std::size_t rows, std::size_t cols)
{
    const cincel_layer_norm_desc d = layer_norm_desc(rows, cols);
    return cincel_layer_norm_workspace_size(&d);
}

cincel_status layer_norm(cincel_context *ctx, Op, T t)
{
    const cincel_layer_norm_desc d = layer_norm_desc(t.rows, t.cols);
    return cincel_layer_norm_forward(ctx, &d, t.a, t.per_col[0], t.per_col[1], t.out, t.per_row[0],
                                     t.per_row[1]);
}

cincel_status layer_norm_backward(cincel_context *ctx, Op, T t)
{
    const cincel_layer_norm_desc d = layer_norm_desc(t.rows, t.cols);
    return cincel_layer_norm_backward(ctx, &d, t.a, t.b, t.per_col[0], t.per_row[0], t.per_row[1], t.out,
                                      t.per_col[2], t.per_col[3], t.ws);
}

// A row is a channel of an image; where the count allows, rows belong to several images.
template <cincel_layout from, cincel_layout to> cincel_status convert(cincel_context *ctx, Op, T t)
{
    const int images = t.rows % layout_images == 0 ? layout_images : 1;
    return cincel_layout_convert(ctx, from, to, images, int(t.rows) / images, 1, int(t.cols), t.a, t.out);
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
        {"nchw_to_nhwc", 1, 1, convert<CINCEL_NCHW, CINCEL_NHWC>, CINCEL_ACT_NONE},
        {"nhwc_to_nchw", 1, 1, convert<CINCEL_NHWC, CINCEL_NCHW>, CINCEL_ACT_NONE},
        // the statistics are taken before any element is written: a batch is read twice
        {"batch_norm", 2, 1, batch_norm, CINCEL_ACT_NONE, batch_norm_workspace, 1},
        {"batch_norm_bwd", 4, 1, batch_norm_backward, CINCEL_ACT_NONE, batch_norm_workspace, 2},
        {"layer_norm", 1, 1, layer_norm, CINCEL_ACT_NONE},
        {"layer_norm_bwd", 2, 1, layer_norm_backward, CINCEL_ACT_NONE, layer_norm_workspace},
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
