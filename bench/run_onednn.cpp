// oneDNN 2.x and 3.x. Activations lie in the layout of the variant from the start; weights start and end
// in the plain OIHW of its users, so that their reorders are part of run(), as in training.
#include "runner.hpp"

#include <oneapi/dnnl/dnnl.hpp>
#include <stdexcept>
#include <unordered_map>

namespace bench
{
namespace
{

using dnnl::memory;
using tag = memory::format_tag;
using Args = std::unordered_map<int, memory>;

constexpr auto f32 = memory::data_type::f32;

const dnnl::engine &cpu()
{
    static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    return engine;
}

// Descriptors of a convolution's tensors: plain, and as the primitive is asked to take them.
struct ConvShape {
    ConvShape(const Problem &p, bool nhwc)
    {
        const cincel_conv_desc &d = p.conv;
        const memory::dims x = {d.n, d.ic, d.ih, d.iw}, y = {d.n, d.oc, p.oh, p.ow};
        const memory::dims dense = {d.oc, d.ic, d.kh, d.kw};
        const memory::dims grouped = {d.groups, d.oc / d.groups, d.ic / d.groups, d.kh, d.kw};
        const tag activations = nhwc ? tag::nhwc : tag::any;
        src = {x, f32, activations};
        dst = {y, f32, activations};
        w = d.groups > 1 ? grouped : dense;
        weights = {w, f32, tag::any};
        plain_weights = {w, f32, d.groups > 1 ? tag::goihw : tag::oihw};
        strides = {d.stride_h, d.stride_w};
        dilates = {d.dilation_h - 1, d.dilation_w - 1};
        pad_l = {d.pad_top, d.pad_left};
        pad_r = {d.pad_bottom, d.pad_right};
    }
    memory::desc src, dst, weights, plain_weights;
    memory::dims w, strides, dilates, pad_l, pad_r;
};

using ConvForward = dnnl::convolution_forward;
using ConvData = dnnl::convolution_backward_data;
using ConvWeights = dnnl::convolution_backward_weights;
using PoolForward = dnnl::pooling_forward;
using PoolBackward = dnnl::pooling_backward;

#if DNNL_VERSION_MAJOR >= 3
ConvForward::primitive_desc conv_forward(const ConvShape &s, dnnl::algorithm a)
{
    return {
        cpu(),  dnnl::prop_kind::forward_training, a, s.src, s.weights, s.dst, s.strides, s.dilates, s.pad_l,
        s.pad_r};
}
ConvData::primitive_desc conv_data(const ConvShape &s, dnnl::algorithm a)
{
    return {cpu(), a, s.src, s.weights, s.dst, s.strides, s.dilates, s.pad_l, s.pad_r, conv_forward(s, a)};
}
ConvWeights::primitive_desc conv_weights(const ConvShape &s, dnnl::algorithm a)
{
    return {cpu(), a, s.src, s.weights, s.dst, s.strides, s.dilates, s.pad_l, s.pad_r, conv_forward(s, a)};
}
#else
ConvForward::primitive_desc conv_forward(const ConvShape &s, dnnl::algorithm a)
{
    return {{dnnl::prop_kind::forward_training, a, s.src, s.weights, s.dst, s.strides, s.dilates, s.pad_l,
             s.pad_r},
            cpu()};
}
ConvData::primitive_desc conv_data(const ConvShape &s, dnnl::algorithm a)
{
    return {{a, s.src, s.weights, s.dst, s.strides, s.dilates, s.pad_l, s.pad_r}, cpu(), conv_forward(s, a)};
}
ConvWeights::primitive_desc conv_weights(const ConvShape &s, dnnl::algorithm a)
{
    return {{a, s.src, s.weights, s.dst, s.strides, s.dilates, s.pad_l, s.pad_r}, cpu(), conv_forward(s, a)};
}
#endif

// A memory of this layout with random content; what a blocked layout pads stays zero, as oneDNN asks.
memory random_memory(const memory::desc &layout, const memory::dims &dims)
{
    const tag plain = dims.size() == 2 ? tag::ab : dims.size() == 4 ? tag::nchw : tag::goihw;
    memory source({dims, f32, plain}, cpu()), result(layout, cpu());
    std::size_t count = 1;
    for (const auto d : dims) count *= std::size_t(d);
    fill_random(static_cast<float *>(source.get_data_handle()), count);
    dnnl::stream stream(cpu());
    dnnl::reorder(source, result).execute(stream, source, result);
    stream.wait();
    return result;
}

// A primitive with its arguments, and the reorder of weights that goes before or after it.
class OnednnRunner : public Runner
{
  public:
    void run() override
    {
        if (before_) before_->execute(stream_, plain_weights_, weights_);
        primitive_.execute(stream_, args_);
        if (after_) after_->execute(stream_, weights_, plain_weights_);
        stream_.wait();
    }
    std::string describe() const override { return description_; }

