#include "recognize/turns.h"

#include <utility>

namespace fovea::recognize {
namespace {

constexpr int kAsItCame[] = {1};
constexpr int kHalf = 3;
constexpr int kLying[] = {6, 8, 1};
constexpr int kStanding[] = {1, kHalf};

// What lies was turned on a guess, so any doubt tells. What stands is seldom upside down: it is read again
// where the first reading is rather wrong than right. At 0.9, twice as many second readings gain next to
// nothing.
constexpr double kDoubtBeforeHalf = 0.5;

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
  if (!task.portrait || picture.width == picture.height) return kAsItCame;
  if (picture.width > picture.height) return kLying;
  return kStanding;
}

double doubt_before(int turn) {
  return turn == kHalf ? kDoubtBeforeHalf : 1;
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
