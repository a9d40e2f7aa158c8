#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/generic/packed.h"
#include "tensor/dtype.h"

namespace fovea::kernels::portable {

/// A vector of floats in plain C++; what every instruction set's vector offers, and its meaning.
struct Vector {
  static constexpr std::size_t kLanes = 8;
  float lane[kLanes];

  template <class Function>
  static Vector make(Function f) {
    Vector result;
    for (std::size_t i = 0; i < kLanes; ++i) result.lane[i] = f(i);
    return result;
  }

  static Vector zero() { return set1(0.0F); }
  static Vector set1(float value) {
    return make([value](std::size_t) { return value; });
  }
  static Vector load(const float* p) {
    return make([p](std::size_t i) { return p[i]; });
  }
  /// The first n elements, zeros after them; n at most kLanes.
  static Vector load_partial(const float* p, std::size_t n) {
    return make([p, n](std::size_t i) { return i < n ? p[i] : 0.0F; });
  }
  static Vector load_bf16(const tensor::BFloat16* p) {
    return make([p](std::size_t i) { return tensor::to_float(p[i]); });
  }
  static Vector load_bf16_partial(const tensor::BFloat16* p, std::size_t n) {
    return make([p, n](std::size_t i) { return i < n ? tensor::to_float(p[i]) : 0.0F; });
  }
  /// Pairs of bfloat16: the first of every pair, and the second.
  static Vector load_even(const std::uint8_t* p) { return load_pair(p, 0); }
  static Vector load_odd(const std::uint8_t* p) { return load_pair(p, 1); }
  /// The same of one pair, in every lane.
  static Vector broadcast_even(const std::uint8_t* p) { return set1(pair_value(p, 0)); }
  static Vector broadcast_odd(const std::uint8_t* p) { return set1(pair_value(p, 1)); }
  void store(float* p) const { store_partial(p, kLanes); }
  void store_partial(float* p, std::size_t n) const {
    for (std::size_t i = 0; i < n; ++i) p[i] = lane[i];
  }
  void store_bf16(tensor::BFloat16* p) const {
    for (std::size_t i = 0; i < kLanes; ++i) p[i] = tensor::to_bfloat16(lane[i]);
  }

