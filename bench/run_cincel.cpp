#include "runner.hpp"

#include <stdexcept>

namespace bench
{
namespace
{

void check(cincel_status status)
{
    if (status != CINCEL_OK) throw std::runtime_error(cincel_error_message());
}

struct PlanDeleter {
    void operator()(cincel_plan *plan) const { cincel_plan_destroy(plan); }
};
struct WorkspaceDeleter {
    void operator()(void *ws) const { cincel_workspace_destroy(ws); }
};
using Plan = std::unique_ptr<cincel_plan, PlanDeleter>;
using Memory = std::unique_ptr<void, WorkspaceDeleter>;

Memory allocate(std::size_t bytes)
{
    void *ws = nullptr;
    check(cincel_workspace_create(bytes, &ws));
    return Memory(ws);
}

// 64-byte aligned floats with random content.
class Tensor
{
  public:
    explicit Tensor(std::size_t count) : memory_(allocate(count * sizeof(float)))
    {
        fill_random(*this, count);
    }
    operator float *() const { return static_cast<float *>(memory_.get()); }

  private:
    Memory memory_;
};

// The calls of an operator with weights: those of convolutions and of linear layers are alike.
template <class Desc> struct Calls {
    decltype(&cincel_conv_forward) forward;
    decltype(&cincel_conv_backward_data) backward_data;
    decltype(&cincel_conv_backward_weights) backward_weights;
    cincel_status (*plan)(cincel_context *, const Desc *, cincel_pass, const cincel_options *,
                          cincel_plan **);
};
constexpr Calls<cincel_conv_desc> conv_calls = {cincel_conv_forward, cincel_conv_backward_data,
                                                cincel_conv_backward_weights, cincel_conv_plan};
constexpr Calls<cincel_linear_desc> linear_calls = {cincel_linear_forward, cincel_linear_backward_data,
                                                    cincel_linear_backward_weights, cincel_linear_plan};

template <class Desc> class WeightsRunner : public Runner
{
  public:
    WeightsRunner(const Calls<Desc> &calls, const Desc &desc, cincel_context *ctx, const Problem &p,
                  cincel_pass pass, const cincel_options &options)
        : calls_(calls), pass_(pass), x_(p.x_count()), w_(p.w_count()), y_(p.y_count())
    {
        cincel_plan *plan = nullptr;
        check(calls.plan(ctx, &desc, pass, &options, &plan));
        plan_.reset(plan);
        ws_ = allocate(cincel_plan_workspace_size(plan));
    }

    // y stands for dy, x for dx and w for dw where the pass has those.
    void run() override
    {
        if (pass_ == CINCEL_FORWARD)
            check(calls_.forward(plan_.get(), x_, w_, nullptr, y_, ws_.get()));
        else if (pass_ == CINCEL_BACKWARD_DATA)
            check(calls_.backward_data(plan_.get(), y_, w_, nullptr, x_, ws_.get()));
        else
            check(calls_.backward_weights(plan_.get(), x_, y_, nullptr, w_, nullptr, ws_.get()));
    }
    std::string describe() const override { return cincel_plan_describe(plan_.get()); }

  private:
    Calls<Desc> calls_;
    cincel_pass pass_;
    Tensor x_, w_, y_;
    Plan plan_;
    Memory ws_;
};

// Forward as in training: the positions of the maxima are recorded.
class PoolRunner : public Runner
{
  public:
    PoolRunner(cincel_context *ctx, const Problem &p, cincel_pass pass, const cincel_options &options)
        : pass_(pass), x_(p.x_count()), y_(p.y_count())
    {
        cincel_plan *plan = nullptr;
        check(cincel_pool_plan(ctx, &p.pool, CINCEL_FORWARD, &options, &plan));
        plan_.reset(plan);
        ws_ = allocate(cincel_plan_workspace_size(plan));
        argmax_ = allocate(cincel_pool_argmax_size(plan));
        check(cincel_pool_forward(plan, x_, y_, argmax_.get(), ws_.get()));
        if (pass == CINCEL_FORWARD) return;
        check(cincel_pool_plan(ctx, &p.pool, pass, &options, &plan));
        plan_.reset(plan);
        ws_ = allocate(cincel_plan_workspace_size(plan));
    }

