#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace fovea::engine {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

/// Calls f(id, logit) for every allowed id, in order. What is no number counts as lowest.
template <class F>
void for_each_allowed(std::span<const float> logits, std::span<const std::uint64_t> allowed, F f) {
  const auto visit = [&](std::size_t i) {
    f(static_cast<std::int32_t>(i), std::isnan(logits[i]) ? kLowest : logits[i]);
  };
  if (allowed.empty()) {
    for (std::size_t i = 0; i < logits.size(); ++i) visit(i);
    return;
  }
  for (std::size_t word = 0; word < allowed.size(); ++word) {
    for (std::uint64_t bits = allowed[word]; bits != 0; bits &= bits - 1) {
      const std::size_t i = word * 64 + static_cast<std::size_t>(__builtin_ctzll(bits));
      if (i < logits.size()) visit(i);
    }
  }
}

bool higher(const Sampler::Alternative& a, const Sampler::Alternative& b) {
  return a.logprob != b.logprob ? a.logprob > b.logprob : a.id < b.id;
}

}  // namespace

double log_sum_exp(std::span<const float> logits, std::span<const std::uint64_t> allowed) {
  float highest = kLowest;
  for_each_allowed(logits, allowed, [&](std::int32_t, float logit) { highest = std::max(highest, logit); });
  if (!std::isfinite(highest)) return highest;
  double sum = 0;
  for_each_allowed(logits, allowed, [&](std::int32_t, float logit) {
    sum += std::exp(static_cast<double>(logit) - static_cast<double>(highest));
  });
  return static_cast<double>(highest) + std::log(sum);
}

Sampler::Choice Sampler::pick(std::span<const float> logits, std::span<const std::uint64_t> allowed) {
  Choice choice;
  if (options_.temperature > 0) {
    choice.id = draw(logits, allowed);
  } else {
    std::optional<std::int32_t> best;
    float highest = kLowest;
    for_each_allowed(logits, allowed, [&](std::int32_t id, float logit) {
      if (best && !(logit > highest)) return;
      best = id;
      highest = logit;
    });
    choice.id = best.value_or(0);
  }
  if (!options_.logprobs) return choice;
  const double total = log_sum_exp(logits, allowed);
  const auto logprob = [&](std::int32_t id) {
    const double value = static_cast<double>(logits[static_cast<std::size_t>(id)]) - total;
    return std::isfinite(value) ? static_cast<float>(value) : std::numeric_limits<float>::lowest();
  };
  choice.logprob = logprob(choice.id);
  if (options_.top_logprobs == 0) return choice;
  candidates_.clear();
  for_each_allowed(logits, allowed,
                   [&](std::int32_t id, float logit) { candidates_.push_back({id, logit}); });
  const std::size_t count = std::min(options_.top_logprobs, candidates_.size());
  std::ranges::partial_sort(candidates_, candidates_.begin() + static_cast<std::ptrdiff_t>(count), higher);
  for (const Alternative& candidate : std::span(candidates_).first(count)) {
    choice.alternatives.push_back({candidate.id, logprob(candidate.id)});
  }
  return choice;
}

std::int32_t Sampler::draw(std::span<const float> logits, std::span<const std::uint64_t> allowed) {
  candidates_.clear();
  for_each_allowed(logits, allowed,
                   [&](std::int32_t id, float logit) { candidates_.push_back({id, logit}); });
  if (candidates_.empty()) return 0;
  const float highest = std::ranges::max(candidates_, {}, &Alternative::logprob).logprob;
  if (!std::isfinite(highest)) return candidates_.front().id;
  const auto weight = [&](const Alternative& candidate) {
    const double difference = static_cast<double>(candidate.logprob) - static_cast<double>(highest);
    return std::exp(difference / static_cast<double>(options_.temperature));
  };
  const auto sort_first = [&](std::size_t count) {
    std::ranges::partial_sort(candidates_, candidates_.begin() + static_cast<std::ptrdiff_t>(count), higher);
  };
  if (options_.top_k != 0 && options_.top_k < candidates_.size()) {
    sort_first(options_.top_k);
    candidates_.resize(options_.top_k);
  }
  double total = 0;
  for (const Alternative& candidate : candidates_) total += weight(candidate);
  if (options_.top_p < 1) {
    // Mostly a few tokens have it all: more are put in order only as they are needed.
    std::size_t sorted = 0;
    std::size_t count = 0;
    double sum = 0;
    while (count < candidates_.size() && (count == 0 || sum < static_cast<double>(options_.top_p) * total)) {
      if (count == sorted) {
        sorted = std::min(candidates_.size(), std::max<std::size_t>(64, 8 * sorted));
        sort_first(sorted);
      }
      sum += weight(candidates_[count++]);
    }
    candidates_.resize(count);
    total = sum;
  }
  double left = next_random() * total;
  for (const Alternative& candidate : candidates_) {
    left -= weight(candidate);
    if (left < 0) return candidate.id;
  }
  return candidates_.back().id;
}

// SplitMix64 (Steele, Lea and Flood 2014).
double Sampler::next_random() {
  state_ += 0x9E3779B97F4A7C15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1.0p-53;
}

}  // namespace fovea::engine