  /// The same where no value is a NaN and the last bit of subnormal ones does not matter.
  void store_bf16_normal(tensor::BFloat16* p) const { store_bf16(p); }
  /// Lanes of both in turn, as bfloat16.
  static void store_bf16_pairs(Vector even, Vector odd, tensor::BFloat16* p) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      p[2 * i] = tensor::to_bfloat16(even.lane[i]);
      p[2 * i + 1] = tensor::to_bfloat16(odd.lane[i]);
    }
  }

  /// 2 kLanes signed bytes as bfloat16.
  static void widen_int8(const std::int8_t* from, tensor::BFloat16* to) {
    for (std::size_t i = 0; i < 2 * kLanes; ++i) to[i] = tensor::to_bfloat16(static_cast<float>(from[i]));
  }

  static Vector add(Vector a, Vector b) {
    return make([&](std::size_t i) { return a.lane[i] + b.lane[i]; });
  }
  static Vector sub(Vector a, Vector b) {
    return make([&](std::size_t i) { return a.lane[i] - b.lane[i]; });
  }
  static Vector mul(Vector a, Vector b) {
    return make([&](std::size_t i) { return a.lane[i] * b.lane[i]; });
  }
  static Vector div(Vector a, Vector b) {
    return make([&](std::size_t i) { return a.lane[i] / b.lane[i]; });
  }
  static Vector max(Vector a, Vector b) {
    return make([&](std::size_t i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  static Vector min(Vector a, Vector b) {
    return make([&](std::size_t i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  /// a * b + c; fused where the instruction set has it (here it is not).
  static Vector fma(Vector a, Vector b, Vector c) {
    return make([&](std::size_t i) { return a.lane[i] * b.lane[i] + c.lane[i]; });
  }
  /// To the nearest integer, ties to even.
  static Vector round(Vector a) {
    return make([&](std::size_t i) { return std::nearbyint(a.lane[i]); });
  }
  /// p * 2^n for integral n.
  static Vector scale_by_power_of_two(Vector p, Vector n) {
    return make([&](std::size_t i) { return std::ldexp(p.lane[i], static_cast<int>(n.lane[i])); });
  }
  /// The first n lanes, zeros after them.
  static Vector first(Vector a, std::size_t n) {
    return make([&](std::size_t i) { return i < n ? a.lane[i] : 0.0F; });
  }

  static Vector abs(Vector a) {
    return make([&](std::size_t i) { return std::fabs(a.lane[i]); });
  }
  /// Lanes kDistance apart become their sum (the lower) and their difference.
  template <std::size_t kDistance>
  [[nodiscard]] Vector butterfly() const {
    return make([&](std::size_t i) {
      return (i & kDistance) == 0 ? lane[i] + lane[i + kDistance] : lane[i - kDistance] - lane[i];
    });
  }
  /// Lanes of magnitude up to 127 rounded to the nearest integer, ties to even, plus kOffset, as bytes.
  template <int kOffset>
  void store_int8(std::uint8_t* p) const {
    for (std::size_t i = 0; i < kLanes; ++i) {
      const float value = std::fabs(lane[i]) < 200.0F ? std::nearbyint(lane[i]) : 0.0F;
      p[i] = static_cast<std::uint8_t>(static_cast<int>(value) + kOffset);
    }
  }

  [[nodiscard]] float reduce_add() const {
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
  }
  [[nodiscard]] float reduce_max() const {
    float highest = lane[0];
    for (const float value : lane) highest = value > highest ? value : highest;
    return highest;
  }
  /// The four sums of all lanes, in one fixed order.
  static void reduce4(Vector a, Vector b, Vector c, Vector d, float* out) {
    out[0] = a.reduce_add();
    out[1] = b.reduce_add();
    out[2] = c.reduce_add();
    out[3] = d.reduce_add();
  }

 private:
  static float pair_value(const std::uint8_t* pair, std::size_t which) {
    tensor::BFloat16 value;
    std::memcpy(&value, pair + 2 * which, sizeof value);
    return tensor::to_float(value);
  }
  static Vector load_pair(const std::uint8_t* p, std::size_t which) {
    return make([p, which](std::size_t i) { return pair_value(p + 4 * i, which); });
  }
};

/// int8 products in plain C++; what a set's Dot offers is said in generic/packed.h and generic/quantized.h.
struct Int8Dot {
  static constexpr std::size_t kLanes = 8;
  static constexpr std::size_t kBytes = 32;
  static constexpr int kOffset = 0;
  static constexpr int kNibbleOffset = 0;
  struct Sum {
    std::int32_t lane[kLanes];
  };
  struct Columns {
    std::int8_t value[kBytes];
  };
  struct Row {
    std::int8_t value[4];
  };

  static Sum zero() { return {}; }
  static Columns load(const std::uint8_t* p) {
    Columns columns;
    std::memcpy(columns.value, p, kBytes);
    return columns;
  }
  static Row broadcast(const std::uint8_t* p) {
    Row row;
    std::memcpy(row.value, p, sizeof row.value);
    return row;
  }
  static Sum accumulate(Sum sum, Row row, Columns columns) {
    for (std::size_t i = 0; i < kBytes; ++i) sum.lane[i / 4] += row.value[i % 4] * columns.value[i];
    return sum;
  }
  static Sum add(Sum a, Sum b) {
    for (std::size_t i = 0; i < kLanes; ++i) a.lane[i] += b.lane[i];
    return a;
  }
  static Columns low(Columns packed) {
    for (std::int8_t& value : packed.value) value = static_cast<std::int8_t>((value & 15) - 8);
    return packed;
  }
  static Columns high(Columns packed) {
    for (std::int8_t& value : packed.value) value = static_cast<std::int8_t>(((value >> 4) & 15) - 8);
    return packed;
  }
  static Sum multiply_add(Sum sum, Sum a, const std::uint8_t* b) {
    // Wraps, as the instructions of other sets do, where a damaged file holds multipliers out of range.
    for (std::size_t i = 0; i < kLanes; ++i) {
      const auto product = static_cast<std::uint32_t>(a.lane[i]) * b[i];
      sum.lane[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(sum.lane[i]) + product);
    }
    return sum;
  }
  static Vector to_float(Sum sum) {
    return Vector::make([&](std::size_t i) { return static_cast<float>(sum.lane[i]); });
  }
};

struct Isa {
  using Vector = portable::Vector;
  using Dot = Int8Dot;
  using TileDot = Dot;
  using Bf16Dot = generic::WidenedBf16Dot<Vector>;
  static constexpr std::size_t kRows = 4;
  static constexpr std::size_t kBlocks = 1;
  static constexpr std::size_t kFewRowBlocks = 1;
};

}  // namespace fovea::kernels::portable
