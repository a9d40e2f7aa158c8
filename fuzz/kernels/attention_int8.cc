// Attention in int8: what it finds within the steps that its weights are rounded to, a row alone to the bit.

#include <vector>

#include "checks.h"

namespace fovea::kernels::fuzz {
namespace {

constexpr std::size_t kMostWork = 60'000;
constexpr float kUntouched = 7;

std::size_t rounded_up(std::size_t n, std::size_t unit) {
  return (n + unit - 1) / unit * unit;
}

std::size_t place(std::size_t row, std::size_t i, std::size_t depth) {
  return row / 16 * 16 * depth + i / 4 * 64 + row % 16 * 4 + i % 4;
}

/// Whole numbers in the order of packed columns, [outputs, depth], zeros beyond `rows` and `inputs`.
struct Columns {
  Array<std::uint8_t> numbers;
  Array<std::int32_t> sums;
  Array<float> scales;

  Columns(Source& source, std::size_t rows, std::size_t inputs, std::size_t depth, float largest_scale)
      : numbers(source, rounded_up(rows, kPackedColumns) * depth),
        sums(source, rounded_up(rows, kPackedColumns)),
        scales(source, rounded_up(rows, kPackedColumns)) {
    numbers.fill(0);
    sums.fill(0);
    scales.fill(0);
    for (std::size_t row = 0; row < rows; ++row) {
      scales[row] = source.one_of(32) ? 0.0F : std::abs(source.value(largest_scale, 1e-14F));
      for (std::size_t i = 0; i < inputs; ++i) {
        const int number = source.byte() % 255 - 127;
        numbers[place(row, i, depth)] = static_cast<std::uint8_t>(number);
        sums[row] += number;
      }
    }
  }
};

class Operands {
 public:
  explicit Operands(Source& source)
      : positions_(source.size(600)),
        head_dim_(std::min(source.size(140), 1 + kMostWork / 2 / positions_)),
        rows_(std::min(source.size(kAttentionRows), 1 + kMostWork / (positions_ * head_dim_))),
        out_stride_(head_dim_ + source.below(3)),
        queries_(values(source, rows_ * head_dim_, 4.0F)),
        q_scales_(source, rows_),
        keys_(source, positions_, head_dim_, depth(), 0.01F) {
    for (std::size_t first = 0; first < positions_; first += kAttentionChunk) {
      const std::size_t seen = std::min(kAttentionChunk, positions_ - first);
      chunks_.emplace_back(source, head_dim_, seen, rounded_up(seen, kPackedDepth), 8.0F);
    }
  }

  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t head_dim() const { return head_dim_; }
  [[nodiscard]] std::size_t out_stride() const { return out_stride_; }

  Array<float> attend(Source& source, const Kernels& kernels, std::size_t first, std::size_t rows) {
    Array<std::uint8_t> q(source, rows * depth());
    Array<float> scales(source, rows), out(source, (rows - 1) * out_stride_ + head_dim_);
    for (std::size_t i = 0; i < rows; ++i) {
      scales[i] = kernels.quantize_row(queries_.data() + (first + i) * head_dim_, head_dim_, depth(),
                                       q.data() + i * depth());
    }
    const std::size_t columns = rounded_up(head_dim_, kPackedColumns);
    Array<std::uint8_t> numbers(source, chunks_.size() * columns * kAttentionChunk);
    Array<std::int32_t> sums(source, chunks_.size() * columns);
    Array<float> value_scales(source, chunks_.size() * columns);
    for (std::size_t c = 0; c < chunks_.size(); ++c) {
      std::copy(chunks_[c].numbers.begin(), chunks_[c].numbers.end(),
                numbers.data() + c * columns * kAttentionChunk);
      std::copy(chunks_[c].sums.begin(), chunks_[c].sums.end(), sums.data() + c * columns);
      std::copy(chunks_[c].scales.begin(), chunks_[c].scales.end(), value_scales.data() + c * columns);
    }
    out.fill(kUntouched);
    kernels.attention_int8({.q = q.data(),
                            .q_scales = scales.data(),
                            .keys = keys_.numbers.data(),
                            .key_sums = keys_.sums.data(),
                            .key_scales = keys_.scales.data(),
                            .values = numbers.data(),
                            .value_sums = sums.data(),
                            .value_scales = value_scales.data(),
                            .positions = positions_,
                            .out = out.data(),
                            .out_stride = out_stride_,
                            .rows = rows,
                            .head_dim = head_dim_,
                            .depth = depth()});
    return out;
  }

