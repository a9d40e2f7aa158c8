#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "base/worker_team.h"
#include "kernels/kernels.h"

namespace fovea::nn {

/// Is shown what goes into products, for calibration.
class InputObserver {
 public:
  virtual ~InputObserver() = default;
  /// x [rows, columns] is about to be multiplied by each of these weights.
  virtual void see(std::span<const std::string_view> weights, const float* x, std::size_t rows,
                   std::size_t columns) = 0;
};

/// What layers compute with: the kernels of one instruction set and the team of threads. Both outlive it.
/// Used by one thread at a time.
struct Compute {
  const kernels::Kernels& kernels;
  WorkerTeam& team;
  InputObserver* observer = nullptr;  ///< or none; sees products with float weights only
};

}  // namespace fovea::nn