    void run() override
    {
        if (pass_ == CINCEL_FORWARD)
            check(cincel_pool_forward(plan_.get(), x_, y_, argmax_.get(), ws_.get()));
        else
            check(cincel_pool_backward(plan_.get(), y_, argmax_.get(), x_, ws_.get()));
    }
    std::string describe() const override { return cincel_plan_describe(plan_.get()); }

  private:
    cincel_pass pass_;
    Tensor x_, y_;
    Memory argmax_;
    Plan plan_;
    Memory ws_;
};

// For inference with packed weights; in training they are plain, and the backward pass gives all gradients.
// `activations` is what multiplies inputs, initial states, biases and incoming gradients.
class RnnRunner : public Runner
{
  public:
    RnnRunner(cincel_context *ctx, const Problem &p, cincel_pass pass, const cincel_options &options,
              float activations)
        : pass_(pass), x_(p.x_count()), h0_(state_count(p)), c0_(state_count(p)), y_(p.y_count()),
          w_(p.w_count()), bias_(2 * gate_count(p)), dy_(p.y_count()), dx_(p.x_count()), dw_(p.w_count()),
          db_(2 * gate_count(p))
    {
        const std::size_t w_ih = gate_count(p) * p.rnn.input;
        for (std::size_t i = 0; i < p.w_count(); i++) w_[i] *= 0.0625f;
        for (std::size_t i = 0; i < p.x_count(); i++) x_[i] *= activations;
        for (std::size_t i = 0; i < p.y_count(); i++) dy_[i] *= activations;
        for (std::size_t i = 0; i < 2 * gate_count(p); i++) bias_[i] *= activations;
        for (std::size_t i = 0; i < state_count(p); i++) h0_[i] *= activations, c0_[i] *= activations;
        cincel_plan *plan = nullptr;
        check(cincel_rnn_plan(ctx, &p.rnn, CINCEL_FORWARD, &options, &plan));
        plan_.reset(plan);
        ws_ = allocate(cincel_plan_workspace_size(plan));
        reserve_ = allocate(cincel_rnn_reserve_size(plan));
        forward_.x = x_, forward_.h0 = h0_, forward_.w_ih = w_, forward_.w_hh = w_ + w_ih;
        forward_.b_ih = bias_, forward_.b_hh = bias_ + gate_count(p), forward_.y = y_;
        forward_.reserve = reserve_.get();
        if (p.rnn.cell == CINCEL_LSTM) forward_.c0 = c0_;
        if (!p.rnn.training) {
            packed_ = allocate(cincel_rnn_packed_size(plan));
            check(cincel_rnn_pack(plan, forward_.w_ih, forward_.w_hh, packed_.get()));
            forward_.packed = packed_.get();
        }
        check(cincel_rnn_forward(plan, &forward_, ws_.get()));
        if (pass == CINCEL_FORWARD) return;
        check(cincel_rnn_plan(ctx, &p.rnn, pass, &options, &plan));
        plan_.reset(plan);
        ws_ = allocate(cincel_plan_workspace_size(plan));
        backward_.x = x_, backward_.w_ih = forward_.w_ih, backward_.w_hh = forward_.w_hh;
        backward_.reserve = reserve_.get(), backward_.dy = dy_, backward_.dx = dx_;
        backward_.dw_ih = dw_, backward_.dw_hh = dw_ + w_ih;
        backward_.db_ih = db_, backward_.db_hh = db_ + gate_count(p);
    }

    void run() override
    {
        if (pass_ == CINCEL_FORWARD)
            check(cincel_rnn_forward(plan_.get(), &forward_, ws_.get()));
        else
            check(cincel_rnn_backward(plan_.get(), &backward_, ws_.get()));
    }
    std::string describe() const override { return cincel_plan_describe(plan_.get()); }

