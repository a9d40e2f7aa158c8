#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/worker_team.h"

namespace fovea::quantize {

/// Second moments of a product's inputs, block by block of the Hadamard transform that they pass: what an
/// error in each weight costs, and what two errors cost together.
class Moments {
 public:
  /// For rows of so many values.
  explicit Moments(std::size_t columns);

  /// Adds rows [rows, columns], not yet transformed.
  void add(const float* x, std::size_t rows, WorkerTeam& team);

  [[nodiscard]] std::size_t columns() const { return columns_; }
  [[nodiscard]] std::size_t block() const { return block_; }

  /// How rounding errors are made good inside each block, [columns / block, block, block]: once weight i is
  /// rounded, weight j > i takes back its error times element (i, j). Zeros where nothing was ever seen.
  /// Source: Frantar et al. 2022, GPTQ (the Cholesky form).
  [[nodiscard]] std::vector<float> feedback() const;

 private:
  std::size_t columns_;
  std::size_t block_;
  std::vector<double> sums_;  // [columns / block, block, block], the upper halves
};

/// Moments by the name of the weight that multiplies; weights that share their input share them.
using Calibration = std::map<std::string, std::shared_ptr<Moments>, std::less<>>;

}  // namespace fovea::quantize
