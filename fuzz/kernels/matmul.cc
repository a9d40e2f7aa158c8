// Products of floats and of bfloat16, within the rounding of their sums; each row of them, which no row
// beside it may change, to the bit.

#include <type_traits>

#include "checks.h"

namespace fovea::kernels::fuzz {
namespace {

float to_float(float value) {
  return value;
}
using tensor::to_float;

/// A and B of one product, with rows apart as the input wants, and how large the sums are.
template <class Product>
class Operands {
 public:
  using Element = std::remove_cvref_t<decltype(*Product::a)>;
  static constexpr bool kAcross = std::is_same_v<Product, MatmulNN>;  ///< B is [k, n], not [n, k]

  explicit Operands(Source& source)
      : m_(source.size(70)),
        n_(source.size(100)),
        k_(std::min(source.size(source.one_of(8) ? 1100 : 130), 1 + kMostWork / (m_ * n_))),
        lda_(k_ + source.below(3)),
        ldb_((kAcross ? n_ : k_) + source.below(3)),
        ldc_(n_ + source.below(3)),
        a_(source, (m_ - 1) * lda_ + k_),
        b_(source, kAcross ? (k_ - 1) * ldb_ + n_ : (n_ - 1) * ldb_ + k_) {
    // Products of the largest stay finite however they are summed. Where bfloat16 is multiplied by an
    // instruction, that takes subnormal numbers for zero.
    const float largest = source.one_of(2) ? 1e17F : 4.0F;
    const float tiny = std::is_same_v<Element, float> ? kSubnormal : 1e-14F;
    const bool infinite = source.one_of(8);
    for (Array<Element>* array : {&a_, &b_}) {
      for (Element& element : *array) element = draw(source, largest, tiny, infinite);
    }
  }

  [[nodiscard]] std::size_t rows() const { return m_; }
  [[nodiscard]] std::size_t columns() const { return n_; }
  [[nodiscard]] std::size_t stride() const { return ldc_; }

  /// C, and what lies between its rows as it was.
  Array<float> multiply(Source& source, const Kernels& kernels, void (*Kernels::*function)(const Product&)) {
    return run(source, kernels, function, a_.data(), m_);
  }
  /// Row i of C from a copy of that row of A.
  Array<float> multiply_row(Source& source, const Kernels& kernels,
                            void (*Kernels::*function)(const Product&), std::size_t i) {
    Array<Element> row(source, k_);
    std::copy_n(a_.data() + i * lda_, k_, row.begin());
    return run(source, kernels, function, row.data(), 1);
  }
  /// What two ways to compute C[i, j] may differ by. It matters only where both are finite.
  double tolerance(std::size_t i, std::size_t j) {
    double magnitude = 0;
    for (std::size_t p = 0; p < k_; ++p) {
      const double a = to_float(a_[i * lda_ + p]), b = to_float(b_[kAcross ? p * ldb_ + j : j * ldb_ + p]);
      magnitude += std::abs(a * b);
    }
    return 2 * static_cast<double>(k_ + 2) * kRounding * magnitude + 1e-40;
  }

 private:
  static constexpr std::size_t kMostWork = 50'000;

  static Element draw(Source& source, float largest, float tiny, bool infinite) {
    float value = source.value(largest, tiny);
    if (infinite && source.one_of(64)) {
      value = source.one_of(2) ? std::numeric_limits<float>::quiet_NaN()
                               : std::copysign(std::numeric_limits<float>::infinity(), value);
    }
    if constexpr (std::is_same_v<Element, float>) {
      return value;
    } else {
      return tensor::to_bfloat16(value);
    }
  }

  Array<float> run(Source& source, const Kernels& kernels, void (*Kernels::*function)(const Product&),
                   const Element* a, std::size_t m) {
    Array<float> c(source, (m - 1) * ldc_ + n_);
    c.fill(7);
    (kernels.*function)({.a = a,
                         .lda = lda_,
                         .b = b_.data(),
                         .ldb = ldb_,
                         .c = c.data(),
                         .ldc = ldc_,
                         .m = m,
                         .n = n_,
                         .k = k_});
    return c;
  }

  std::size_t m_, n_, k_, lda_, ldb_, ldc_;
  Array<Element> a_, b_;
};

template <class Product>
void check(Source& source, const Kernels& portable, Sets sets, const char* name,
           void (*Kernels::*function)(const Product&)) {
  Operands<Product> operands(source);
  const std::size_t row = source.below(operands.rows()), stride = operands.stride();
  const auto alone = [&](const Kernels& kernels, Array<float>& c) {
    Array<float> found = operands.multiply_row(source, kernels, function, row);
    require(std::equal(found.begin(), found.end(), c.data() + row * stride,
                       [](float a, float b) { return same(a, b); }),
            kernels, "a row of a product alone");
  };
  Array<float> wanted = operands.multiply(source, portable, function);
  alone(portable, wanted);
  for (const Kernels* kernels : sets) {
    Array<float> found = operands.multiply(source, *kernels, function);
    for (std::size_t at = 0; at < found.size(); ++at) {
      const std::size_t i = at / stride, j = at % stride;
      if (same(found[at], wanted[at])) continue;
      require(j < operands.columns(), *kernels, "what lies between the rows of a product");
      require(near(found[at], wanted[at], operands.tolerance(i, j)), *kernels, name);
    }
    alone(*kernels, found);
  }
}

}  // namespace

void check_products(Source& source, const Kernels& portable, Sets sets) {
  switch (source.below(3)) {
    case 0:
      return check(source, portable, sets, "matmul_nt_f32", &Kernels::matmul_nt_f32);
    case 1:
      return check(source, portable, sets, "matmul_nt_bf16", &Kernels::matmul_nt_bf16);
    default:
      return check(source, portable, sets, "matmul_nn", &Kernels::matmul_nn);
  }
}

}  // namespace fovea::kernels::fuzz
