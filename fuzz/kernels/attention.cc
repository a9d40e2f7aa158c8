// Attention over bfloat16 keys and values, and over those of int8 with their scales: what it finds within the
// rounding of scores and weights, a row alone to the bit.

#include <array>
#include <vector>

#include "checks.h"

namespace fovea::kernels::fuzz {
namespace {

constexpr std::size_t kMostWork = 60'000;
/// Of a weight between two sets: one may round it up to bfloat16 and another down, and they approximate its
/// power a little differently.
constexpr double kWeightRounding = 0x1p-7 + 2e-4;

constexpr float kUntouched = 7;

float magnitude_of(BFloat16 value) {
  return std::abs(tensor::to_float(value));
}

/// Keys or values in the form that attention reads. Of int8, every set widens them itself.
class Packed {
 public:
  Packed(Source& source, std::size_t size, bool int8, float largest)
      : int8_(int8), bytes_(source, int8 ? size : 0), wide_(source, size) {
    for (std::int8_t& value : bytes_) value = static_cast<std::int8_t>(source.byte());
    if (int8) return;
    for (BFloat16& value : wide_) value = tensor::to_bfloat16(source.value(largest, 1e-14F));
  }

  const BFloat16* widened(const Kernels& kernels) {
    if (int8_) kernels.widen_int8(bytes_.data(), wide_.data(), wide_.size());
    return wide_.data();
  }
  double largest() {
    double largest = int8_ ? 128 : 0;
    for (const BFloat16 value : wide_) largest = std::max<double>(largest, magnitude_of(value));
    return largest;
  }
  /// Everything as its magnitude: attention over it says how large the terms of every sum are.
  void make_positive() {
    for (std::int8_t& value : bytes_) value = static_cast<std::int8_t>(std::min(127, std::abs(value)));
    for (BFloat16& value : wide_) value.bits &= 0x7FFF;
  }

 private:
  bool int8_;
  Array<std::int8_t> bytes_;
  Array<BFloat16> wide_;
};

/// One factor for each position; those of positions that were never written are no numbers.
Array<float> position_scales(Source& source, std::size_t last) {
  Array<float> scales(source, (last + kPackedColumns - 1) / kPackedColumns * kPackedColumns);
  scales.fill(std::numeric_limits<float>::infinity());
  for (std::size_t i = 0; i < last; ++i) {
    scales[i] = source.one_of(32) ? 0.0F : std::abs(source.value(4.0F, 1e-14F)) / 64;
  }
  return scales;
}

double largest_of(Array<float>& scales, std::size_t last) {
  return *std::max_element(scales.begin(), scales.begin() + last);
}

struct Found {
  Array<float> out, tops, totals;
};

class Operands {
 public:
  explicit Operands(Source& source)
      : last_(source.size(600)),
        head_dim_(std::min(source.one_of(16) ? 250 + source.below(20) : source.size(100),
                           1 + kMostWork / 2 / last_)),
        rows_(std::min(source.size(kAttentionRows),
                       1 + (source.one_of(4) ? kMostWork : kMostWork / 4) / (last_ * head_dim_))),
        first_(source.below((last_ + kAttentionChunk - 1) / kAttentionChunk) * kAttentionChunk),
        value_pairs_((last_ + 1) / 2 + source.below(3)),
        ldq_(2 * pairs() + source.below(3)),
        out_stride_(head_dim_ + source.below(3)),
        int8_(source.one_of(2)),
        scaled_keys_(source.one_of(2)),
        scaled_values_(source.one_of(2)),
        scale_(std::array{0.117851130F, 0.125F, 0.01F}[source.below(3)]),
        // Where the magnitudes of scores leave nothing of their differences, weights are weights at least.
        largest_(source.one_of(8) ? 1e10F : 4.0F),
        q_(source, (rows_ - 1) * ldq_ + 2 * pairs()),
        keys_(source, (last_ + 15) / 16 * pairs() * 32, int8_, largest_),
        values_(source, (head_dim_ + 15) / 16 * value_pairs_ * 32, int8_, 1e3F),
        key_scales_(position_scales(source, last_)),
        value_scales_(position_scales(source, last_)),
        visible_(source, rows_) {
    for (BFloat16& value : q_) value = tensor::to_bfloat16(source.value(largest_, 1e-14F));
    for (std::size_t i = 0; i < rows_; ++i) {
      if (head_dim_ % 2 != 0) q_[i * ldq_ + head_dim_] = {};
    }
    for (std::uint32_t& count : visible_) count = static_cast<std::uint32_t>(source.below(last_ + 20));
  }