  protected:
    // Weights come in plain and leave plain; `layout` is the primitive's.
    void bind_weights(const memory::desc &plain, const memory::desc &layout, const memory::dims &dims,
                      bool gradient)
    {
        plain_weights_ = random_memory(plain, dims);
        weights_ = plain == layout ? plain_weights_ : memory(layout, cpu());
        if (plain == layout) return;
        if (gradient)
            after_ = std::make_unique<dnnl::reorder>(weights_, plain_weights_);
        else
            before_ = std::make_unique<dnnl::reorder>(plain_weights_, weights_);
    }

    dnnl::stream stream_{cpu()};
    dnnl::primitive primitive_;
    Args args_;
    memory plain_weights_, weights_;
    std::unique_ptr<dnnl::reorder> before_, after_;
    std::string description_;
};

class ConvRunner : public OnednnRunner
{
  public:
    ConvRunner(const Problem &p, cincel_pass pass, bool nhwc, dnnl::algorithm algorithm)
    {
        const ConvShape s(p, nhwc);
        const cincel_conv_desc &d = p.conv;
        const memory::dims x = {d.n, d.ic, d.ih, d.iw}, y = {d.n, d.oc, p.oh, p.ow};
        if (pass == CINCEL_FORWARD) {
            const auto pd = conv_forward(s, algorithm);
            bind_weights(s.plain_weights, pd.weights_desc(), s.w, false);
            args_ = {{DNNL_ARG_SRC, random_memory(pd.src_desc(), x)},
                     {DNNL_ARG_WEIGHTS, weights_},
                     {DNNL_ARG_DST, random_memory(pd.dst_desc(), y)}};
            finish(ConvForward(pd), pd.impl_info_str());
        } else if (pass == CINCEL_BACKWARD_DATA) {
            const auto pd = conv_data(s, algorithm);
            bind_weights(s.plain_weights, pd.weights_desc(), s.w, false);
            args_ = {{DNNL_ARG_DIFF_DST, random_memory(pd.diff_dst_desc(), y)},
                     {DNNL_ARG_WEIGHTS, weights_},
                     {DNNL_ARG_DIFF_SRC, random_memory(pd.diff_src_desc(), x)}};
            finish(ConvData(pd), pd.impl_info_str());
        } else {
            const auto pd = conv_weights(s, algorithm);
            bind_weights(s.plain_weights, pd.diff_weights_desc(), s.w, true);
            args_ = {{DNNL_ARG_SRC, random_memory(pd.src_desc(), x)},
                     {DNNL_ARG_DIFF_DST, random_memory(pd.diff_dst_desc(), y)},
                     {DNNL_ARG_DIFF_WEIGHTS, weights_}};
            finish(ConvWeights(pd), pd.impl_info_str());
        }
    }

