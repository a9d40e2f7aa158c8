#pragma once

// Operations on one row of floats, written once on a vector type (see portable/vector.h).

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace fovea::kernels::generic {

// exp by reduction to |r| <= ln(2)/2 and a polynomial, under 2 units in the last place. Arguments are clamped
// to where the answer is a normal number: nothing becomes zero or infinite.
template <class Vector>
inline Vector exponential(Vector x) {
  x = Vector::min(Vector::max(x, Vector::set1(-87.33F)), Vector::set1(88.72F));
  const Vector n = Vector::round(Vector::mul(x, Vector::set1(1.44269504F)));
  Vector r = Vector::fma(n, Vector::set1(-0.693359375F), x);
  r = Vector::fma(n, Vector::set1(2.12194440e-4F), r);
  Vector p = Vector::set1(1.0F / 5040);
  p = Vector::fma(p, r, Vector::set1(1.0F / 720));
  p = Vector::fma(p, r, Vector::set1(1.0F / 120));
  p = Vector::fma(p, r, Vector::set1(1.0F / 24));
  p = Vector::fma(p, r, Vector::set1(1.0F / 6));
  p = Vector::fma(p, r, Vector::set1(0.5F));
  p = Vector::fma(p, r, Vector::set1(1.0F));
  p = Vector::fma(p, r, Vector::set1(1.0F));
  return Vector::scale_by_power_of_two(p, n);
}

/// x = f(x), the last vector partly.
template <class Vector, class Function>
inline void map(float* x, std::size_t n, Function f) {
  std::size_t i = 0;
  for (; i + Vector::kLanes <= n; i += Vector::kLanes) f(Vector::load(x + i), i, Vector::kLanes).store(x + i);
  if (i < n) f(Vector::load_partial(x + i, n - i), i, n - i).store_partial(x + i, n - i);
}

/// Sum of f over a row; lanes past the end count as nothing, whatever f(0) is.
template <class Vector, class Function>
inline float sum(const float* x, std::size_t n, Function f) {
  Vector total = Vector::zero();
  std::size_t i = 0;
  for (; i + Vector::kLanes <= n; i += Vector::kLanes) total = Vector::add(total, f(Vector::load(x + i)));
  if (i < n) total = Vector::add(total, Vector::first(f(Vector::load_partial(x + i, n - i)), n - i));
  return total.reduce_add();
}

template <class Vector>
inline void layer_norm(const float* x, const float* weight, const float* bias, float eps, float* out,
                       std::size_t n) {
  const float mean = sum<Vector>(x, n, [](Vector v) { return v; }) / static_cast<float>(n);
  const Vector center = Vector::set1(mean);
  const float variance = sum<Vector>(x, n,
                                     [center](Vector v) {
                                       const Vector d = Vector::sub(v, center);
                                       return Vector::mul(d, d);
                                     }) /
                         static_cast<float>(n);
  const Vector scale = Vector::set1(1.0F / std::sqrt(variance + eps));
  for (std::size_t i = 0; i < n; i += Vector::kLanes) {
    const std::size_t lanes = n - i < Vector::kLanes ? n - i : Vector::kLanes;
    const Vector normal = Vector::mul(Vector::sub(Vector::load_partial(x + i, lanes), center), scale);
    Vector::fma(normal, Vector::load_partial(weight + i, lanes), Vector::load_partial(bias + i, lanes))
        .store_partial(out + i, lanes);
  }
}

template <class Vector>
inline void rms_norm(const float* x, const float* weight, float eps, float* out, std::size_t n) {
  const float mean_square =
      sum<Vector>(x, n, [](Vector v) { return Vector::mul(v, v); }) / static_cast<float>(n);
  const Vector scale = Vector::set1(1.0F / std::sqrt(mean_square + eps));
  for (std::size_t i = 0; i < n; i += Vector::kLanes) {
    const std::size_t lanes = n - i < Vector::kLanes ? n - i : Vector::kLanes;
    const Vector normal = Vector::mul(Vector::load_partial(x + i, lanes), scale);
    Vector::mul(normal, Vector::load_partial(weight + i, lanes)).store_partial(out + i, lanes);
  }
}

/// unit * scale * (x - top) for x up to top, as one multiplication and addition. Where the rounding of such
/// large products would show in bfloat16, and could leave a difference far above zero, top is subtracted
/// first.
template <class Vector>
class ScaledBelowTop {
 public:
  ScaledBelowTop(float top, float scale, float unit)
      : top_(Vector::set1(top)),
        factor_(Vector::set1(scale * unit)),
        offset_(Vector::set1(-top * scale * unit)) {
    constexpr float kLargeProduct = 65'536;
    large_ = std::fabs(top * scale * unit) > kLargeProduct;
  }
  Vector operator()(Vector x) const {
    return large_ ? Vector::mul(Vector::sub(x, top_), factor_) : Vector::fma(x, factor_, offset_);
  }

 private:
  Vector top_, factor_, offset_;
  bool large_;
};

template <class Vector>
inline void softmax(float* x, float scale, std::size_t n) {
  Vector top = Vector::set1(x[0]);
  std::size_t i = 0;
  for (; i + Vector::kLanes <= n; i += Vector::kLanes) top = Vector::max(top, Vector::load(x + i));
  float highest = top.reduce_max();
  for (; i < n; ++i) highest = x[i] > highest ? x[i] : highest;

  const ScaledBelowTop<Vector> scaled(highest, scale, 1.0F);
  map<Vector>(x, n, [&](Vector v, std::size_t, std::size_t) { return exponential(scaled(v)); });
  const Vector inverse = Vector::set1(1.0F / sum<Vector>(x, n, [](Vector v) { return v; }));
  map<Vector>(x, n, [&](Vector v, std::size_t, std::size_t) { return Vector::mul(v, inverse); });
}

/// x / (1 + exp(-y)): the common form of SiLU (y = x) and of the tanh form of GELU.
template <class Vector>
inline Vector gate(Vector x, Vector y) {
  const Vector one = Vector::set1(1.0F);
  return Vector::div(x, Vector::add(one, exponential(Vector::sub(Vector::zero(), y))));
}

// 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)) with u = sqrt(2/pi) (x + 0.044715 x^3).
template <class Vector>
inline Vector gelu_value(Vector x) {
  const Vector square = Vector::mul(x, x);
  const Vector inner =
      Vector::fma(square, Vector::set1(2 * 0.7978845608F * 0.044715F), Vector::set1(2 * 0.7978845608F));
  return gate(x, Vector::mul(x, inner));
}

template <class Vector>
inline void gelu_tanh(float* x, std::size_t n) {
  map<Vector>(x, n, [](Vector v, std::size_t, std::size_t) { return gelu_value(v); });
}

template <class Vector>
inline void silu_multiply(float* gate_row, const float* up, std::size_t n) {
  map<Vector>(gate_row, n, [up](Vector v, std::size_t i, std::size_t lanes) {
    return Vector::mul(gate(v, v), Vector::load_partial(up + i, lanes));
  });
}

template <class Vector>
inline void add(float* x, const float* y, std::size_t n) {
  map<Vector>(x, n, [y](Vector v, std::size_t i, std::size_t lanes) {
    return Vector::add(v, Vector::load_partial(y + i, lanes));
  });
}

template <class Vector>
inline void to_bf16(const float* x, tensor::BFloat16* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + Vector::kLanes <= n; i += Vector::kLanes) Vector::load(x + i).store_bf16(out + i);
  for (; i < n; ++i) out[i] = tensor::to_bfloat16(x[i]);
}