  [[nodiscard]] std::size_t last() const { return last_; }
  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t head_dim() const { return head_dim_; }
  [[nodiscard]] std::size_t out_stride() const { return out_stride_; }

  Found attend(Source& source, const Kernels& kernels) {
    return run(source, kernels, q_.data(), visible_.data(), rows_);
  }
  /// Row i from a copy of its query.
  Found attend_row(Source& source, const Kernels& kernels, std::size_t i) {
    Array<BFloat16> row(source, 2 * pairs());
    std::copy_n(q_.data() + i * ldq_, row.size(), row.begin());
    return run(source, kernels, row.data(), visible_.data() + i, 1);
  }
  void make_values_positive() { values_.make_positive(); }

  /// By how much the sum of a score of row i may differ between two sets.
  double score_rounding(std::size_t i) {
    double sum = 0;
    for (std::size_t d = 0; d < head_dim_; ++d) sum += magnitude_of(q_[i * ldq_ + d]);
    sum *= keys_.largest() * (scaled_keys_ ? largest_of(key_scales_, last_) : 1);
    return 2 * static_cast<double>(head_dim_ + 8) * kRounding * sum;
  }
  /// The same of the logarithm of a weight.
  double weight_rounding(std::size_t i) { return score_rounding(i) * scale_; }
  double largest_value() {
    return values_.largest() * (scaled_values_ ? largest_of(value_scales_, last_) : 1);
  }

 private:
  [[nodiscard]] std::size_t pairs() const { return (head_dim_ + 1) / 2; }

  Found run(Source& source, const Kernels& kernels, const BFloat16* q, const std::uint32_t* visible,
            std::size_t rows) {
    Found found{.out = Array<float>(source, (rows - 1) * out_stride_ + head_dim_),
                .tops = Array<float>(source, rows),
                .totals = Array<float>(source, rows)};
    found.out.fill(kUntouched);
    kernels.attention_bf16({.q = q,
                            .ldq = ldq_,
                            .keys = keys_.widened(kernels),
                            .values = values_.widened(kernels),
                            .value_pairs = value_pairs_,
                            .key_scales = scaled_keys_ ? key_scales_.data() : nullptr,
                            .value_scales = scaled_values_ ? value_scales_.data() : nullptr,
                            .visible = visible,
                            .first = first_,
                            .last = last_,
                            .scale = scale_,
                            .out = found.out.data(),
                            .out_stride = out_stride_,
                            .tops = found.tops.data(),
                            .totals = found.totals.data(),
                            .rows = rows,
                            .head_dim = head_dim_});
    return found;
  }

