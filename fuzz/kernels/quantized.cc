// Products of int8 and int4: the sums to the bit, what follows them (scales, bias, GELU, the residual
// connection) within rounding.

#include "checks.h"

namespace fovea::kernels::fuzz {
namespace {

constexpr std::size_t kMostWork = 100'000;

/// Scales, bias and what a product does with its sums.
struct Finish {
  Array<float>& a_scales;
  Array<float>& b_scales;
  const float* bias;
  Epilogue epilogue;
};

/// A in floats that are its integers, B as it is stored, and where C goes.
class Operands {
 public:
  explicit Operands(Source& source)
      : int4_(source.one_of(2)),
        // Whatever a damaged file holds must not do harm; what comes of it may differ.
        damaged_(source.one_of(8)),
        m_(source.size(70)),
        n_(source.size(100)),
        k_(std::min<std::size_t>(source.one_of(8) ? 17 : 1 + source.below(4),
                                 1 + kMostWork / kPackedDepth / (m_ * n_)) *
           kPackedDepth),
        inputs_(k_ - source.below(kPackedDepth)),
        lda_(k_ + source.below(80)),
        ldc_(n_ + source.below(3)),
        rows_(source, m_ * inputs_),
        b_(source, int4_ ? columns() * k_ / 2 : columns() * k_),
        multipliers_(source, int4_ ? columns() * k_ / kInt4GroupSize : 0),
        sums_(source, columns()),
        before_(values(source, (m_ - 1) * ldc_ + n_, 1e3F)) {
    const std::size_t ends = source.below(3);  // 0: any value; 1: the ends of the range; 2: one of them
    const auto draw = [&] {
      const int any = source.byte() % 255 - 127;
      if (ends == 0) return any;
      return ends == 1 && any < 0 ? -127 : 127;
    };
    for (float& value : rows_) value = static_cast<float>(draw());
    // Each row holds a value of magnitude 127, so that its integers are its values.
    for (std::size_t i = 0; i < m_; ++i) rows_[i * inputs_ + i % inputs_] = i % 2 == 0 ? 127 : -127;
    for (std::uint8_t& value : b_) {
      const bool any = int4_ || damaged_;
      value = any ? source.byte() : static_cast<std::uint8_t>(draw());
      if (int4_ && ends != 0) value = value < 128 && ends == 1 ? 0x00 : 0xFF;
    }
    for (std::uint8_t& value : multipliers_) {
      const std::size_t any = damaged_ ? source.byte() : 1 + source.below(15);
      value = static_cast<std::uint8_t>(ends == 0 || damaged_ ? any : 15);
    }
    for (std::size_t j = 0; j < columns(); ++j) sums_[j] = sum_of_column(j);
  }

  [[nodiscard]] bool damaged() const { return damaged_; }
  [[nodiscard]] const char* name() const { return int4_ ? "matmul_int4" : "matmul_int8"; }
  [[nodiscard]] std::size_t rows() const { return m_; }
  [[nodiscard]] std::size_t outputs() const { return n_; }
  [[nodiscard]] std::size_t columns() const {
    return (n_ + kPackedColumns - 1) / kPackedColumns * kPackedColumns;
  }
  [[nodiscard]] std::size_t stride() const { return ldc_; }
  float before(std::size_t at) { return before_[at]; }

  /// C, and what lies between its rows as it was.
  Array<float> multiply(Source& source, const Kernels& kernels, const Finish& finish) {
    Array<std::uint8_t> a(source, (m_ - 1) * lda_ + k_);
    Array<std::uint8_t> scratch(source, int4_ ? kScratchBlocks * kPackedColumns * k_ : 0);
    for (std::size_t i = 0; i < m_; ++i) {
      require(kernels.quantize_row(rows_.data() + i * inputs_, inputs_, k_, a.data() + i * lda_) == 1.0F,
              kernels, "quantize_row's scale");
    }
    Array<float> c(source, before_.size());
    c.copy(before_);
    const MatmulQuantized product{.a = a.data(),
                                  .lda = lda_,
                                  .a_scales = finish.a_scales.data(),
                                  .b = b_.data(),
                                  .b_multipliers = int4_ ? multipliers_.data() : nullptr,
                                  .b_sums = sums_.data(),
                                  .b_scales = finish.b_scales.data(),
                                  .bias = finish.bias,
                                  .scratch = int4_ ? scratch.data() : nullptr,
                                  .c = c.data(),
                                  .ldc = ldc_,
                                  .m = m_,
                                  .n = n_,
                                  .k = k_,
                                  .epilogue = finish.epilogue};
    int4_ ? kernels.matmul_int4(product) : kernels.matmul_int8(product);
    return c;
  }

