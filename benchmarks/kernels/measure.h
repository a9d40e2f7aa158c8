#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/worker_team.h"
#include "kernels/kernels.h"
#include "tensor/buffer.h"

namespace fovea::kernels {

struct Shape {
  std::size_t m, n, k;

  [[nodiscard]] double operations() const {
    return 2 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  }
};

template <class T>
tensor::Buffer<T> filled(std::size_t size, T value) {
  tensor::Buffer<T> buffer(size);
  for (T& element : buffer.span()) element = value;
  return buffer;
}

/// The operands of a quantised product, aligned and apart as nn has them.
class Product {
 public:
  explicit Product(Shape shape);

  [[nodiscard]] MatmulQuantized operands(Epilogue epilogue);
  [[nodiscard]] std::size_t weight_bytes() const { return shape_.n * shape_.k; }

 private:
  Shape shape_;
  std::size_t stride_;
  tensor::Buffer<std::uint8_t> a_, b_, multipliers_, scratch_;
  tensor::Buffer<std::int32_t> sums_;
  tensor::Buffer<float> a_scales_, b_scales_, bias_, c_;
};

/// Something that is measured beside others: `operations` of a call.
struct Candidate {
  std::string name;
  double operations;
  std::function<void()> call;
};

/// Of one candidate: 10^9 operations a second, median and best of all rounds; as shares of the first
/// candidate's, the median of the rounds, and the best by the best.
struct Measured {
  double rate, best_rate, share, best_share;
};

/// Measures all in turn, several rounds, by the clock on the wall: what changes the machine's speed meanwhile
/// changes it for all, and what a neighbour takes from one round leaves the best alone.
std::vector<Measured> measure_in_turn(const std::vector<Candidate>& candidates);

/// The shapes of the models in `team`, for each set; what tiles reach by where their operands lie.
void bench_model_products(WorkerTeam& team, const std::vector<const Kernels*>& sets);

/// Loops in which every thread of the team takes part, after pauses of several lengths.
void bench_fork_join(WorkerTeam& team);

#if defined(__x86_64__)
/// Loops of 2 x 2 tile products whose operands lie in one cache or the other. First of them the peak.
std::vector<Candidate> tile_loops();
#endif

}  // namespace fovea::kernels
