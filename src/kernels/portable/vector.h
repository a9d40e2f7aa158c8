#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

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
  void store(float* p) const { store_partial(p, kLanes); }
  void store_partial(float* p, std::size_t n) const {
    for (std::size_t i = 0; i < n; ++i) p[i] = lane[i];
  }
  void store_bf16(tensor::BFloat16* p) const {
    for (std::size_t i = 0; i < kLanes; ++i) p[i] = tensor::to_bfloat16(lane[i]);
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
};

}  // namespace fovea::kernels::portable
