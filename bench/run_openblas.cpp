// OpenBLAS beside cincel, for linear layers. Plain row-major matrices, nothing to reorder.
#include "runner.hpp"

#include <cblas.h>

namespace bench
{
namespace
{

class SgemmRunner : public Runner
{
  public:
    SgemmRunner(const Problem &p, cincel_pass pass)
        : pass_(pass), n_(p.linear.n), in_(p.linear.in), out_(p.linear.out), x_(p.x_count()), w_(p.w_count()),
          y_(p.y_count())
    {
        fill_random(x_.data(), x_.size());
        fill_random(w_.data(), w_.size());
        fill_random(y_.data(), y_.size());
    }

    // y stands for dy, x for dx and w for dw where the pass has those. A single row is a matrix times a
    // vector; sgemm would be slower there.
    void run() override
    {
        float *x = x_.data(), *w = w_.data(), *y = y_.data();
        if (pass_ == CINCEL_FORWARD && n_ == 1)
            cblas_sgemv(CblasRowMajor, CblasNoTrans, out_, in_, 1.0f, w, in_, x, 1, 0.0f, y, 1);
        else if (pass_ == CINCEL_FORWARD)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n_, out_, in_, 1.0f, x, in_, w, in_, 0.0f, y,
                        out_);
        else if (pass_ == CINCEL_BACKWARD_DATA && n_ == 1)
            cblas_sgemv(CblasRowMajor, CblasTrans, out_, in_, 1.0f, w, in_, y, 1, 0.0f, x, 1);
        else if (pass_ == CINCEL_BACKWARD_DATA)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n_, in_, out_, 1.0f, y, out_, w, in_, 0.0f,
                        x, in_);
        else
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out_, in_, n_, 1.0f, y, out_, x, in_, 0.0f,
                        w, in_);
    }
    std::string describe() const override
    {
        return n_ == 1 && pass_ != CINCEL_BACKWARD_WEIGHTS ? "sgemv" : "sgemm";
    }

  private:
    cincel_pass pass_;
    int n_, in_, out_;
    std::vector<float> x_, w_, y_;
};

} // namespace

std::vector<Implementation> openblas_implementations(const Problem &problem, cincel_pass pass)
{
    if (problem.op != Operator::linear) return {};
    return {{"openblas", [=] { return std::make_unique<SgemmRunner>(problem, pass); }}};
}

} // namespace bench
