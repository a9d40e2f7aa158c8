#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <utility>

#include "engine/request.h"

namespace fovea::recognize {

/// Who waits, taken out in the engine's order: the highest priority first, each priority in the order of
/// coming; waiting lifts to the next priority. The order before the engine must be the engine's own, or a
/// request that is to go first would wait here behind all others. For one thread at a time.
template <class T>
class PriorityLine {
 public:
  using Time = std::chrono::steady_clock::time_point;

  void push(T value, engine::Priority priority, Time now) {
    lines_[static_cast<std::size_t>(priority)].push_back({now, std::move(value)});
  }

  [[nodiscard]] bool empty() const {
    return std::ranges::all_of(lines_, [](const auto& line) { return line.empty(); });
  }

  /// The next one; there must be one.
  T pop(Time now) {
    // The first of a line has waited longest, so it is the highest of its line.
    std::deque<Waiting>* best = nullptr;
    std::pair<long, Time> best_place;
    for (std::size_t priority = 0; priority < lines_.size(); ++priority) {
      auto& line = lines_[priority];
      if (line.empty()) continue;
      const Time since = line.front().since;
      const std::pair<long, Time> place{
          engine::effective_class(static_cast<engine::Priority>(priority), now - since), since};
      if (best != nullptr && best_place <= place) continue;
      best = &line;
      best_place = place;
    }
    T value = std::move(best->front().value);
    best->pop_front();
    return value;
  }

 private:
  struct Waiting {
    Time since;
    T value;
  };
  std::array<std::deque<Waiting>, engine::kPriorities> lines_;
};

}  // namespace fovea::recognize