  private:
    void finish(dnnl::primitive primitive, const char *info)
    {
        primitive_ = std::move(primitive);
        description_ = info;
    }
};

// Pooling takes no `any` for its source: blocked means the block of this CPU's vectors.
tag blocked_tag()
{
    return dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core ? tag::nChw16c : tag::nChw8c;
}

dnnl::algorithm pool_algorithm(cincel_pool_kind kind)
{
    switch (kind) {
    case CINCEL_POOL_AVG_INCLUDE_PAD: return dnnl::algorithm::pooling_avg_include_padding;
    case CINCEL_POOL_AVG_EXCLUDE_PAD: return dnnl::algorithm::pooling_avg_exclude_padding;
    default: return dnnl::algorithm::pooling_max;
    }
}

class PoolRunner : public OnednnRunner
{
  public:
    PoolRunner(const Problem &p, cincel_pass pass, tag layout)
    {
        const cincel_pool_desc &d = p.pool;
        const memory::dims x = {d.n, d.c, d.ih, d.iw}, y = {d.n, d.c, p.oh, p.ow};
        const memory::dims strides = {d.stride_h, d.stride_w}, kernel = {d.kh, d.kw};
        const memory::dims pad_l = {d.pad_top, d.pad_left}, pad_r = {d.pad_bottom, d.pad_right};
        const memory::desc src(x, f32, layout), dst(y, f32, layout);
        const dnnl::algorithm algorithm = pool_algorithm(d.kind);
        constexpr auto training = dnnl::prop_kind::forward_training;
#if DNNL_VERSION_MAJOR >= 3
        const memory::dims dilation = {0, 0};
        const PoolForward::primitive_desc forward(cpu(), training, algorithm, src, dst, strides, kernel,
                                                  dilation, pad_l, pad_r);
        const PoolBackward::primitive_desc backward(cpu(), algorithm, src, dst, strides, kernel, dilation,
                                                    pad_l, pad_r, forward);
#else
        const PoolForward::primitive_desc forward(
            {training, algorithm, src, dst, strides, kernel, pad_l, pad_r}, cpu());
        const PoolBackward::primitive_desc backward({algorithm, src, dst, strides, kernel, pad_l, pad_r},
                                                    cpu(), forward);
#endif
        memory workspace(forward.workspace_desc(), cpu());
        args_ = {{DNNL_ARG_SRC, random_memory(src, x)},
                 {DNNL_ARG_DST, random_memory(dst, y)},
                 {DNNL_ARG_WORKSPACE, workspace}};
        primitive_ = PoolForward(forward);
        description_ = forward.impl_info_str();
        if (pass == CINCEL_FORWARD) return;
        run(); // the workspace must hold real positions
        args_ = {{DNNL_ARG_DIFF_DST, random_memory(dst, y)},
                 {DNNL_ARG_DIFF_SRC, random_memory(src, x)},
                 {DNNL_ARG_WORKSPACE, workspace}};
        primitive_ = PoolBackward(backward);
        description_ = backward.impl_info_str();
    }
};

using LinearForward = dnnl::inner_product_forward;
using LinearData = dnnl::inner_product_backward_data;
using LinearWeights = dnnl::inner_product_backward_weights;

// Inner product on plain matrices: `any` weights, which start and end plain all the same, or plain ones.
class LinearRunner : public OnednnRunner
{
  public:
    LinearRunner(const Problem &p, cincel_pass pass, bool any_weights)
    {
        const memory::dims x = {p.linear.n, p.linear.in}, y = {p.linear.n, p.linear.out};
        const memory::dims w = {p.linear.out, p.linear.in};
        const memory::desc src(x, f32, tag::ab), dst(y, f32, tag::ab), plain(w, f32, tag::ab);
        const memory::desc weights(w, f32, any_weights ? tag::any : tag::ab);
        const memory src_memory = random_memory(src, x), dst_memory = random_memory(dst, y);
#if DNNL_VERSION_MAJOR >= 3
        const LinearForward::primitive_desc forward(cpu(), dnnl::prop_kind::forward_training, src, weights,
                                                    dst);
#else
        const LinearForward::primitive_desc forward({dnnl::prop_kind::forward_training, src, weights, dst},
                                                    cpu());
#endif
        if (pass == CINCEL_FORWARD) {
            bind_weights(plain, forward.weights_desc(), w, false);
            args_ = {{DNNL_ARG_SRC, src_memory}, {DNNL_ARG_WEIGHTS, weights_}, {DNNL_ARG_DST, dst_memory}};
            primitive_ = LinearForward(forward);
            description_ = forward.impl_info_str();
        } else if (pass == CINCEL_BACKWARD_DATA) {
#if DNNL_VERSION_MAJOR >= 3
            const LinearData::primitive_desc data(cpu(), src, weights, dst, forward);
#else
            const LinearData::primitive_desc data({src, weights, dst}, cpu(), forward);
#endif
            bind_weights(plain, data.weights_desc(), w, false);
            args_ = {{DNNL_ARG_DIFF_DST, dst_memory},
                     {DNNL_ARG_WEIGHTS, weights_},
                     {DNNL_ARG_DIFF_SRC, src_memory}};
            primitive_ = LinearData(data);
            description_ = data.impl_info_str();
        } else {
#if DNNL_VERSION_MAJOR >= 3
            const LinearWeights::primitive_desc gradient(cpu(), src, weights, dst, forward);
#else
            const LinearWeights::primitive_desc gradient({src, weights, dst}, cpu(), forward);
#endif
            bind_weights(plain, gradient.diff_weights_desc(), w, true);
            args_ = {{DNNL_ARG_SRC, src_memory},
                     {DNNL_ARG_DIFF_DST, dst_memory},
                     {DNNL_ARG_DIFF_WEIGHTS, weights_}};
            primitive_ = LinearWeights(gradient);
            description_ = gradient.impl_info_str();
        }
    }
};

bool conv_exists(const Problem &p, cincel_pass pass, bool nhwc, dnnl::algorithm a)
{
    const ConvShape s(p, nhwc);
    try {
        if (pass == CINCEL_FORWARD)
            conv_forward(s, a);
        else if (pass == CINCEL_BACKWARD_DATA)
            conv_data(s, a);
        else
            conv_weights(s, a);
        return true;
    } catch (const dnnl::error &) {
        return false; // "unimplemented"
    }
}

template <typename Make> Implementation implementation(const char *name, const Make &make)
{
    return {name, [make]() -> std::unique_ptr<Runner> {
                try {
                    return make();
                } catch (const dnnl::error &e) {
                    throw std::runtime_error(std::string("oneDNN: ") + e.what());
                }
            }};
}

} // namespace

std::vector<Implementation> onednn_implementations(const Problem &problem, cincel_pass pass)
{
    std::vector<Implementation> list;
    if (problem.op == Operator::eltwise) return list;
    if (problem.op == Operator::rnn) return onednn_rnn_implementations(problem, pass);
    if (problem.op == Operator::linear) {
        for (const bool any_weights : {true, false})
            list.push_back(implementation(any_weights ? "onednn_any" : "onednn_plain", [=] {
                return std::make_unique<LinearRunner>(problem, pass, any_weights);
            }));
        return list;
    }
    if (problem.op == Operator::pool) {
        for (const bool nhwc : {true, false}) {
            const tag layout = nhwc ? tag::nhwc : blocked_tag();
            list.push_back(implementation(nhwc ? "onednn_nhwc" : "onednn_any", [=] {
                return std::make_unique<PoolRunner>(problem, pass, layout);
            }));
        }
        return list;
    }
    const struct {
        const char *name;
        bool nhwc;
        dnnl::algorithm algorithm;
    } variants[] = {{"onednn_nhwc", true, dnnl::algorithm::convolution_direct},
                    {"onednn_any", false, dnnl::algorithm::convolution_direct},
                    {"onednn_winograd", false, dnnl::algorithm::convolution_winograd}};
    for (const auto &v : variants) {
        if (!conv_exists(problem, pass, v.nhwc, v.algorithm)) continue;
        const bool nhwc = v.nhwc;
        const dnnl::algorithm algorithm = v.algorithm;
        list.push_back(implementation(
            v.name, [=] { return std::make_unique<ConvRunner>(problem, pass, nhwc, algorithm); }));
    }
    return list;
}

} // namespace bench
