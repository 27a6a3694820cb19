// Recurrent layers of oneDNN 2.x and 3.x: weights in the layout each primitive asks for. For inference they
// are brought there beforehand; in training they start and end plain (PyTorch's [gates][hidden][input]), so
// that their reorders are part of run(). GRUs are `lbr_gru`, which resets after the product.
#include "runner.hpp"

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>
#include <stdexcept>
#include <unordered_map>

namespace bench
{
namespace
{

using dnnl::memory;
using tag = memory::format_tag;

const dnnl::engine &cpu()
{
    static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    return engine;
}

template <class Primitive, class... Args> typename Primitive::primitive_desc describe_forward(Args... args)
{
#if DNNL_VERSION_MAJOR >= 3
    return {cpu(), args...};
#else
    return {{args...}, cpu()};
#endif
}

template <class Primitive, class Hint, class... Args>
typename Primitive::primitive_desc describe_backward(const Hint &forward, Args... args)
{
#if DNNL_VERSION_MAJOR >= 3
    return {cpu(), args..., forward};
#else
    return {{args...}, cpu(), forward};
#endif
}

memory random_memory(const memory::desc &layout)
{
    memory result(layout, cpu());
    const std::size_t bytes = layout.get_size();
    float *data = static_cast<float *>(result.get_data_handle());
    fill_random(data, bytes / sizeof(float));
    for (std::size_t i = 0; i < bytes / sizeof(float); i++) data[i] *= 0.0625f;
    return result;
}

class RnnRunner : public Runner
{
  public:
    RnnRunner(const Problem &p, cincel_pass pass) : d_(p.rnn)
    {
        const memory::dim gates = cincel_rnn_gates(d_.cell), biases = d_.cell == CINCEL_GRU ? 4 : gates;
        x_ = {{d_.steps, d_.batch, d_.input}, f32, tag::tnc};
        y_ = {{d_.steps, d_.batch, d_.hidden}, f32, tag::tnc};
        w_x_ = {{1, 1, d_.input, gates, d_.hidden}, f32, tag::any};
        w_h_ = {{1, 1, d_.hidden, gates, d_.hidden}, f32, tag::any};
        bias_ = {{1, 1, biases, d_.hidden}, f32, tag::ldgo};
        if (d_.cell == CINCEL_LSTM)
            make<dnnl::lstm_forward, dnnl::lstm_backward>(pass);
        else if (d_.cell == CINCEL_GRU)
            make<dnnl::lbr_gru_forward, dnnl::lbr_gru_backward>(pass);
        else
            make<dnnl::vanilla_rnn_forward, dnnl::vanilla_rnn_backward>(pass);
    }
    void run() override
    {
        for (Reorder &r : before_) r.primitive.execute(stream_, r.from, r.to);
        primitive_.execute(stream_, args_);
        for (Reorder &r : after_) r.primitive.execute(stream_, r.from, r.to);
        stream_.wait();
    }
    std::string describe() const override { return description_; }

  private:
    static constexpr auto f32 = memory::data_type::f32;
    using Args = std::unordered_map<int, memory>;
    struct Reorder {
        dnnl::reorder primitive;
        memory from, to;
    };

    dnnl::prop_kind kind() const
    {
        return d_.training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
    }

    template <class Forward> typename Forward::primitive_desc forward() const
    {
        const auto way = dnnl::rnn_direction::unidirectional_left2right;
        const memory::desc none;
        if constexpr (std::is_same_v<Forward, dnnl::lstm_forward>) {
            return describe_forward<Forward>(kind(), way, x_, none, none, w_x_, w_h_, bias_, y_, none, none);
        } else if constexpr (std::is_same_v<Forward, dnnl::lbr_gru_forward>) {
            return describe_forward<Forward>(kind(), way, x_, none, w_x_, w_h_, bias_, y_, none);
        } else {
            return describe_forward<Forward>(kind(), activation(), way, x_, none, w_x_, w_h_, bias_, y_,
                                             none);
        }
    }

