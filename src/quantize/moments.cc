#include "quantize/moments.h"

#include <cmath>
#include <optional>
#include <vector>

#include "quantize/packed_matrix.h"

namespace fovea::quantize {
namespace {

/// Of the mean moment, added to each: directions that were hardly seen are not thought to be free.
constexpr double kDamping = 0.01;

/// A square matrix, row by row.
struct Matrix {
  std::size_t size;
  std::vector<double> values = std::vector<double>(size * size);

  double& operator()(std::size_t i, std::size_t j) { return values[i * size + j]; }
  double operator()(std::size_t i, std::size_t j) const { return values[i * size + j]; }
};

/// L of A = L L^T, of which the lower half of `a` is read; none where A is not positive definite.
std::optional<Matrix> cholesky(const Matrix& a) {
  Matrix lower{.size = a.size};
  for (std::size_t i = 0; i < a.size; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = a(i, j);
      for (std::size_t k = 0; k < j; ++k) sum -= lower(i, k) * lower(j, k);
      if (i == j) {
        if (!(sum > 0)) return std::nullopt;
        lower(i, i) = std::sqrt(sum);
      } else {
        lower(i, j) = sum / lower(j, j);
      }
    }
  }
  return lower;
}

/// The inverse of L L^T, its lower half.
Matrix inverse_of_square(const Matrix& lower) {
  const std::size_t size = lower.size;
  Matrix inverse{.size = size};  // of L
  for (std::size_t j = 0; j < size; ++j) {
    inverse(j, j) = 1 / lower(j, j);
    for (std::size_t i = j + 1; i < size; ++i) {
      double sum = 0;
      for (std::size_t k = j; k < i; ++k) sum -= lower(i, k) * inverse(k, j);
      inverse(i, j) = sum / lower(i, i);
    }
  }
  Matrix result{.size = size};
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      for (std::size_t k = i; k < size; ++k) result(i, j) += inverse(k, i) * inverse(k, j);
    }
  }
  return result;
}

}  // namespace

Moments::Moments(std::size_t columns)
    : columns_(columns), block_(hadamard_block(columns)), sums_(columns * block_) {}

void Moments::add(const float* x, std::size_t rows, WorkerTeam& team) {
  team.parallel_for(columns_ / block_, [&](std::size_t index) {
    double* sums = sums_.data() + index * block_ * block_;
    std::vector<float> values(block_);
    for (std::size_t row = 0; row < rows; ++row) {
      const float* source = x + row * columns_ + index * block_;
      values.assign(source, source + block_);
      hadamard_transform(values.data(), block_, block_);
      for (std::size_t i = 0; i < block_; ++i) {
        const double value = values[i];
        for (std::size_t j = i; j < block_; ++j) sums[i * block_ + j] += value * values[j];
      }
    }
  });
}

std::vector<float> Moments::feedback() const {
  std::vector<float> feedback(sums_.size());
  for (std::size_t first = 0; first < sums_.size(); first += block_ * block_) {
    Matrix moments{.size = block_};
    double trace = 0;
    for (std::size_t i = 0; i < block_; ++i) {
      trace += sums_[first + i * block_ + i];
      for (std::size_t j = 0; j <= i; ++j) moments(i, j) = sums_[first + j * block_ + i];
    }
    const double damping = kDamping * trace / static_cast<double>(block_);
    for (std::size_t i = 0; i < block_; ++i) moments(i, i) += damping;
    const auto lower = cholesky(moments);
    if (!lower) continue;  // a block that no input ever filled, or that is not finite
    const auto factor = cholesky(inverse_of_square(*lower));
    if (!factor) continue;
    for (std::size_t i = 0; i < block_; ++i) {
      for (std::size_t j = i + 1; j < block_; ++j) {
        feedback[first + i * block_ + j] = static_cast<float>((*factor)(j, i) / (*factor)(i, i));
      }
    }
  }
  return feedback;
}

}  // namespace fovea::quantize