template <class Vector>
inline void widen_int8(const std::int8_t* x, tensor::BFloat16* out, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 2 * Vector::kLanes) Vector::widen_int8(x + i, out + i);
}

template <class Vector>
inline void interleave_bf16(const float* even, const float* odd, tensor::BFloat16* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + Vector::kLanes <= n; i += Vector::kLanes) {
    Vector::store_bf16_pairs(Vector::load(even + i), Vector::load(odd + i), out + 2 * i);
  }
  for (; i < n; ++i) {
    out[2 * i] = tensor::to_bfloat16(even[i]);
    out[2 * i + 1] = tensor::to_bfloat16(odd[i]);
  }
}

/// One stage of the fast Hadamard transform: pairs `distance` apart become their sum and difference.
template <class Vector, std::size_t kDistance>
inline void butterfly_within(float* x, std::size_t n) {
  if constexpr (kDistance < Vector::kLanes) {
    for (std::size_t i = 0; i < n; i += Vector::kLanes) {
      Vector::load(x + i).template butterfly<kDistance>().store(x + i);
    }
  }
}

template <class Vector>
inline void hadamard(float* x, std::size_t n, std::size_t block) {
  if (block < Vector::kLanes) {
    for (std::size_t distance = 1; distance < block; distance *= 2) {
      for (std::size_t i = 0; i < n; ++i) {
        if ((i & distance) != 0) continue;
        const float a = x[i];
        const float b = x[i + distance];
        x[i] = a + b;
        x[i + distance] = a - b;
      }
    }
    return;
  }
  butterfly_within<Vector, 1>(x, n);
  butterfly_within<Vector, 2>(x, n);
  butterfly_within<Vector, 4>(x, n);
  butterfly_within<Vector, 8>(x, n);
  for (std::size_t distance = Vector::kLanes; distance < block; distance *= 2) {
    for (std::size_t first = 0; first < n; first += 2 * distance) {
      for (std::size_t i = first; i < first + distance; i += Vector::kLanes) {
        const Vector a = Vector::load(x + i);
        const Vector b = Vector::load(x + i + distance);
        Vector::add(a, b).store(x + i);
        Vector::sub(a, b).store(x + i + distance);
      }
    }
  }
}

/// kOffset is added to every stored value, padding included.
template <class Vector, int kOffset>
inline float quantize_row(const float* x, std::size_t n, std::size_t padded, std::uint8_t* out) {
  Vector top = Vector::zero();
  std::size_t i = 0;
  for (; i + Vector::kLanes <= n; i += Vector::kLanes)
    top = Vector::max(top, Vector::abs(Vector::load(x + i)));
  if (i < n) top = Vector::max(top, Vector::abs(Vector::load_partial(x + i, n - i)));
  const float highest = top.reduce_max();
  // A row of zeros, or one too small or too large for a scale, is stored as zeros; an infinite value makes
  // the scale, and with it the products, infinite or NaN.
  const bool usable = highest > 1e-30F && highest < 3e38F;
  const Vector inverse = Vector::set1(usable ? 127.0F / highest : 0.0F);
  for (i = 0; i + Vector::kLanes <= n; i += Vector::kLanes) {
    Vector::mul(Vector::load(x + i), inverse).template store_int8<kOffset>(out + i);
  }
  for (; i < padded; i += Vector::kLanes) {
    const std::size_t left = n > i ? n - i : 0;
    Vector::mul(Vector::load_partial(x + i, left < Vector::kLanes ? left : Vector::kLanes), inverse)
        .template store_int8<kOffset>(out + i);
  }
  return highest / 127.0F;
}

}  // namespace fovea::kernels::generic
