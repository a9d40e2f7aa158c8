// Operations on a row of floats, within what rounding can do to them: sets sum in different orders, and some
// multiply and add in one step.

#include "checks.h"

namespace fovea::kernels::fuzz {
namespace {

constexpr std::size_t kMostSize = 300;

/// Of a sum of n terms in lanes, as a fraction of the sum of their magnitudes.
double sum_rounding(std::size_t n) {
  return static_cast<double>(n / 4 + 8) * kRounding;
}

/// The same number within tolerance. Where it is about to overflow, one set may and another may not.
bool close(float a, float b, double tolerance) {
  constexpr float kLarge = 3.4e38F;
  return near(a, b, tolerance) || (a > kLarge && b > kLarge) || (a < -kLarge && b < -kLarge);
}

/// run(kernels, row) changes a copy of x in place; tolerance(i, wanted) says by how much sets may differ.
template <class Run, class Tolerance>
void check_in_place(Source& source, const Kernels& portable, Sets sets, const char* name, Array<float>& x,
                    Run run, Tolerance tolerance) {
  Array<float> wanted(source, x.size()), found(source, x.size());
  wanted.copy(x);
  run(portable, wanted.data());
  for (const Kernels* kernels : sets) {
    found.copy(x);
    run(*kernels, found.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      require(close(found[i], wanted[i], tolerance(i, wanted[i])), *kernels, name);
    }
  }
}

void check_add(Source& source, const Kernels& portable, Sets sets) {
  const std::size_t n = source.size(kMostSize);
  Array<float> x(source, n), y(source, n), sum(source, n), found(source, n);
  for (float& value : x) value = source.any();
  for (float& value : y) value = source.one_of(2) ? source.any() : source.value(kMost);
  sum.copy(x);
  portable.add(sum.data(), y.data(), n);
  for (const Kernels* kernels : sets) {
    found.copy(x);
    kernels->add(found.data(), y.data(), n);
    require(same(found, sum), *kernels, "add");
  }
}

void check_gelu(Source& source, const Kernels& portable, Sets sets) {
  const std::size_t n = source.size(kMostSize);
  Array<float> x = values(source, n, source.one_of(4) ? kMost : 90.0F);
  check_in_place(
      source, portable, sets, "gelu_tanh", x, [n](const Kernels& k, float* row) { k.gelu_tanh(row, n); },
      [&](std::size_t i, float) { return 4e-6 * std::abs(x[i]) + 2e-7; });
}

void check_silu(Source& source, const Kernels& portable, Sets sets) {
  const std::size_t n = source.size(kMostSize);
  Array<float> gate = values(source, n, source.one_of(4) ? kMost : 90.0F);
  Array<float> up = values(source, n, source.one_of(4) ? kMost : 90.0F);
  check_in_place(
      source, portable, sets, "silu_multiply", gate,
      [&](const Kernels& k, float* row) { k.silu_multiply(row, up.data(), n); },
      [](std::size_t, float wanted) { return 4e-6 * std::abs(wanted) + 2e-7; });
}

void check_softmax(Source& source, const Kernels& portable, Sets sets) {
  static constexpr float kScales[] = {1.0F, 0.125F, 0.1F, 0.117851130F, 1e-3F, 3.0F};
  const std::size_t n = source.size(kMostSize);
  const float scale = kScales[source.below(std::size(kScales))];
  // One large number leaves nothing of the others.
  static constexpr float kLargest[] = {4.0F, 4.0F, 90.0F, kMost};
  Array<float> x = values(source, n, kLargest[source.below(std::size(kLargest))]);
  const double top = *std::max_element(x.begin(), x.end());
  // Scores are subtracted once they are multiplied, unless their products are larger than this.
  const double products = 4 * kRounding * std::min(std::abs(top * scale), 65'536.0);
  check_in_place(
      source, portable, sets, "softmax", x, [&](const Kernels& k, float* row) { k.softmax(row, scale, n); },
      [&](std::size_t i, float wanted) {
        // What rounding takes from an exponent, which nothing below -88 changes, it takes from the power.
        const double exponent = std::min((top - x[i]) * scale, 88.0);
        return (2 * sum_rounding(n) + (40 + 4 * exponent) * kRounding + products) * wanted + 1e-37;
      });
}

/// layer_norm or, without bias, rms_norm.
void check_norm(Source& source, const Kernels& portable, Sets sets) {
  const std::size_t n = source.size(kMostSize);
  const bool layer = source.one_of(2), in_place = source.one_of(2);
  const float eps = source.one_of(2) ? 1e-6F : 1e-3F;
  // Squares of what is larger would overflow.
  Array<float> x = values(source, n, source.one_of(4) ? 1e15F : 4.0F);
  if (source.one_of(4)) {
    for (float& value : x) value += 100;
  }
  Array<float> weight = values(source, n, 1e3F), bias = values(source, n, 1e3F);
  const auto run = [&](const Kernels& kernels) {
    Array<float> row(source, n), apart(source, n);
    row.copy(x);
    float* out = in_place ? row.data() : apart.data();
    if (layer) {
      kernels.layer_norm(row.data(), weight.data(), bias.data(), eps, out, n);
    } else {
      kernels.rms_norm(row.data(), weight.data(), eps, out, n);
    }
    return in_place ? std::move(row) : std::move(apart);
  };

  const auto count = static_cast<double>(n);
  double mean = 0, mean_magnitude = 0, square = 0;
  for (const float value : x) {
    mean += layer ? value / count : 0;
    mean_magnitude += layer ? std::abs(value) / count : 0;
  }
  for (const float value : x) square += (value - mean) * (value - mean) / count;
  const double scale = 1 / std::sqrt(square + eps), rounding = sum_rounding(n);
  // By how much the mean may be off, in units of the result.
  const double off = rounding * mean_magnitude * scale;

  Array<float> wanted = run(portable);
  for (const Kernels* kernels : sets) {
    Array<float> found = run(*kernels);
    if (off > 0.01) continue;  // numbers so alike that their differences are mostly rounding
    for (std::size_t i = 0; i < n; ++i) {
      const double normal = std::abs(x[i] - mean) * scale, result = std::abs(normal * weight[i]);
      const double tolerance = 2 * (std::abs(weight[i]) * off + result * (rounding + off)) +
                               4 * kRounding * (result + std::abs(bias[i]));
      require(near(found[i], wanted[i], 2 * tolerance + 1e-37), *kernels, layer ? "layer_norm" : "rms_norm");
    }
  }
}

}  // namespace

void check_rows(Source& source, const Kernels& portable, Sets sets) {
  static constexpr decltype(&check_add) kChecks[] = {check_add, check_gelu, check_silu, check_softmax,
                                                     check_norm};
  kChecks[source.below(std::size(kChecks))](source, portable, sets);
}

}  // namespace fovea::kernels::fuzz