  /// No value of channel d is larger.
  double largest_value(std::size_t d) {
    double largest = 0;
    for (Columns& chunk : chunks_) largest = std::max<double>(largest, 127 * chunk.scales[d]);
    return largest;
  }
  /// By how much what two sets find for a row may differ, as a share of the largest value: a step of every
  /// weight that is so near to halfway between two that the rounding of its power decides.
  double rounding(const Kernels& portable, std::size_t row) {
    std::vector<std::uint8_t> q(depth());  // signed bytes, as the portable set has them
    const double q_scale =
        portable.quantize_row(queries_.data() + row * head_dim_, head_dim_, depth(), q.data());
    double steps = 0, total = 0, highest = -HUGE_VAL;
    for (std::size_t first = 0; first < positions_; first += kAttentionChunk) {
      std::vector<double> scores;
      for (std::size_t j = first; j < std::min(positions_, first + kAttentionChunk); ++j) {
        scores.push_back(score(q, j) * q_scale * keys_.scales[j]);
      }
      const double top = *std::max_element(scores.begin(), scores.end());
      const double keep = std::exp2(std::min(0.0, highest - top)),
                   add = std::exp2(std::min(0.0, top - highest));
      steps *= keep, total *= keep;
      highest = std::max(highest, top);
      for (const double of_position : scores) {
        const double weight = 127 * std::exp2(of_position - top);
        const double halfway = std::abs(weight - std::floor(weight) - 0.5);
        if (halfway < 1e-3 * weight) steps += add;
        total += add * std::round(weight);
      }
    }
    return 2 * steps / total + 1e-3;  // a step of a weight is one of their sum too
  }

 private:
  [[nodiscard]] std::size_t depth() const { return rounded_up(head_dim_, kPackedDepth); }
  double score(const std::vector<std::uint8_t>& q, std::size_t position) {
    int sum = 0;
    for (std::size_t i = 0; i < head_dim_; ++i) {
      sum += static_cast<std::int8_t>(q[i]) *
             static_cast<std::int8_t>(keys_.numbers[place(position, i, depth())]);
    }
    return sum;
  }

  std::size_t positions_, head_dim_, rows_, out_stride_;
  Array<float> queries_, q_scales_;
  Columns keys_;
  std::vector<Columns> chunks_;
};

void check_rows_alone(Source& source, const Kernels& kernels, Operands& operands, Array<float>& all) {
  const std::size_t row = source.below(operands.rows());
  Array<float> alone = operands.attend(source, kernels, row, 1);
  require(std::equal(alone.begin(), alone.end(), all.data() + row * operands.out_stride(),
                     [](float a, float b) { return same(a, b); }),
          kernels, "a row of attention_int8 alone");
}

}  // namespace

void check_attention_int8(Source& source, const Kernels& portable, Sets sets) {
  Operands operands(source);
  Array<float> wanted = operands.attend(source, portable, 0, operands.rows());
  check_rows_alone(source, portable, operands, wanted);
  std::vector<double> rounding;
  for (std::size_t i = 0; i < operands.rows(); ++i) rounding.push_back(operands.rounding(portable, i));
  for (const Kernels* kernels : sets) {
    if (kernels->attention_int8 == nullptr) continue;
    Array<float> found = operands.attend(source, *kernels, 0, operands.rows());
    check_rows_alone(source, *kernels, operands, found);
    for (std::size_t at = 0; at < found.size(); ++at) {
      const std::size_t i = at / operands.out_stride(), d = at % operands.out_stride();
      if (d >= operands.head_dim()) {
        require(found[at] == kUntouched, *kernels, "what lies between the rows of attention_int8");
        continue;
      }
      const double largest = operands.largest_value(d);
      require(near(found[at], 0, 1.01 * largest + 1e-30), *kernels, "attention_int8's average");
      require(near(found[at], wanted[at], rounding[i] * largest + 1e-30), *kernels, "attention_int8");
    }
  }
}

}  // namespace fovea::kernels::fuzz
