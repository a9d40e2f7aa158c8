#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/request.h"

namespace fovea::engine {

/// Picks tokens from what a model predicts. One for each sequence: it holds the state of its random numbers,
/// which depend on the seed alone and are the same on every machine.
class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options) : options_(options), state_(options.seed) {}

  struct Alternative {
    std::int32_t id;
    float logprob;
  };
  struct Choice {
    std::int32_t id = 0;
    float logprob = 0;  ///< natural, among the allowed tokens, at temperature 1; 0 unless asked for
    std::vector<Alternative> alternatives;
  };

  /// logits [vocab_size]; `allowed`, where not empty, has a bit for each id. At least one id is allowed.
  /// Greedy takes the first of the highest; a logit that is not a number is never the highest.
  Choice pick(std::span<const float> logits, std::span<const std::uint64_t> allowed);

 private:
  [[nodiscard]] double next_random();  // in [0, 1)
  std::int32_t draw(std::span<const float> logits, std::span<const std::uint64_t> allowed);

  SamplingOptions options_;
  std::uint64_t state_;
  std::vector<Alternative> candidates_;  // scratch
};

/// log(sum(exp(logits))) over the allowed ids, in double precision and in order of ids.
double log_sum_exp(std::span<const float> logits, std::span<const std::uint64_t> allowed);

}  // namespace fovea::engine