 private:
  std::int32_t sum_of_column(std::size_t j) {
    const std::size_t block = j / kPackedColumns, column = j % kPackedColumns;
    std::int32_t sum = 0;
    for (std::size_t p = 0; p < k_; ++p) {
      if (int4_) {
        const std::uint8_t both = b_[(block * (k_ / 8) + p / 8) * kPackedStep + 4 * column + p % 4];
        const std::size_t group = block * (k_ / kInt4GroupSize) + p / kInt4GroupSize;
        sum += ((p % 8 < 4 ? both & 15 : both >> 4) - 8) * multipliers_[group * kPackedColumns + column];
      } else {
        const std::size_t step = block * (k_ / 4) + p / 4;
        sum += static_cast<std::int8_t>(b_[step * kPackedStep + 4 * column + p % 4]);
      }
    }
    return sum;
  }

  bool int4_, damaged_;
  std::size_t m_, n_, k_, inputs_, lda_, ldc_;
  Array<float> rows_;  // [m, inputs]
  Array<std::uint8_t> b_, multipliers_;
  Array<std::int32_t> sums_;
  Array<float> before_;
};

/// Those that a set reads for outputs that do not exist are no numbers.
void spoil_padding(Array<float>& b_scales, std::size_t outputs) {
  std::fill(b_scales.begin() + outputs, b_scales.end(), std::numeric_limits<float>::quiet_NaN());
}

/// The sums themselves, with scales of one. Returns the portable set's.
Array<float> check_sums(Source& source, const Kernels& portable, Sets sets, Operands& operands) {
  Array<float> a_scales(source, operands.rows()), b_scales(source, operands.columns());
  a_scales.fill(1);
  b_scales.fill(1);
  spoil_padding(b_scales, operands.outputs());
  const Finish finish{
      .a_scales = a_scales, .b_scales = b_scales, .bias = nullptr, .epilogue = Epilogue::kStore};
  Array<float> wanted = operands.multiply(source, portable, finish);
  for (const Kernels* kernels : sets) {
    Array<float> found = operands.multiply(source, *kernels, finish);
    if (!operands.damaged()) require(same(found, wanted), *kernels, operands.name());
  }
  return wanted;
}

void check_epilogues(Source& source, const Kernels& portable, Sets sets, Operands& operands,
                     Array<float>& sums) {
  static constexpr struct {
    Epilogue epilogue;
    const char* name;
  } kEpilogues[] = {{Epilogue::kStore, "a product with scales"},
                    {Epilogue::kGeluTanh, "a product with GELU"},
                    {Epilogue::kAdd, "a product with the residual"}};
  const auto [epilogue, name] = kEpilogues[source.below(std::size(kEpilogues))];
  const float largest = source.one_of(4) ? 1e15F : 4.0F;  // a sum of integers times two of it is finite
  Array<float> a_scales = values(source, operands.rows(), largest);
  Array<float> b_scales = values(source, operands.columns(), largest);
  for (Array<float>* scales : {&a_scales, &b_scales}) {
    for (float& scale : *scales) scale *= 1e-3F;  // sums are in the thousands
  }
  spoil_padding(b_scales, operands.outputs());
  Array<float> bias = values(source, operands.outputs(), 1e3F);
  const bool biased = !source.one_of(4);
  const Finish finish{.a_scales = a_scales,
                      .b_scales = b_scales,
                      .bias = biased ? bias.data() : nullptr,
                      .epilogue = epilogue};
  const auto tolerance = [&](std::size_t at) {
    const std::size_t i = at / operands.stride(), j = at % operands.stride();
    if (j >= operands.outputs()) return 0.0;  // between the rows
    const double product = double{sums[at]} * a_scales[i] * b_scales[j], offset = biased ? bias[j] : 0;
    const double rounding = 4 * kRounding * (std::abs(product) + std::abs(offset)) + 1e-37;
    const double value = std::abs(product + offset);
    switch (epilogue) {
      case Epilogue::kStore:
        return rounding;
      case Epilogue::kGeluTanh:  // no steeper than 1.13
        return 1.2 * rounding + 4e-6 * value + 2e-7;
      case Epilogue::kAdd:
        return rounding + 2 * kRounding * (value + std::abs(operands.before(at)));
    }
    return 0.0;
  };
  Array<float> wanted = operands.multiply(source, portable, finish);
  for (const Kernels* kernels : sets) {
    Array<float> found = operands.multiply(source, *kernels, finish);
    if (operands.damaged()) continue;
    for (std::size_t at = 0; at < found.size(); ++at) {
      if (!same(found[at], wanted[at])) require(near(found[at], wanted[at], tolerance(at)), *kernels, name);
    }
  }
}

}  // namespace

void check_quantized(Source& source, const Kernels& portable, Sets sets) {
  Operands operands(source);
  Array<float> sums = check_sums(source, portable, sets, operands);
  check_epilogues(source, portable, sets, operands, sums);
}

}  // namespace fovea::kernels::fuzz
