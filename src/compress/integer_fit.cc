#include "compress/integer_fit.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fovea::compress {
namespace {

constexpr double kPull = 0.01;   // of the mean variance, towards the weights themselves
constexpr int kMostSweeps = 32;  // one weight after the other; usually three or four suffice
constexpr int kInt4Scales = 24;  // tried between half of the largest weight's and a tenth more
constexpr double kLeastScale = 0.5;
constexpr double kScaleStep = 0.025;

/// The squared error of scale x q as a function of q: scale^2 q'Hq - 2 scale q'c, up to a constant.
struct Objective {
  std::size_t size;
  std::vector<double> h;
  std::vector<double> c;

  [[nodiscard]] double of(const std::vector<double>& q, double scale) const {
    double quadratic = 0;
    double linear = 0;
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < size; ++j) quadratic += h[i * size + j] * q[i] * q[j];
      linear += c[i] * q[i];
    }
    return scale * scale * quadratic - 2 * scale * linear;
  }
};

Objective make_objective(std::span<const float> weights, const PairedMoments& moments) {
  const std::size_t size = weights.size();
  Objective objective{.size = size, .h = std::vector<double>(size * size), .c = std::vector<double>(size)};
  double variance = 0;
  for (std::size_t i = 0; i < size; ++i) variance += moments.covariance_zz(i, i);
  const double pull = std::max(kPull * variance / static_cast<double>(size), 1e-12);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < size; ++j) {
      objective.h[i * size + j] = moments.covariance_zz(i, j) + (i == j ? pull : 0.0);
      objective.c[i] += moments.covariance_zx(i, j) * weights[j];
    }
    objective.c[i] += pull * weights[i];
  }
  return objective;
}

/// Sets one integer after the other to the best one beside the others, until none moves.
void descend(const Objective& objective, double scale, std::int32_t most, std::vector<double>& q) {
  for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
    bool moved = false;
    for (std::size_t i = 0; i < objective.size; ++i) {
      double rest = objective.c[i] / scale;
      for (std::size_t j = 0; j < objective.size; ++j) {
        if (j != i) rest -= objective.h[i * objective.size + j] * q[j];
      }
      const double best =
          std::clamp<double>(std::nearbyint(rest / objective.h[i * objective.size + i]), -most, most);
      moved = moved || best != q[i];
      q[i] = best;
    }
    if (!moved) return;
  }
}

}  // namespace

PairedMoments::PairedMoments(std::size_t size)
    : size_(size), sum_x_(size), sum_z_(size), zz_(size * size), zx_(size * size) {}

void PairedMoments::add(std::span<const float> x, std::span<const float> z) {
  for (std::size_t i = 0; i < size_; ++i) {
    const double zi = z[i];
    sum_x_[i] += x[i];
    sum_z_[i] += zi;
    for (std::size_t j = 0; j < size_; ++j) {
      zz_[i * size_ + j] += zi * z[j];
      zx_[i * size_ + j] += zi * x[j];
    }
  }
  count_ += 1;
}

IntegerRow fit_row(std::span<const float> weights, float bias, const PairedMoments& moments,
                   std::int32_t most) {
  const Objective objective = make_objective(weights, moments);
  double largest = 0;
  for (const float weight : weights) largest = std::max<double>(largest, std::abs(weight));
  std::vector<double> best(weights.size(), 0.0);
  double best_scale = 1.0;
  double best_error = std::numeric_limits<double>::infinity();
  // Seven steps are few: where they end is worth a search. 127 are not.
  const int tries = most < 100 ? kInt4Scales : 1;
  for (int t = 0; t < tries && largest > 0; ++t) {
    double scale = largest / most * (tries == 1 ? 1.0 : kLeastScale + kScaleStep * t);
    std::vector<double> q;
    for (const float weight : weights)
      q.push_back(std::clamp<double>(std::nearbyint(weight / scale), -most, most));
    descend(objective, scale, most, q);
    const double error = objective.of(q, scale);
    if (error < best_error) {
      best_error = error;
      best_scale = scale;
      best = q;
    }
  }
  IntegerRow row{.weights = {}, .scale = best_scale, .bias = bias};
  for (std::size_t i = 0; i < weights.size(); ++i) {
    row.weights.push_back(static_cast<std::int8_t>(best[i]));
    row.bias += weights[i] * moments.mean_x(i) - best_scale * best[i] * moments.mean_z(i);
  }
  return row;
}

}  // namespace fovea::compress
