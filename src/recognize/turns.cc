#include "recognize/turns.h"

#include <utility>

namespace fovea::recognize {
namespace {

constexpr int kAsItCame[] = {1};
constexpr int kLying[] = {6, 8, 1};

double logprob_of(const Reading& reading) {
  double sum = 0;
  for (const auto& [name, logprob] : reading.logprobs) sum += logprob;
  return sum;
}

Timings sum_of(const Timings& a, const Timings& b) {
  Timings sum = a;
  sum.queue_ms += b.queue_ms;
  sum.image_ms += b.image_ms;
  sum.vision_ms += b.vision_ms;
  sum.prefill_ms += b.prefill_ms;
  sum.decode_ms += b.decode_ms;
  return sum;
}

}  // namespace

std::span<const int> turns_of(const tasks::Task& task, const image::Image& picture) {
  if (task.portrait && picture.width > picture.height) return kLying;
  return kAsItCame;
}

void keep_surer(std::optional<Reading>& best, Reading reading) {
  if (!best) {
    best = std::move(reading);
    return;
  }
  const Timings timings = sum_of(best->timings, reading.timings);
  if (!reading.error && (best->error || logprob_of(reading) > logprob_of(*best))) best = std::move(reading);
  best->timings = timings;
}

}  // namespace fovea::recognize