  private:
    static std::size_t gate_count(const Problem &p)
    {
        return std::size_t(cincel_rnn_gates(p.rnn.cell)) * p.rnn.hidden;
    }
    static std::size_t state_count(const Problem &p) { return std::size_t(p.rnn.batch) * p.rnn.hidden; }

    cincel_pass pass_;
    Tensor x_, h0_, c0_, y_, w_, bias_, dy_, dx_, dw_, db_;
    Plan plan_;
    Memory ws_, reserve_, packed_;
    cincel_rnn_forward_args forward_ = CINCEL_RNN_FORWARD_ARGS_INIT;
    cincel_rnn_backward_args backward_ = CINCEL_RNN_BACKWARD_ARGS_INIT;
};

class EltwiseRunner : public Runner
{
  public:
    EltwiseRunner(cincel_context *ctx, const Problem &p)
        : ctx_(ctx), op_(*p.eltwise), a_(p.x_count()), b_(p.x_count()), out_(p.x_count()), labels_(p.rows)
    {
        for (std::size_t r = 0; r < p.rows; r++) labels_[r] = std::int32_t(r * 7 % p.cols);
        tensors_ = {p.rows, p.cols, a_, b_, out_, labels_.data(), {}, {}, nullptr};
        for (float *&values : tensors_.per_row) values = small_.emplace_back(p.rows);
        for (float *&values : tensors_.per_col) values = small_.emplace_back(p.cols);
        if (op_.workspace_bytes == nullptr) return;
        ws_ = allocate(op_.workspace_bytes(p.rows, p.cols));
        tensors_.ws = ws_.get();
    }

    void run() override { check(op_.run(ctx_, op_, tensors_)); }
    std::string describe() const override { return op_.name; }

  private:
    cincel_context *ctx_;
    const Eltwise &op_;
    Tensor a_, b_, out_;
    std::vector<std::int32_t> labels_;
    std::vector<Tensor> small_;
    Memory ws_;
    EltwiseTensors tensors_;
};

} // namespace

void fill_random(float *data, std::size_t count)
{
    std::uint32_t state = 12345; // Numerical Recipes' linear congruential generator
    for (std::size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = float(state >> 8) / 8388608.0f - 1.0f;
    }
}

Implementation cincel_implementation(cincel_context *ctx, const Problem &problem, cincel_pass pass,
                                     cincel_effort effort)
{
    cincel_options options = CINCEL_OPTIONS_INIT;
    options.effort = effort;
    return {"cincel", [=]() -> std::unique_ptr<Runner> {
                if (problem.op == Operator::conv)
                    return std::make_unique<WeightsRunner<cincel_conv_desc>>(conv_calls, problem.conv, ctx,
                                                                             problem, pass, options);
                if (problem.op == Operator::linear)
                    return std::make_unique<WeightsRunner<cincel_linear_desc>>(linear_calls, problem.linear,
                                                                               ctx, problem, pass, options);
                if (problem.op == Operator::rnn)
                    return std::make_unique<RnnRunner>(ctx, problem, pass, options, 1.0f);
                if (problem.op == Operator::eltwise) return std::make_unique<EltwiseRunner>(ctx, problem);
                return std::make_unique<PoolRunner>(ctx, problem, pass, options);
            }};
}

std::vector<Implementation> denormal_implementations(cincel_context *ctx, const Problem &problem,
                                                     cincel_pass pass, cincel_effort effort)
{
    if (problem.op != Operator::rnn) return {};
    cincel_options options = CINCEL_OPTIONS_INIT;
    options.effort = effort;
    return {{denormal_name, [=]() -> std::unique_ptr<Runner> {
                 return std::make_unique<RnnRunner>(ctx, problem, pass, options, 1e-39f);
             }}};
}

} // namespace bench