    template <class Backward, class Hint> typename Backward::primitive_desc backward(const Hint &hint) const
    {
        const auto way = dnnl::rnn_direction::unidirectional_left2right;
        const auto back = dnnl::prop_kind::backward;
        const memory::desc none;
        if constexpr (std::is_same_v<Backward, dnnl::lstm_backward>) {
            return describe_backward<Backward>(hint, back, way, x_, none, none, w_x_, w_h_, bias_, y_, none,
                                               none, x_, none, none, w_x_, w_h_, bias_, y_, none, none);
        } else if constexpr (std::is_same_v<Backward, dnnl::lbr_gru_backward>) {
            return describe_backward<Backward>(hint, back, way, x_, none, w_x_, w_h_, bias_, y_, none, x_,
                                               none, w_x_, w_h_, bias_, y_, none);
        } else {
            return describe_backward<Backward>(hint, back, activation(), way, x_, none, w_x_, w_h_, bias_, y_,
                                               none, x_, none, w_x_, w_h_, bias_, y_, none);
        }
    }

    dnnl::algorithm activation() const
    {
        return d_.cell == CINCEL_RNN_TANH ? dnnl::algorithm::eltwise_tanh : dnnl::algorithm::eltwise_relu;
    }

    template <class Forward, class Backward> void make(cincel_pass pass)
    {
        const auto pd = forward<Forward>();
        const bool trains = d_.training != 0;
        args_ = {
            {DNNL_ARG_SRC_LAYER, random_memory(x_)},
            {DNNL_ARG_WEIGHTS_LAYER,
             weights(pd.weights_layer_desc(), w_x_, trains && pass == CINCEL_FORWARD)},
            {DNNL_ARG_WEIGHTS_ITER, weights(pd.weights_iter_desc(), w_h_, trains && pass == CINCEL_FORWARD)},
            {DNNL_ARG_BIAS, random_memory(bias_)},
            {DNNL_ARG_DST_LAYER, random_memory(y_)}};
        if (trains) args_[DNNL_ARG_WORKSPACE] = memory(pd.workspace_desc(), cpu());
        primitive_ = Forward(pd);
        description_ = pd.impl_info_str();
        if (pass == CINCEL_FORWARD) return;
        run(); // fills the workspace
        before_.clear();
        const auto back = backward<Backward>(pd);
        args_[DNNL_ARG_WEIGHTS_LAYER] = weights(back.weights_layer_desc(), w_x_, true);
        args_[DNNL_ARG_WEIGHTS_ITER] = weights(back.weights_iter_desc(), w_h_, true);
        args_[DNNL_ARG_DIFF_DST_LAYER] = random_memory(y_);
        args_[DNNL_ARG_DIFF_SRC_LAYER] = random_memory(x_);
        args_[DNNL_ARG_DIFF_WEIGHTS_LAYER] = gradient(back.diff_weights_layer_desc(), w_x_);
        args_[DNNL_ARG_DIFF_WEIGHTS_ITER] = gradient(back.diff_weights_iter_desc(), w_h_);
        args_[DNNL_ARG_DIFF_BIAS] = random_memory(bias_);
        primitive_ = Backward(back);
        description_ = back.impl_info_str();
    }

    static memory::desc plain(const memory::desc &shape)
    {
#if DNNL_VERSION_MAJOR >= 3
        return {shape.get_dims(), f32, tag::ldgoi};
#else
        return {shape.dims(), f32, tag::ldgoi};
#endif
    }

    // Weights brought from plain ones: now, or also in every run.
    memory weights(const memory::desc &layout, const memory::desc &shape, bool every_run)
    {
        memory from = random_memory(plain(shape)), to(layout, cpu());
        Reorder r = {dnnl::reorder(from, to), from, to};
        r.primitive.execute(stream_, r.from, r.to);
        stream_.wait();
        if (every_run) before_.push_back(r);
        return to;
    }

    memory gradient(const memory::desc &layout, const memory::desc &shape)
    {
        memory from = random_memory(layout), to(plain(shape), cpu());
        after_.push_back({dnnl::reorder(from, to), from, to});
        return from;
    }

    cincel_rnn_desc d_;
    memory::desc x_, y_, w_x_, w_h_, bias_;
    dnnl::stream stream_{cpu()};
    dnnl::primitive primitive_;
    Args args_;
    std::vector<Reorder> before_, after_;
    std::string description_;
};

} // namespace

std::vector<Implementation> onednn_rnn_implementations(const Problem &problem, cincel_pass pass)
{
    return {{"onednn_any", [=]() -> std::unique_ptr<Runner> {
                 try {
                     return std::make_unique<RnnRunner>(problem, pass);
                 } catch (const dnnl::error &e) {
                     throw std::runtime_error(std::string("oneDNN: ") + e.what());
                 }
             }}};
}

} // namespace bench