  std::size_t last_, head_dim_, rows_, first_, value_pairs_, ldq_, out_stride_;
  bool int8_, scaled_keys_, scaled_values_;
  float scale_, largest_;
  Array<BFloat16> q_;
  Packed keys_, values_;
  Array<float> key_scales_, value_scales_;
  Array<std::uint32_t> visible_;
};

void check_row_alone(Source& source, const Kernels& kernels, Operands& operands, Found& all, std::size_t i) {
  Found alone = operands.attend_row(source, kernels, i);
  require(std::equal(alone.out.begin(), alone.out.end(), all.out.data() + i * operands.out_stride(),
                     [](float a, float b) { return same(a, b); }) &&
              same(alone.tops[0], all.tops[i]) && same(alone.totals[0], all.totals[i]),
          kernels, "a row of attention alone");
}

/// Row i of what a set found is an average of values, with a weight of one for the highest score and of no
/// more for any other.
void check_average(Operands& operands, const Kernels& kernels, Found& found, std::size_t i) {
  const float total = found.totals[i], most_positions = static_cast<float>(operands.last());
  require(total == 0 || (total > 0.99F && total < 1.01F * most_positions), kernels, "attention's weights");
  const double most = total * operands.largest_value() * 1.01 + 1e-30;
  for (std::size_t d = 0; d < operands.head_dim(); ++d) {
    require(near(found.out[i * operands.out_stride() + d], 0, most), kernels, "attention's average");
  }
}

void check_between_rows(Operands& operands, const Kernels& kernels, Found& found) {
  for (std::size_t at = 0; at < found.out.size(); ++at) {
    const bool inside = at % operands.out_stride() < operands.head_dim();
    require(inside || found.out[at] == kUntouched, kernels, "what lies between the rows of attention");
  }
}

/// `sums` is what the portable set finds for the magnitudes of the values.
void check_row(Operands& operands, const Kernels& kernels, Found& found, Found& wanted, Found& sums,
               std::size_t i) {
  check_average(operands, kernels, found, i);
  require(near(found.tops[i], wanted.tops[i], operands.score_rounding(i)), kernels, "attention's top");
  require((found.totals[i] == 0) == (wanted.totals[i] == 0), kernels, "whether attention sees a position");
  const double rounding = 3 * operands.weight_rounding(i);
  if (rounding > 0.1 || wanted.totals[i] == 0) return;
  require(near(found.totals[i], wanted.totals[i], (rounding + 3e-4) * wanted.totals[i]), kernels,
          "attention's total");
  for (std::size_t d = 0; d < operands.head_dim(); ++d) {
    const std::size_t at = i * operands.out_stride() + d;
    const float magnitude = sums.out[at] / sums.totals[i];
    require(near(found.out[at] / found.totals[i], wanted.out[at] / wanted.totals[i],
                 (kWeightRounding + rounding) * 1.02 * magnitude + 1e-30),
            kernels, "attention_bf16");
  }
}

}  // namespace

void check_attention(Source& source, const Kernels& portable, Sets sets) {
  Operands operands(source);
  const std::size_t row = source.below(operands.rows());
  Found wanted = operands.attend(source, portable);
  for (std::size_t i = 0; i < operands.rows(); ++i) check_average(operands, portable, wanted, i);
  check_row_alone(source, portable, operands, wanted, row);
  std::vector<Found> found;
  for (const Kernels* kernels : sets) {
    found.push_back(operands.attend(source, *kernels));
    check_row_alone(source, *kernels, operands, found.back(), row);
  }
  operands.make_values_positive();
  Found sums = operands.attend(source, portable);
  for (std::size_t set = 0; set < sets.size(); ++set) {
    check_between_rows(operands, *sets[set], found[set]);
    for (std::size_t i = 0; i < operands.rows(); ++i) {
      check_row(operands, *sets[set], found[set], wanted, sums, i);
    }
  }
}

/// Two findings of one row become one.
void check_merge(Source& source, const Kernels& portable, Sets sets) {
  const std::size_t head_dim = source.size(130);
  const float scale = source.one_of(2) ? 0.1F : 0.125F;
  const float largest = source.one_of(4) ? 1e30F : 90.0F;
  constexpr float kNothing = -1e38F;  // the top of a row that sees no position
  const auto top = [&] { return source.one_of(8) ? kNothing : source.value(largest); };
  const auto total = [&](float of) { return of == kNothing ? 0.0F : 1 + std::abs(source.value(600.0F)); };
  const float tops[] = {top(), top()};
  const float totals[] = {total(tops[0]), total(tops[1])};
  Array<float> into = values(source, head_dim, 1e30F), part = values(source, head_dim, 1e30F);

  const double most = std::max(tops[0], tops[1]);
  const auto factor = [&](float of) { return std::exp(std::max((of - most) * scale, -88.0)); };
  const double factors[] = {factor(tops[0]), factor(tops[1])};
  const auto tolerance = [&](double a, double b) {
    return 20 * kRounding * (std::abs(a) * factors[0] + std::abs(b) * factors[1]) + 1e-37;
  };
  const auto merge = [&](const Kernels& kernels, Array<float>& out) {
    out.copy(into);
    AttentionRow merged{.out = out.data(), .top = tops[0], .total = totals[0]};
    const AttentionRow other{.out = part.data(), .top = tops[1], .total = totals[1]};
    kernels.merge_attention(merged, other, scale, head_dim);
    require(merged.top == static_cast<float>(most), kernels, "merge_attention's top");
    return merged.total;
  };
  Array<float> wanted(source, head_dim), found(source, head_dim);
  const float wanted_total = merge(portable, wanted);
  for (const Kernels* kernels : sets) {
    const float found_total = merge(*kernels, found);
    require(near(found_total, wanted_total, tolerance(totals[0], totals[1])), *kernels,
            "merge_attention's total");
    for (std::size_t d = 0; d < head_dim; ++d) {
      require(near(found[d], wanted[d], tolerance(into[d], part[d])), *kernels, "merge_attention");
    }
  }
}

}  // namespace fovea::kernels::fuzz
