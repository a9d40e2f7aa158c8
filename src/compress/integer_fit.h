#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fovea::compress {

/// What two versions of a product's inputs have in common over many samples: `x`, in float, and `z`, the same
/// as the quantised network before it gives them.
class PairedMoments {
 public:
  explicit PairedMoments(std::size_t size);

  /// Adds a sample; both of `size`.
  void add(std::span<const float> x, std::span<const float> z);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] double mean_x(std::size_t i) const { return sum_x_[i] / count_; }
  [[nodiscard]] double mean_z(std::size_t i) const { return sum_z_[i] / count_; }
  [[nodiscard]] double covariance_zz(std::size_t i, std::size_t j) const {
    return zz_[i * size_ + j] / count_ - mean_z(i) * mean_z(j);
  }
  [[nodiscard]] double covariance_zx(std::size_t i, std::size_t j) const {
    return zx_[i * size_ + j] / count_ - mean_z(i) * mean_x(j);
  }

 private:
  std::size_t size_;
  double count_ = 0;
  std::vector<double> sum_x_, sum_z_, zz_, zx_;
};

/// Integers q and a scale, so that scale x q . z + bias follows weights . x + bias.
struct IntegerRow {
  std::vector<std::int8_t> weights;
  double scale = 1.0;
  double bias = 0.0;
};

/// The row of a product in integers within `most`, fitted to what its inputs are: the mean square of the
/// output's error over the samples is brought down, one weight after the other and over several scales, with
/// a pull towards the weights themselves where samples say little; the bias makes the mean error nothing.
IntegerRow fit_row(std::span<const float> weights, float bias, const PairedMoments& moments,
                   std::int32_t most);

}  // namespace fovea::compress
