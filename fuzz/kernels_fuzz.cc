// Every instruction set against the portable one, on shapes, values and alignments that the input decides:
// integer products, quantised rows and Hadamard transforms to the bit, the rest within rounding.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "kernels/kernels.h"

namespace fovea::kernels {
namespace {

void require(bool condition, const Kernels& kernels, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s of %s differs from the portable set's\n", what, kernels.isa);
  std::abort();
}

/// Bytes of the input, then a sequence that they began.
class Source {
 public:
  Source(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  std::uint8_t byte() {
    const std::uint8_t fresh = at_ < size_ ? data_[at_++] : std::uint8_t{0};
    state_ = (state_ + fresh) * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::uint8_t>(state_ >> 56);
  }
  std::size_t below(std::size_t end) { return (byte() * std::size_t{256} + byte()) % end; }
  /// Mostly moderate, at times huge, tiny or zero; always finite.
  float value() {
    const float moderate = static_cast<float>(byte() - 128 + byte() / 256.0) / 32.0F;
    switch (byte() % 16) {
      case 0:
        return 0.0F;
      case 1:
        return moderate * 1e30F;
      case 2:
        return moderate * 1e-40F;
      case 3:
        return std::copysign(127.5F, moderate);
      default:
        return moderate;
    }
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t at_ = 0;
  std::uint64_t state_ = 1;
};

/// An array that ends where its memory ends, so that a sanitizer sees every read past it, and whose address
/// is a multiple of no more than its elements need.
template <class Element>
class Array {
 public:
  explicit Array(std::size_t size) : memory_(std::make_unique<Element[]>(size + 1)), size_(size) {}
  Element* data() { return memory_.get() + 1; }
  Element* begin() { return data(); }
  Element* end() { return data() + size_; }
  Element& operator[](std::size_t i) { return data()[i]; }

 private:
  std::unique_ptr<Element[]> memory_;
  std::size_t size_;
};

template <class Element>
bool same(Array<Element>& a, Array<Element>& b) {
  return std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.end() - a.begin()) * sizeof(Element)) ==
         0;
}

bool near(float a, float b, float tolerance) {
  return a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= tolerance;
}

/// quantize_row's bytes without the offset that some sets add: any offset is that of a zero.
void check_rows(Source& source, const Kernels& portable, const std::vector<const Kernels*>& sets) {
  const std::size_t n = 1 + source.below(300), padded = (n + kPackedDepth - 1) / kPackedDepth * kPackedDepth;
  const std::size_t block = std::size_t{1} << source.below(8);
  Array<float> x(n), weight(n), bias(n), long_row(n * block);
  for (float& value : x) value = source.value();
  for (float& value : weight) value = source.value();
  for (float& value : bias) value = source.value();
  for (float& value : long_row) value = source.value();
  const float largest =
      *std::max_element(x.begin(), x.end(), [](float a, float b) { return std::abs(a) < std::abs(b); });

  Array<std::uint8_t> expected(padded), zeros(padded), found(padded);
  const float scale = portable.quantize_row(x.data(), n, padded, expected.data());
  Array<float> transformed(n * block), other(n * block);
  std::copy(long_row.begin(), long_row.end(), transformed.begin());
  portable.hadamard(transformed.data(), n * block, block);
  Array<BFloat16> narrow(n), other_narrow(n);
  portable.to_bf16(x.data(), narrow.data(), n);
  for (const Kernels* kernels : sets) {
    Array<float> nothing(1);
    kernels->quantize_row(nothing.data(), 1, padded, zeros.data());
    require(kernels->quantize_row(x.data(), n, padded, found.data()) == scale, *kernels,
            "quantize_row's scale");
    for (std::size_t i = 0; i < padded; ++i) found[i] = static_cast<std::uint8_t>(found[i] - zeros[i]);
    require(same(found, expected), *kernels, "quantize_row");

    std::copy(long_row.begin(), long_row.end(), other.begin());
    kernels->hadamard(other.data(), n * block, block);
    require(same(other, transformed), *kernels, "hadamard");
    kernels->to_bf16(x.data(), other_narrow.data(), n);
    require(same(other_narrow, narrow), *kernels, "to_bf16");
  }
  if (std::abs(largest) > 1e6F) return;  // squares and sums that overflow differ with their order

  using Operation = void (*)(const Kernels&, Array<float>&, Array<float>&, Array<float>&, std::size_t);
  struct Named {
    const char* name;
    Operation run;
  };
  static constexpr Named kOperations[] = {
      {"gelu_tanh",
       [](const Kernels& k, auto& row, auto&, auto&, std::size_t n) { k.gelu_tanh(row.data(), n); }},
      {"add",
       [](const Kernels& k, auto& row, auto& y, auto&, std::size_t n) { k.add(row.data(), y.data(), n); }},
      {"silu_multiply", [](const Kernels& k, auto& row, auto& y, auto&,
                           std::size_t n) { k.silu_multiply(row.data(), y.data(), n); }},
      {"softmax",
       [](const Kernels& k, auto& row, auto&, auto&, std::size_t n) { k.softmax(row.data(), 0.1F, n); }},
      {"rms_norm", [](const Kernels& k, auto& row, auto& y, auto&,
                      std::size_t n) { k.rms_norm(row.data(), y.data(), 1e-5F, row.data(), n); }},
      {"layer_norm",
       [](const Kernels& k, auto& row, auto& y, auto& z, std::size_t n) {
         k.layer_norm(row.data(), y.data(), z.data(), 1e-3F, row.data(), n);
       }},
  };
  Array<float> wanted(n), got(n);
  for (const Named& operation : kOperations) {
    std::copy(x.begin(), x.end(), wanted.begin());
    operation.run(portable, wanted, weight, bias, n);
    for (const Kernels* kernels : sets) {
      std::copy(x.begin(), x.end(), got.begin());
      operation.run(*kernels, got, weight, bias, n);
      for (std::size_t i = 0; i < n; ++i) {
        const float size = std::abs(wanted[i]) + std::abs(weight[i]) + std::abs(bias[i]);
        require(near(got[i], wanted[i], 1e-4F * size + 1e-6F), *kernels, operation.name);
      }
    }
  }
}

void check_products(Source& source, const Kernels& portable, const std::vector<const Kernels*>& sets) {
  const std::size_t m = 1 + source.below(70), n = 1 + source.below(100),
                    k = kPackedDepth * (1 + source.below(4));
  const std::size_t columns = (n + kPackedColumns - 1) / kPackedColumns * kPackedColumns;
  const bool int4 = source.below(2) == 1;
  const int extreme = static_cast<int>(source.below(3));  // 0: any value; 1, 2: only the ends of the range
  // A row holds a value of magnitude 127, so that its integers are its values.
  Array<float> rows(m * k);
  for (float& value : rows) {
    const int any = source.byte() % 255 - 127;
    value = static_cast<float>(extreme == 0 ? any : (any < 0 ? -127 : 127));
  }
  for (std::size_t i = 0; i < m; ++i) rows[i * k + i % k] = 127;

  const auto weight = [&] {
    const int any = source.byte() % 255 - 127;
    return extreme == 0 ? any : (extreme == 1 && any < 0 ? -127 : 127);
  };
  Array<std::uint8_t> b(int4 ? columns * k / 2 : columns * k), multipliers(columns * k / kInt4GroupSize);
  Array<std::int32_t> sums(columns);
  for (std::uint8_t& value : b) value = int4 ? source.byte() : static_cast<std::uint8_t>(weight());
  for (std::uint8_t& value : multipliers)
    value = static_cast<std::uint8_t>(extreme != 0 ? 15 : 1 + source.below(15));
  for (std::size_t j = 0; j < columns; ++j) {
    const std::size_t block = j / kPackedColumns, column = j % kPackedColumns;
    for (std::size_t p = 0; p < k; ++p) {
      if (int4) {
        const std::uint8_t both = b[(block * (k / 8) + p / 8) * kPackedStep + 4 * column + p % 4];
        const int multiplier =
            multipliers[(block * (k / kInt4GroupSize) + p / kInt4GroupSize) * kPackedColumns + column];
        sums[j] += ((p % 8 < 4 ? both & 15 : both >> 4) - 8) * multiplier;
      } else {
        sums[j] += static_cast<std::int8_t>(b[(block * (k / 4) + p / 4) * kPackedStep + 4 * column + p % 4]);
      }
    }
  }
  Array<float> a_scales(m), b_scales(columns);
  std::fill(a_scales.begin(), a_scales.end(), 1.0F);  // so that the sums themselves come out
  std::fill(b_scales.begin(), b_scales.end(), 1.0F);

  const auto multiply = [&](const Kernels& kernels) {
    Array<std::uint8_t> a(m * k), scratch(kScratchBlocks * kPackedColumns * k);
    for (std::size_t i = 0; i < m; ++i) kernels.quantize_row(rows.data() + i * k, k, k, a.data() + i * k);
    Array<float> c(m * n);
    const MatmulQuantized product{.a = a.data(),
                                  .lda = k,
                                  .a_scales = a_scales.data(),
                                  .b = b.data(),
                                  .b_multipliers = int4 ? multipliers.data() : nullptr,
                                  .b_sums = sums.data(),
                                  .b_scales = b_scales.data(),
                                  .bias = nullptr,
                                  .scratch = scratch.data(),
                                  .c = c.data(),
                                  .ldc = n,
                                  .m = m,
                                  .n = n,
                                  .k = k,
                                  .epilogue = Epilogue::kStore};
    int4 ? kernels.matmul_int4(product) : kernels.matmul_int8(product);
    return c;
  };
  Array<float> expected = multiply(portable);
  for (const Kernels* kernels : sets) {
    Array<float> found = multiply(*kernels);
    require(same(found, expected), *kernels, int4 ? "matmul_int4" : "matmul_int8");
  }
}

void check_attention(Source& source, const Kernels& portable, const std::vector<const Kernels*>& sets) {
  const std::size_t rows = 1 + source.below(kAttentionRows), head_dim = 1 + source.below(100);
  const std::size_t positions = 1 + source.below(600), pairs = (head_dim + 1) / 2;
  const std::size_t value_pairs = (positions + 1) / 2;
  const auto fill = [&](Array<BFloat16>& array) {
    for (BFloat16& value : array)
      value = tensor::to_bfloat16(static_cast<float>(source.byte() - 128) / 64.0F);
  };
  Array<BFloat16> q(rows * 2 * pairs), keys((positions + 15) / 16 * pairs * 32),
      values((head_dim + 15) / 16 * value_pairs * 32);
  fill(q), fill(keys), fill(values);
  if (head_dim % 2 != 0) {
    for (std::size_t i = 0; i < rows; ++i) q[(i + 1) * 2 * pairs - 1] = {};
  }
  Array<std::uint32_t> visible(rows);
  std::uint32_t last = 1;
  for (std::uint32_t& count : visible) {
    count = static_cast<std::uint32_t>(1 + source.below(positions));
    last = std::max(last, count);
  }
  struct Found {
    Array<float> out, tops, totals;
  };
  const auto attend = [&](const Kernels& kernels) {
    Found found{Array<float>(rows * head_dim), Array<float>(rows), Array<float>(rows)};
    kernels.attention_bf16({.q = q.data(),
                            .ldq = 2 * pairs,
                            .keys = keys.data(),
                            .values = values.data(),
                            .value_pairs = value_pairs,
                            .visible = visible.data(),
                            .first = 0,
                            .last = last,
                            .scale = 0.1F,
                            .out = found.out.data(),
                            .out_stride = head_dim,
                            .tops = found.tops.data(),
                            .totals = found.totals.data(),
                            .rows = rows,
                            .head_dim = head_dim});
    return found;
  };
  Found expected = attend(portable);
  for (const Kernels* kernels : sets) {
    Found found = attend(*kernels);
    for (std::size_t i = 0; i < rows; ++i) {
      require(near(found.tops[i], expected.tops[i], 1e-4F * (1 + std::abs(expected.tops[i]))), *kernels,
              "attention_bf16's top");
      for (std::size_t d = 0; d < head_dim; ++d) {
        const float wanted = expected.out[i * head_dim + d] / expected.totals[i];
        require(near(found.out[i * head_dim + d] / found.totals[i], wanted, 2e-2F), *kernels,
                "attention_bf16");
      }
    }
  }
}

}  // namespace
}  // namespace fovea::kernels

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fovea::kernels;
  static const std::vector<const Kernels*> all = supported_kernels();
  const std::vector<const Kernels*> sets(all.begin() + 1, all.end());
  Source source(data, size);
  switch (source.below(3)) {
    case 0:
      check_rows(source, *all.front(), sets);
      break;
    case 1:
      check_products(source, *all.front(), sets);
      break;
    default:
      check_attention(source, *all.front(), sets);
      break;
  }
  return 0;
}
